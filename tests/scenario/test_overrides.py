"""Changes from the command line reach the field they name, or say why not."""

import pytest

from planner.files import InputFaults
from planner.scenario.overrides import apply_overrides, split_topology_overrides

DATA = {
    "limits": {"grid_kw": 1000.0, "servers": 10},
    "workloads": [{"name": "chat", "rate_rps": 40}, {"name": "gpt-4.1", "rate_rps": 1}],
}


def test_values_are_set_scaled_and_shifted() -> None:
    """A number, a factor and a shift; the original is left alone."""
    changed = apply_overrides(
        DATA, ["workloads.chat.rate_rps=50", "limits.grid_kw=*0.9", "limits.servers=+2"]
    )
    assert changed["workloads"][0]["rate_rps"] == 50
    assert changed["limits"] == {"grid_kw": 900.0, "servers": 12}
    assert DATA["limits"]["grid_kw"] == 1000.0


def test_names_with_dots_and_indices_are_found() -> None:
    """The longest known name wins; entries can be counted too."""
    changed = apply_overrides(DATA, ["workloads.gpt-4.1.rate_rps=3", "workloads[0].rate_rps=*2"])
    assert [w["rate_rps"] for w in changed["workloads"]] == [80, 3]


def test_a_field_that_is_not_there_yet_is_added() -> None:
    """Optional fields can be set from the command line, as YAML."""
    changed = apply_overrides(DATA, ["limits.capex_usd=20e6", "workloads.chat.llms=[a, b]"])
    assert changed["limits"]["capex_usd"] == 20e6
    assert changed["workloads"][0]["llms"] == ["a", "b"]


def test_a_whole_branch_that_is_not_there_yet_is_added() -> None:
    """A price can be stated where the file has no prices; a second one joins it."""
    changed = apply_overrides(DATA, ["fleet.prices_usd.dgx-b200=4e5", "fleet.prices_usd.dgx-h200=3e5"])
    assert changed["fleet"] == {"prices_usd": {"dgx-b200": 4e5, "dgx-h200": 3e5}}


def test_an_empty_value_removes() -> None:
    """`path=` takes a limit away."""
    assert "grid_kw" not in apply_overrides(DATA, ["limits.grid_kw="])["limits"]


def test_every_wrong_change_is_told_with_advice() -> None:
    """No equals sign, a misspelled name, and scaling what is not there, all at once."""
    with pytest.raises(InputFaults) as caught:
        apply_overrides(
            DATA, ["limits", "workloads.chatt.rate_rps=1", "limits.capex_usd=*2", "limits.servers=*x"]
        )
    texts = [str(fault) for fault in caught.value.faults]
    assert len(texts) == 4
    assert "path=value" in texts[0]
    assert "did you mean 'chat'?" in texts[1]
    assert "a number to scale" in texts[2]
    assert "*factor" in texts[3]


def test_changes_of_the_topology_are_kept_apart_unless_it_is_inline() -> None:
    """`topology.x=...` belongs to the topology file when there is one."""
    changes = ["topology.sites.ams1.grid_kw=900", "limits.grid_kw=1"]
    own, other = split_topology_overrides({"topology": "two-site-h200"}, changes)
    assert (own, other) == (["limits.grid_kw=1"], ["sites.ams1.grid_kw=900"])
    own, other = split_topology_overrides({"topology": {"sites": []}}, changes)
    assert (own, other) == (changes, [])
