"""A replay is drawn: latencies against their limits, and the pools over time."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd

from planner.report.figures.replay import replay_picture, standalone
from planner.simulate.result import Limits, ReplayResult, WorkloadReplay

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
