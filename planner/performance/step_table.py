"""Iteration times of one replica on a grid, for lookups by the million.

Both the queueing formulas and the replay need the time of an iteration for many batches. Asking
the performance model each time would be slow, so it is asked once, on a grid, and interpolated.

An iteration that decodes n sequences of mean context c while prefilling P tokens behind k cached
ones takes, in milliseconds,

    step(n, c, P, k) = base(n, P) + context(n, c) + attention(P, k)

`base` is the time at the reference context with no cached prefix; the two others are what a
different context and a prefix add. Attention reads its cache apart from the weights, so the three
add up (exactly in the built-in model, up to launch overheads).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from planner.performance.types import ReplicaModel

FloatArray = npt.NDArray[np.float64]

_BATCH_GROWTH = 1.3  # ratio of neighbouring batch nodes: interpolation error well below 1 %
_CONTEXT_GROWTH = 2.0  # attention time is close to linear in the context
_PREFILL_NODES = (0, 1, 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
_PREFILL_DOUBLINGS = (12288, 16384, 24576, 32768, 65536, 131072)


@dataclass(frozen=True)
class StepTable:
    """Iteration times (ms) of one replica.

    Several prompts in one iteration count as one of all their tokens, behind the prefix that gives
    the right number of attended pairs (see `shared_prefix`); it is negative when they are short.

    Attributes:
        batch: decode batch nodes, shape [b], from 0.
        prefill: prefill token nodes, shape [p], from 0 to the budget of one iteration.
        base_ms: shape [b, p].
        context: context nodes in tokens, shape [c].
        context_ms: added by the context of the decodes, shape [b, c]; 0 at the reference.
        prefix: cached tokens in front of a chunk, shape [k], from 0.
        prefix_ms: added by that prefix, shape [p, k].

    """

    batch: Axis
    prefill: Axis
    base_ms: FloatArray
    context: Axis
    context_ms: FloatArray
    prefix: Axis
    prefix_ms: FloatArray

    def step_ms(
        self,
        batch: npt.ArrayLike,
        context: npt.ArrayLike | None = None,
        prefill: npt.ArrayLike = 0.0,
        prefix: npt.ArrayLike = 0.0,
    ) -> FloatArray:
        """Milliseconds of iterations; arguments broadcast, `context=None` is the reference."""
        size = self.batch.locate(np.asarray(batch, dtype=np.float64))
        tokens = np.asarray(prefill, dtype=np.float64)
        new: Place | None = None
        if tokens.ndim == 0 and tokens == 0:
            cell, share = size
            alone = self.base_ms[:, 0]
            low = alone.take(cell)
            total = np.asarray(low + share * (alone.take(cell + 1) - low))
        else:
            new = self.prefill.locate(tokens)
            total = interpolated(self.base_ms, size, new)
        if context is not None:
            total = total + interpolated(self.context_ms, size, self.context.locate(context))
        behind = np.asarray(prefix, dtype=np.float64)
        if np.any(behind != 0):
            new = self.prefill.locate(tokens) if new is None else new
            added = interpolated(self.prefix_ms, new, self.prefix.locate(np.abs(behind)))
            total = np.maximum(total + np.copysign(added, behind), 0.0)
        return total


def shared_prefix(tokens: npt.ArrayLike, pairs: npt.ArrayLike) -> FloatArray:
    """Cached tokens behind which `tokens` of one prompt attend `pairs` (query, key) pairs.

    One prompt of P tokens behind k attends P (k + P/2) pairs.
    """
    count = np.asarray(tokens, dtype=np.float64)
    return np.asarray(pairs / np.maximum(count, 1e-9) - count / 2.0)


Place = tuple[npt.NDArray[np.intp], FloatArray]
"""Cells of values on an axis and their positions (0..1) in them."""


class Axis:
    """Ascending nodes from 0 or more, with constant-time lookup of the cell of a value.

    Nodes between whole numbers count as the next whole one when cells are looked up.
    """

    def __init__(self, nodes: FloatArray) -> None:
        self.nodes = np.asarray(nodes, dtype=np.float64)
        self._first, self._last = float(self.nodes[0]), float(self.nodes[-1])
        self._cell, self._inverse = _cells(self.nodes.tobytes())

    def __len__(self) -> int:
        return len(self.nodes)

    def locate(self, value: npt.ArrayLike) -> Place:
        """Cell of each value and its position (0..1) in it; values outside are clamped."""
        clipped = np.minimum(np.maximum(value, self._first), self._last)
        cell = self._cell.take(clipped.astype(np.intp))
        return cell, (clipped - self.nodes.take(cell)) * self._inverse.take(cell)


@lru_cache(maxsize=512)
def _cells(nodes: bytes) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Return the cell of each whole number up to the last node, and one over the width of each cell."""
    at = np.frombuffer(nodes, dtype=np.float64)
    cell = np.searchsorted(at, np.arange(int(at[-1]) + 1), side="right") - 1
    return np.clip(cell, 0, len(at) - 2), 1.0 / np.diff(at)


def bilinear(
    rows: Axis, columns: Axis, table: FloatArray, row: npt.ArrayLike, column: npt.ArrayLike
) -> FloatArray:
    """Interpolate `table` [rows, columns] at (row, column), which broadcast; clamped outside."""
    return interpolated(table, rows.locate(row), columns.locate(column))


def interpolated(table: FloatArray, row: Place, column: Place) -> FloatArray:
    """Interpolate `table` [rows, columns] at places on both axes, which broadcast."""
    (i, r), (j, c) = row, column
    flat, width = table.ravel(), table.shape[1]
    corner = i * width + j
    low = flat.take(corner)
    low = low + c * (flat.take(corner + 1) - low)
    corner += width
    high = flat.take(corner)
    high = high + c * (flat.take(corner + 1) - high)
    return np.asarray(low + r * (high - low))


def step_table(
    replica: ReplicaModel,
    largest_batch: int,
    reference_context: float,
    largest_context: float,
) -> StepTable:
    """Ask `replica` for its iteration times up to `largest_batch` sequences.

    Args:
        replica: the performance model.
        largest_batch: most sequences that decode together.
        reference_context: mean cached tokens of a decoding sequence.
        largest_context: longest context (tokens) that prompts and decodes reach.

    """
    batch = _grown(max(largest_batch, 2), _BATCH_GROWTH, start=1.0)
    budget = float(int(replica.max_batched_tokens))
    prefill = np.asarray([float(p) for p in (*_PREFILL_NODES, *_PREFILL_DOUBLINGS) if p < budget] + [budget])
    longest = max(largest_context, 2 * reference_context, 64.0)
    context = _grown(longest, _CONTEXT_GROWTH, start=max(longest / 512, 16.0))
    some_prefill = prefill[np.unique([1, len(prefill) // 2, len(prefill) - 1])]
    typical_batch = float(batch[len(batch) // 2])
    blocks = [
        np.broadcast_arrays(batch[:, None], reference_context, prefill[None, :], 0.0),
        np.broadcast_arrays(batch[:, None], context[None, :], 0.0, 0.0),
        np.broadcast_arrays(typical_batch, reference_context, some_prefill[:, None], context[None, :]),
    ]
    flat = [np.concatenate([block[i].ravel() for block in blocks]) for i in range(4)]
    times = np.asarray(replica.step_ms(*flat), dtype=np.float64)
    ends = np.cumsum([block[0].size for block in blocks])
    base = times[: ends[0]].reshape(len(batch), len(prefill))
    base[0, 0] = 0.0  # nothing to do takes no time
    by_context = times[ends[0] : ends[1]].reshape(len(batch), len(context))
    context_ms = by_context - base[:, :1]
    context_ms[0] = 0.0
    by_prefix = times[ends[1] :].reshape(len(some_prefill), len(context))
    alone = base[len(batch) // 2, np.searchsorted(prefill, some_prefill)]
    added = by_prefix - alone[:, None]
    prefix_ms = np.stack([np.interp(prefill, some_prefill, column) for column in added.T], axis=1)
    prefix_ms = np.maximum(prefix_ms, 0.0)
    prefix_ms[0], prefix_ms[:, 0] = 0.0, 0.0
    across = Axis(context)
    return StepTable(Axis(batch), Axis(prefill), base, across, context_ms, across, prefix_ms)


@lru_cache(maxsize=512)
def _grown(last: float, ratio: float, start: float) -> FloatArray:
    """0, then whole nodes that grow by `ratio` (at least by 1) from `start` to `last`; not to be written."""
    nodes = [0.0, float(np.ceil(start))]
    while nodes[-1] < last:
        nodes.append(min(max(float(round(nodes[-1] * ratio)), nodes[-1] + 1.0), float(np.ceil(last))))
    return np.asarray(nodes)
