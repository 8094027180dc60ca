"""What was timed once is not timed again, and is the same as timed anew."""

from __future__ import annotations

from typing import Any

import pytest

from planner.performance import latency, load_model
from planner.performance.service import LatencyObjective, service_columns
from planner.plan.assemble import assemble
from planner.shapes import Timings
from planner.shapes.first_look import saturated_rps
from planner.shapes.menu import request_profile
from planner.topology import Question, load_question


def asked(tpot_ms: float = 50, rate_rps: float = 20) -> Question:
    return load_question(
        {
            "name": "again",
            "topology": "cloud",
            "workloads": [
                {
                    "name": "chat",
                    "llms": ["llama-3.1-8b"],
                    "rate_rps": rate_rps,
                    "origins": {"westeurope": 1.0},
                    "input_tokens": {"mean": 900},
                    "output_tokens": {"mean": 200},
                    "slo": {"ttft_ms": 2000, "tpot_ms": tpot_ms, "percentile": 99},
                }
            ],
            "fleet": {"rent": [{"instance": "p5.48xlarge", "region": "us-east-1", "max_count": 2}]},
        }
    )


def test_a_change_that_leaves_times_as_they_were_predicts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    timings = Timings()
    first = assemble(asked(), timings)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a replica was looked at again")

    monkeypatch.setattr(latency, "load_model", refuse)
    monkeypatch.setattr("planner.shapes.first_look.load_model", refuse)
    again = assemble(asked(rate_rps=22), timings)
    assert [pool.awake_w for pool in again.pools] == [pool.awake_w for pool in first.pools]
    with pytest.raises(AssertionError, match="looked at again"):
        assemble(asked(rate_rps=22), Timings())


def test_another_objective_reads_what_was_predicted_and_finds_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timings = Timings()
    assemble(asked(), timings)
    predicted: list[object] = []
    model = load_model.load_model

    def counted(*given: Any) -> Any:
        predicted.append(given)
        return model(*given)

    monkeypatch.setattr(latency, "load_model", counted)
    tighter = assemble(asked(tpot_ms=45), timings)
    shared = len(predicted)
    predicted.clear()
    alone = assemble(asked(tpot_ms=45), Timings())
    assert [pool.entry.columns for pool in tighter.pools] == [pool.entry.columns for pool in alone.pools]
    assert [pool.awake_w for pool in tighter.pools] == [pool.awake_w for pool in alone.pools]
    assert shared < len(predicted) / 2


def test_rates_under_one_objective_after_the_other_are_those_under_all() -> None:
    pools = assemble(asked()).pools
    replicas = [pool.entry.replica for pool in pools if pool.entry.replica is not None][:4]
    statistics = request_profile(asked().scenario.workloads[0])
    objectives = [
        LatencyObjective(2000, 50, None, 99),
        LatencyObjective(500, 25, None, 99),
        LatencyObjective(500, None, 9000, 95),
        LatencyObjective(None, 30, None, None),
    ]
    timings = Timings()
    for objective in objectives:
        found = timings.columns(replicas, statistics, [objective])
        assert found == service_columns(replicas, statistics, [objective])
    assert timings.columns(replicas, statistics, objectives) == service_columns(
        replicas, statistics, objectives
    )
    assert timings.saturated_rps(replicas, statistics) == [saturated_rps(r, statistics) for r in replicas]
