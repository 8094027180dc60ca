"""The answers every provider of performance gives, whatever its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.performance.shape import Shape

Array: TypeAlias = NDArray[np.float64]
ArrayInput: TypeAlias = ArrayLike
Index: TypeAlias = NDArray[np.int64]
Text: TypeAlias = NDArray[np.object_]
__all__ = ["Array", "ArrayInput", "ErrorBand", "Index", "MemoryBreakdown", "ReplicaModel", "Text"]


@dataclass(frozen=True)
class MemoryBreakdown:
    """Where the memory of the fullest accelerator of a replica goes.

    All sizes are bytes on one accelerator. ``kv_bytes_per_token`` counts only layers whose cache
    grows without bound; ``kv_bytes_fixed`` is what one request holds beside (recurrent states).
    ``kv_capacity_tokens`` is counted for the whole replica (all attention-data-parallel ranks).
    """

    total_bytes: float
    usable_bytes: float
    weights_bytes: float
    activation_bytes: float
    communication_bytes: float
    runtime_bytes: float
    kv_bytes_per_token: float
    kv_bytes_fixed: float
    kv_capacity_tokens: float

    @property
    def reserved_bytes(self) -> float:
        """Everything but the cache."""
        return self.weights_bytes + self.activation_bytes + self.communication_bytes + self.runtime_bytes

    @property
    def kv_budget_bytes(self) -> float:
        """What is left for the cache (negative: the weights alone do not fit)."""
        return self.usable_bytes - self.reserved_bytes


@dataclass(frozen=True)
class ErrorBand:
    """Relative half-widths: 0.15 means the measured value lies within 15 % about 4 times in 5."""

    ttft: float
    tpot: float


class ReplicaModel(Protocol):
    """One engine instance, timed.

    Array arguments broadcast against each other; answers have the broadcast shape.
    """

    @property
    def shape(self) -> Shape:
        """What the replica is."""
        ...

    @property
    def fits(self) -> bool:
        """Whether it can run at all."""
        ...

    @property
    def refusal(self) -> str:
        """Why it cannot run, with advice; empty when it fits."""
        ...

    @property
    def memory(self) -> MemoryBreakdown:
        """Where the memory goes."""
        ...

    @property
    def max_batched_tokens(self) -> int:
        """Tokens of one iteration: the chunk size of chunked prefill."""
        ...

    @property
    def request_overhead_ms(self) -> float:
        """Milliseconds added once to each time to first token."""
        ...

    @property
    def idle_w(self) -> float:
        """Watts of one idle accelerator."""
        ...

    @property
    def provider(self) -> str:
        """Where the numbers come from."""
        ...

    @property
    def error_band(self) -> ErrorBand:
        """How far a measurement may lie from them."""
        ...

    def prefill_ms(self, new_tokens: ArrayInput, cached_tokens: ArrayInput = 0) -> Array:
        """Milliseconds for one prompt alone through the whole replica."""
        ...

    def step_ms(
        self,
        decode_batch: ArrayInput,
        context_tokens: ArrayInput,
        prefill_tokens: ArrayInput = 0,
        prefill_context_tokens: ArrayInput = 0,
    ) -> Array:
        """Milliseconds for one engine iteration of a mixed batch."""
        ...

    def max_batch(self, tokens_per_request: float) -> int:
        """Most requests of that many cached tokens held at once."""
        ...

    def power_w(self, decode_batch: Any, prefill_fraction: Any = 0.0) -> Array:
        """Watts of one accelerator, after the cap."""
        ...
