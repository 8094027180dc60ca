"""The ways a lane's traffic can be served: one pool, or a prefill pool and a decode pool beside it.

Both pools of a split stand in one fabric domain. The prefill pool is sized for the TTFT that is left after
the round trip and the handover of the cache, the decode pool for the TPOT.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.optimize.problem import LOAD_SCALE, Assignments, Hostings, integers
from planner.performance.service import ServiceColumn
from planner.plan.assemble.draw import MILLIWATTS_PER_WATT, Drawn, drawn, request_joules
from planner.plan.assemble.offers import Offer, electricity_micro_usd, water_micro_usd
from planner.plan.assemble.serving import nic_gb_s
from planner.plan.cold_start import warm_share
from planner.plan.day import Day
from planner.plan.fabric import fabric_gb_per_request, handover_allowance_ms
from planner.plan.tariff import usd_per_kwh
from planner.plan.traffic import mean_requests
from planner.scenario import Workload
from planner.shapes import MenuEntry, Promise, Timings
from planner.topology import Question
from planner.topology.nodes import Graph

LEAST_LOAD = 1
"""Load of a unit of traffic, however little it is: no workload, even of a request a day, may look as if it
needed no replica at all."""


@dataclass(frozen=True)
class Pool:
    """A menu entry at a site.

    place: the fabric domain that all its replicas stand in, where they send more than users see over it
    (the sides of a split, replicas of several servers in an oversubscribed domain); None: anywhere there.
    awake_w: what each replica draws above idle while it is in service.
    """

    entry: MenuEntry
    site: str
    place: str | None = None
    awake_w: int = 0

    @property
    def name(self) -> str:
        """Readable and unique."""
        return f"{self.place or self.site}/{self.entry.server}/{self.entry.shape.name}"


Lane = tuple[Promise, str, str]
"""(promise, site, period)"""


@dataclass(frozen=True)
class ServingPath:
    """One way to serve a unit of a lane's traffic.

    pools: numbers of the pools, in the order a request meets them. shares: replicas of each that a unit
    keeps busy; loads: the same in `LOAD_SCALE`ths; warm: what more must be free. promises: what each is
    sized for. cost: micro-USD/h; draw: of a unit: both spread over the day. milliwatts: of a unit, while
    the period lasts. fabric_gb_s: fabric domain -> what a unit sends over it meanwhile.
    """

    lane: int
    pools: tuple[int, ...]
    promises: tuple[Promise, ...]
    shares: tuple[float, ...]
    loads: tuple[int, ...]
    warm: tuple[int, ...]
    cost: int
    draw: Drawn
    milliwatts: int
    transfer_ms: float
    fabric_gb_s: Mapping[str, float]


def serving_paths(
    question: Question,
    graph: Graph,
    day: Day,
    lanes: Sequence[Lane],
    pools: Sequence[Pool],
    offers: Sequence[Offer],
) -> list[ServingPath]:
    """Return every path of every lane."""
    return list(_Paths(question, graph, day, pools, offers).all(lanes))


def assignment_table(paths: Sequence[ServingPath]) -> Assignments:
    """Return the paths as the program sees them."""
    rows = [
        (number, pool, load, warm)
        for number, path in enumerate(paths)
        for pool, load, warm in zip(path.pools, path.loads, path.warm, strict=True)
    ]
    array = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Assignments(
        lane=integers([path.lane for path in paths]),
        cost=integers([path.cost for path in paths]),
        load_row=array[:, 0],
        load_pool=array[:, 1],
        load=array[:, 2],
        warm=array[:, 3],
    )


class _Paths:
    """What all lanes share: the pools by place, what their electricity costs, and handover times."""

    def __init__(
        self, question: Question, graph: Graph, day: Day, pools: Sequence[Pool], offers: Sequence[Offer]
    ) -> None:
        self.question, self.graph, self.day, self.pools = question, graph, day, pools
        self.offer_of = {(offer.site, offer.host.label): offer for offer in offers}
        self.alone: dict[str, list[int]] = defaultdict(list)
        self.prefill: dict[str, list[int]] = defaultdict(list)
        self.decode: dict[tuple[str, str | None, str], list[int]] = defaultdict(list)
        for q, pool in enumerate(pools):
            if pool.entry.shape.role == "aggregated":
                self.alone[pool.site].append(q)
            elif pool.entry.shape.role == "prefill":
                self.prefill[pool.site].append(q)
            else:
                self.decode[pool.site, pool.place, pool.entry.shape.llm].append(q)
        self._handovers: dict[Hashable, float | None] = {}

    def all(self, lanes: Sequence[Lane]) -> Iterator[ServingPath]:
        for lane, (promise, site, period) in enumerate(lanes):
            for q in self.alone[site]:
                if promise in self.pools[q].entry.columns:
                    yield self._path(lane, period, (q,), (promise,), 0.0)
            for first in self.prefill[site]:
                sender = self.pools[first]
                for second in self.decode[site, sender.place, sender.entry.shape.llm]:
                    taker = self.pools[second].entry
                    transfer = self._handover_ms(promise.workload, sender.entry, taker)
                    if transfer is None or promise not in taker.columns:
                        continue
                    longer = Promise(promise.workload, promise.rtt_ms + transfer)
                    if longer in sender.entry.columns:
                        yield self._path(lane, period, (first, second), (longer, promise), transfer)

    def _handover_ms(self, workload: str, sender: MenuEntry, taker: MenuEntry) -> float | None:
        """Return the allowance for handing over, None where it cannot be or takes too long."""
        if sender.shape.kv_cache != taker.shape.kv_cache:
            return None
        if sender.replica is None or taker.replica is None:
            return 0.0  # measured rates keep the SLO as they are
        key = (workload, sender.shape, sender.server, taker.shape, taker.server)
        if key not in self._handovers:
            catalog = self.question.catalog
            speed = min(self._nic_gb_s(sender), self._nic_gb_s(taker))
            stated = self.question.scenario.workload(workload)
            llm = catalog.llm(self._llm_name(sender.shape.llm, stated))
            self._handovers[key] = handover_allowance_ms(llm, stated, sender.shape, taker.shape, speed)
        return self._handovers[key]

    def _llm_name(self, llm_id: str, workload: Workload) -> str:
        catalog = self.question.catalog
        return next((name for name in workload.llms if catalog.llm(name).id == llm_id), llm_id)

    def _nic_gb_s(self, entry: MenuEntry) -> float:
        return next(nic_gb_s(o.host) for o in self.offer_of.values() if o.host.label == entry.server)

    def _path(
        self,
        lane: int,
        period: str,
        pools: tuple[int, ...],
        promises: tuple[Promise, ...],
        transfer_ms: float,
    ) -> ServingPath:
        scenario = self.question.scenario
        workload = scenario.workload(promises[-1].workload)
        rate = self.day.unit_rps(workload, period, scenario.solver.units)
        mean_rate = self.day.mean_unit_rps(workload, period, scenario.solver.units)
        shares: list[float] = []
        warm: list[int] = []
        derate = scenario.performance.derate.get(workload.name, 1.0)
        cost, draw, milliwatts = 0, Drawn(), 0
        fabric: dict[str, float] = defaultdict(float)
        for q, promise in zip(pools, promises, strict=True):
            pool = self.pools[q]
            column: ServiceColumn = pool.entry.columns[promise]
            offer = self.offer_of[pool.site, pool.entry.server]
            about = self.graph.nodes[pool.site]
            joules = request_joules(pool.entry, column, pool.awake_w, offer.host, derate)
            mean = joules * mean_rate
            rented = offer.origin == "rent"
            tariff = 0.0 if rented else self.day.usd_per_kwh(about, scenario.economics, period)
            cost += electricity_micro_usd(mean, offer.pue, tariff)
            cost += water_micro_usd(mean, offer.water_l_per_kwh, about)
            draw += drawn(mean, offer.pue, float(about["carbon_g_per_kwh"]), offer.water_l_per_kwh)
            milliwatts += round(joules * rate * MILLIWATTS_PER_WATT)
            shares.append(rate / column.rate_rps)
            spare = self._warm_share(workload, pool.entry, offer.host.accelerators)
            warm.append(math.ceil(LOAD_SCALE * shares[-1] * spare))
            if pool.place is not None and pool.entry.replica is not None:
                llm = self.question.catalog.llm(self._llm_name(pool.entry.shape.llm, workload))
                sent = fabric_gb_per_request(llm, workload, pool.entry.shape, pool.entry.whole_servers)
                fabric[pool.place] += rate * sent
        return ServingPath(
            lane,
            pools,
            promises,
            tuple(shares),
            tuple(max(LEAST_LOAD, round(LOAD_SCALE * share)) for share in shares),
            tuple(warm),
            cost,
            draw,
            milliwatts,
            transfer_ms,
            dict(fabric),
        )

    def _warm_share(self, workload: Workload, entry: MenuEntry, server_accelerators: int) -> float:
        """Return what must be free for rising traffic while a further replica starts."""
        cold = self.question.scenario.performance.cold_start
        if cold is None or not workload.ramp_per_min:
            return 0.0
        known = entry.replica is not None
        llm = self.question.catalog.llm(self._llm_name(entry.shape.llm, workload)) if known else None
        return warm_share(workload, cold, llm, entry.shape, server_accelerators)


def awake_replicas(
    question: Question, graph: Graph, pools: Sequence[Pool], hostings: Hostings, offers: Sequence[Offer]
) -> tuple[Hostings, list[Drawn]]:
    """Return the hostings with the electricity of their awake replicas, and what those draw."""
    offer_of = {(offer.site, offer.host.label): offer for offer in offers}
    draw: list[Drawn] = []
    costs: list[int] = []
    for pool in pools:
        about = graph.nodes[pool.site]
        offer = offer_of[pool.site, pool.entry.server]
        tariff = 0.0 if offer.origin == "rent" else usd_per_kwh(about, question.scenario.economics)
        water = water_micro_usd(pool.awake_w, offer.water_l_per_kwh, about)
        costs.append(electricity_micro_usd(pool.awake_w, offer.pue, tariff) + water)
        carbon = float(about["carbon_g_per_kwh"])
        draw.append(drawn(pool.awake_w, offer.pue, carbon, offer.water_l_per_kwh))
    of_hosting = replace(hostings, cost=integers(costs)[hostings.pool])
    return of_hosting, [draw[q] for q in hostings.pool.tolist()]


def awake_of(entry: MenuEntry, question: Question, timings: Timings) -> int:
    """Return what a replica of an entry draws above idle while it is in service, whole watts."""
    if entry.replica is None:
        return 0
    served = [
        workload
        for workload in question.scenario.workloads
        if any(question.catalog.llm(name).id == entry.shape.llm for name in workload.llms)
    ]
    return timings.awake_w(entry.replica, mean_requests(served))
