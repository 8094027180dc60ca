"""Which inputs of low confidence a limit rests on: values of the catalog that nobody is sure of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planner.catalog.provenance import CatalogEntry, Provenance
from planner.plan.types import Plan
from planner.scenario import ANYWHERE
from planner.topology import Question

FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "power": {"servers": ("rated_w",)},
    "grid": {"servers": ("rated_w", "liquid_fraction")},
    "heat": {"servers": ("rated_w", "liquid_fraction")},
    "rack": {"servers": ("rated_w", "rack_units", "weight_kg", "liquid_fraction")},
    "racks": {"servers": ("rated_w", "rack_units", "weight_kg")},
    "capex": {"servers": ("price_usd",)},
    "opex": {"servers": ("price_usd", "rated_w")},
    "electricity": {},
    "carbon": {"servers": ("rated_w",), "accelerators": ("idle_w", "tdp_w")},
    "demand": {"accelerators": ("tflops", "memory_bandwidth_gb_s", "memory_gb", "tdp_w", "idle_w")},
    "slo": {"accelerators": ("tflops", "memory_bandwidth_gb_s")},
    "reliability": {"accelerators": ("tflops", "memory_bandwidth_gb_s")},
}
"""Kind of promise -> what of the catalog it is computed from."""


@dataclass(frozen=True)
class WeakInput:
    """A value of the catalog with low confidence: where it stands, what it is, and its source."""

    entry: str
    field: str
    source: str
    note: str

    @property
    def text(self) -> str:
        """One phrase."""
        return f"{self.field} of {self.entry} ({self.source}" + (f"; {self.note})" if self.note else ")")


def weak_inputs(
    plan: Plan, question: Question, kind: str, site: str | None = None, server: str | None = None
) -> list[WeakInput]:
    """Return the inputs of low confidence that a promise of a kind rests on in a plan.

    Args:
        plan: whose servers count.
        question: its question, with the catalog.
        kind: of the promise (see `FIELDS`).
        site: only servers there.
        server: only servers of this kind.
    """
    servers = [
        one
        for one in plan.servers
        if (site is None or one.site == site) and (server is None or one.server == server)
    ]
    found: list[WeakInput] = []
    for table, fields in FIELDS.get(kind, {}).items():
        entries = getattr(question.catalog, table)
        names = {one.server if table == "servers" else one.accelerator for one in servers}
        for name in sorted(names & set(entries)):
            wanted = tuple(f for f in fields if f != "price_usd" or _price_matters(plan, question, name))
            found += _weak(entries[name], name, wanted)
    if kind in ("opex", "carbon", "electricity"):
        found += _regions(question, kind, {one.site for one in servers if one.origin != "rent"})
    if kind in ("demand", "slo", "reliability"):
        found += _predictions(plan)
    return found


def _price_matters(plan: Plan, question: Question, server: str) -> bool:
    """Return whether the catalog's price of a server is part of a plan."""
    bought = any(one.origin == "buy" and one.server == server for one in plan.servers)
    return bought and server not in question.scenario.fleet.prices_usd


def _weak(entry: CatalogEntry, name: str, fields: tuple[str, ...]) -> Iterator[WeakInput]:
    for field in fields:
        try:
            provenances: list[Provenance] = [entry.provenance(field)]
        except KeyError:
            continue
        provenances += [p for key, p in entry.stated.items() if key.startswith(f"{field}.")]
        weak = next((p for p in provenances if p.confidence == "low"), None)
        if weak is not None:
            yield WeakInput(name, field, weak.source, weak.note)


def _regions(question: Question, kind: str, sites: set[str]) -> Iterator[WeakInput]:
    """Yield tariffs and carbon intensities of low confidence that the topology leaves to its regions."""
    regions = question.catalog.regions
    for site in question.topology.sites:
        if site.name not in sites or site.region == ANYWHERE:
            continue
        pairs = []
        if kind == "carbon" and site.carbon_g_per_kwh == regions.carbon_g_per_kwh(site.region):
            pairs.append(("carbon_g_per_kwh", regions.carbon_provenance(site.region)))
        if kind != "carbon" and site.electricity_usd_per_kwh == regions.electricity_usd_per_kwh(site.region):
            pairs.append(("electricity_usd_per_kwh", regions.electricity_provenance(site.region)))
        for field, provenance in pairs:
            if provenance.confidence == "low":
                yield WeakInput(site.region, field, provenance.source, provenance.note)


def _predictions(plan: Plan) -> Iterator[WeakInput]:
    """Yield the model of performance where its error is large."""
    bands = [row.error_band for row in plan.slo if row.error_band is not None]
    if bands and max(bands) >= LARGE_ERROR:
        yield WeakInput(plan.slo[0].provider, "predicted rates", f"error up to {max(bands):.0%}", "")


LARGE_ERROR = 0.25
"""Error bands of predicted times from here on are told."""
