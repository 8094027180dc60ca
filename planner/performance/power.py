"""Watts: what an accelerator and its server draw, and what a power cap costs in time.

Three powers are kept apart. *Provisioned* is what breakers must carry: the rating, or the cap.
*Expected* is what the meter reads (``PowerModel.draw_w``, ``server_idle_w``, ``host_w``).
*Transient* is a short peak above provisioned (``transient_w``).

Equations, sources and measured errors: docs/power-model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from planner.performance.types import Array, ArrayInput

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator
    from planner.catalog.servers import Server

Phase = Literal["prefill", "decode"]
CALIBRATION = Path(__file__).parent / "calibration" / "power.yaml"


@dataclass(frozen=True)
class PowerCoefficients:
    """Shares of the thermal design power; written by ``benchmarks/calibrate_power.py``."""

    idle: float = 0.13
    """Drawn with an LLM loaded and no work. H200: 73.7-80.3 W of 700 W measured without a context,
    which a live one raises by 26-50 W (facility facts, arXiv:2605.23918)."""
    busy: float = 0.17
    """Added as soon as kernels run, whatever they do: clocks up, schedulers and caches awake."""
    compute: float = 0.75
    """Added at full arithmetic utilization."""
    memory: float = 0.45
    """Added at full memory bandwidth."""
    clock_exponent: float = 3.0
    """How the clocked part of the power grows with the clock (voltage falls with it: V^2 f)."""
    lowest_clock: float = 0.25
    """Share of the boost clock below which a cap cannot push it."""
    prefill_utilization: tuple[float, float] = (0.6, 0.3)
    """Typical compute and memory utilization of a long prompt, for ``slowdown``."""
    decode_utilization: tuple[float, float] = (0.15, 0.6)
    """Typical compute and memory utilization of a decoding batch, for ``slowdown``."""
    host_idle: float = 0.3
    """Share of a server's rated host power (fans, CPUs, NICs, conversion) drawn without load."""
    host_busy: float = 0.61
    """The same at full load: HGX H100 node, 8.4 kW measured of 10.2 kW rated, 5.6 kW of it GPUs."""
    transient: float = 1.25
    """Highest draw over milliseconds as a multiple of the power limit."""


@lru_cache(maxsize=4)
def power_coefficients(path: Path = CALIBRATION) -> PowerCoefficients:
    """Return the calibrated coefficients (the defaults of the class where the file is silent)."""
    if not path.exists():
        return PowerCoefficients()
    from ruamel.yaml import YAML

    with path.open(encoding="utf-8") as stream:
        document: dict[str, Any] = YAML(typ="safe", pure=True).load(stream)
    values: dict[str, Any] = {
        name: tuple(float(part) for part in value) if isinstance(value, list) else float(value)
        for name, value in document["coefficients"].items()
    }
    return PowerCoefficients(**values)


@dataclass(frozen=True)
class PowerModel:
    """Expected watts of one accelerator at a utilization, under its cap.

    Parameters
    ----------
    idle_w
        With an LLM loaded and nothing to do.
    tdp_w
        Thermal design power: the limit without a cap.
    limit_w
        What the draw saturates at: the cap, or ``tdp_w``.
    coefficients
        Shares of ``tdp_w``.
    """

    idle_w: float
    tdp_w: float
    limit_w: float
    coefficients: PowerCoefficients

    def wanted_w(self, compute_utilization: ArrayInput, memory_utilization: ArrayInput) -> Array:
        """Return the watts that would be drawn if there were no limit.

        Utilizations are achieved FLOP/s and bytes/s over the datasheet's peaks, 0 to 1; they
        broadcast, and the answer has their broadcast shape.
        """
        compute = np.clip(np.asarray(compute_utilization, dtype=float), 0.0, 1.0)
        memory = np.clip(np.asarray(memory_utilization, dtype=float), 0.0, 1.0)
        shares = self.coefficients
        awake = (compute > 0) | (memory > 0)
        above = shares.busy * awake + shares.compute * compute + shares.memory * memory
        return np.asarray(self.idle_w + self.tdp_w * above)

    def draw_w(self, compute_utilization: ArrayInput, memory_utilization: ArrayInput) -> Array:
        """Return the expected watts of one accelerator, never above its limit."""
        return np.minimum(self.wanted_w(compute_utilization, memory_utilization), self.limit_w)

    def slowdown(self, phase: Phase) -> float:
        """Return by how much the limit stretches a phase at its typical utilization (>= 1)."""
        shares = self.coefficients
        typical = shares.prefill_utilization if phase == "prefill" else shares.decode_utilization
        return float(self.stretch(*typical))

    def stretch(self, compute_utilization: ArrayInput, memory_utilization: ArrayInput) -> Array:
        """Return by how much the limit stretches work of these uncapped utilizations (>= 1).

        The clock falls until the draw fits; what waits for memory does not notice. 1 without a cap:
        calibrated times already contain the thermal design power.
        """
        compute = np.clip(np.asarray(compute_utilization, dtype=float), 0.0, 1.0)
        memory = np.clip(np.asarray(memory_utilization, dtype=float), 0.0, 1.0)
        shares = self.coefficients
        wanted = np.minimum(self.wanted_w(compute, memory), self.tdp_w)
        unclocked = np.minimum(self.idle_w + self.tdp_w * shares.memory * memory, wanted)
        clocked = np.maximum(wanted - unclocked, 1e-9)
        left = np.maximum(self.limit_w - unclocked, 0.0)
        clock = np.clip(left / clocked, 0.0, 1.0) ** (1.0 / shares.clock_exponent)
        clock = np.maximum(clock, shares.lowest_clock)
        bound = compute / np.maximum(compute + memory, 1e-9)
        return np.asarray(1.0 + bound * (1.0 / clock - 1.0))


def power_model(accelerator: Accelerator, cap_w: float | None = None) -> PowerModel:
    """Return the power model of one accelerator, uncapped or under ``cap_w`` watts.

    Raises
    ------
    ValueError
        The cap does not exceed the accelerator's idle power.
    """
    shares = power_coefficients()
    idle = idle_w(accelerator)
    limit = accelerator.tdp_w if cap_w is None else min(float(cap_w), accelerator.tdp_w)
    if limit <= idle:
        raise ValueError(
            f"a power cap of {limit:g} W leaves {accelerator.id} nothing to work with: "
            f"it draws {idle:.0f} W idle; set a cap between that and {accelerator.tdp_w:g} W"
        )
    return PowerModel(idle, float(accelerator.tdp_w), limit, shares)


def idle_w(accelerator: Accelerator) -> float:
    """Return watts of one accelerator with an LLM loaded and no work.

    The catalog's own figure where it has one, else a share of the thermal design power.
    """
    if accelerator.idle_w is not None:
        return float(accelerator.idle_w)
    return power_coefficients().idle * float(accelerator.tdp_w)


def host_w(server: Server, load: ArrayInput) -> Array:
    """Return expected watts of a server without its accelerators, at a load of 0 to 1.

    ``server.host_w`` is what the rating leaves for fans, CPUs, NICs and conversion; of it a part
    is drawn always and grows with load. Where the catalog knows the largest measured power of the
    server (``typical_w``), that is the end of the line.
    """
    shares = power_coefficients()
    busy = shares.host_busy * server.host_w
    idle = shares.host_idle * server.host_w
    return np.asarray(idle + (busy - idle) * np.clip(np.asarray(load, dtype=float), 0.0, 1.0))


def server_idle_w(server: Server, accelerator: Accelerator) -> float:
    """Return expected watts of a powered server that serves nothing."""
    return float(host_w(server, 0.0)) + server.accelerators * idle_w(accelerator)


def transient_w(server: Server, accelerator: Accelerator, cap_w: float | None = None) -> float:
    """Return the short peak of a whole server, W: all accelerators at once above their limit.

    A matter for power supplies and batteries, never for breakers or the energy bill.
    """
    limit = accelerator.tdp_w if cap_w is None else min(cap_w, accelerator.tdp_w)
    return float(host_w(server, 1.0)) + server.accelerators * limit * power_coefficients().transient
