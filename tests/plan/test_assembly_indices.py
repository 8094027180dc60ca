"""Tables that are put together by lookup say the same as going through everything."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from benchmarks.scale.generator import instance
from planner.plan.assemble.failures import loops_needed, taken_whole
from planner.plan.assemble.mixes import mixes_key, rack_mixes
from planner.plan.assemble.offers import Offer, rack_offers, rent_offers
from planner.topology import Question, RackClass, build_graph, load_question, rack_classes, supply_shares
from planner.topology.nodes import Graph


def offered(scenario: dict[str, Any]) -> tuple[Question, Graph, list[RackClass], list[Offer]]:
    """Return a question, its graph, its rack classes and everything on offer."""
    question = load_question(scenario)
    graph = build_graph(question.topology, question.catalog)
    classes = rack_classes(graph)
    given = (graph, classes, question.scenario, question.catalog)
    offers = [*rack_offers(*given), *rent_offers(graph, question.scenario, question.catalog)]
    return question, graph, classes, offers


def mixed() -> dict[str, Any]:
    """Return an instance with racks on one feed, without redundancy, with standby, and rented units."""
    scenario = deepcopy(instance("S", 1))
    scenario["reliability"]["survive"] = ["feed", "cooling_loop", "site", "spot"]
    scenario["fleet"]["power_caps_w"] = {"dgx-h100": [500]}
    scenario["fleet"]["rent"] = [
        {
            "accelerator": "h100-sxm",
            "count": 8,
            "region": "eastus",
            "terms": "spot",
            "usd_per_h": 9,
            "max_count": 4,
        }
    ]
    for site in scenario["topology"]["sites"]:
        for block in site["blocks"]:
            block["racks"][0]["count"] = 3
            for number, (feeds, redundancy) in enumerate(
                ((["A"], "none"), (["A", "B"], "none"), (["A", "C"], "2N"))
            ):
                rack = {**block["racks"][0], "name": f"odd{number}", "feeds": feeds}
                block["racks"].append({**rack, "redundancy": redundancy, "count": 1})
            spare = {"name": "C", "level": "feed", "capacity_kw": 900, "parent": "ups-B", "standby": True}
            block["power"].append(spare)
    return scenario


def test_losses_take_what_their_definition_says():
    """A feed takes the racks that cannot run without it, a loop and a site what hangs on them."""
    question, graph, _, offers = offered(mixed())
    found = {(one.kind, one.place): one.offers for one in taken_whole(graph, question.scenario, offers)}

    def stops(offer: Offer, kind: str, place: str) -> bool:
        rack_class = offer.rack_class
        if kind == "site":
            return offer.site == place
        if rack_class is None:
            return kind == "spot" and offer.site == place
        if kind == "cooling_loop":
            return place in loops_needed(offer)
        before = supply_shares(graph, rack_class.feeds)
        after = supply_shares(graph, rack_class.feeds, place)
        return place in before and (rack_class.attributes["redundancy"] == "none" or not after)

    places = [
        *(("feed", n) for n, about in graph.nodes(data=True) if about.get("level") == "feed"),
        *(("cooling_loop", n) for n, about in graph.nodes(data=True) if about["kind"] == "cooling"),
        *(("site", n) for n, about in graph.nodes(data=True) if about["kind"] == "site"),
        *(("spot", offer.site) for offer in offers if offer.origin == "rent"),
    ]
    expected = {
        (kind, place): lost
        for kind, place in places
        if (lost := tuple(j for j, offer in enumerate(offers) if stops(offer, kind, place)))
    }
    assert list(found.items()) == list(expected.items())
    assert {kind for kind, _ in found} == {"feed", "cooling_loop", "site", "spot"}


def test_a_class_has_the_same_offers_alone():
    """What a server uses is looked up once for each site, whatever the class."""
    question, graph, classes, offers = offered(mixed())
    scenario, catalog = question.scenario, question.catalog
    alone = [offer for one in classes for offer in rack_offers(graph, [one], scenario, catalog)]
    assert alone == [offer for offer in offers if offer.rack_class is not None]
    assert len({offer.name for offer in offers}) == len(offers)


def test_classes_with_equal_keys_have_equal_mixes():
    """The key holds all that mixes follow from."""
    _, _, classes, offers = offered(mixed())
    known: dict[object, object] = {}
    for rack_class in classes:
        here = [offer for offer in offers if offer.rack_class is rack_class]
        mixes = rack_mixes(rack_class, here)
        assert known.setdefault(mixes_key(rack_class, here), mixes) == mixes
    assert 1 < len(known) < len(classes)
