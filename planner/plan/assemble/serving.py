"""Who could serve what: promises, the menu of shapes, and the rates of paths.

Every workload may be answered by some LLMs in some precisions; every host runs some shapes of them. The
round trip from an origin to a site is taken out of the TTFT, so a shape's rate depends on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.catalog import Catalog
from planner.performance.handover import wire_rate_rps
from planner.performance.links import DEFAULT_NIC_GB_S
from planner.performance.providers.choose import TimingProvider
from planner.performance.providers.table import RateTable, measured_column
from planner.performance.service import ServiceColumn
from planner.performance.shape import Role, Shape, cut_faults
from planner.performance.types import ReplicaModel
from planner.plan.adapters import adapter_ranks
from planner.plan.assemble.offers import Host
from planner.plan.assemble.quality import allowed_weights, good_enough
from planner.plan.fabric import handover_allowance_ms
from planner.scenario import Scenario, Workload
from planner.shapes import Menu, MenuEntry, Promise, Refusal, Timings, build_menu
from planner.shapes.enumerate import MAX_SERVERS_PER_REPLICA
from planner.shapes.menu import latency_objective, may_play
from planner.topology import Question, rtt_ms, servable_sites
from planner.topology.nodes import Graph

ROUND_TRIP_STEPS_MS = (0.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0)
"""Where a workload meets more than `MOST_ROUND_TRIPS` different round trips they are rounded up to these:
a little on the safe side, and far fewer rates to compute."""

MOST_ROUND_TRIPS = 8

PRICED_GOALS = {"cost", "served", "servers"}
"""Goals that a few percent of the energy of a request mean little to: for these, shapes that could not beat
another one's rate are not timed. Power and carbon look at every shape."""


@dataclass(frozen=True)
class Route:
    """Traffic of a workload from an origin could go to a site; `promise` says with what round trip."""

    workload: str
    origin: str
    site: str
    rtt_ms: float
    promise: Promise


@dataclass(frozen=True)
class Offering:
    """The menu, and what could not run at all."""

    menu: Menu
    refused: list[Refusal]
    routes: list[Route]


def possible_routes(question: Question, graph: Graph) -> list[Route]:
    """Return every (workload, origin, site) that data residency allows, with its round trip."""
    routes: list[Route] = []
    for workload in question.scenario.workloads:
        sites = servable_sites(workload, question.topology, question.catalog)
        trips = {
            (origin, site): rtt_ms(graph, origin, site, question.catalog)
            for origin, share in workload.origins.items()
            for site in sites
            if share > 0
        }
        exact = len(set(trips.values())) <= MOST_ROUND_TRIPS
        for (origin, site), trip in trips.items():
            promise = Promise(workload.name, trip if exact else _rounded_up(trip))
            routes.append(Route(workload.name, origin, site, trip, promise))
    return routes


def _rounded_up(trip_ms: float) -> float:
    return next((step for step in ROUND_TRIP_STEPS_MS if trip_ms <= step), trip_ms)


def _roles(scenario: Scenario, catalog: Catalog) -> Mapping[str, tuple[Role, ...]]:
    """Return the roles that replicas of each LLM may have, by its id."""
    ways: dict[str, set[str]] = {}
    for workload in scenario.workloads:
        for name in workload.llms:
            ways.setdefault(catalog.llm(name).id, set()).update(workload.serving)
    aggregated: tuple[Role, ...] = ("aggregated",)
    split: tuple[Role, ...] = ("prefill", "decode")
    return {
        llm: (*(aggregated if "aggregated" in found else ()), *(split if "split" in found else ()))
        for llm, found in ways.items()
    }


def nic_gb_s(host: Host) -> float:
    """Return the scale-out bandwidth of one accelerator of a host, one direction."""
    return DEFAULT_NIC_GB_S if host.server is None else host.server.nic_gb_s


def timing_provider(scenario: Scenario, accelerator: str) -> TimingProvider:
    """Return who times the replicas on an accelerator whose rates are not measured."""
    provider = scenario.performance.provider_of(accelerator)
    return "aiconfigurator" if provider == "aiconfigurator" else "analytic"


def timed_offering(
    question: Question, hosts: Iterable[Host], routes: list[Route], timings: Timings | None = None
) -> Offering:
    """Enumerate and time every shape of every allowed LLM on every host, but what `timings` knows."""
    timings = timings or Timings()
    scenario, catalog = question.scenario, question.catalog
    allowed: dict[str, list[tuple[str, str]]] = {}
    wanted: dict[str, set[str]] = {}
    for workload in scenario.workloads:
        pairs = [
            (catalog.llm(name).id, weights)
            for name in workload.llms
            for weights in allowed_weights(workload, name, scenario, catalog)
        ]
        allowed[workload.name] = pairs
        for llm_id, weights in pairs:
            wanted.setdefault(llm_id, set()).add(weights)
    names = {catalog.llm(name).id: name for workload in scenario.workloads for name in workload.llms}
    candidates: list[tuple[ReplicaModel, str, int]] = []
    refused: list[Refusal] = []
    roles = _roles(scenario, catalog)
    by_label = {host.label: host for host in hosts}
    for host in by_label.values():
        if host.server is None:
            continue
        accelerator = catalog.accelerators[host.accelerator]
        for llm_id, precisions in sorted(wanted.items()):
            found = timings.shapes(
                catalog.llm(names[llm_id]),
                host.server,
                accelerator,
                engines=scenario.engines,
                precisions=sorted(precisions),
                power_caps_w=(host.cap_w,),
                memory_fraction=scenario.performance.memory_fraction,
                most_servers=1 if host.rented else MAX_SERVERS_PER_REPLICA,
                provider=timing_provider(scenario, host.accelerator),
                analytic_where_unknown=scenario.performance.analytic_where_unknown,
                expert_skew=scenario.performance.expert_skew,
                confidence=scenario.reliability.confidence,
                roles=roles[llm_id],
                adapter_ranks=adapter_ranks(scenario, llm_id, lambda name: catalog.llm(name).id),
            )
            refused.extend(found.refused)
            for replica in found.replicas:
                candidates.append((replica, host.label, host.accelerators))
    promises = _unique(route.promise for route in routes)

    def wire_rps(index: int, workload: Workload) -> float:
        replica, label, _ = candidates[index]
        llm = catalog.llm(names[replica.shape.llm])
        return wire_rate_rps(llm, replica.shape, float(workload.input_tokens.mean), nic_gb_s(by_label[label]))

    prune = not counts_replicas(scenario)
    menu = build_menu(
        candidates,
        scenario.workloads,
        promises,
        allowed,
        derate=scenario.performance.derate,
        refinement=scenario.performance.refinement,
        timed=timings.columns,
        saturations=timings.saturated_rps,
        allowances_ms=_allowances(scenario, catalog, names, candidates, by_label),
        wire_rps=wire_rps,
        skip_beaten=prune and {name for _, name in scenario.objective.goals} <= PRICED_GOALS,
        prune=prune,
    )
    _without_important(menu, by_label, scenario)
    return Offering(menu, refused, routes)


def counts_replicas(scenario: Scenario) -> bool:
    """Return whether more than the rates of replicas matters: their number, or how fast they start.

    Then a shape that carries less than another one may still be the better choice.
    """
    counted = bool(scenario.replicas) or any(workload.loras for workload in scenario.workloads)
    return counted or any(workload.ramp_per_min for workload in scenario.workloads)


def _without_important(menu: Menu, hosts: Mapping[str, Host], scenario: Scenario) -> None:
    """Take workloads that are too important off hosts that may be capped when power is short."""
    priority = {workload.name: workload.priority for workload in scenario.workloads}
    kept: list[MenuEntry] = []
    for entry in menu.entries:
        least = hosts[entry.server].shed_priority
        if least is None:
            kept.append(entry)
            continue
        columns = {p: c for p, c in entry.columns.items() if priority[p.workload] >= least}
        if columns:
            kept.append(replace(entry, columns=columns))
    menu.entries = kept


def _allowances(
    scenario: Scenario,
    catalog: Catalog,
    names: Mapping[str, str],
    candidates: Sequence[tuple[ReplicaModel, str, int]],
    hosts: Mapping[str, Host],
) -> Mapping[str, Sequence[float]]:
    """Return the allowances for handing the cache over that occur, by workload that may be split."""
    found: dict[str, Sequence[float]] = {}
    for workload in scenario.workloads:
        if "split" not in workload.serving:
            continue
        ends: dict[str, dict[Role, dict[tuple[int, float], Shape]]] = {}
        for replica, label, _ in candidates:
            shape = replica.shape
            if shape.role != "aggregated" and names[shape.llm] in workload.llms:
                sides = ends.setdefault(shape.llm, {"prefill": {}, "decode": {}})
                sides[shape.role].setdefault((shape.tp * shape.pp, nic_gb_s(hosts[label])), shape)
        steps = {
            handover_allowance_ms(catalog.llm(names[llm]), workload, sent, taken, min(out_gb_s, in_gb_s))
            for llm, sides in ends.items()
            for (_, out_gb_s), sent in sides["prefill"].items()
            for (_, in_gb_s), taken in sides["decode"].items()
        }
        found[workload.name] = sorted(step for step in steps if step is not None)
    return found


def merged(offerings: Sequence[Offering], routes: list[Route]) -> Offering:
    """Return one offering of several, of different accelerators."""
    menu = Menu(
        entries=[entry for offering in offerings for entry in offering.menu.entries],
        useless=[entry for offering in offerings for entry in offering.menu.useless],
        beaten=[entry for offering in offerings for entry in offering.menu.beaten],
        dominated=[found for offering in offerings for found in offering.menu.dominated],
    )
    return Offering(menu, [refusal for offering in offerings for refusal in offering.refused], routes)


def table_offering(
    question: Question, table: RateTable, hosts: Sequence[Host], routes: list[Route]
) -> Offering:
    """Take the rates from the user's own measurements: (shape, workload) -> requests/s.

    Where other accelerators are timed, LLMs of the table are those of the catalog: in the precision they
    were published in, cut as they can be, and serving both phases.
    """
    scenario = question.scenario
    alone = scenario.performance.measured_throughout
    asked = {name for workload in scenario.workloads for name in workload.llms}
    if not alone:
        ids = {name: question.catalog.llm(name).id for name in asked}
        table = table.renamed(lambda name: ids.get(name, name))
        asked = set(ids.values())
    promises = _unique(route.promise for route in routes)
    menu = Menu()
    refused: list[Refusal] = []
    for host in hosts:
        for llm, accelerator, tp, pp, dp, ep, role in table.shapes():
            if accelerator != host.accelerator:
                continue
            shape = Shape(
                llm=llm,
                accelerator=accelerator,
                engine=scenario.engines[0],
                tp=tp,
                pp=pp,
                dp=dp,
                ep=ep,
                role=role,
                power_cap_w=host.cap_w,
            )
            size, box = shape.accelerators, host.accelerators
            if size > box and size % box:
                refused.append(Refusal(shape, f"{size} accelerators are not whole servers of {box}"))
                continue
            if not alone:
                if llm not in asked:
                    continue
                shape = replace(shape, weights=question.catalog.llm(llm).native_weights)
                faults = cut_faults(question.catalog.llm(llm), shape)
                if role != "aggregated":
                    faults.append("a split is measured only where every accelerator is")
                if faults:
                    refused.append(Refusal(shape, "; ".join(faults)))
                    continue
            answerable = [w for w in scenario.workloads if _answers(w, llm, shape, question)]
            columns = _table_columns(table, shape, answerable, promises)
            servers = size // box if size > box else 0
            entry = MenuEntry(shape, host.label, servers, None, columns, columns)
            (menu.entries if columns else menu.useless).append(entry)
    _without_important(menu, {host.label: host for host in hosts}, scenario)
    return Offering(menu, refused, routes)


def _answers(workload: Workload, llm: str, shape: Shape, question: Question) -> bool:
    """Return whether a measured shape may answer a workload: its LLM, its precision, its quality."""
    scenario, catalog = question.scenario, question.catalog
    if scenario.performance.measured_throughout:
        return llm in workload.llms and good_enough(workload, llm, scenario)
    names = {catalog.llm(name).id: name for name in workload.llms}
    return llm in names and shape.weights in allowed_weights(workload, names[llm], scenario, catalog)


def _table_columns(
    table: RateTable, shape: Shape, workloads: Sequence[Workload], promises: Sequence[Promise]
) -> Mapping[Promise, ServiceColumn]:
    by_name = {workload.name: workload for workload in workloads}
    columns: dict[Promise, ServiceColumn] = {}
    for promise in promises:
        workload = by_name.get(promise.workload)
        if workload is None or not may_play(workload, shape.role):
            continue
        if latency_objective(workload, promise.rtt_ms, shape.role) is None:
            continue  # the network alone takes longer than the promise
        rate = table.rate_rps(
            shape.llm,
            shape.accelerator,
            shape.tp,
            shape.pp,
            shape.dp,
            shape.ep,
            shape.role,
            workload.name,
        )
        if rate > 0:
            columns[promise] = measured_column(rate)
    return columns


def _unique(promises: Iterable[Promise]) -> list[Promise]:
    return list(dict.fromkeys(promises))
