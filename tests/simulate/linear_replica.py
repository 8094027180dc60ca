"""A replica whose iterations take a + b n + c P milliseconds: small enough to calculate by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planner.performance.shape import Role, Shape
from planner.performance.types import Array, ErrorBand, MemoryBreakdown

BYTES_PER_TOKEN = 1e5


@dataclass(frozen=True)
class LinearReplica:
    """Iteration time `base_ms` + `sequence_ms` per decode + `token_ms` per prompt token.

    `sequences` bounds the batch, `kv_tokens` the cache, `max_batched_tokens` an iteration.
    """

    base_ms: float = 10.0
    sequence_ms: float = 0.0
    token_ms: float = 0.0
    sequences: int = 64
    kv_tokens: float = 1e9
    max_batched_tokens: int = 100
    request_overhead_ms: float = 0.0
    role: Role = "aggregated"
    idle_w: float = 100.0
    fits: bool = True
    refusal: str = ""
    provider: str = "linear"
    error_band: ErrorBand = field(default_factory=lambda: ErrorBand(0.0, 0.0))

    @property
    def shape(self) -> Shape:
        return Shape("toy", "toy", "vllm", role=self.role)

    @property
    def memory(self) -> MemoryBreakdown:
        return MemoryBreakdown(80e9, 72e9, 40e9, 1e9, 0.0, 1e9, BYTES_PER_TOKEN, 0.0, self.kv_tokens)

    def step_ms(
        self, decode_batch: Any, context_tokens: Any, prefill_tokens: Any = 0, prefill_context_tokens: Any = 0
    ) -> Array:
        n, _, p, _ = np.broadcast_arrays(
            *(
                np.asarray(x, dtype=float)
                for x in (decode_batch, context_tokens, prefill_tokens, prefill_context_tokens)
            )
        )
        return np.where((n > 0) | (p > 0), self.base_ms + self.sequence_ms * n + self.token_ms * p, 0.0)

    def prefill_ms(self, new_tokens: Any, cached_tokens: Any = 0) -> Array:
        return self.step_ms(0, 0, new_tokens, cached_tokens)

    def max_batch(self, tokens_per_request: float) -> int:
        return int(min(self.sequences, self.kv_tokens // tokens_per_request))

    def power_w(self, decode_batch: Any, prefill_fraction: Any = 0.0) -> Array:
        return np.asarray(200.0 + 300.0 * np.asarray(prefill_fraction) + 0.0 * np.asarray(decode_batch))
