"""Sizing on the safe side of a prediction: a replica as slow as its error band allows."""

from __future__ import annotations

from typing import Any

from scipy.special import ndtri

from planner.performance.shape import Shape
from planner.performance.types import Array, ArrayInput, ErrorBand, MemoryBreakdown, ReplicaModel

BAND_SHARE = 0.8
"""Share of measurements inside an error band; half of the others lie above it."""


def slowdown_at(confidence: float, band: float) -> float:
    """Return the factor of a time that is not exceeded with a probability.

    Errors are taken as normal: a band of half-width b holds 80 % of measurements, so 90 % lie below
    1 + b, and `confidence` of them below 1 + b z(confidence) / z(0.9). At 0.5 the factor is 1.
    """
    edge = ndtri((1 + BAND_SHARE) / 2)
    return max(0.1, 1.0 + band * float(ndtri(confidence)) / float(edge))


class PessimisticReplica:
    """A `ReplicaModel` whose times are those not exceeded with probability `confidence`.

    Iterations without prompts grow by the band of TPOT, what prompts add by the band of TTFT. Memory and
    watts stay as they are.
    """

    def __init__(self, replica: ReplicaModel, confidence: float) -> None:
        self.replica = replica
        self.confidence = confidence
        self._decode = slowdown_at(confidence, replica.error_band.tpot)
        self._prefill = slowdown_at(confidence, replica.error_band.ttft)

    @property
    def shape(self) -> Shape:
        """What the replica is."""
        return self.replica.shape

    @property
    def fits(self) -> bool:
        """Whether it can run at all."""
        return self.replica.fits

    @property
    def refusal(self) -> str:
        """Why it cannot run."""
        return self.replica.refusal

    @property
    def memory(self) -> MemoryBreakdown:
        """Where the memory goes."""
        return self.replica.memory

    @property
    def max_batched_tokens(self) -> int:
        """Tokens of one iteration."""
        return self.replica.max_batched_tokens

    @property
    def request_overhead_ms(self) -> float:
        """Milliseconds added once to each time to first token."""
        return self.replica.request_overhead_ms * self._prefill

    @property
    def idle_w(self) -> float:
        """Watts of one idle accelerator."""
        return self.replica.idle_w

    @property
    def provider(self) -> str:
        """Where the numbers come from, and on which side of the band they are."""
        return f"{self.replica.provider} at {self.confidence:.0%} confidence"

    @property
    def error_band(self) -> ErrorBand:
        """How far a measurement may lie from the central prediction."""
        return self.replica.error_band

    def prefill_ms(self, new_tokens: ArrayInput, cached_tokens: ArrayInput = 0) -> Array:
        """Milliseconds for one prompt alone."""
        return self.replica.prefill_ms(new_tokens, cached_tokens) * self._prefill

    def step_ms(
        self,
        decode_batch: ArrayInput,
        context_tokens: ArrayInput,
        prefill_tokens: ArrayInput = 0,
        prefill_context_tokens: ArrayInput = 0,
    ) -> Array:
        """Milliseconds for one engine iteration of a mixed batch."""
        bare = self.replica.step_ms(decode_batch, context_tokens)
        mixed = self.replica.step_ms(decode_batch, context_tokens, prefill_tokens, prefill_context_tokens)
        return bare * self._decode + (mixed - bare) * self._prefill

    def max_batch(self, tokens_per_request: float) -> int:
        """Most requests of that many cached tokens held at once."""
        return self.replica.max_batch(tokens_per_request)

    def power_w(self, decode_batch: Any, prefill_fraction: Any = 0.0) -> Array:
        """Watts of one accelerator."""
        return self.replica.power_w(decode_batch, prefill_fraction)
