"""A replay in pictures: how many requests were slower than any latency, and the pools over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from planner.report.figures.search import tick_step
from planner.report.figures.svg import element, picture, shortened
from planner.report.numbers import quantity
from planner.simulate.result import ReplayResult

FloatArray = npt.NDArray[np.float64]

PANEL_PX, HEIGHT_PX = 460.0, 220.0
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 58.0, 14.0, 30.0, 34.0
MOST_POOLS = 8
RAREST = 1e-4  # share of requests at which the curves end
POINTS = 160

STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; }
.grid { stroke: #ddd; } .limit { stroke: #b00020; stroke-dasharray: 4 3; }
.curve { fill: none; stroke-width: 1.6; } .head { font-weight: 600; } .scale { fill: #555; }
"""
COLOURS = ("#1f5fa8", "#d97706", "#2e7d32", "#8e3ccb", "#00838f", "#c2185b", "#6d4c41", "#546e7a")

SERIES = (
    ("waiting", "requests in line"),
    ("running", "requests admitted"),
    ("utilization", "share of time in iterations"),
    ("watts", "W of all accelerators"),
)


@dataclass(frozen=True)
class _Axis:
    """Maps values to pixels, and says where its ticks are."""

    place: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]


def replay_picture(result: ReplayResult) -> Markup:
    """Return two panels for each workload (TTFT and TPOT) and one for each state of the pools."""
    panels = [
        _latency_panel(f"{name}: {kind.upper()}, ms", values, limit)
        for name, seen in result.workloads.items()
        for kind, values, limit in (
            ("ttft", seen.ttft_ms, seen.limits.ttft_ms),
            ("tpot", seen.tpot_ms[~np.isnan(seen.tpot_ms)], seen.limits.tpot_ms),
        )
    ]
    panels += [_series_panel(result, column, words) for column, words in SERIES]
    rows = math.ceil(len(panels) / 2)
    placed = [
        element("g", panel, transform=f"translate({number % 2 * PANEL_PX:g} {number // 2 * HEIGHT_PX:g})")
        for number, panel in enumerate(panels)
    ]
    names = list(dict.fromkeys(result.series["pool"]))[:MOST_POOLS]
    legend = [
        element("text", shortened(name, 60), x=LEFT_PX, y=rows * HEIGHT_PX + 16 + 16 * i, fill=COLOURS[i])
        for i, name in enumerate(names)
    ]
    height = rows * HEIGHT_PX + 16 * len(names) + 14
    return picture(2 * PANEL_PX, height, "Replay", element("style", STYLE), *placed, *legend)


def standalone(drawn: Markup) -> str:
    """Return a picture as the text of an SVG file."""
    return str(drawn).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _latency_panel(title: str, values: FloatArray, limit: float | None) -> Markup:
    """The share of requests slower than each latency, both on logarithmic scales."""
    if len(values) == 0:
        return _frame(title + " (no requests)", [])
    above = np.geomspace(1.0, max(RAREST, 1.0 / len(values)), POINTS)
    latency = np.maximum(np.quantile(values, 1.0 - above), 1e-3)
    ends = [float(latency.min()), float(latency.max())] + ([limit] if limit else [])
    across = _log_axis(min(ends), max(ends) * 1.05, LEFT_PX, PANEL_PX - RIGHT_PX)
    up = _log_axis(RAREST, 1.0, HEIGHT_PX - BOTTOM_PX, TOP_PX, "%")
    inside = _grid(across, up)
    if limit is not None:
        x = across.place(limit)
        inside.append(element("line", x1=x, x2=x, y1=TOP_PX, y2=HEIGHT_PX - BOTTOM_PX, class_="limit"))
    inside.append(_curve(across, up, latency, above, COLOURS[0]))
    return _frame(title + ": share of requests slower", inside)


def _series_panel(result: ReplayResult, column: str, title: str) -> Markup:
    """One state of every pool over time."""
    series = result.series
    if series.empty:
        return _frame(title, [])
    across = _even_axis(float(series["time_s"].max()), LEFT_PX, PANEL_PX - RIGHT_PX)
    most = 1.0 if column == "utilization" else float(series[column].max())
    up = _even_axis(most, HEIGHT_PX - BOTTOM_PX, TOP_PX)
    inside = _grid(across, up)
    for number, name in enumerate(list(dict.fromkeys(series["pool"]))[:MOST_POOLS]):
        own = series[series["pool"] == name]
        values = own[column].to_numpy(dtype=np.float64)
        inside.append(_curve(across, up, own["time_s"].to_numpy(dtype=np.float64), values, COLOURS[number]))
    return _frame(f"{title} over time, s", inside)


def _frame(title: str, inside: Sequence[str]) -> Markup:
    return element("g", element("text", title, x=LEFT_PX, y=TOP_PX - 12, class_="head"), *inside)


def _grid(across: _Axis, up: _Axis) -> list[Markup]:
    parts = []
    for value, words in across.ticks:
        x = across.place(value)
        parts.append(element("line", x1=x, x2=x, y1=TOP_PX, y2=HEIGHT_PX - BOTTOM_PX, class_="grid"))
        parts.append(
            element("text", words, x=x, y=HEIGHT_PX - BOTTOM_PX + 15, class_="scale", text_anchor="middle")
        )
    for value, words in up.ticks:
        y = up.place(value)
        parts.append(element("line", x1=LEFT_PX, x2=PANEL_PX - RIGHT_PX, y1=y, y2=y, class_="grid"))
        parts.append(element("text", words, x=LEFT_PX - 6, y=y + 4, class_="scale", text_anchor="end"))
    return parts


def _curve(across: _Axis, up: _Axis, x: FloatArray, y: FloatArray, colour: str) -> Markup:
    points = " ".join(
        f"{across.place(a):.1f},{up.place(b):.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)
    )
    return element("polyline", points=points, class_="curve", stroke=colour)


def _even_axis(most: float, start: float, end: float) -> _Axis:
    """From 0 to the tick at or above `most`."""
    step = tick_step(max(most, 1e-9))
    count = max(math.ceil(most / step - 1e-9), 1)
    ticks = tuple((step * i, quantity(float(f"{step * i:.6g}"))) for i in range(count + 1))
    return _Axis(lambda value: start + (end - start) * value / (step * count), ticks)


def _log_axis(low: float, high: float, start: float, end: float, unit: str = "") -> _Axis:
    """Logarithmic, with ticks at powers of ten, or at 1, 2 and 5 where few of those fit."""
    first, last = math.log10(low), math.log10(max(high, low * 1.1))
    steps = (1.0,) if last - first > 2 else (1.0, 2.0, 5.0)
    scale = 100.0 if unit == "%" else 1.0
    ticks = tuple(
        (value, f"{value * scale:g}{unit}")
        for power in range(math.floor(first), math.ceil(last) + 1)
        for value in (step * 10.0**power for step in steps)
        if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)
    )

    def place(value: float) -> float:
        share = (math.log10(max(value, low)) - first) / (last - first)
        return start + (end - start) * min(max(share, 0.0), 1.0)

    return _Axis(place, ticks)
