"""Which wire a collective runs over, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner.performance.coefficients import Coefficients
from planner.performance.types import Array

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator
    from planner.catalog.llm import LLM
    from planner.catalog.servers import Server
    from planner.performance.shape import Shape

# Used when no server is named: 8 accelerators per box and one 400 Gb/s NIC each
# (NVIDIA DGX H100/H200/B200 reference architectures).
DEFAULT_SERVER_ACCELERATORS = 8
DEFAULT_NIC_GB_S = 50.0
# At or below this a "scale-up" figure is only the PCIe slot (PCIe 5 x16: 64 GB/s one direction).
PCIE_CLASS_GB_S = 64.0
DEFAULT_PCIE_GB_S = 32.0


@dataclass(frozen=True)
class Links:
    """Bandwidths seen by one accelerator, GB/s one direction, and the sizes of the domains."""

    scale_up_gb_s: Array
    scale_up_domain: Array
    host_gb_s: Array
    server_accelerators: Array
    network_gb_s: Array


def links_of(accelerator: Accelerator, server: Server | None = None) -> Links:
    """Read the wires of an accelerator, in a server when one is given."""
    host = float(accelerator.pcie_gb_s or DEFAULT_PCIE_GB_S)
    scale_up = float(accelerator.scale_up_gb_s or 0.0)
    domain = int(accelerator.scale_up_domain or 1)
    if scale_up <= PCIE_CLASS_GB_S:
        host, domain = max(host, scale_up), 1
    in_server = server.accelerators if server is not None else DEFAULT_SERVER_ACCELERATORS
    if server is None and domain == 1 and scale_up > PCIE_CLASS_GB_S:
        domain = DEFAULT_SERVER_ACCELERATORS  # sold singly; boards of several wire its scale-up link
    nic = server.nic_gb_s if server is not None and server.nic_gb_s else DEFAULT_NIC_GB_S
    return Links(
        scale_up_gb_s=np.asarray(max(scale_up, host)),
        scale_up_domain=np.asarray(domain),
        host_gb_s=np.asarray(host),
        server_accelerators=np.asarray(max(in_server, domain)),
        network_gb_s=np.asarray(nic),
    )


def all_reduce_ms(links: Links, rates: Coefficients, ranks: Array, message_bytes: Array) -> Array:
    """Return milliseconds of one all-reduce of ``message_bytes`` over ``ranks`` accelerators.

    Latency plus ring traffic 2 (n - 1) / n on the widest domain that holds the ranks; wider
    groups add a second level over the network between domains.
    """
    ranks = np.asarray(ranks, dtype=float)
    ring = 2.0 * (ranks - 1.0) / np.maximum(ranks, 1.0)
    doublings = np.log2(np.maximum(ranks, 2.0)) - 1.0
    hops = rates.reduce_hop_us * doublings
    inside = (rates.reduce_latency_us + hops) * 1e-3 + ring * message_bytes / (
        links.scale_up_gb_s * rates.reduce_bandwidth * 1e6
    )
    # Through the host each further pair waits for the shared root complex, and bandwidth is shared.
    pairs = np.maximum(ranks / 2.0, 1.0)
    share = rates.reduce_bandwidth * rates.host_link_bandwidth * pairs**-rates.host_link_contention
    waits = (rates.reduce_latency_us + hops + rates.host_link_latency_us * (pairs - 1.0)) * 1e-3
    through_host = waits + ring * message_bytes / (links.host_gb_s * share * 1e6)
    domain = np.where(ranks <= links.scale_up_domain, inside, through_host)
    boxes = ranks / links.server_accelerators
    across = rates.network_latency_us * 1e-3 * np.log2(np.maximum(boxes, 2.0)) + 2.0 * (
        boxes - 1.0
    ) / np.maximum(boxes, 1.0) * message_bytes / (
        links.network_gb_s * links.server_accelerators * rates.network_bandwidth * 1e6
    )
    one_box = np.where(links.scale_up_domain > 1, inside, through_host)
    wide = ranks > links.server_accelerators
    result: Array = np.where(ranks > 1, np.where(wide, one_box + across, domain), 0.0)
    return result


def exchange_ms(links: Links, rates: Coefficients, ranks: Array, sent_bytes: Array) -> Array:
    """Return milliseconds of one expert dispatch + combine when each rank sends ``sent_bytes``."""
    ranks = np.asarray(ranks, dtype=float)
    outside = np.maximum(0.0, 1.0 - links.server_accelerators / np.maximum(ranks, 1.0))
    wire = np.where(links.scale_up_domain > 1, links.scale_up_gb_s, links.host_gb_s)
    inside = sent_bytes * (1.0 - outside) / (wire * rates.exchange_bandwidth * 1e6)
    across = sent_bytes * outside / (links.network_gb_s * rates.network_bandwidth * 1e6)
    latency = 2.0 * (rates.exchange_latency_us + np.where(outside > 0, rates.network_latency_us, 0.0))
    result: Array = np.where(ranks > 1, latency * 1e-3 + inside + across, 0.0)
    return result


def transfer_ms(size_bytes: Array, link_gb_s: Array, latency_ms: Array, share: Array) -> Array:
    """Return milliseconds to move ``size_bytes`` over one link at ``share`` of its line rate."""
    result: Array = latency_ms + size_bytes / (link_gb_s * share * 1e6)
    return result


ACTIVATION_BYTES = 2
"""Hidden states travel as bf16, and so do the results of experts; what is sent to experts of an fp8 or fp4
checkpoint is fp8 (DeepEP, github.com/deepseek-ai/DeepEP: dispatch in fp8, combine in bf16)."""


def fabric_bytes_per_token(llm: LLM, shape: Shape, servers: int) -> float:
    """Return bytes that one token of a replica of several servers sends from server to server.

    Pipeline stages hand the hidden state on once for each boundary between servers. With experts spread
    over the servers every token goes to `experts_per_token` of them and comes back, all but the part
    that stays at home: 1 - 1/servers.
    """
    if servers <= 1:
        return 0.0
    if shape.pp > 1:
        return float((servers - 1) * llm.hidden_size * ACTIVATION_BYTES)
    if shape.ep <= 1:
        return 0.0
    dispatch = 1 if shape.weights in ("fp8", "fp4") else ACTIVATION_BYTES
    away = 1.0 - 1.0 / servers
    total = 0.0
    for group in llm.groups:
        if group.feed_forward.kind == "moe":
            width = group.feed_forward.latent_size or llm.hidden_size
            one = width * (dispatch + ACTIVATION_BYTES)
            total += group.count * group.feed_forward.experts_per_token * one * away
    return total
