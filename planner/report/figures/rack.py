"""A rack seen from the front: height units, servers, and the replica on every accelerator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from planner.report.figures.svg import element, picture, shortened
from planner.report.numbers import counted, kilowatts
from planner.report.recipes import Recipe
from planner.report.sections.places import Box, Part, RackView

U_PX = 6.0
"""Height of one unit."""

INNER_PX = 136.0
RAIL_PX = 18.0
EDGE_PX = 7.0
"""Widths of the inside, of the scale on the left and of the edge on the right, which shows liquid."""

LABEL_PX = 11.0
PADDING_PX = 2.5
GAP_PX = 1.5
"""Height of a server's label, and spaces around and between accelerators."""

FEWEST_LABEL_U = 4
"""A server lower than this has its name in the tip only."""

LETTER_PX = 9.0
"""Least width and height of a piece that shows its letter."""

SCALE_STEP_U = 10

WORDS = {"existing": "owned", "buy": "new", "rent": "rented", "off": "off"}


def rack_elevation(view: RackView, of_number: Mapping[int, Recipe], canvas_u: int = 0) -> Markup:
    """Return the picture of a rack (or of equal racks), lowest unit at the bottom.

    canvas_u: height of the picture, so that racks of different height stand on one floor.
    """
    height = view.height_u * U_PX
    above = max(canvas_u - view.height_u, 0) * U_PX
    width = RAIL_PX + INNER_PX + EDGE_PX
    parts = [element("rect", x=RAIL_PX, y=0.5, width=INNER_PX, height=height, rx=2, class_="frame")]
    for unit in range(SCALE_STEP_U, view.height_u + 1, SCALE_STEP_U):
        y = height - unit * U_PX + 0.5
        parts.append(element("text", str(unit), x=RAIL_PX - 4, y=y + 6, class_="scale"))
        parts.append(element("line", x1=RAIL_PX, x2=RAIL_PX + INNER_PX, y1=y, y2=y, class_="tick"))
    if view.liquid or view.retrofitted:
        kind = "pipe new" if view.retrofitted else "pipe"
        parts.append(element("rect", x=width - EDGE_PX + 2, y=0.5, width=4, height=height, rx=2, class_=kind))
    bottom = height + 0.5
    for box in view.boxes:
        tall = box.height_u * U_PX
        bottom -= tall
        parts.append(server_box(box, of_number, RAIL_PX, bottom, INNER_PX, tall))
    free = view.free_u * U_PX
    if free >= LABEL_PX:
        words = f"{view.free_u} U free"
        parts.append(
            element(
                "text", words, x=RAIL_PX + INNER_PX / 2, y=free / 2 + 3, class_="free", text_anchor="middle"
            )
        )
    label = f"Rack {view.names[0]}: " + ("; ".join(_tip(box) for box in view.boxes) or "empty")
    standing = element("g", *parts, transform=f"translate(0 {above:g})") if above else Markup("").join(parts)
    return picture(width, above + height + 1, label, standing, class_="rack")


def lone_server(box: Box, of_number: Mapping[int, Recipe]) -> Markup:
    """Return the picture of a server that stands in no rack of ours."""
    tall = max(box.height_u, FEWEST_LABEL_U) * U_PX
    inside = server_box(box, of_number, 0.5, 0.5, INNER_PX, tall)
    return picture(INNER_PX + 1, tall + 1, _tip(box), inside, class_="rack")


def server_box(
    box: Box, of_number: Mapping[int, Recipe], x: float, y: float, width: float, height: float
) -> Markup:
    """Return a server at (x, y): its label and its accelerators."""
    parts: list[str] = [
        element("title", _tip(box)),
        element("rect", x=x + 1, y=y + 0.75, width=width - 2, height=height - 1.5, rx=2, class_="box"),
    ]
    top = y + PADDING_PX
    if box.height_u >= FEWEST_LABEL_U:
        parts.append(element("text", shortened(box.server, 19), x=x + 5, y=y + LABEL_PX - 1, class_="name"))
        words = WORDS[box.origin]
        parts.append(
            element("text", words, x=x + width - 5, y=y + LABEL_PX - 1, class_="origin", text_anchor="end")
        )
        top = y + LABEL_PX + 1
    if box.accelerators and box.origin != "off":
        inner = (x + 4, top, width - 8, y + height - PADDING_PX - top - 1)
        parts += _accelerators(box, of_number, *inner)
    return element("g", *parts, class_=f"server {box.origin}")


def columns_of(accelerators: int, width: float, height: float) -> int:
    """Return how many accelerators stand side by side, so that each is as square as can be.

    Only numbers that divide them all come into question.
    """
    divisors = [n for n in range(1, accelerators + 1) if accelerators % n == 0]
    return min(divisors, key=lambda n: abs(math.log(width / n * (accelerators / n) / height)))


def _accelerators(
    box: Box, of_number: Mapping[int, Recipe], x: float, y: float, width: float, height: float
) -> list[Markup]:
    """Return the accelerators in rows: pieces of replicas, and the idle ones between them."""
    columns = columns_of(box.accelerators, width, height)
    rows = box.accelerators // columns
    cell, line = width / columns, height / rows
    found: list[Markup] = []
    for part in _with_idle(box.parts, box.accelerators):
        recipe = of_number.get(part.recipe)
        lettered = False
        for row in range(part.first // columns, part.last // columns + 1):
            first = max(part.first, row * columns) - row * columns
            last = min(part.last, row * columns + columns - 1) - row * columns
            at_x, at_y = x + first * cell + GAP_PX / 2, y + row * line + GAP_PX / 2
            wide, tall = (last - first + 1) * cell - GAP_PX, line - GAP_PX
            kind = "idle" if recipe is None else f"run t{recipe.tone} r{recipe.number}"
            found.append(
                element("rect", x=at_x, y=at_y, width=wide, height=max(tall, 1.0), rx=1.5, class_=kind)
            )
            found += _separators(at_x, at_y, cell, tall, last - first) if recipe is not None else []
            if recipe is not None and not lettered and min(wide, tall) >= LETTER_PX:
                lettered = True
                middle = (at_x + wide / 2, at_y + tall / 2 + 3.2)
                found.append(
                    element(
                        "text",
                        recipe.letter,
                        x=middle[0],
                        y=middle[1],
                        class_=f"letter t{recipe.tone} r{recipe.number}",
                        text_anchor="middle",
                    )
                )
    return found


def _separators(x: float, y: float, cell: float, tall: float, count: int) -> list[Markup]:
    """Return one path of thin lines between the accelerators of one replica."""
    if count < 1 or cell < 5:
        return []
    lines = "".join(f"M{x + cell * n - GAP_PX / 2:.1f} {y:.1f}v{tall:.1f}" for n in range(1, count + 1))
    return [element("path", d=lines, class_="seam")]


def _with_idle(parts: Sequence[Part], accelerators: int) -> list[Part]:
    """Return the parts with the idle accelerators between them, one by one (recipe -1)."""
    taken: set[int] = set()
    inside = [part for part in parts if part.last < accelerators]
    for part in inside:
        taken |= set(range(part.first, part.last + 1))
    idle = [Part(n, n, -1) for n in range(accelerators) if n not in taken]
    return sorted([*inside, *idle])


def _tip(box: Box) -> str:
    """Return a server in words."""
    words = f"{box.server}, {WORDS[box.origin]}"
    if box.accelerators and box.origin != "off":
        words += f": {box.busy} of {counted(box.accelerators, 'accelerator')} in use"
    if box.watts:
        words += f", {kilowatts(box.watts)} provisioned"
    if box.cap_w is not None:
        words += f", capped at {box.cap_w:g} W"
    return words
