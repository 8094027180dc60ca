"""What one replica waits for, and where its memory goes.

Each resource is made free in turn (a millionth of the time) and the iteration timed again by the same
model: what that saves is what the replica waits for it. Waits overlap, so they need not add up to the
iteration; what is left when everything is free is the host's own time.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.catalog import Catalog
from planner.performance.replica import AnalyticReplica, replica_model
from planner.performance.shape import Shape
from planner.performance.steps import Chip

FREE = 1e6
"""How many times faster a resource is that is free."""

GB = 1e9

RESOURCES = ("compute", "HBM", "links", "launch")
"""What a replica can wait for: arithmetic, memory bandwidth, wires between accelerators, kernel launches."""


@dataclass(frozen=True)
class Phase:
    """One kind of iteration: its time, and what making each resource free would save, ms."""

    name: str
    total_ms: float
    saved_ms: Mapping[str, float]
    host_ms: float

    @property
    def waits_for(self) -> str:
        """The resource that would save most."""
        return max(self.saved_ms, key=lambda name: self.saved_ms[name])


@dataclass(frozen=True)
class Roofline:
    """One replica explained. memory_gb: parts of the fullest accelerator; requests: most held at once."""

    shape: str
    fits: bool
    refusal: str
    phases: tuple[Phase, ...]
    memory_gb: Mapping[str, float]
    kv_tokens: float
    requests: int
    error_ttft: float
    error_tpot: float

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("phases", "memory_gb")},
            "memory_gb": dict(self.memory_gb),
            "phases": [
                {
                    "name": phase.name,
                    "total_ms": phase.total_ms,
                    "saved_ms_if_free": dict(phase.saved_ms),
                    "host_ms": phase.host_ms,
                    "waits_for": phase.waits_for,
                }
                for phase in self.phases
            ],
        }


def roofline(
    catalog: Catalog,
    llm: str,
    shape: Shape,
    *,
    server: str | None = None,
    concurrency: int = 16,
    input_tokens: int = 1000,
    output_tokens: int = 200,
) -> Roofline:
    """Return what a replica waits for at a concurrency, and where its memory goes.

    Args:
        catalog: facts.
        llm: catalog id, Hugging Face id or path.
        shape: what the replica is.
        server: catalog id of where it stands; None: an 8-way box with 400 Gb/s for each accelerator.
        concurrency: requests decoding at once.
        input_tokens: length of a prompt.
        output_tokens: length of an answer.

    Raises:
        LookupError: the catalog does not know one of the names.
    """
    replica = replica_model(
        catalog.llm(llm),
        catalog.accelerators[shape.accelerator],
        shape,
        server=None if server is None else catalog.servers[server],
    )
    memory = replica.memory
    parts = {
        "weights": memory.weights_bytes / GB,
        "activations": memory.activation_bytes / GB,
        "communication": memory.communication_bytes / GB,
        "runtime": memory.runtime_bytes / GB,
        "cache": max(memory.kv_budget_bytes, 0.0) / GB,
        "kept from the engine": (memory.total_bytes - memory.usable_bytes) / GB,
    }
    held = replica.max_batch(float(input_tokens + output_tokens))
    context = input_tokens + output_tokens / 2
    phases: tuple[Phase, ...] = ()
    if replica.fits:
        phases = (
            _phase(f"decode, {concurrency} at once", replica, (concurrency, context, 0, 0)),
            _phase(f"prefill of {input_tokens} tokens", replica, (0, 0, input_tokens, 0)),
        )
    return Roofline(
        shape=shape.name,
        fits=replica.fits,
        refusal=replica.refusal,
        phases=phases,
        memory_gb=parts,
        kv_tokens=memory.kv_capacity_tokens,
        requests=held,
        error_ttft=replica.error_band.ttft,
        error_tpot=replica.error_band.tpot,
    )


def _phase(name: str, replica: AnalyticReplica, step: tuple[float, float, float, float]) -> Phase:
    total = _time(replica, step)
    saved = {one: total - _time(_freed(replica, (one,)), step) for one in RESOURCES}
    return Phase(name, total, saved, _time(_freed(replica, RESOURCES), step))


def _time(replica: AnalyticReplica, step: tuple[float, float, float, float]) -> float:
    return float(np.asarray(replica.step_ms(*step)))


def _freed(replica: AnalyticReplica, resources: tuple[str, ...]) -> AnalyticReplica:
    """Return the replica with some resources a million times faster."""
    other = copy.copy(replica)
    chip: Chip = replica.chip
    rates = replica.rates
    if "compute" in resources:
        chip = replace(chip, plain_tflops=chip.plain_tflops * FREE, narrow_tflops=chip.narrow_tflops * FREE)
    if "HBM" in resources:
        chip = replace(chip, memory_gb_s=chip.memory_gb_s * FREE)
    if "links" in resources:
        wires = {
            name: getattr(chip.links, name) * FREE for name in ("scale_up_gb_s", "host_gb_s", "network_gb_s")
        }
        chip = replace(chip, links=replace(chip.links, **wires))
        rates = replace(rates, **{name: getattr(rates, name) / FREE for name in LATENCIES})
    if "launch" in resources:
        rates = replace(rates, **{name: getattr(rates, name) / FREE for name in LAUNCHES})
    other.chip, other.rates = chip, rates
    return other


LAUNCHES = ("kernel_gap_us", "eager_launch_us")
"""Time per kernel, inside a captured graph and outside."""

LATENCIES = (
    "reduce_latency_us",
    "reduce_hop_us",
    "host_link_latency_us",
    "network_latency_us",
    "exchange_latency_us",
)
"""Start-up times of collectives and transfers."""


def read_shape(name: str) -> Shape:
    """Return the shape of a name as plans and `planner shapes` print it.

    `llama-3.3-70b/h200-sxm/vllm/tp2-dp2/fp8-kvbf16`, then perhaps a role and a cap. What stands before the
    LLM (a site and a server, in the name of a pool) is left to the caller.

    Raises:
        ValueError: it does not read so.
    """
    parts = name.split("/")
    at = next((n for n, part in enumerate(parts) if part.startswith("tp") and part[2:3].isdigit()), None)
    wrong = f"'{name}' is no shape: write LLM/ACCELERATOR/ENGINE/tp2-pp1/fp8-kvbf16 as `planner shapes` does"
    if at is None or at < 3 or at + 1 >= len(parts):
        raise ValueError(wrong)
    degrees = {"tp": 1, "pp": 1, "dp": 1, "ep": 1}
    for cut in parts[at].split("-"):
        if cut[:2] not in degrees or not cut[2:].isdigit():
            raise ValueError(wrong)
        degrees[cut[:2]] = int(cut[2:])
    weights, separator, cache = parts[at + 1].partition("-kv")
    if not separator:
        raise ValueError(wrong)
    role = next((part for part in parts[at + 2 :] if part in ("prefill", "decode")), "aggregated")
    cap = next((part for part in parts[at + 2 :] if part.endswith("w") and part[:-1].isdigit()), None)
    return Shape(
        llm="/".join(parts[: at - 2]),
        accelerator=parts[at - 2],
        engine=parts[at - 1],
        weights=weights,
        kv_cache=cache,
        role=role,  # type: ignore[arg-type]
        power_cap_w=None if cap is None else float(cap[:-1]),
        **degrees,
    )
