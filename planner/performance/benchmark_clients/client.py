"""What the readers of all clients share."""

from __future__ import annotations

import math
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = dict[str, Any]
"""One measurement, by the column names of ``read_benchmark``."""

MS_PER_S = 1000.0
PERCENTILES = (50, 90, 95, 99)


class Client(Protocol):
    """Reads the files of one benchmark client."""

    name: str

    def recognises(self, document: Any) -> bool:
        """Return whether a JSON document (or a CSV's list of rows) was written by this client."""
        ...

    def rows(self, document: Any) -> list[Row]:
        """Return its measurements; empty when no request completed."""
        ...


def number(value: Any) -> float | None:
    """Return a finite number, also from text such as '1,146.31'; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(str(value).replace(",", ""))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def scaled(value: Any, factor: float) -> float | None:
    """Return a number times a factor; None where there is no number."""
    found = number(value)
    return None if found is None else found * factor


def is_cells(document: Any) -> bool:
    """Return whether a document is the rows of a CSV."""
    return isinstance(document, list) and bool(document) and isinstance(document[0], list)
