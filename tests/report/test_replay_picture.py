"""A replay is drawn: latencies against their limits, and the pools over time."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
from rich.console import Console

from planner.report.console import print_summary
from planner.report.figures.replay import replay_picture, standalone
from planner.report.replay import print_replay
from planner.report.sections.promises import promise_view
from planner.simulate.result import Limits, ReplayResult, WorkloadReplay
from tests.plan.tiny import full_plan

SVG = "{http://www.w3.org/2000/svg}"


def result(latencies: np.ndarray) -> ReplayResult:
    """One workload with these TTFTs in two pools."""
    seen = WorkloadReplay(
        name="chat <1>",
        limits=Limits(ttft_ms=400.0),
        arrival_s=np.arange(float(len(latencies))),
        ttft_ms=latencies,
        tpot_ms=np.full(len(latencies), np.nan),
        e2e_ms=latencies,
        answered=len(latencies),
        output_tokens=len(latencies),
        failed=0,
    )
    series = pd.DataFrame(
        {
            "time_s": np.repeat([10.0, 20.0, 30.0], 2),
            "pool": ["a", "b"] * 3,
            "waiting": [0, 1, 2, 3, 4, 5],
            "running": [1, 1, 1, 1, 1, 1],
            "utilization": [0.5] * 6,
            "watts": [300.0, 0.0, 310.0, 0.0, 320.0, 0.0],
        }
    )
    return ReplayResult({"chat <1>": seen}, (), series, 0, 30.0, 3.0)


def test_the_picture_is_sound_and_complete() -> None:
    """Well-formed; six panels; the limit is drawn once; names are escaped; a curve per pool and state."""
    root = ElementTree.fromstring(standalone(replay_picture(result(np.geomspace(50.0, 900.0, 500)))))
    heads = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "head"]
    assert heads[0] == "chat <1>: TTFT, ms: share of requests slower"
    assert heads[1] == "chat <1>: TPOT, ms (no requests)"
    assert len(heads) == 6
    assert sum(line.get("class") == "limit" for line in root.iter(f"{SVG}line")) == 1
    assert len(list(root.iter(f"{SVG}polyline"))) == 1 + 4 * 2


def test_curves_stay_inside_their_panel_whatever_the_numbers() -> None:
    """One request, equal latencies, a latency of zero."""
    for latencies in (np.array([5.0]), np.full(100, 7.0), np.array([0.0, 1e6])):
        root = ElementTree.fromstring(standalone(replay_picture(result(latencies))))
        for line in root.iter(f"{SVG}polyline"):
            points = [tuple(map(float, pair.split(","))) for pair in line.get("points", "").split()]
            assert all(0 <= x <= 460 and 0 <= y <= 220 for x, y in points)


def test_replayed_latencies_stand_beside_the_predicted_ones() -> None:
    """On the terminal and in the report, where a plan was replayed."""
    plan = full_plan()
    rows = [
        row.model_copy(update={"ttft_ms": row.ttft_ms.model_copy(update={"replayed": 123.4})})
        for row in plan.slo
    ]
    replayed = plan.model_copy(update={"slo": rows})
    before, after = StringIO(), StringIO()
    print_summary(plan, Console(file=before, width=200))
    print_summary(replayed, Console(file=after, width=200))
    assert "replayed" not in before.getvalue()
    assert "replayed 123.4" in after.getvalue()
    view = promise_view(replayed, {})
    assert all("(replayed 123 ms)" in row.ttft.predicted for row in view.first if row.ttft.bar is not None)


def test_failed_requests_are_told_on_the_terminal() -> None:
    """Beside the number of requests, where there are any."""
    shown = result(np.geomspace(50.0, 900.0, 500))
    lost = replace(shown.workloads["chat <1>"], failed=7)
    text = StringIO()
    print_replay(replace(shown, workloads={"chat": lost}), Console(file=text, width=200))
    assert "507 (7 failed)" in text.getvalue()
    text = StringIO()
    print_replay(shown, Console(file=text, width=200))
    assert "failed" not in text.getvalue()
