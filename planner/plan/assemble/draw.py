"""What servers, replicas and traffic draw and emit: amounts of the program, kind by kind of variable.

A server draws its idle watts, a replica what it draws above them while it is in service, a unit of traffic
the energy of its requests beyond that and its part of what the host draws more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planner.optimize.problem import Integers, integers
from planner.performance.awake import joules_beyond_awake
from planner.performance.power import host_dynamic_w
from planner.performance.service import ServiceColumn
from planner.plan.assemble.offers import Host
from planner.shapes import MenuEntry

MILLIWATTS_PER_WATT = 1000


@dataclass(frozen=True)
class Drawn:
    """What one thing draws: mW of IT, mW at the grid with cooling, mg CO2 and ml of water per hour."""

    milliwatts: int = 0
    grid_milliwatts: int = 0
    carbon_mg: int = 0
    water_ml: int = 0

    def __add__(self, other: Drawn) -> Drawn:
        """Return what two things draw together."""
        return Drawn(
            self.milliwatts + other.milliwatts,
            self.grid_milliwatts + other.grid_milliwatts,
            self.carbon_mg + other.carbon_mg,
            self.water_ml + other.water_ml,
        )


def drawn(watts: float, pue: float, g_per_kwh: float, l_per_kwh: float = 0.0) -> Drawn:
    """Return whole amounts of `watts` of IT load: its PUE, the carbon of its electricity, its water."""
    return Drawn(
        round(watts * MILLIWATTS_PER_WATT),
        round(watts * MILLIWATTS_PER_WATT * pue),
        round(watts / 1000.0 * pue * g_per_kwh * 1000.0),
        round(watts / 1000.0 * l_per_kwh * 1000.0),
    )


def overhead_drawn(site: Mapping[str, Any]) -> Drawn:
    """Return what an open site draws whatever its load."""
    watts = float(site["overhead_kw"]) * 1000.0
    return Drawn(0, round(watts * MILLIWATTS_PER_WATT), round(watts * float(site["carbon_g_per_kwh"])))


@dataclass(frozen=True)
class Draw:
    """The draw by kind of variable: `servers`, `replicas`, `assign`, `open` (what sites draw)."""

    of: Mapping[str, Sequence[Drawn]]

    def milliwatts(self) -> dict[str, Integers]:
        """Return mW of IT."""
        return {kind: integers([one.milliwatts for one in things]) for kind, things in self.of.items()}

    def grid_milliwatts(self) -> dict[str, Integers]:
        """Return mW at the grid, cooling included."""
        return {kind: integers([one.grid_milliwatts for one in things]) for kind, things in self.of.items()}

    def carbon_mg(self) -> dict[str, Integers]:
        """Return mg CO2 per hour."""
        return {kind: integers([one.carbon_mg for one in things]) for kind, things in self.of.items()}


def request_joules(entry: MenuEntry, column: ServiceColumn, awake: int, host: Host, derate: float) -> float:
    """Return the energy of one request in a replica, beyond idle and awake, J; 0 for measured rates.

    That of its accelerators, and the share of its load in what the host draws more when it is busy.
    """
    if entry.replica is None or column.joules_per_request <= 0:
        return 0.0
    joules = joules_beyond_awake(column, awake, derate)
    if host.server is not None:
        taken = entry.shape.accelerators / host.accelerators
        joules += host_dynamic_w(host.server) * taken / column.rate_rps
    return joules
