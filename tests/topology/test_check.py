"""Every structural fault is found, with its line, together with all others."""

from typing import Any

import pytest

from planner.catalog import Catalog
from planner.files import Document
from planner.files.document import parse_document
from planner.topology import check, load_topology, topology_faults

BROKEN = """\
sites:
  - name: a
    region: westurope
    power:
      - {name: grid, level: utility, capacity_kw: -5, parent: A}
      - {name: A, capacity_kw: 200, parent: grid}
      - {name: B, capacity_kw: 200, parent: gird}
    cooling:
      - {name: crah, medium: air, unit_kw: 100, units: 3}
    racks:
      - {name: r, feeds: [A, C], power_kw: 44, air_loop: cra, servers: {dgx-h1000: 1}}
      - {name: orphan, power_kw: 10}
      - {name: wet, power_kw: 10, feeds: [A, B], air_loop: crah, liquid_loop: crah, colour: red}
wan:
  - {between: [a, b]}
"""


def test_all_faults_of_a_file_are_told_together() -> None:
    """Names, cycles, orphans, numbers and unknown fields in one answer, each with its line."""
    document = parse_document(BROKEN, name="broken.yaml")
    faults = {(fault.line, fault.field) for fault in check(document)}
    assert faults == {
        (3, "sites.a.region"),
        (5, "sites.a.power.grid.capacity_kw"),
        (5, "sites.a.power.grid.parent"),
        (6, "sites.a.power.A.parent"),
        (7, "sites.a.power.B.parent"),
        (11, "sites.a.racks.r.feeds[1]"),
        (11, "sites.a.racks.r.air_loop"),
        (11, "sites.a.racks.r.servers.dgx-h1000"),
        (12, "sites.a.racks.orphan.feeds"),
        (12, "sites.a.racks.orphan.air_loop"),
        (13, "sites.a.racks.wet.liquid_loop"),
        (13, "sites.a.racks.wet.colour"),
        (15, "wan[0].between[1]"),
        (15, "wan[0].bandwidth_gb_s"),
    }


def test_advice_names_what_is_near() -> None:
    """Misspelled names are answered with the right ones."""
    texts = " ".join(str(fault) for fault in check(parse_document(BROKEN)))
    for near in ("'westeurope'", "'grid'", "'crah'", "'dgx-h100'"):
        assert f"did you mean {near}" in texts or f"or {near}" in texts
    assert "the feed 'C', which does not exist" in texts
    assert "a cycle" in texts


def only(site: dict[str, Any], catalog: Catalog) -> tuple[str, str]:
    """Return field and text of the one fault of a site."""
    faults = check({"sites": [site]}, catalog)
    assert len(faults) == 1, [str(fault) for fault in faults]
    return faults[0].field, str(faults[0])


def test_a_sound_site_has_no_fault(site: dict[str, Any], catalog: Catalog) -> None:
    """The fixture itself."""
    assert check({"sites": [site]}, catalog) == []
    assert check(load_topology({"sites": [site]}, catalog), catalog) == []


def test_a_feed_must_carry_its_racks(site: dict[str, Any], catalog: Catalog) -> None:
    """Three racks of 44 kW need 132 kW on each side: 150 x 0.8 = 120 is too little."""
    site["power"][1]["capacity_kw"] = 150
    field, text = only(site, catalog)
    assert field == "sites.a.power.A.capacity_kw"
    assert "120 kW usable" in text
    assert "132 kW" in text
    site["power"][1]["diversity"] = 1.1
    assert check({"sites": [site]}, catalog) == []


def test_existing_servers_must_be_carried_whatever_the_diversity(
    site: dict[str, Any], catalog: Catalog
) -> None:
    """Six DGX H100 are rated 61.2 kW; 60 kW usable cannot carry them."""
    site["power"][2].update(capacity_kw=75, diversity=9)
    field, text = only(site, catalog)
    assert field == "sites.a.power.B.capacity_kw"
    assert "after the loss of a-A" in text


def test_a_child_may_not_be_larger_than_its_parent(site: dict[str, Any], catalog: Catalog) -> None:
    """A feed of 600 kW on a utility line of 500."""
    site["power"][1]["capacity_kw"] = 600
    assert only(site, catalog)[0] == "sites.a.power.A.capacity_kw"


def test_a_loop_must_take_the_heat_of_its_racks(site: dict[str, Any], catalog: Catalog) -> None:
    """Two units of 60 kW at 95 % take 114 kW of the 132."""
    site["cooling"][0]["unit_kw"] = 60
    field, text = only(site, catalog)
    assert field == "sites.a.cooling.crah.unit_kw"
    assert "114 kW usable" in text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"height_u": 12}, "height_u"),
        ({"slots": 1}, "slots"),
        ({"weight_kg": 200}, "weight_kg"),
        ({"power_kw": 20, "air_kw": 44}, "power_kw"),
        ({"air_kw": 20}, "air_kw"),
        ({"servers": {"mi355x-8-dlc": 1}}, "servers"),
        ({"feeds": ["A"]}, "feeds"),
        ({"feeds": ["A", "A"]}, "feeds[1]"),
        ({"liquid_kw": 10}, "liquid_kw"),
        ({"fabric_domain": "g"}, "fabric_domain"),
    ],
)
def test_a_rack_must_hold_what_stands_in_it(
    change: dict[str, Any], field: str, site: dict[str, Any], catalog: Catalog
) -> None:
    """Each limit of a rack, and each way of feeding it wrong, is one fault at that field."""
    site["racks"][0].update(change)
    assert only(site, catalog)[0] == f"sites.a.racks.r.{field}"


def test_two_sides_must_not_meet(site: dict[str, Any], catalog: Catalog) -> None:
    """Feeds A and B under one UPS fail together."""
    site["power"].insert(1, {"name": "ups", "level": "ups", "capacity_kw": 400, "parent": "grid"})
    for node in site["power"][2:]:
        node["parent"] = "ups"
    assert "feeds that meet in a-ups" in only(site, catalog)[1]


def test_the_grid_contract_counts_cooling(site: dict[str, Any], catalog: Catalog) -> None:
    """61.2 kW of servers draw 82.6 kW at a PUE of 1.35."""
    site["grid_kw"] = 80
    field, text = only(site, catalog)
    assert field == "sites.a.grid_kw"
    assert "82.62 kW" in text


def test_several_fabrics_ask_which(site: dict[str, Any], catalog: Catalog) -> None:
    """With two fabric domains, racks must say theirs."""
    site["fabric_domains"].append({"name": "g"})
    assert only(site, catalog)[0] == "sites.a.racks.r.fabric_domain"


def test_names_may_not_collide(site: dict[str, Any], catalog: Catalog) -> None:
    """Two things of one name cannot be told apart in a plan."""
    site["cooling"][0]["name"] = "A"
    site["racks"][0]["air_loop"] = "A"
    assert only(site, catalog)[0] == "sites.a.cooling.A.name"


def test_an_unknown_topology_is_answered_with_near_ones() -> None:
    """A misspelled name, and a path that is not there."""
    assert "did you mean 'two-site-h200'" in str(topology_faults("two-sites-h200")[0])
    assert "no such file" in str(topology_faults("nowhere/t.yaml")[0])


def test_changes_reach_the_topology(catalog: Catalog) -> None:
    """`path=value` changes apply before the check."""
    topology = load_topology("two-site-h200", catalog, changes=["sites.ams1.grid_kw=*0.5"])
    assert topology.site("ams1").grid_kw == 450
    faults = topology_faults("two-site-h200", catalog, ["sites.ams1.racks.old.feeds=[A, X]"])
    assert "the feed 'X'" in str(faults[0])


def test_counts_beyond_measure_are_refused(site: dict[str, Any], catalog: Catalog) -> None:
    """A slip in a count is a fault, not a full memory; the product of counts is looked at too."""
    site["racks"][0]["count"] = 10**9
    assert only(site, catalog)[0] == "sites.a.racks.r.count"
    site["racks"][0]["count"] = 50_000
    site["blocks"] = [{"name": "b", "count": 50, "racks": [site.pop("racks")[0]]}]
    assert "at most 300,000 at a site" in only(site, catalog)[1]


def test_links_beyond_measure_are_refused(site: dict[str, Any], catalog: Catalog) -> None:
    """A thousand racks on a thousand leaves would be a million cables."""
    site["fabric_domains"][0].update(leaves=1024, spines=1024)
    assert "1,051,648 links" in only(site, catalog)[1]


STAGES = """\
sites:
  - name: a
    region: westurope
    power:
      - {name: grid, level: utility, capacity_kw: 100}
      - {name: A, capacity_kw: 200, parent: grid}
      - {name: B, capacity_kw: 200, parent: gird}
    cooling:
      - {name: crah, medium: air, unit_kw: 100, units: 3}
    fabric_domains: [{name: f}, {name: g}]
    racks:
      - {name: r, feeds: [A, C], power_kw: 44, air_loop: crah, fabric_domain: f}
      - {name: which, feeds: [A, B], power_kw: 44, air_loop: crah}
      - {name: typo, feeds: [A, B], power_kw: much, air_loop: crah, fabric_domain: f}
      - name: hungry
        feeds: [A, B]
        power_kw: 4
        air_kw: 10.2
        air_loop: crah
        fabric_domain: f
        servers: {dgx-h100: 1}
  - {name: b, region: us-east-1}
wan:
  - {between: [a, b], bandwidth_gb_s: 1}
  - {between: [b, a], bandwidth_gb_s: 1}
  - {between: [b, c]}
"""


def test_no_stage_of_the_check_hides_the_next() -> None:
    """Wrong names, wrong numbers, ambiguous fabrics, too little power: one answer, with the file's lines."""
    faults = {(fault.line, fault.field) for fault in check(parse_document(STAGES, name="stages.yaml"))}
    assert faults == {
        (3, "sites.a.region"),
        (6, "sites.a.power.A.capacity_kw"),
        (7, "sites.a.power.B.parent"),
        (12, "sites.a.racks.r.feeds[1]"),
        (13, "sites.a.racks.which.fabric_domain"),
        (14, "sites.a.racks.typo.power_kw"),
        (17, "sites.a.racks.hungry.power_kw"),
        (25, "wan[1].between"),
        (26, "wan[2].between[1]"),
        (26, "wan[2].bandwidth_gb_s"),
    }


def test_entries_left_out_bring_no_faults_of_their_own(site: dict[str, Any], catalog: Catalog) -> None:
    """A feed without its capacity is one fault, not one for each rack that hangs on it."""
    del site["power"][1]["capacity_kw"]
    assert only(site, catalog)[0] == "sites.a.power.A.capacity_kw"


@pytest.mark.parametrize(
    "broken", [[], "x", None, {"sites": 3}, {"sites": [3]}, {"wan": {}}, {"sites": [{}]}]
)
def test_what_is_no_topology_is_a_fault(broken: Any) -> None:
    """Lists, text and numbers where mappings belong: words, not crashes."""
    assert check(Document(broken, name="t.yaml"))


def test_two_links_between_the_same_sites_are_a_fault(site: dict[str, Any], catalog: Catalog) -> None:
    """In either order; the second is named and the first is shown."""
    sites = [site, {"name": "b", "region": "us-east-1"}]
    link = {"between": ["a", "b"], "bandwidth_gb_s": 1}
    assert check({"sites": sites, "wan": [link]}, catalog) == []
    (fault,) = check({"sites": sites, "wan": [link, {**link, "between": ["b", "a"]}]}, catalog)
    assert fault.field == "wan[1].between"
    assert "a second link between 'b' and 'a' (the first: wan[0])" in fault.found
