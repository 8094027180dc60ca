"""What requests put on the network."""

from __future__ import annotations

from planner.scenario import Workload

STREAMED_BYTES_PER_OUTPUT_TOKEN = 200.0
"""A token streamed to the user: a server-sent event with a JSON chunk of the OpenAI chat format, about
200 bytes on the wire. Not verified; it hardly matters beside the price of a GPU."""

SECONDS_PER_HOUR = 3600.0
BYTES_PER_GB = 1e9


def egress_gb_s(workload: Workload, rate_rps: float) -> float:
    """Return what answers at `rate_rps` send to users, GB/s."""
    tokens_per_s = rate_rps * float(workload.output_tokens.mean)
    return tokens_per_s * STREAMED_BYTES_PER_OUTPUT_TOKEN / BYTES_PER_GB


def egress_usd_per_h(workload: Workload, rate_rps: float, usd_per_gb: float) -> float:
    """Return the price of sending the answers at `rate_rps` to users, USD/h."""
    return egress_gb_s(workload, rate_rps) * SECONDS_PER_HOUR * usd_per_gb
