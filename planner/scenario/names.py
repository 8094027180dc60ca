"""Names in a scenario that must be known: LLMs, servers, instances, engines, regions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog import Catalog, UnknownEntry
from planner.files import Document, InputFault, InputFaults, close_matches
from planner.scenario.rates import read_measurements
from planner.scenario.workload import ANYWHERE


@dataclass(frozen=True)
class RateTable:
    """The names that a table of measured rates makes known."""

    llms: frozenset[str]
    accelerators: frozenset[str]

    @staticmethod
    def empty() -> "RateTable":
        """Return the table of a scenario without one."""
        return RateTable(frozenset(), frozenset())


def read_rate_table(document: Document) -> RateTable:
    """Return the names in the table that `performance.path` of a scenario document names.

    Raises:
        InputFaults: a column is missing, or a rate is not a number of 0 or more; with its line.
    """
    performance = document.data.get("performance")
    if not isinstance(performance, Mapping) or _providers(performance) != {"table"}:
        return RateTable.empty()
    path = performance.get("path")
    if not isinstance(path, str) or not Path(path).is_file():
        return RateTable.empty()
    rows = read_measurements(Path(path))
    return RateTable(frozenset(row.llm for row in rows), frozenset(row.accelerator for row in rows))


def _providers(performance: Mapping[str, Any]) -> set[Any]:
    """Return every provider that the section `performance` names."""
    single = performance.get("by_accelerator")
    others = single.values() if isinstance(single, Mapping) else ()
    return {performance.get("provider", "analytic"), *map(str, others)}


def name_faults(document: Document, catalog: Catalog, table: RateTable) -> list[InputFault]:
    """Return a fault for every name in a scenario document that nothing knows.

    Works on the data as written, so that it can answer even where other fields are wrong.
    """
    checker = _Names(document, catalog, table)
    checker.check()
    return checker.faults


class _Names:
    """Walks a scenario document and collects what is unknown."""

    def __init__(self, document: Document, catalog: Catalog, table: RateTable):
        self.document = document
        self.catalog = catalog
        self.table = table
        self.faults: list[InputFault] = []

    def check(self) -> None:
        data = self.document.data
        for index, workload in enumerate(_list(data.get("workloads"))):
            if isinstance(workload, Mapping):
                self._workload(workload, index)
        quality = data.get("quality")
        scores = quality.get("scores") if isinstance(quality, Mapping) else None
        for llm in scores if isinstance(scores, Mapping) else ():
            if isinstance(llm, str) and llm not in self.table.llms:
                self._llm(("quality", "scores", llm), llm)
        fleet = data.get("fleet")
        if isinstance(fleet, Mapping):
            self._fleet(fleet)
        for index, engine in enumerate(_list(data.get("engines"))):
            self._member(("engines", index), engine, "engine", self.catalog.engines)
        performance = data.get("performance")
        timed = performance.get("by_accelerator") if isinstance(performance, Mapping) else None
        for name in timed if isinstance(timed, Mapping) else ():
            if name not in self.table.accelerators:
                self._member(
                    ("performance", "by_accelerator", name), name, "accelerator", self.catalog.accelerators
                )

    def _workload(self, workload: Mapping[str, Any], index: int) -> None:
        at = ("workloads", index)
        for place, llm in enumerate(_list(workload.get("llms"))):
            if isinstance(llm, str) and llm not in self.table.llms:
                self._llm((*at, "llms", place), llm)
        origins = workload.get("origins")
        for region in origins if isinstance(origins, Mapping) else ():
            self._region((*at, "origins", region), region)
        for place, region in enumerate(_list(workload.get("regions"))):
            self._region((*at, "regions", place), region)
        if workload.get("slo") is None and workload.get("tier") != "batch" and not self._measured():
            self.faults.append(
                self.document.fault(
                    (*at, "slo"),
                    "nothing",
                    "a latency objective such as {ttft_ms: 2000, tpot_ms: 50, percentile: 99}",
                    "an interactive workload needs one unless rates are measured"
                    " (performance: {provider: table}); or set tier: batch",
                )
            )

    def _measured(self) -> bool:
        performance = self.document.data.get("performance")
        return isinstance(performance, Mapping) and _providers(performance) == {"table"}

    def _fleet(self, fleet: Mapping[str, Any]) -> None:
        for index, server in enumerate(_list(fleet.get("buy"))):
            self._member(("fleet", "buy", index), server, "server", self.catalog.servers)
            if isinstance(server, str) and server in self.catalog.servers:
                self._can_buy(server, ("fleet", "buy", index), fleet.get("prices_usd"))
        for part in ("stock", "delivery", "prices_usd"):
            listed = fleet.get(part)
            for server in listed if isinstance(listed, Mapping) else ():
                self._member(("fleet", part, server), server, "server", self.catalog.servers)
        for index, rent in enumerate(_list(fleet.get("rent"))):
            if isinstance(rent, Mapping):
                self._rent(rent, ("fleet", "rent", index))

    def _can_buy(self, server: str, loc: tuple[str | int, ...], prices: Any) -> None:
        """Check that a server is sold at a known price."""
        entry = self.catalog.servers[server]
        stated = isinstance(prices, Mapping) and prices.get(server) is not None
        if entry.cloud_only:
            found, advice = f"'{server}', which is only rented", "put its instance under fleet.rent"
            self.faults.append(self.document.fault(loc, found, "a server that is sold", advice))
        elif entry.price_usd is None and not stated:
            found, advice = f"no price for '{server}'", f"state fleet.prices_usd: {{{server}: ...}}"
            self.faults.append(self.document.fault(loc, found, "a server with a price", advice))

    def _rent(self, rent: Mapping[str, Any], at: tuple[str | int, ...]) -> None:
        if "region" in rent:
            self._region((*at, "region"), rent["region"])
        priced = rent.get("usd_per_h") is not None
        accelerator = rent.get("accelerator")
        if isinstance(accelerator, str) and self._measured() and priced:
            pass  # a name: where the table has no rate for it, it serves nothing
        elif isinstance(accelerator, str) and accelerator not in self.table.accelerators:
            known = self.catalog.accelerators
            self._member((*at, "accelerator"), accelerator, "accelerator", known)
            if not priced and accelerator in known and known[accelerator].rent_usd_per_h is None:
                self._no_price((*at, "accelerator"), accelerator, "")
        elif isinstance(accelerator, str) and not priced and not self._catalog_price(accelerator):
            self._no_price((*at, "accelerator"), accelerator, "")
        instance = rent.get("instance")
        if isinstance(instance, str):
            known_instances = self.catalog.instances
            self._member((*at, "instance"), instance, "instance", known_instances)
            if instance in known_instances and not priced:
                self._instance_price(rent, instance, at)

    def _catalog_price(self, accelerator: str) -> bool:
        entry = self.catalog.accelerators.get(accelerator)
        return entry is not None and entry.rent_usd_per_h is not None

    def _instance_price(self, rent: Mapping[str, Any], instance: str, at: tuple[str | int, ...]) -> None:
        """Check that the instance has a price in the region it is rented in."""
        entry = self.catalog.instances[instance]
        spot = rent.get("terms") == "spot"
        prices = entry.spot_usd_per_h if spot else entry.on_demand_usd_per_h
        region = str(rent.get("region", ANYWHERE))
        try:
            price = instance_price(self.catalog, instance, region, spot)
        except UnknownEntry:
            return  # the region is reported as unknown
        if price is None:
            sold = ", ".join(sorted(prices)) or "no region"
            self._no_price((*at, "region"), f"{instance} in {region}", f"priced in: {sold}")

    def _no_price(self, loc: tuple[str | int, ...], what: str, advice: str) -> None:
        self.faults.append(
            self.document.fault(
                loc,
                f"no price for {what}",
                "an offer with a price",
                "; ".join(part for part in (advice, "or state usd_per_h") if part),
            )
        )

    def _llm(self, loc: tuple[str | int, ...], name: str) -> None:
        try:
            self.catalog.llm(name)
        except UnknownEntry:
            hint = close_matches(name, self.catalog.llm_ids()) or "see `planner catalog list llms`"
            self._unknown(loc, name, "an LLM of the catalog, or a path to a config.json", hint)
        except InputFaults as error:
            self.faults += error.faults
        except (OSError, ValueError, KeyError, LookupError) as error:
            self._unknown(loc, name, "an LLM that can be read", str(error))

    def _region(self, loc: tuple[str | int, ...], name: Any) -> None:
        if not isinstance(name, str) or name == ANYWHERE:
            return
        try:
            self.catalog.regions.resolve(name)
        except UnknownEntry:
            hint = close_matches(name, region_names(self.catalog))
            self._unknown(loc, name, "a cloud region", hint or "see `planner catalog list regions`")

    def _member(self, loc: tuple[str | int, ...], name: Any, kind: str, known: Iterable[str]) -> None:
        if isinstance(name, str) and name not in set(known):
            hint = close_matches(name, known) or f"see `planner catalog list {kind}s`"
            article = "an" if kind[0] in "aei" else "a"
            self._unknown(loc, name, f"{article} {kind} of the catalog", hint)

    def _unknown(self, loc: tuple[str | int, ...], name: str, allowed: str, advice: str) -> None:
        self.faults.append(self.document.fault(loc, f"'{name}'", allowed, advice))


def region_names(catalog: Catalog) -> list[str]:
    """Return every name a region may be called by, for advice."""
    regions = catalog.regions
    aliases = [alias for entry in regions.entries.values() for alias in entry.aliases]
    return [*regions.names(), *aliases]


def instance_price(catalog: Catalog, instance: str, region: str, spot: bool) -> float | None:
    """Return USD per hour of an instance in a region (any alias), its cheapest for `any`, or None.

    Raises:
        UnknownEntry: the region or the instance is not in the catalog.
    """
    entry = catalog.instances[instance]
    prices = entry.spot_usd_per_h if spot else entry.on_demand_usd_per_h
    if region == ANYWHERE:
        return min(prices.values(), default=None)
    if region in prices:
        return prices[region]
    resolve: Callable[[str], str] = catalog.regions.resolve
    wanted = resolve(region)
    for name, price in prices.items():
        try:
            if resolve(name) == wanted:
                return price
        except UnknownEntry:
            continue
    return None


def _list(value: Any) -> list[Any]:
    """Return the value if it is a list, else nothing (the type is reported elsewhere)."""
    return value if isinstance(value, list) else []
