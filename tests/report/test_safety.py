"""A report needs nothing from outside, and what users write never becomes markup."""

from __future__ import annotations

import re
from typing import Any

from planner.plan.types import Plan
from planner.report import report_html
from planner.report.html import TEMPLATES, content_security_hash
from tests.plan.tiny import full_plan
from tests.report.pages import Page

EVIL = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>&lt;{{ 7*7 }}"


def test_nothing_is_fetched():
    """No address, no import, no picture, font, frame or script from elsewhere."""
    html = report_html(full_plan())
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert "url(" not in html
    for tag, attributes in Page(html).tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "image", "use")
        assert "src" not in attributes
        target = attributes.get("href")
        assert target is None or target.startswith("#")


def test_the_page_forbids_what_it_does_not_need():
    """Its policy allows its own script and no other, and nothing from elsewhere."""
    html = report_html(full_plan())
    policy = next(a["content"] for t, a in Page(html).tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert "default-src 'none'" in policy
    script = re.search(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert script is not None
    assert content_security_hash(script[1]) in policy
    assert script[1] == (TEMPLATES / "script.js").read_text(encoding="utf-8")


def poisoned(data: Any) -> Any:
    """Return plan data in which every text that people or other programs chose is hostile."""
    if isinstance(data, dict):
        return {key: poisoned(value) for key, value in data.items()}
    if isinstance(data, list):
        return [poisoned(value) for value in data]
    return data + EVIL if isinstance(data, str) else data


def hostile_plan() -> Plan:
    plan = full_plan()
    data = plan.model_dump(mode="json")
    kept = {"scenario", "topology", "status"}
    hostile = {key: value if key in kept else poisoned(value) for key, value in data.items()}
    for before, after in zip(data["servers"], hostile["servers"], strict=True):
        after["origin"] = before["origin"]
    for before, after in zip(data["replicas"], hostile["replicas"], strict=True):
        after["shape"]["role"] = before["shape"]["role"]
        after["placements"] = [
            [f"{text.rpartition(':')[0]}{EVIL}:{text.rpartition(':')[2]}" for text in slices]
            for slices in before["placements"]
        ]
    hostile["scenario"]["name"] += EVIL
    hostile["solver"] = {EVIL: EVIL, "stages": [{"stage": EVIL, "seconds": 1.0, "status": EVIL}]}
    hostile["provenance"] = {EVIL: EVIL}
    return Plan.model_validate(hostile)


def test_hostile_names_stay_text():
    """No element and no attribute comes out of a name; the name itself can be read."""
    page = Page(report_html(hostile_plan()))
    assert page.faults == []
    assert page.count("script") == 1
    assert page.count("img") == 0
    assert not [
        attributes for _, attributes in page.tags if any(name.startswith("on") for name in attributes)
    ]
    assert "tiny" + EVIL in page.text


def test_hostile_names_are_still_drawn():
    """Racks and servers that the topology does not know are drawn all the same."""
    page = Page(report_html(hostile_plan()))
    assert "ams-new" + EVIL in page.text
    assert page.count("svg") > 10
