"""Where requests go: bands from origins through sites to pools, as wide as their rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture, shortened
from planner.report.numbers import quantity

WIDTH = 1000.0
NODE_PX = 10.0
GAP_PX = 20.0
"""Free height between two nodes of a column; their labels need it."""

HEIGHT_PX = 220.0
"""Height that all requests together take, before gaps."""

LABEL_PX = 190.0
"""Room left of the first and right of the last column for labels."""

THINNEST_PX = 1.5
HEAD_PX = 30.0
FOOT_PX = 14.0

MOST_NODES = 12
"""Nodes drawn of one column; the smallest beyond are one node `others`."""

LABEL_CHARACTERS = 27


@dataclass(frozen=True)
class Band:
    """Requests along a path of nodes, one a column (fewer where they stop). tone: class of the colour."""

    path: tuple[str, ...]
    rate_rps: float
    tone: str


@dataclass(frozen=True)
class Labels:
    """Column titles; by (column, node) the name beside it, what follows its rate, the class of its colour."""

    columns: tuple[str, ...]
    nodes: Mapping[tuple[int, str], str]
    details: Mapping[tuple[int, str], str]
    tones: Mapping[tuple[int, str], str]


@dataclass
class _Node:
    """A node of a column with its place; `left`, `right`: how far its sides are taken already."""

    name: str
    rate: float
    y: float = 0.0
    left: float = 0.0
    right: float = 0.0


def flow_picture(bands: Iterable[Band], labels: Labels) -> Markup:
    """Return the picture; node labels carry the rate, and every band its path as a tip."""
    drawn = with_others(bands)
    columns = _columns(drawn)
    total = max((sum(node.rate for node in column.values()) for column in columns), default=0.0)
    scale = HEIGHT_PX / total if total > 0 else 0.0
    tallest = max(
        (
            sum(_px(node, scale) for node in column.values()) + GAP_PX * (len(column) - 1)
            for column in columns
        ),
        default=0.0,
    )
    xs = _positions(len(columns))
    for column in columns:
        _stack(column, scale, tallest)
    parts: list[str] = []
    for band in drawn:
        for number, (start, end) in enumerate(zip(band.path, band.path[1:], strict=False)):
            a, b = columns[number][start], columns[number + 1][end]
            wide = max(band.rate_rps * scale, THINNEST_PX)
            parts.append(_ribbon(xs[number] + NODE_PX, a.right, xs[number + 1], b.left, wide, band))
            a.right += wide
            b.left += wide
    for number, column in enumerate(columns):
        last = number == len(columns) - 1
        parts.append(_heading(xs[number], labels.columns[number], number, last))
        for node in column.values():
            parts += _node(node, number, xs[number], scale, labels, last and number > 0)
    names = ", ".join(labels.columns)
    label = f"Requests by {names}; the table below has the numbers"
    return picture(WIDTH, HEAD_PX + tallest + FOOT_PX, label, *parts, class_="flow")


def with_others(bands: Iterable[Band]) -> list[Band]:
    """Return the bands with the smallest nodes of crowded columns joined, equal bands added up."""
    every = list(bands)
    depth = max((len(band.path) for band in every), default=0)
    renamed: list[dict[str, str]] = []
    for column in range(depth):
        rates: dict[str, float] = defaultdict(float)
        for band in every:
            if column < len(band.path):
                rates[band.path[column]] += band.rate_rps
        ranked = sorted(rates, key=lambda name: -rates[name])
        small = ranked[MOST_NODES - 1 :] if len(ranked) > MOST_NODES else []
        renamed.append(dict.fromkeys(small, f"{len(small)} others"))
    joined: dict[tuple[tuple[str, ...], str], float] = defaultdict(float)
    for band in every:
        path = tuple(renamed[column].get(name, name) for column, name in enumerate(band.path))
        joined[path, band.tone] += band.rate_rps
    return [Band(path, rate, tone) for (path, tone), rate in joined.items()]


def _columns(bands: Sequence[Band]) -> list[dict[str, _Node]]:
    """Return the nodes of each column, ordered so that bands cross little."""
    depth = max((len(band.path) for band in bands), default=0)
    columns: list[dict[str, _Node]] = []
    for number in range(depth):
        rates: dict[str, float] = defaultdict(float)
        pull: dict[str, float] = defaultdict(float)
        before = {name: at for at, name in enumerate(columns[-1])} if columns else {}
        for band in bands:
            if number < len(band.path):
                name = band.path[number]
                rates[name] += band.rate_rps
                pull[name] += band.rate_rps * (before[band.path[number - 1]] if number else 0)
        names = sorted(rates, key=lambda name: pull[name] / (rates[name] or 1.0))
        columns.append({name: _Node(name, rates[name]) for name in names})
    return columns


def _px(node: _Node, scale: float) -> float:
    return max(node.rate * scale, THINNEST_PX)


def _positions(count: int) -> list[float]:
    """Return the left edge of each column."""
    room = WIDTH - 2 * LABEL_PX - NODE_PX
    return [LABEL_PX + room * number / max(count - 1, 1) for number in range(count)]


def _stack(column: Mapping[str, _Node], scale: float, tallest: float) -> None:
    """Place the nodes of a column one below the other, in the middle of the height."""
    height = sum(_px(node, scale) for node in column.values()) + GAP_PX * (len(column) - 1)
    y = HEAD_PX + (tallest - height) / 2
    for node in column.values():
        node.y = node.left = node.right = y
        y += _px(node, scale) + GAP_PX


def _ribbon(x1: float, y1: float, x2: float, y2: float, wide: float, band: Band) -> Markup:
    middle = (x1 + x2) / 2
    path = (
        f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        f"v{wide:.1f}C{middle:.1f} {y2 + wide:.1f} {middle:.1f} {y1 + wide:.1f} {x1:.1f} {y1 + wide:.1f}z"
    )
    tip = f"{' → '.join(band.path)}: {quantity(band.rate_rps)} requests/s"
    return element("path", element("title", tip), d=path, class_=f"band {band.tone}")


def _heading(x: float, words: str, number: int, last: bool) -> Markup:
    anchor = "end" if number == 0 else "start" if last else "middle"
    at = x + NODE_PX if number == 0 else x if last else x + NODE_PX / 2
    return element("text", words, x=at, y=12, class_="heading", text_anchor=anchor)


def _node(
    node: _Node, column: int, x: float, scale: float, labels: Labels, on_the_right: bool
) -> list[Markup]:
    height = _px(node, scale)
    first = shortened(labels.nodes.get((column, node.name), node.name), LABEL_CHARACTERS)
    detail = labels.details.get((column, node.name), "")
    second = shortened(
        ", ".join(part for part in (f"{quantity(node.rate)}/s", detail) if part), LABEL_CHARACTERS
    )
    beside = x - 8 if not on_the_right else x + NODE_PX + 8
    anchor = "start" if on_the_right else "end"
    middle = node.y + height / 2
    tone = f"node {labels.tones.get((column, node.name), '')}".strip()
    return [
        element("rect", x=x, y=node.y, width=NODE_PX, height=height, rx=1.5, class_=tone),
        element("text", first, x=beside, y=middle - 1, class_="label", text_anchor=anchor),
        element("text", second, x=beside, y=middle + 12, class_="amount", text_anchor=anchor),
    ]
