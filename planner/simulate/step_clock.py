"""Iteration times and watts of one engine as plain Python numbers, for the inner loop."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from planner.performance.step_table import StepTable, step_table
from planner.performance.types import ReplicaModel

_WATT_NODES = 33  # of the prefill share 0..1


class StepClock:
    """Times of iterations of one replica model, shared by all its engines.

    Args:
        replica: the performance model.
        largest_batch: most sequences that decode together.
        reference_context: typical cached tokens of a sequence.
        largest_context: longest context that occurs, tokens.

    """

    def __init__(
        self,
        replica: ReplicaModel,
        largest_batch: int,
        reference_context: float,
        largest_context: float,
    ) -> None:
        table = step_table(replica, largest_batch, reference_context, largest_context)
        every_batch = np.arange(largest_batch + 2, dtype=np.float64)
        by_prefill = table.step_ms(every_batch[:, None], None, table.prefill.nodes[None, :])
        by_context = np.stack(
            [np.interp(every_batch, table.batch.nodes, c) for c in table.context_ms.T], axis=1
        )
        self.table: StepTable = table
        self._base: list[list[float]] = by_prefill.tolist()
        self._prefill: list[float] = table.prefill.nodes.tolist()
        self._by_context: list[list[float]] = by_context.tolist()
        self._context: list[float] = table.context.nodes.tolist()
        self._prefix: list[float] = table.prefix.nodes.tolist()
        self._by_prefix: list[list[float]] = table.prefix_ms.tolist()
        accelerators = replica.shape.accelerators
        shares = np.linspace(0.0, 1.0, _WATT_NODES)
        watts = np.asarray(replica.power_w(every_batch[:, None], shares[None, :])) * accelerators
        self._watts: list[list[float]] = np.broadcast_to(watts, (len(every_batch), _WATT_NODES)).tolist()
        self.idle_w: float = float(replica.idle_w * accelerators)

    def decode_ms(self, batch: int, context: float) -> float:
        """One iteration that only decodes `batch` sequences of mean `context` tokens."""
        nodes = self._context
        row = self._by_context[batch]
        i = bisect_right(nodes, context) - 1
        if i >= len(nodes) - 1:
            i = len(nodes) - 2
        share = (context - nodes[i]) / (nodes[i + 1] - nodes[i])
        return self._base[batch][0] + row[i] + share * (row[i + 1] - row[i])

    def mixed_ms(self, batch: int, context: float, prefill: float, prefix: float) -> float:
        """One iteration that also prefills `prefill` > 0 tokens behind `prefix` cached ones.

        A negative `prefix` stands for several short prompts (see `step_table.shared_prefix`).
        """
        nodes = self._prefill
        row = self._base[batch]
        i = min(bisect_right(nodes, prefill) - 1, len(nodes) - 2)
        share = (prefill - nodes[i]) / (nodes[i + 1] - nodes[i])
        total = row[i] + share * (row[i + 1] - row[i])
        if batch:
            total += self.decode_ms(batch, context) - row[0]
        if prefix:
            behind = prefix if prefix > 0 else -prefix
            low, high = self._by_prefix[i], self._by_prefix[i + 1]
            k = min(bisect_right(self._prefix, behind) - 1, len(self._prefix) - 2)
            across = (behind - self._prefix[k]) / (self._prefix[k + 1] - self._prefix[k])
            below = low[k] + across * (low[k + 1] - low[k])
            above = high[k] + across * (high[k + 1] - high[k])
            added = below + share * (above - below)
            total += added if prefix > 0 else -added
        return total

    def watts(self, batch: int, prefill_share: float) -> float:
        """Draw of all accelerators during an iteration; `prefill_share` of its time is prefill."""
        return self._watts[batch][int(prefill_share * (_WATT_NODES - 1) + 0.5)]
