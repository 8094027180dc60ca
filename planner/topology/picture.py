"""A topology as a picture: one panel per site, power left, racks in the middle, cooling right.

Equal racks are one box with its count, so that thousands of racks stay readable.
"""

from collections import defaultdict
from collections.abc import Iterable
from html import escape

from planner.topology.classes import servers_in
from planner.topology.nodes import Graph
from planner.topology.power import feeds_of
from planner.topology.types import LEVELS

_PANELS_PER_ROW = 3
_PANEL_WIDTH = 560
_COLUMN_X = {"power": 16, "rack": 206, "cooling": 416}
_BOX_WIDTH = {"power": 130, "rack": 150, "cooling": 128}
_BOX_HEIGHT = 34
_BOX_GAP = 10
_HEAD = 72
_INDENT = 12
_MARGIN = 24
_LINE_OF = {"power": "#c2571a", "cools": "#2a6fb0"}
_FILL = {
    "power": "#fbe9dd",
    "air": "#eef3f8",
    "rear_door": "#d9ebf2",
    "liquid": "#d3e4f7",
    "rack": "#f1f1ee",
    "liquid rack": "#e3edf9",
}


def topology_picture(graph: Graph) -> str:
    """Return an SVG document (text) of a topology; it needs nothing from outside to be shown."""
    sites = [n for n, d in graph.nodes(data=True) if d["kind"] == "site"]
    panels = {site: _Panel(graph, site) for site in sites}
    parts: list[str] = []
    y = float(_MARGIN)
    for start in range(0, len(sites), _PANELS_PER_ROW):
        row = sites[start : start + _PANELS_PER_ROW]
        height = max(panels[site].height for site in row)
        for column, site in enumerate(row):
            x = _MARGIN + column * (_PANEL_WIDTH + _MARGIN)
            parts.append(panels[site].svg(x, y, height))
        y += height + 2 * _MARGIN
    width = _MARGIN + min(max(len(sites), 1), _PANELS_PER_ROW) * (_PANEL_WIDTH + _MARGIN)
    title = escape(str(graph.graph.get("name") or "topology"))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y:g}" width="{width}"'
            f' height="{y:g}" font-family="system-ui, sans-serif" role="img">',
            f"<title>{title}</title>",
            f'<rect width="{width}" height="{y:g}" fill="#ffffff"/>',
            *parts,
            "</svg>",
        ]
    )


class _Panel:
    """The panel of one site."""

    def __init__(self, graph: Graph, site: str):
        self.graph = graph
        self.site = site
        self.folded: dict[str, dict[str, list[str]]] = {k: defaultdict(list) for k in _COLUMN_X}
        for name, about in graph.nodes(data=True):
            if about.get("site") == site and about["kind"] in _COLUMN_X:
                self.folded[about["kind"]][about["fold"]].append(name)
        self.folded["power"] = self.from_the_grid_down()
        tallest = max((len(folds) for folds in self.folded.values()), default=0)
        self.height = _HEAD + max(tallest, 1) * (_BOX_HEIGHT + _BOX_GAP) + _BOX_GAP

    def from_the_grid_down(self) -> dict[str, list[str]]:
        """Return the power nodes so that each is followed by what hangs on it."""
        folds = self.folded["power"]

        def path(fold: str) -> tuple[str, ...]:
            names: list[str] = [fold]
            while above := feeds_of(self.graph, folds[names[0]][0]):
                names.insert(0, self.graph.nodes[above[0]]["fold"])
            return tuple(names)

        return {fold: folds[fold] for fold in sorted(folds, key=path)}

    def box_y(self, kind: str, index: int) -> float:
        """Return the top of a box: each column is spread over the height of the panel."""
        count = len(self.folded[kind])
        room = (self.height - _HEAD) / max(count, 1)
        return _HEAD + room * index + (room - _BOX_HEIGHT) / 2

    def svg(self, x: float, y: float, height: float) -> str:
        """Return the panel at (x, y), stretched to the height of its row."""
        about = self.graph.nodes[self.site]
        grid = "" if about["grid_kw"] is None else f", grid {about['grid_kw']:g} kW"
        kind = "rented, boundless" if about["cloud"] else f"PUE {about['pue_air']:g} air{grid}"
        lines = [
            f'<g transform="translate({x:g} {y:g})">',
            f'<rect width="{_PANEL_WIDTH}" height="{height:g}" rx="8" fill="#fcfcfb" stroke="#8a8a85"/>',
            f'<text x="16" y="24" font-size="16" font-weight="600">{escape(self.site)}</text>',
            f'<text x="16" y="42" font-size="11" fill="#555">{escape(about["region"])}, '
            f"{escape(kind)}</text>",
            f'<text x="16" y="58" font-size="11" fill="#6b5b95">{escape(self.wan())}</text>',
            *self.tree(),
            *self.wires(),
            *self.boxes(),
            "</g>",
        ]
        return "\n".join(lines)

    def wan(self) -> str:
        """Return the private links of the site in words."""
        links = []
        for _, end, edge in self.graph.out_edges(self.site, data=True):
            if edge["relation"] == "link" and self.graph.nodes[end]["kind"] == "site":
                links.append(f"{end} {edge['bandwidth_gb_s']:g} GB/s {edge['latency_ms']:g} ms")
        return "WAN: " + ", ".join(links) if links else ""

    def indent(self, kind: str, names: list[str]) -> int:
        """Return how far a box is moved right: power nodes by their level."""
        level = self.graph.nodes[names[0]].get("level")
        return _INDENT * LEVELS.index(level) if kind == "power" and level in LEVELS else 0

    def tree(self) -> Iterable[str]:
        """Draw what hangs on what in the power tree."""
        folds = self.folded["power"]
        index = {fold: at for at, fold in enumerate(folds)}
        for fold, names in folds.items():
            for above in feeds_of(self.graph, names[0]):
                parent = self.graph.nodes[above]["fold"]
                if parent not in index:
                    continue
                x1 = _COLUMN_X["power"] + self.indent("power", folds[parent]) + _INDENT / 2
                x2 = _COLUMN_X["power"] + self.indent("power", names)
                y1 = self.box_y("power", index[parent]) + _BOX_HEIGHT
                y2 = self.box_y("power", index[fold]) + _BOX_HEIGHT / 2
                yield (
                    f'<path d="M{x1:g} {y1:g} C{x1:g} {y2:g} {x1:g} {y2:g} {x2:g} {y2:g}"'
                    f' fill="none" stroke="{_LINE_OF["power"]}"/>'
                )

    def wires(self) -> Iterable[str]:
        """Draw which feed and which loop each group of racks hangs on."""
        nodes = self.graph.nodes
        index = {(kind, fold): at for kind, folds in self.folded.items() for at, fold in enumerate(folds)}
        drawn: set[tuple[str, str]] = set()
        for fold, racks in self.folded["rack"].items():
            for above, _, key in self.graph.in_edges(racks[0], keys=True):
                if key not in _LINE_OF:
                    continue
                source = nodes[above]["fold"]
                kind = nodes[above]["kind"]
                if (source, fold) in drawn or (kind, source) not in index:
                    continue
                drawn.add((source, fold))
                from_right = kind == "cooling"
                x1 = _COLUMN_X[kind] + (0 if from_right else _BOX_WIDTH[kind])
                x2 = _COLUMN_X["rack"] + (_BOX_WIDTH["rack"] if from_right else 0)
                y1 = self.box_y(kind, index[kind, source]) + _BOX_HEIGHT / 2
                y2 = self.box_y("rack", index["rack", fold]) + _BOX_HEIGHT / 2
                yield (
                    f'<path d="M{x1:g} {y1:g} C{(x1 + x2) / 2:g} {y1:g} {(x1 + x2) / 2:g} {y2:g}'
                    f' {x2:g} {y2:g}" fill="none" stroke="{_LINE_OF[key]}" stroke-opacity="0.55"/>'
                )

    def boxes(self) -> Iterable[str]:
        """Draw the boxes of all three columns."""
        for kind, folds in self.folded.items():
            for at, (fold, names) in enumerate(folds.items()):
                fill, first, second = self.words(kind, fold, names)
                indent = self.indent(kind, names)
                x, y = _COLUMN_X[kind] + indent, self.box_y(kind, at)
                width = _BOX_WIDTH[kind] - indent
                tip = escape(f"{fold}: {first}; {second}")
                yield (
                    f'<g><title>{tip}</title><rect x="{x}" y="{y:g}" width="{width}"'
                    f' height="{_BOX_HEIGHT}" rx="4" fill="{fill}" stroke="#9a9a94"/>'
                    f'<text x="{x + 6}" y="{y + 14:g}" font-size="11">{escape(first)}</text>'
                    f'<text x="{x + 6}" y="{y + 27:g}" font-size="10" fill="#555">'
                    f"{escape(second)}</text></g>"
                )

    def words(self, kind: str, fold: str, names: list[str]) -> tuple[str, str, str]:
        """Return colour and the two lines of a box."""
        about = self.graph.nodes[names[0]]
        short = fold.removeprefix(f"{self.site}-")
        times = f" x{len(names)}" if len(names) > 1 else ""
        if kind == "power":
            text = f"{about['level']}, {about['usable_kw']:g} kW"
            return _FILL["power"], short + times, text
        if kind == "cooling":
            medium = about["medium"].replace("_", " ")
            return _FILL[about["medium"]], short + times, f"{medium}, {about['usable_kw']:g} kW"
        held = servers_in(self.graph, names[0])
        each = ", ".join(f"{n} {server}" for server, n in held.items()) or "free"
        fill = _FILL["liquid rack" if about["liquid_kw"] else "rack"]
        return fill, f"{short}{times}, {about['power_kw']:g} kW", each
