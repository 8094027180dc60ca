"""What happened to the requests of one workload, in bounded memory."""

from __future__ import annotations

from array import array

MOST_ENTRIES = 400_000
"""Requests whose latencies are kept. A longer replay keeps every second one, then every fourth ...: half
of this number at least, 2,000 of them beyond p99."""


class Latencies:
    """Latencies of answered requests in order of completion (times in ms), and exact counts.

    Args:
        warm_up_ms: requests that arrive before are not counted.
        most: entries kept, see `MOST_ENTRIES`.

    Attributes:
        arrival_ms, ttft_ms, tpot_ms, e2e_ms: of the requests that are kept; `tpot_ms` is NaN for answers of
            one token.
        answered, failed, output_tokens: of all requests that count.

    """

    def __init__(self, warm_up_ms: float = 0.0, most: int = MOST_ENTRIES) -> None:
        self.arrival_ms: array[float] = array("d")
        self.ttft_ms: array[float] = array("d")
        self.tpot_ms: array[float] = array("d")
        self.e2e_ms: array[float] = array("d")
        self.answered = 0
        self.failed = 0
        self.output_tokens = 0
        self._warm_up_ms = warm_up_ms
        self._most = most
        self._every = 1

    def answer(self, arrival_ms: float, ttft_ms: float, tpot_ms: float, e2e_ms: float, tokens: int) -> None:
        """Note a request that was answered with `tokens` tokens."""
        if arrival_ms < self._warm_up_ms:
            return
        self.answered += 1
        self.output_tokens += tokens
        if self.answered % self._every:
            return
        self.arrival_ms.append(arrival_ms)
        self.ttft_ms.append(ttft_ms)
        self.tpot_ms.append(tpot_ms)
        self.e2e_ms.append(e2e_ms)
        if len(self.arrival_ms) >= self._most:
            self._thin()

    def fail(self, arrival_ms: float) -> None:
        """Note a request that was never answered."""
        if arrival_ms >= self._warm_up_ms:
            self.failed += 1

    def _thin(self) -> None:
        """Keep every second entry, here and from now on."""
        self._every *= 2
        for name in ("arrival_ms", "ttft_ms", "tpot_ms", "e2e_ms"):
            setattr(self, name, getattr(self, name)[1::2])
