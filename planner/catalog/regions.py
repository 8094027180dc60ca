"""Regions: how far apart they are, and what electricity costs and emits there."""

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field, model_validator

from planner.catalog.provenance import CatalogEntry, Confidence, Provenance
from planner.catalog.unknown import Shelf, UnknownEntry
from planner.files import FieldProblem, close_matches

SAME_REGION_RTT_MS = 1.55
"""Round trip between two availability zones of one region, ms (simonpainter.com, Azure UK)."""

RTT_MS_PER_KM = 0.018
"""Upper end of the slope seen between Azure regions (0.013-0.018 ms per great-circle km), used
where no measurement exists."""

LONGEST_RTT_MS = 10_000
"""Round trips beyond this are slips of the finger (half around the world: 400 ms)."""

EARTH_RADIUS_KM = 6371.0

_ZONES = (re.compile(r"^(.+\d)[a-f]$"), re.compile(r"^(.+\d)-[a-f]$"))
_PROVIDERS = ("aws:", "azure:", "gcp:", "oci:")


@dataclass(frozen=True)
class Rate:
    """A figure of a place (a country, state or cloud region) with where it comes from."""

    value: float
    provenance: Provenance


class Region(CatalogEntry):
    """A place where traffic comes from or sites stand: usually a metropolitan area."""

    kind_name: ClassVar[str] = "region"

    place: str = Field(description="city or state, for people")
    country: str = Field(description="ISO 3166 code, two letters")
    latitude: float = Field(ge=-90, le=90, description="degrees north")
    longitude: float = Field(ge=-180, le=180, description="degrees east")
    aliases: tuple[str, ...] = Field(default=(), description="names the clouds give it")
    electricity: str | None = Field(default=None, description="place in data/electricity.csv")
    electricity_usd_per_kwh: float | None = Field(default=None, ge=0, le=100, description="own price")
    carbon: str | None = Field(default=None, description="place in data/carbon.csv")
    carbon_g_per_kwh: float | None = Field(default=None, ge=0, le=10_000, description="own grid intensity")
    rtt_via: str | None = Field(
        default=None, description="measured region from which round trips are extended by distance"
    )
    rtt_ms: Mapping[str, float] = Field(
        default_factory=dict, description="own round trips to other regions, ms"
    )

    @model_validator(mode="after")
    def _complete(self) -> "Region":
        for table, own in (
            ("electricity", "electricity_usd_per_kwh"),
            ("carbon", "carbon_g_per_kwh"),
        ):
            if getattr(self, table) is None and getattr(self, own) is None:
                raise FieldProblem(
                    "neither of them", f"{own}, or {table} (a place of data/{table}.csv)", at=(own,)
                )
        for other, milliseconds in self.rtt_ms.items():
            if not 0 <= milliseconds <= LONGEST_RTT_MS:
                allowed = f"0 to {LONGEST_RTT_MS:,} ms"
                raise FieldProblem(f"{milliseconds:g}", allowed, at=("rtt_ms", other))
        return self


def great_circle_km(a: Region, b: Region) -> float:
    """Return the shortest distance over the surface between two regions, km (haversine)."""
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    half_lat = (lat_b - lat_a) / 2
    half_lon = math.radians(b.longitude - a.longitude) / 2
    root = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(root))


class Regions:
    """All regions, with lookups by any name a cloud gives them.

    `rtt` maps canonical region to region to measured milliseconds.
    """

    def __init__(
        self,
        entries: Mapping[str, Region],
        rtt: Mapping[str, Mapping[str, float]],
        rtt_source: Provenance,
        electricity: Mapping[str, Rate],
        carbon: Mapping[str, Rate],
    ):
        self.entries: Mapping[str, Region] = Shelf("region", entries)
        self.electricity = electricity
        self.carbon = carbon
        self._rtt = rtt
        self._rtt_source = rtt_source

    def names(self) -> list[str]:
        """Return the canonical ids."""
        return sorted(self.entries)

    @cached_property
    def _by_alias(self) -> dict[str, str]:
        """Canonical id by every folded name."""
        found = {}
        for name, region in self.entries.items():
            for alias in region.aliases:
                found[folded_name(alias)] = name
        for name in self.entries:
            found[folded_name(name)] = name
        return found

    def resolve(self, name: str) -> str:
        """Return the canonical id of a region: `eu-west-1`, `europe-west4-a`, `West Europe`, `Tokyo` ...

        Raises:
            UnknownEntry: no region has that name, or a place has several; close matches are offered.
        """
        wanted = folded_name(name)
        for candidate in (wanted, *(m[1] for z in _ZONES if (m := z.match(wanted)) is not None)):
            if candidate in self._by_alias:
                return self._by_alias[candidate]
        here = self._by_place.get(wanted, [])
        if len(here) == 1:
            return here[0]
        if here:
            raise UnknownEntry("region", name, here, "several are there: say which")
        raise UnknownEntry("region", name, self._by_alias)

    @cached_property
    def _by_place(self) -> dict[str, list[str]]:
        """Canonical ids by every folded place: a city alone, without its state."""
        found: dict[str, list[str]] = {}
        for name, region in self.entries.items():
            for place in re.split(r",| and ", region.place):
                found.setdefault(folded_name(place), []).append(name)
        return found

    def region(self, name: str) -> Region:
        """Return the region of any name.

        Raises:
            UnknownEntry: no region has that name.
        """
        return self.entries[self.resolve(name)]

    def rtt_ms(self, a: str, b: str) -> float:
        """Return the round trip between two regions, ms; measured where there is a measurement.

        Raises:
            UnknownEntry: a region is unknown.
        """
        return self._round_trip(a, b)[0]

    def rtt_provenance(self, a: str, b: str) -> Provenance:
        """Return where `rtt_ms(a, b)` comes from: measured, or extended by distance (low)."""
        return self._round_trip(a, b)[1]

    def _round_trip(self, a: str, b: str) -> tuple[float, Provenance]:
        start, end = self.resolve(a), self.resolve(b)
        if start == end:
            note = "between two zones of one region"
            return SAME_REGION_RTT_MS, Provenance(
                source="simonpainter", as_of="2024", confidence="medium", note=note
            )
        for here, there in ((start, end), (end, start)):
            own = self.entries[here].rtt_ms
            stated = {self.resolve(name): value for name, value in own.items()}
            if there in stated:
                return stated[there], self.entries[here].provenance("rtt_ms")
            measured = self._rtt.get(here, {}).get(there)
            if measured is not None:
                return max(measured, SAME_REGION_RTT_MS), self._rtt_source
        return self._extended(self.entries[start], self.entries[end])

    def _extended(self, start: Region, end: Region) -> tuple[float, Provenance]:
        """Return a round trip from the nearest measured pair plus the distance to it."""
        via = [self.entries[region.rtt_via or region.id] for region in (start, end)]
        legs_km = great_circle_km(start, via[0]) + great_circle_km(end, via[1])
        measured = self._rtt.get(via[0].id, {}).get(via[1].id)
        if measured is None:
            measured = self._rtt.get(via[1].id, {}).get(via[0].id)
        direct_km = great_circle_km(start, end)
        if measured is not None and legs_km < direct_km:
            total = measured + legs_km * RTT_MS_PER_KM
            note = f"{via[0].id}-{via[1].id} measured {measured:g} ms plus {legs_km:.0f} km"
        else:
            total = direct_km * RTT_MS_PER_KM
            note = f"{direct_km:.0f} km great circle"
        note += f" at {RTT_MS_PER_KM} ms per km"
        return max(total, SAME_REGION_RTT_MS), Provenance(
            source=f"{self._rtt_source.source};derived", as_of="2026", confidence="low", note=note
        )

    def electricity_usd_per_kwh(self, name: str) -> float:
        """Return the electricity price of a region, or of a place such as `DE` or `US-VA`.

        Raises:
            UnknownEntry: neither a region nor a place has that name.
        """
        return self._rate(name, "electricity", "electricity_usd_per_kwh", self.electricity).value

    def carbon_g_per_kwh(self, name: str) -> float:
        """Return the grid's carbon intensity of a region, or of a place such as `DEU`.

        Raises:
            UnknownEntry: neither a region nor a place has that name.
        """
        return self._rate(name, "carbon", "carbon_g_per_kwh", self.carbon).value

    def electricity_provenance(self, name: str) -> Provenance:
        """Return where the electricity price of a region comes from."""
        found = self._rate(name, "electricity", "electricity_usd_per_kwh", self.electricity)
        return found.provenance

    def carbon_provenance(self, name: str) -> Provenance:
        """Return where the carbon intensity of a region comes from."""
        return self._rate(name, "carbon", "carbon_g_per_kwh", self.carbon).provenance

    def _rate(self, name: str, field: str, own_field: str, table: Mapping[str, Rate]) -> Rate:
        try:
            region = self.region(name)
        except UnknownEntry:
            if name in table:
                return table[name]
            raise
        own = getattr(region, own_field)
        if own is not None:
            return Rate(own, region.provenance(own_field))
        place = getattr(region, field)
        if place not in table:
            advice = f"named by the region {region.id}; {close_matches(place, table)}"
            raise UnknownEntry(f"{field} place", place, (), advice)
        return table[place]


def folded_name(name: str) -> str:
    """Return a region name without case, spaces and the provider before it."""
    text = re.sub(r"[\s_]", "", name.strip().lower())
    for provider in _PROVIDERS:
        text = text.removeprefix(provider)
    return text


def read_rtt(path: Path) -> dict[str, dict[str, float]]:
    """Read a square table of round trips, ms: rows from, columns to, empty where unmeasured."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    columns = rows[0][1:]
    return {
        row[0]: {to: float(cell) for to, cell in zip(columns, row[1:], strict=True) if cell}
        for row in rows[1:]
    }


def read_rates(path: Path, column: str) -> dict[str, Rate]:
    """Read a table of places with the figure in `column` and its provenance."""
    rates = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            confidence: Confidence = "high" if row["confidence"] == "high" else "low"
            if row["confidence"] == "medium":
                confidence = "medium"
            rates[row["place"]] = Rate(
                float(row[column]),
                Provenance(
                    source=row["source"],
                    as_of=row["as_of"],
                    confidence=confidence,
                    note=row.get("note") or "",
                ),
            )
    return rates
