"""Watts: what an accelerator and its server draw, and what a power cap costs in time.

Three powers are kept apart. *Provisioned* is what breakers must carry: the rating, or the cap
(``provisioned_w``). *Expected* is what the meter reads (``PowerModel.draw_w``, ``expected_w``,
``server_idle_w``). *Transient* is a short peak above provisioned (``transient_w``).

The draw of an accelerator is idle power, plus a step when kernels run, plus energy per byte moved
and per FLOP done, saturating at the thermal design power or the cap. Energy per byte and per FLOP
carry over between generations better than shares of the design power do; equations, sources and
measured errors: docs/power-model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from planner.performance.types import Array, ArrayInput

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator, Precision
    from planner.catalog.servers import Server

Phase = Literal["prefill", "decode"]
CALIBRATION = Path(__file__).parent / "calibration" / "power.yaml"

WATTS_PER_PJ_AND_GB_S = 1e-3
"""pJ/byte x GB/s = 1e-12 J/byte x 1e9 byte/s."""
WATTS_PER_PJ_AND_TFLOPS = 1.0
"""pJ/FLOP x TFLOP/s = 1e-12 J/FLOP x 1e12 FLOP/s."""
# Narrow arithmetic costs about as much per second at full use: half the width, twice the rate.
WIDTH_IN_HALVES: tuple[tuple[Precision, float], ...] = (
    ("bf16", 1.0),
    ("fp16", 1.0),
    ("fp8", 0.5),
    ("int8", 0.5),
    ("fp4", 0.25),
)
CLOCK_HALVINGS = 20
"""Interval halvings when solving for the clock: 1e-6 of the boost clock."""
TINY = 1e-9


@dataclass(frozen=True)
class PowerCoefficients:
    """Coefficients with a physical meaning; fitted ones come from ``calibration/power.yaml``."""

    idle: float = 0.15
    """Share of the thermal design power (TDP) drawn with a model loaded and no work, where the
    catalog has no figure. H200: 73.7 to 80.3 W of 700 W without a context (conservemode.com,
    alice-benchmark), 26 to 50 W more with one (arXiv:2605.23918): 0.14 to 0.19."""
    busy: float = 0.15
    """Share of TDP added as soon as kernels run: clocks up, schedulers and caches awake. Fitted."""
    byte_pj: float = 120.0
    """Energy to bring one byte from memory into use, pJ. Fitted."""
    flop_pj: float = 0.8
    """Energy of one bf16 FLOP, pJ. Fitted."""
    memory_shares: tuple[float, float] = (0.4, 1.0)
    """Bounds of the power of full memory bandwidth, in TDP: the measured range 0.57 (H100) to 0.92
    (B200) rounded outward. Binds for cards with GDDR (below) and on-chip memory (above)."""
    compute_shares: tuple[float, float] = (1.1, 2.0)
    """Bounds of the power of full arithmetic, in TDP. Prompts reach TDP on every accelerator
    measured, at half to two thirds of peak: A100 (Splitwise peaks), B200 (kernel power)."""
    unclocked_memory: float = 0.35
    """Part of the memory power that does not fall with the core clock: the memory chips and their
    wires, 3.9 pJ/bit for HBM2 (O'Connor et al., MICRO 2017) and controllers, of ``byte_pj``."""
    voltage_floor: float = 0.65
    """Share of the boost clock where the voltage stops falling. Above it energy per operation goes
    with the square of the clock, below it not at all; see docs/power-model.md."""
    memory_knee: float = 0.6
    """Share of the boost clock below which the core no longer keeps up with memory."""
    lowest_clock: float = 0.15
    """Share of the boost clock below which a cap cannot push it (300 of 1,980 MHz, H100)."""
    prefill_utilization: tuple[float, float] = (0.6, 0.3)
    """Typical compute and memory utilization of a long prompt, for ``slowdown``."""
    decode_utilization: tuple[float, float] = (0.1, 0.5)
    """Typical compute and memory utilization of a decoding batch, for ``slowdown``."""
    host_idle: float = 0.3
    """Share of a server's rated host power (fans, CPUs, NICs, conversion) drawn without load.
    Common practice for such boxes, not measured here."""
    host_busy: float = 0.53
    """The same at full load, where the catalog has no ``typical_w``. Between HGX H100 (0.61: 8.4 kW
    measured, 5.6 kW of it GPUs, of 10.2 kW rated; IEEE Access 13, 2025) and an 8 x B200 server
    (0.45: 10.4 kW of 14.3 kW; MLPerf Inference v5.1, entries 5.1-0061 and -0062)."""
    transient: float = 1.09
    """Highest draw over some 100 ms as a multiple of TDP: A100 while prefilling (Splitwise)."""


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
    busy_w
        Added while kernels run, whatever they do.
    memory_w, compute_w
        Added at full memory bandwidth and at full arithmetic rate.
    tdp_w
        Thermal design power: the limit without a cap.
    limit_w
        What the draw saturates at: the cap, or ``tdp_w``.
    coefficients
        How the parts respond to a cap.
    """

    idle_w: float
    busy_w: float
    memory_w: float
    compute_w: float
    tdp_w: float
    limit_w: float
    coefficients: PowerCoefficients

    def wanted_w(self, compute_utilization: ArrayInput, memory_utilization: ArrayInput) -> Array:
        """Return the watts that would be drawn if there were no limit.

        Utilizations are achieved FLOP/s and bytes/s over the datasheet's peaks (the peak of the
        arithmetic in use), 0 to 1; they broadcast, and the answer has their broadcast shape.
        """
        compute, memory = _utilizations(compute_utilization, memory_utilization)
        awake = (compute > 0) | (memory > 0)
        return np.asarray(
            self.idle_w + self.busy_w * awake + self.compute_w * compute + self.memory_w * memory
        )

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

        The core clock falls until the draw fits. Arithmetic slows with the clock; what waits for
        memory notices only below ``memory_knee``. 1 without a cap: calibrated times already contain
        the thermal design power.
        """
        compute, memory = _utilizations(compute_utilization, memory_utilization)
        return self._time_at(self.clock(compute, memory), compute, memory)

    def clock(self, compute_utilization: ArrayInput, memory_utilization: ArrayInput) -> Array:
        """Return the core clock the limit leaves, as a share of the uncapped one (0 to 1)."""
        compute, memory = np.broadcast_arrays(*_utilizations(compute_utilization, memory_utilization))
        low = np.full(compute.shape, self.coefficients.lowest_clock)
        high = np.ones(compute.shape)
        if self.limit_w >= self.tdp_w:
            return high
        for _ in range(CLOCK_HALVINGS):
            middle = (low + high) / 2.0
            fits = self._draw_at(middle, compute, memory) <= self.limit_w
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        fits_unslowed = self.wanted_w(compute, memory) <= self.limit_w
        return np.asarray(np.where(fits_unslowed, 1.0, low))

    def _time_at(self, clock: Array, compute: Array, memory: Array) -> Array:
        """Return the time of work at a clock, relative to the uncapped time."""
        arithmetic = compute**2 / np.maximum(compute**2 + memory**2, TINY)
        starved = np.maximum(self.coefficients.memory_knee / clock, 1.0)
        return np.asarray(arithmetic / clock + (1.0 - arithmetic) * starved)

    def _draw_at(self, clock: Array, compute: Array, memory: Array) -> Array:
        """Return watts at a clock: energy of the work over its longer time, plus what only ticks."""
        shares = self.coefficients
        volts_squared = np.maximum(clock, shares.voltage_floor) ** 2
        work_w = np.minimum(
            self.compute_w * compute + self.memory_w * memory, self.tdp_w - self.idle_w - self.busy_w
        )
        fixed_w = np.minimum(shares.unclocked_memory * self.memory_w * memory, work_w)
        clocked_w = (work_w - fixed_w) * volts_squared
        ticking_w = self.busy_w * volts_squared * clock
        return np.asarray(
            self.idle_w + ticking_w + (fixed_w + clocked_w) / self._time_at(clock, compute, memory)
        )


def _utilizations(compute: ArrayInput, memory: ArrayInput) -> tuple[Array, Array]:
    return (
        np.clip(np.asarray(compute, dtype=float), 0.0, 1.0),
        np.clip(np.asarray(memory, dtype=float), 0.0, 1.0),
    )


def power_model(
    accelerator: Accelerator,
    cap_w: float | None = None,
    coefficients: PowerCoefficients | None = None,
) -> PowerModel:
    """Return the power model of one accelerator, uncapped or under ``cap_w`` watts.

    ``coefficients`` default to the shipped calibration.

    Raises
    ------
    ValueError
        The cap does not exceed the accelerator's idle power.
    """
    shares = coefficients or power_coefficients()
    tdp = float(accelerator.tdp_w)
    idle = idle_w(accelerator, shares)
    limit = tdp if cap_w is None else min(float(cap_w), tdp)
    if limit <= idle:
        raise ValueError(
            f"a power cap of {limit:g} W leaves {accelerator.id} nothing to work with: "
            f"it draws {idle:.0f} W idle; set a cap between that and {tdp:g} W"
        )
    memory = shares.byte_pj * accelerator.memory_bandwidth_gb_s * WATTS_PER_PJ_AND_GB_S
    compute = shares.flop_pj * half_rate_tflops(accelerator) * WATTS_PER_PJ_AND_TFLOPS
    return PowerModel(
        idle_w=idle,
        busy_w=shares.busy * tdp,
        memory_w=_within(memory, shares.memory_shares, tdp),
        compute_w=_within(compute, shares.compute_shares, tdp),
        tdp_w=tdp,
        limit_w=limit,
        coefficients=shares,
    )


def _within(watts: float, shares: tuple[float, float], tdp_w: float) -> float:
    return float(min(max(watts, shares[0] * tdp_w), shares[1] * tdp_w))


def half_rate_tflops(accelerator: Accelerator) -> float:
    """Return the dense 16-bit rate, TFLOPS, or what the narrower ones imply; 0 when none is known."""
    for name, width in WIDTH_IN_HALVES:
        rate = accelerator.tflops.get(name)
        if rate is not None:
            return float(rate) * width
    return 0.0


def slowdown(accelerator: Accelerator, cap_w: float | None, phase: Phase) -> float:
    """Return by how much a cap stretches a phase of one accelerator (>= 1; 1 without a cap).

    Raises
    ------
    ValueError
        The cap does not exceed the accelerator's idle power.
    """
    return power_model(accelerator, cap_w).slowdown(phase)


def idle_w(accelerator: Accelerator, coefficients: PowerCoefficients | None = None) -> float:
    """Return watts of one accelerator with an LLM loaded and no work.

    The catalog's own figure where it has one, else a share of the thermal design power.
    """
    if accelerator.idle_w is not None:
        return float(accelerator.idle_w)
    return (coefficients or power_coefficients()).idle * float(accelerator.tdp_w)


def host_w(server: Server, load: ArrayInput) -> Array:
    """Return expected watts of a server without its accelerators, at a load of 0 to 1.

    ``server.host_w`` is what the rating leaves for fans, CPUs, NICs and conversion; a part of it is
    always drawn, the rest grows with load. The draw at full load is what the largest measured
    power of the server (``typical_w``) leaves beside its accelerators, where the catalog knows it.
    """
    idle, full = _host_range_w(server)
    return np.asarray(idle + (full - idle) * np.clip(np.asarray(load, dtype=float), 0.0, 1.0))


def _host_range_w(server: Server) -> tuple[float, float]:
    """Return the watts of a server without its accelerators, without load and at full load."""
    shares = power_coefficients()
    idle = shares.host_idle * server.host_w
    full = shares.host_busy * server.host_w
    if server.typical_w is not None:
        accelerators_w = server.rated_w - server.host_w
        full = min(max(server.typical_w - accelerators_w, idle), server.host_w)
    return idle, full


def host_dynamic_w(server: Server) -> float:
    """Return what a fully loaded server draws above idle besides its accelerators, W."""
    return float(host_w(server, 1.0) - host_w(server, 0.0))


def server_idle_w(server: Server, accelerator: Accelerator) -> float:
    """Return expected watts of a powered server that serves nothing."""
    return _host_range_w(server)[0] + server.accelerators * idle_w(accelerator)


def expected_w(server: Server, accelerator_w: ArrayInput, load: ArrayInput) -> Array:
    """Return what the meter reads: accelerators at a mean of ``accelerator_w`` each, and the host."""
    return np.asarray(host_w(server, load) + server.accelerators * np.asarray(accelerator_w, dtype=float))


def provisioned_w(server: Server, cap_w: float | None = None) -> float:
    """Return what breakers must carry: the rating, less what a cap per accelerator takes off."""
    if cap_w is None:
        return float(server.rated_w)
    return float(min(server.rated_w, server.host_w + server.accelerators * cap_w))


def transient_w(server: Server, accelerator: Accelerator) -> float:
    """Return the short peak of a whole server, W: all accelerators at once above their rating.

    A cap does not lower it: the controller that enforces it takes its time (POLCA,
    arXiv:2308.12908). A matter for power supplies, batteries and the inertia of breakers, never for
    the energy bill.
    """
    return float(
        host_w(server, 1.0) + server.accelerators * accelerator.tdp_w * power_coefficients().transient
    )
