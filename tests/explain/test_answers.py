"""Why not, what else, what changed, what a replica waits for: answers that can be worked out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import planner
from planner.catalog import load_catalog
from planner.cli import app
from planner.explain.alternatives import alternatives, figures
from planner.explain.changes import diff
from planner.explain.rebuild import rebuild
from planner.explain.roofline import read_shape, roofline
from planner.explain.why_not import Choice, why_not
from planner.performance.shape import Shape
from planner.plan.types import Plan
from tests.plan.infeasible_questions import BOX, PHYSICS, TABLE, chat, crafted, two_sites

OWN_ROOM = {"racks": [{"name": "r", "count": 4, "power_kw": 44, "slots": 4}]}
TWO_PRICES = {
    "topology": two_sites({"electricity_usd_per_kwh": 0.2}, electricity_usd_per_kwh=0.19, grid_kw=14),
    "workloads": chat(rate_rps=230),
}
"""Three servers: one fits where electricity is a cent cheaper, the others do not."""


def solved(folder: Path, base: dict[str, Any] = TABLE, **changes: Any) -> Plan:
    """Solve a crafted question."""
    return planner.solve(crafted(folder, base, **changes))


def test_one_more_server_costs_what_a_server_costs(tmp_path):
    """100 requests/s need two servers of 80; a third that idles adds its own cost and nothing else."""
    plan = solved(tmp_path)
    found = why_not(plan, Choice(server="dgx-h100", count=3))
    each = rebuild(plan).assembly.offers[0].cost / 1e6
    assert found.verdict == "costs"
    assert found.change == pytest.approx(each, rel=1e-6)
    assert found.certainly is not None
    assert found.certainly[0] <= found.change + 1e-9
    assert sum(after - before for _, before, after in found.differences) == 1


def test_one_server_less_is_forbidden_by_the_demand(tmp_path):
    """One server carries 80 of 100 requests/s: the promise in the way is named."""
    found = why_not(solved(tmp_path), Choice(server="dgx-h100", count=1))
    assert found.verdict == "forbidden"
    assert any("100 requests/s must be served" in reason for reason in found.reasons)


def test_a_limit_forbids_what_it_leaves_no_room_for(tmp_path):
    """Two servers are allowed; a third is not."""
    found = why_not(solved(tmp_path, limits={"servers": 2}), Choice(site="ams", count=3))
    assert found.verdict == "forbidden"
    assert any("servers/total" in reason for reason in found.reasons)


def test_what_the_plan_does_already_is_said(tmp_path):
    """It has two servers: why not two is no question."""
    assert why_not(solved(tmp_path), Choice(server="dgx-h100", count=2)).verdict == "already"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(accelerator="b200-sxm"), "fleet.buy"),
        (Choice(site="mars"), "no site mars"),
        (Choice(server="dgx-b200"), "dgx-b200"),
        (Choice(llm="other", accelerator="h100-sxm"), "no workload may be answered by other"),
        (Choice(tp=3), "planner shapes"),
    ],
)
def test_what_is_not_offered_is_told_apart(choice, words, tmp_path):
    """Each part of a choice that the question does not hold has its own answer."""
    found = why_not(solved(tmp_path), choice)
    assert found.verdict == "impossible"
    assert words in found.text


def test_a_dominated_shape_names_what_beats_it(tmp_path):
    """An 8B model over eight accelerators carries less than eight replicas on one each."""
    found = why_not(solved(tmp_path, PHYSICS), Choice(llm="llama-3.1-8b", tp=8))
    assert found.verdict == "dominated"
    assert "is beaten by" in found.text


def test_nothing_asked_is_an_error(tmp_path):
    """A choice without any field has no answer."""
    with pytest.raises(ValueError, match="say what"):
        why_not(solved(tmp_path), Choice(count=3))


def test_alternatives_hold_and_stay_within_the_share(tmp_path):
    """Every alternative verifies, costs at most the share more, and has no more of what it minimizes."""
    plan = solved(tmp_path, **TWO_PRICES)
    found = {one.wish: one for one in alternatives(plan, within=0.05, seconds_each=5)}
    assert {"fewest sites", "least power", "fewest moves", "least capex"} <= set(found)
    for one in found.values():
        assert one.verified
        assert planner.verify(one.plan) == []
        assert one.change_share <= 0.05 + 1e-9
        assert one.amount <= one.base + 1e-6
        assert one.plan.cost.total == pytest.approx(one.objective, abs=1e-5)
    assert figures(plan)["sites"] == 2
    assert found["fewest sites"].proven
    assert figures(found["fewest sites"].plan)["sites"] == 1


def test_no_cheaper_kind_of_boxes_is_kept_where_one_kind_will_do(tmp_path):
    """A box and servers: with one kind of accelerator the plan is a little dearer."""
    rent = {"rent": [{**BOX, "usd_per_h": 0.05, "max_count": 6}]}
    plan = solved(tmp_path, fleet=rent, workloads=chat(rate_rps=100))
    assert figures(plan)["accelerator_types"] == 2
    found = {one.wish: one for one in alternatives(plan, within=1.0, seconds_each=5)}
    one = found["fewest accelerator types"]
    assert (one.base, one.amount) == (2, 1)
    assert figures(one.plan)["accelerator_types"] == 1


def test_changes_add_up_to_the_difference_of_costs(tmp_path):
    """More traffic, dearer servers: amounts and prices explain the whole difference."""
    first = solved(tmp_path)
    second = solved(tmp_path, workloads=chat(rate_rps=250), fleet={"prices_usd": {"dgx-h100": 330_000}})
    found = diff(first, second)
    assert not found.same_question
    total = sum(change.change for change in found.changes)
    assert total == pytest.approx(second.cost.total - first.cost.total, abs=1e-4)
    servers = next(change for change in found.changes if change.part == "servers")
    assert (servers.before, servers.after) == (2, 4)
    assert servers.by_amount > 0
    assert servers.by_price > 0


def test_a_plan_differs_from_itself_in_nothing(tmp_path):
    """No change, no figure, no replica."""
    plan = solved(tmp_path)
    found = diff(plan, plan)
    assert found.same_question
    assert (found.changes, found.by_part, found.figures, found.replicas) == ((), (), (), ())


SHAPE = Shape("llama-3.3-70b", "h200-sxm", "vllm", tp=2, weights="fp8")


def test_decoding_few_waits_for_memory_and_long_prompts_for_arithmetic():
    """The roofline's two ends, and memory that adds up to what the accelerator has."""
    catalog = load_catalog()
    found = roofline(catalog, SHAPE.llm, SHAPE, server="dgx-h200", concurrency=1, input_tokens=8000)
    decode, prefill = found.phases
    assert (decode.waits_for, prefill.waits_for) == ("HBM", "compute")
    for phase in found.phases:
        assert all(0 <= saved < phase.total_ms for saved in phase.saved_ms.values())
        assert 0 < phase.host_ms < phase.total_ms
    assert sum(found.memory_gb.values()) == pytest.approx(
        catalog.accelerators["h200-sxm"].memory_bytes / 1e9, rel=1e-6
    )


def test_one_accelerator_waits_for_no_links():
    """Without tensor parallelism nothing crosses a wire."""
    alone = Shape("llama-3.1-8b", "h100-sxm", "vllm")
    for phase in roofline(load_catalog(), alone.llm, alone).phases:
        assert phase.saved_ms["links"] == pytest.approx(0, abs=1e-9)


def test_a_shape_that_does_not_fit_says_so():
    """405B in bf16 on one H100: the refusal of the model, no phases."""
    large = Shape("llama-3.1-405b", "h100-sxm", "vllm")
    found = roofline(load_catalog(), large.llm, large)
    assert not found.fits
    assert "does not fit" in found.refusal
    assert found.phases == ()


@pytest.mark.parametrize(
    "shape",
    [
        SHAPE,
        Shape("meta-llama/Llama-3.1-8B", "h100-sxm", "sglang", tp=4, pp=2, weights="bf16"),
        Shape("deepseek-v3", "gb200", "vllm", tp=1, dp=8, ep=8, weights="fp4", kv_cache="fp8", role="decode"),
        Shape("llama-3.1-8b", "h100-sxm", "vllm", power_cap_w=500),
    ],
)
def test_names_of_shapes_are_read_back(shape):
    """What plans and `planner shapes` print is understood."""
    assert read_shape(shape.name) == shape


@pytest.mark.parametrize("name", ["llama", "llama/h100/tp2", "a/b/c/tp2", "a/b/c/tpx/fp8-kvbf16"])
def test_what_is_no_shape_is_refused(name):
    """With the way to write one."""
    with pytest.raises(ValueError, match="planner shapes"):
        read_shape(name)


def test_every_command_answers_in_text_and_json(tmp_path):
    """explain, why-not, alternatives, diff, explain --shape."""
    solved(tmp_path, **TWO_PRICES).save(tmp_path / "plan.json")
    for words in (
        ["explain", str(tmp_path), "--whole", "0", "--report", str(tmp_path / "report.html")],
        ["why-not", str(tmp_path), "--site", "dub", "--count", "0"],
        ["alternatives", str(tmp_path), "--time-limit-s", "2", "-o", str(tmp_path / "others")],
        ["diff", str(tmp_path), str(tmp_path)],
        ["explain", "--shape", SHAPE.name],
    ):
        text = CliRunner().invoke(app, words)
        assert text.exit_code == 0, text.output
        assert text.output.strip()
        told = CliRunner().invoke(app, [*words, "--json"])
        assert told.exit_code == 0
        json.loads(told.stdout)
    page = (tmp_path / "report.html").read_text()
    assert "What holds it back" in page
    assert "sites.dub.grid_kw" in page
    assert Plan.load(tmp_path / "others" / "fewest-sites" / "plan.json").servers
