"""Dominance between shapes on the same server type and power cap.

A shape is dominated if another one (or several copies of it in the same accelerators) carries at least
as much of every promise with no more energy per request: replacing it never costs more. Copies are
counted only where the other's size divides its own, so that they fit wherever it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.performance.shape import Shape

RATE_TOLERANCE = 1e-9
"""Relative difference below which two rates are the same number."""


@dataclass(frozen=True)
class Dominance:
    """`shape` is beaten by `copies` of `by`; `rate_ratio` is the least advantage over all promises.

    timed: False where the shape was ruled out by the most it could serve (`first_look`).
    """

    shape: Shape
    by: Shape
    copies: int
    rate_ratio: float
    timed: bool = True

    @property
    def text(self) -> str:
        """One sentence for people."""
        copies = "" if self.copies == 1 else f"{self.copies} x "
        if not self.timed:
            return (
                f"{self.shape.name} is beaten by {copies}{self.by.name}: within every latency objective it "
                f"serves at least {self.rate_ratio:.2f} times what the shape could without any"
            )
        return (
            f"{self.shape.name} is beaten by {copies}{self.by.name}: at least {self.rate_ratio:.2f} times "
            "its rate for every workload, with no more energy per request"
        )


def find_dominated(
    shapes: Sequence[Shape],
    roles: Sequence[str],
    sizes: NDArray[np.int64],
    rates: NDArray[np.float64],
    energy: NDArray[np.float64],
) -> dict[int, Dominance]:
    """Return the dominated shapes.

    Args:
        shapes: (n,) the shapes.
        roles: (n,) their roles; only equal roles are compared.
        sizes: (n,) accelerators of one replica.
        rates: (n, promises) requests/s of one replica, 0 where it cannot keep the promise.
        energy: (n, promises) joules per request, inf where it cannot.
    """
    beaten: dict[int, Dominance] = {}
    order = np.lexsort((-rates.sum(axis=1), sizes))
    for i in reversed(order.tolist()):
        for j in order.tolist():
            if i == j or j in beaten or roles[i] != roles[j] or sizes[i] % sizes[j]:
                continue
            copies = int(sizes[i] // sizes[j])
            useful = rates[i] > 0
            enough = bool(np.all(copies * rates[j, useful] >= rates[i, useful] * (1 - RATE_TOLERANCE)))
            frugal = bool(np.all(energy[j, useful] <= energy[i, useful] * (1 + RATE_TOLERANCE)))
            if not (enough and frugal):
                continue
            ratio = float(np.min(copies * rates[j, useful] / rates[i, useful]))
            beaten[i] = Dominance(shapes[i], shapes[j], copies, ratio)
            break
    return beaten
