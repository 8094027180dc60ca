"""A scenario and its topology are checked as one."""

import copy
from pathlib import Path
from typing import Any

import pytest

from planner.files import InputFaults
from planner.topology import load_question

WORKLOAD: dict[str, Any] = {
    "name": "chat",
    "llms": ["llama-3.1-8b"],
    "origins": {"eastus": 0.5, "japaneast": 0.5},
    "rate_rps": 4,
    "input_tokens": 1000,
    "output_tokens": 200,
    "slo": {"ttft_ms": 1000},
}

BOTH_WRONG = """\
topology: site.yaml
workloads:
  - name: chat
    llms: [llama-3.1-8b]
    rate_rps: -1
    input_tokens: 10
    output_tokens: 10
    slo: {ttft_ms: 100}
"""

SITE = """\
sites:
  - name: a
    region: eastus
    power: [{name: A, capacity_kw: 100}]
    racks:
      - {name: r, feeds: [A, X], power_kw: 10}
"""


def test_faults_of_scenario_and_topology_come_together(tmp_path: Path) -> None:
    """A negative rate in one file and a missing feed in the other."""
    (tmp_path / "scenario.yaml").write_text(BOTH_WRONG)
    (tmp_path / "site.yaml").write_text(SITE)
    with pytest.raises(InputFaults) as caught:
        load_question(tmp_path / "scenario.yaml")
    found = {(Path(fault.file).name, fault.line) for fault in caught.value.faults}
    assert found == {("scenario.yaml", 5), ("site.yaml", 6)}


def test_an_inline_topology_keeps_the_lines_of_the_scenario(tmp_path: Path) -> None:
    """Its faults point into the scenario file."""
    inline = BOTH_WRONG.replace("site.yaml", "\n" + "\n".join("  " + row for row in SITE.splitlines()))
    (tmp_path / "scenario.yaml").write_text(inline.replace("-1", "1"))
    with pytest.raises(InputFaults) as caught:
        load_question(tmp_path / "scenario.yaml")
    assert [(fault.line, fault.field) for fault in caught.value.faults] == [(7, "sites.a.racks.r.feeds[1]")]


def test_an_slo_below_the_speed_of_light_is_refused() -> None:
    """160 ms from Japan to the only site leave nothing of a first token within 100 ms."""
    workload = {**WORKLOAD, "slo": {"ttft_ms": 100}}
    with pytest.raises(InputFaults) as caught:
        load_question({"topology": "single-rack-h100", "workloads": [workload]})
    (fault,) = caught.value.faults
    assert fault.field == "workloads.chat.slo.ttft_ms"
    assert "from japaneast" in fault.found
    assert "iad1" in fault.found


def test_residency_decides_which_sites_count() -> None:
    """Only Dublin may serve; a region without any site is a fault of its own."""
    near = {**WORKLOAD, "origins": {"westeurope": 1}, "slo": {"ttft_ms": 15}}
    load_question({"topology": "two-site-h200", "workloads": [near]})
    with pytest.raises(InputFaults, match="dub1"):
        load_question({"topology": "two-site-h200", "workloads": [{**near, "regions": ["northeurope"]}]})
    with pytest.raises(InputFaults, match="only regions without a site"):
        load_question({"topology": "two-site-h200", "workloads": [{**near, "regions": ["eastus"]}]})


def test_rented_regions_become_places() -> None:
    """Offers by the hour add a boundless site per region to any topology."""
    rent = [
        {"instance": "p5en.48xlarge", "region": "eu-north-1"},
        {"accelerator": "h100-sxm", "usd_per_h": 2.5},
    ]
    question = load_question({"topology": "two-site-h200", "workloads": [WORKLOAD], "fleet": {"rent": rent}})
    assert [site.name for site in question.topology.sites] == ["ams1", "dub1", "cloud-eu-north-1", "cloud"]
    assert all(site.cloud for site in question.topology.sites[2:])
    assert question.topology.site("cloud").region == "any"


def test_a_cloud_without_offers_is_nowhere() -> None:
    """`topology: cloud` has only the places that are rented."""
    with pytest.raises(InputFaults, match=r"needs fleet\.rent"):
        load_question({"topology": "cloud", "workloads": [WORKLOAD]})


def test_an_unknown_topology_has_the_line_that_names_it(tmp_path: Path) -> None:
    """The advice offers the nearest shipped one."""
    (tmp_path / "s.yaml").write_text(BOTH_WRONG.replace("site.yaml", "two-site-h20").replace("-1", "1"))
    with pytest.raises(InputFaults) as caught:
        load_question(tmp_path / "s.yaml")
    (fault,) = caught.value.faults
    assert (fault.line, fault.field) == (1, "topology")
    assert "two-site-h200" in fault.advice


def test_changes_reach_the_topology_of_a_scenario() -> None:
    """`topology.sites...` from the command line, and a wrong one with its reason."""
    data = {"topology": "single-rack-h100", "workloads": [WORKLOAD]}
    question = load_question(data, ["topology.sites.iad1.grid_kw=*2"])
    assert question.topology.site("iad1").grid_kw == 150
    with pytest.raises(InputFaults, match="did you mean 'iad1'"):
        load_question(data, ["topology.sites.iad.grid_kw=1"])


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "examples").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_examples_load(path: Path) -> None:
    """Every scenario in examples/ is sound together with its topology."""
    if "workloads:" in path.read_text():
        question = load_question(path)
        assert question.scenario.name == path.stem
        assert question.topology.sites


def _places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside `data`."""
    entries: Any = ()
    if isinstance(data, dict):
        entries = data.items()
    elif isinstance(data, list):
        entries = enumerate(data)
    return [place for key, value in entries for place in [(*at, key), *_places(value, (*at, key))]]


@pytest.mark.parametrize("junk", [None, -1, "x", [], {"a": 1}, [[]]], ids=repr)
def test_no_input_makes_it_stumble(junk: Any, site: dict[str, Any]) -> None:
    """Whatever stands in any one place of a scenario, the answer is a question or faults."""
    good = {
        "topology": {"sites": [{**site, "region": "eastus"}]},
        "workloads": [WORKLOAD],
        "fleet": {"buy": ["dgx-h100"], "rent": [{"instance": "p5.48xlarge", "region": "us-east-1"}]},
        "objective": {"minimize": ["cost"]},
    }
    load_question(good)
    refused: list[InputFaults] = []
    for place in _places(good):
        data = copy.deepcopy(good)
        parent: Any = data
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = junk
        try:
            load_question(data)
        except InputFaults as error:
            refused.append(error)
    assert len(refused) > len(_places(good)) / 3
    assert all(str(fault) for error in refused for fault in error.faults)
