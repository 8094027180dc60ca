"""Large plans: the report stays small, and equal racks are one picture."""

from __future__ import annotations

from planner.plan.types import Plan
from planner.report import report_html
from tests.report.big import big_plan
from tests.report.pages import Page

MOST_BYTES = 3_000_000


def regular(plan: Plan) -> Plan:
    """Return the plan with the same replicas on every server: eight of one accelerator."""
    by_domain: dict[str, list[str]] = {}
    for server in plan.servers:
        by_domain.setdefault(str(server.fabric_domain), []).append(server.name)
    plan.replicas = [
        plan.replicas[0].model_copy(
            update={
                "fabric_domain": domain,
                "count": 8 * len(servers),
                "placements": [[f"{name}:{n}-{n}"] for name in servers for n in range(8)],
                "shape": plan.replicas[0].shape.model_copy(update={"tp": 1}),
            }
        )
        for domain, servers in by_domain.items()
    ]
    plan.ledgers.power = [
        row.model_copy(update={"used": 40_800.0}) if row.name.startswith("power/rack") else row
        for row in plan.ledgers.power
    ]
    return plan


def test_ten_thousand_accelerators_all_different_stay_below_three_megabytes():
    """Every one of 320 racks is drawn, and the file can still be mailed."""
    plan = big_plan()
    assert plan.metrics.accelerators == 10_240
    html = report_html(plan)
    assert len(html.encode("utf-8")) < MOST_BYTES
    assert Page(html).faults == []
    assert html.count('class="rack"') == 320


def test_equal_racks_are_drawn_once_with_their_count():
    """320 racks that look the same are one picture and one row, and all of them are named."""
    html = report_html(regular(big_plan()))
    assert html.count('class="rack"') == 1
    text = Page(html).text
    assert "× 320" in text
    assert "campus-row40-r-01…08" in text
    assert len(html.encode("utf-8")) < 200_000


def test_free_racks_are_folded_too():
    """Half of the campus is empty: one more picture."""
    html = report_html(regular(big_plan(rows=20)))
    text = Page(html).text
    assert "160 of 320 racks in use" in text
    assert "48 U free" in text


def test_equal_limits_are_one_row():
    """Eighty feeds with the same load are one row with their count."""
    text = Page(report_html(regular(big_plan()))).text
    assert "× 80" in text or "× 82" in text
    assert "each after its worst loss" in text
