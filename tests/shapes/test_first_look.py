"""Shapes that are not timed could not have been of use."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from planner.plan.assemble import assemble
from planner.shapes.first_look import MARGIN, Beaten, time_in_waves
from planner.topology import load_question


def looked_at(
    ceilings: list[float], rates: dict[int, float], sizes: list[int]
) -> tuple[list[int], list[Beaten]]:
    """Run one group whose candidates have these ceilings, and these rates once they are timed."""
    timed: list[int] = []
    beaten = time_in_waves(
        {"group": list(range(len(sizes)))},
        sizes,
        [{"chat": ceiling} for ceiling in ceilings],
        timed.extend,
        lambda index, name: rates[index],
    )
    return timed, beaten


def test_a_shape_below_the_sure_rate_of_another_is_not_timed() -> None:
    timed, beaten = looked_at([10, 9, 9, 9, 12, 50], {0: 8, 1: 1, 2: 1, 3: 1}, [1, 1, 1, 1, 2, 8])
    assert sorted(timed) == [0, 1, 2, 3]
    assert [(b.loser, b.winner, b.copies) for b in beaten] == [(5, 0, 8), (4, 0, 2)]
    assert beaten[0].ratio == pytest.approx(64 / 50)


def test_a_shape_that_could_be_better_is_timed() -> None:
    just = 16 / MARGIN + 0.1  # two copies serve 16: not enough by the margin
    timed, beaten = looked_at([10, 9, 9, 9, just], dict.fromkeys(range(5), 8), [1, 1, 1, 1, 2])
    assert 4 in timed
    assert not beaten


def test_copies_must_fit_where_the_shape_stood() -> None:
    timed, beaten = looked_at([20, 19, 19, 19, 5], dict.fromkeys(range(5), 18), [2, 2, 2, 2, 3])
    assert 4 in timed
    assert not beaten


@pytest.mark.parametrize("goal", ["cost"])
def test_the_menu_is_the_same_with_and_without_the_first_look(
    goal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = {
        "name": "look",
        "topology": "cloud",
        "workloads": [
            {
                "name": "chat",
                "llms": ["llama-3.1-8b"],
                "rate_rps": 20,
                "input_tokens": {"mean": 800},
                "output_tokens": {"mean": 150},
                "slo": {"ttft_ms": 1000, "tpot_ms": 40, "percentile": 99},
            }
        ],
        "fleet": {"rent": [{"accelerator": "h100-sxm", "count": 8, "usd_per_h": 20.0}]},
        "objective": {"minimize": goal},
    }
    question = load_question(scenario)
    quick = assemble(question).offering.menu
    monkeypatch.setattr("planner.plan.assemble.serving.PRICED_GOALS", set())
    slow = assemble(question).offering.menu
    assert [(asdict(e.shape), e.columns) for e in quick.entries] == [
        (asdict(e.shape), e.columns) for e in slow.entries
    ]
    assert any(not reason.timed for reason in quick.dominated)
    assert all(reason.timed for reason in slow.dominated)
    assert {r.shape for r in quick.dominated} | {e.shape for e in quick.useless} == {
        r.shape for r in slow.dominated
    } | {e.shape for e in slow.useless}
