"""Two tiny plans made by hand, without the optimizer: every number below was chosen, not searched for.

`full_plan` has one of everything: existing, bought and rented servers, a rack turned to liquid, replicas
inside a server and across two servers, two workloads, traffic left unserved. `safe_plan` is smaller and
survives the loss of any one server, rack, feed, cooling loop or site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from planner.files import content_hash
from planner.plan.books import keep_books
from planner.plan.content import Columns, Setting, pools_of
from planner.plan.hosts import heat_w, provisioned_w, rented_server
from planner.plan.service_table import ServiceTable
from planner.plan.types import (
    Plan,
    PoolLoad,
    ReplicaGroup,
    RoutePlan,
    ScenarioFile,
    ServerPlan,
    ShapePlan,
    SparePlan,
    Unserved,
)
from planner.topology import Question, build_graph, load_question, rtt_ms

UNITS = 1000

UNREACHABLE_RPS = 50.0
"""What a plan pretends that a pool serves which no column allows."""

TOPOLOGY: dict[str, Any] = {
    "name": "tiny",
    "sites": [
        {
            "name": "ams",
            "region": "westeurope",
            "grid_kw": 100,
            "open_usd_per_h": 0.25,
            "power": [
                {"name": "grid", "level": "utility", "capacity_kw": 120},
                {"name": "A", "level": "feed", "capacity_kw": 70, "parent": "grid"},
                {"name": "B", "level": "feed", "capacity_kw": 70, "parent": "grid"},
            ],
            "cooling": [
                {"name": "crah", "medium": "air", "unit_kw": 50, "units": 2},
                {"name": "cdu", "medium": "liquid", "unit_kw": 60, "units": 2},
            ],
            "racks": [
                {"name": "old", "feeds": ["A", "B"], "power_kw": 44, "air_kw": 44, "slots": 4,
                 "air_loop": "crah", "servers": {"dgx-h100": 1}},
                {"name": "new", "feeds": ["A", "B"], "power_kw": 44, "air_kw": 44, "slots": 4,
                 "air_loop": "crah"},
                {"name": "cold", "feeds": ["A", "B"], "power_kw": 44, "air_kw": 44, "slots": 4,
                 "air_loop": "crah", "retrofit": {"liquid_loop": "cdu", "liquid_kw": 40}},
            ],
        },
        {
            "name": "dub",
            "region": "northeurope",
            "power": [
                {"name": "A", "level": "feed", "capacity_kw": 40},
                {"name": "B", "level": "feed", "capacity_kw": 40},
            ],
            "cooling": [{"name": "crah", "medium": "air", "unit_kw": 30, "units": 2}],
            "racks": [
                {"name": "r", "count": 2, "feeds": ["A", "B"], "power_kw": 22, "air_kw": 22, "slots": 2,
                 "air_loop": "crah"},
            ],
        },
        {
            "name": "syd",
            "region": "australiaeast",
            "racks": [{"name": "r", "power_kw": 22, "slots": 2, "servers": {"dgx-h100": 1}}],
        },
    ],
}  # fmt: skip

CHAT: dict[str, Any] = {
    "name": "chat",
    "llms": ["llama-3.1-8b"],
    "origins": {"westeurope": 0.6, "northeurope": 0.4},
    "rate_rps": 80,
    "input_tokens": {"mean": 500, "p50": 400, "p99": 2000},
    "output_tokens": {"mean": 100, "p50": 80, "p99": 400},
    "slo": {"ttft_ms": 250, "tpot_ms": 50, "percentile": 95},
    "regions": ["westeurope", "northeurope"],
    "unserved_usd_per_request": 0.01,
}

GIANT: dict[str, Any] = {
    "name": "giant",
    "llms": ["llama-3.1-405b"],
    "origins": {"westeurope": 1.0},
    "rate_rps": 0.05,
    "input_tokens": {"mean": 500, "p50": 400, "p99": 2000},
    "output_tokens": {"mean": 100, "p50": 80, "p99": 400},
    "slo": {"ttft_ms": 20000, "tpot_ms": 500, "percentile": 95},
    "precision": ["bf16"],
}

FULL: dict[str, Any] = {
    "name": "tiny",
    "topology": TOPOLOGY,
    "workloads": [CHAT, GIANT],
    "fleet": {
        "buy": ["dgx-h100", "hgx-h100-8-dlc"],
        "rent": [{"accelerator": "h100-sxm", "usd_per_h": 3.0, "region": "northeurope", "max_count": 1}],
        "stock": {"dgx-h100": 3},
    },
    "limits": {"capex_usd": 2e6, "opex_usd_per_h": 40, "grid_kw": 120, "carbon_g_per_mtok": 2000,
               "carbon_kg_per_h": 10, "servers": 6},
    "reliability": {"headroom": 0.1},
    "solver": {"relative_gap": 0.05, "demand_units": UNITS},
}  # fmt: skip

SAFE: dict[str, Any] = {
    "name": "safe",
    "topology": TOPOLOGY,
    "workloads": [{**CHAT, "unserved_usd_per_request": None}],
    "fleet": {"buy": ["dgx-h100"]},
    "reliability": {"survive": ["server", "rack", "feed", "cooling_loop", "site"]},
}

SMALL = ShapePlan(
    llm="llama-3.1-8b", accelerator="h100-sxm", engine="vllm", tp=1, pp=1, dp=1, ep=1, weights="bf16",
    kv_cache="bf16",
)  # fmt: skip
LARGE = SMALL.model_copy(update={"llm": "llama-3.1-405b", "tp": 8, "pp": 2})


class Decisions:
    """The content of a plan: servers, replicas, routes and what was sized for them."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.graph = build_graph(question.topology, question.catalog)
        self.setting = Setting(question.scenario, self.graph, question.catalog)
        self.servers: list[ServerPlan] = []
        self.retrofitted_racks: list[str] = []
        self.replicas: list[ReplicaGroup] = []
        self.routes: list[RoutePlan] = []
        self.unserved: list[Unserved] = []
        self.spares: list[SparePlan] = []
        self.pools: list[PoolLoad] = []
        self.columns: Columns = {}

    def ask(self, scenario: Mapping[str, Any]) -> None:
        """Answer another question with the same decisions: one that differs in limits only."""
        self.question = load_question(scenario)
        self.graph = build_graph(self.question.topology, self.question.catalog)
        self.setting = Setting(self.question.scenario, self.graph, self.question.catalog)

    def server(self, name: str, kind: str, rack: str, origin: str = "buy") -> None:
        """Power a server in a rack."""
        model = self.question.catalog.servers[kind]
        about = self.graph.nodes[rack]
        provisioned = provisioned_w(model, None)
        air, liquid = heat_w(provisioned, model)
        self.servers.append(
            ServerPlan(
                name=name, server=kind, accelerator=model.accelerator, accelerators=model.accelerators,
                site=about["site"], fabric_domain=about["fabric_domain"], rack=rack,
                origin="existing" if origin == "existing" else "buy", provisioned_w=provisioned,
                expected_w=0, air_w=air, liquid_w=liquid,
            )
        )  # fmt: skip

    def rent(self, name: str, index: int, site: str) -> None:
        """Rent a unit of an offer."""
        model = rented_server(self.question.scenario.fleet.rent[index], self.question.catalog)
        assert model is not None
        self.servers.append(
            ServerPlan(
                name=name, server=model.id, accelerator=model.accelerator, accelerators=model.accelerators,
                site=site, origin="rent", rent_index=index, provisioned_w=provisioned_w(model, None),
                expected_w=0,
            )
        )  # fmt: skip

    def replica(self, shape: ShapePlan, placements: Sequence[Sequence[str]]) -> str:
        """Place replicas of a shape and return their pool."""
        first = next(s for s in self.servers if s.name == placements[0][0].rsplit(":", 1)[0])
        pool = f"{first.site}/{first.server}/{shape.shape().name}"
        self.replicas.append(
            ReplicaGroup(
                pool=pool, shape=shape, site=first.site, fabric_domain=first.fabric_domain,
                server=first.server, count=len(placements), placements=[list(p) for p in placements],
            )
        )  # fmt: skip
        awake = ServiceTable(self.setting, pools_of(self)).awake_w(pool)
        self.replicas[-1] = self.replicas[-1].model_copy(update={"awake_w": awake})
        return pool

    def route(self, workload: str, origin: str, pool: str, units: int) -> None:
        """Send units of a workload to a pool."""
        facts = pools_of(self)[pool]
        asked = self.question.scenario.workload(workload)
        self.routes.append(
            RoutePlan(
                workload=workload, origin=origin, site=facts.site, pools=[pool], llm=facts.shape.llm,
                units=units, units_total=UNITS, rate_rps=units * asked.rate_rps / UNITS,
                rtt_ms=rtt_ms(self.graph, origin, facts.site, self.question.catalog),
            )
        )  # fmt: skip

    def leave(self, workload: str, origin: str, units: int) -> None:
        """Leave units unserved."""
        rate = units * self.question.scenario.workload(workload).rate_rps / UNITS
        self.unserved.append(Unserved(workload=workload, origin=origin, units=units, rate_rps=rate))

    def size(self) -> None:
        """Work out what every pool carries."""
        units: dict[tuple[str, str, float], int] = {}
        for route in self.routes:
            key = (route.pools[0], route.workload, route.rtt_ms)
            units[key] = units.get(key, 0) + route.units
        self.columns = columns = ServiceTable(self.setting, pools_of(self)).fill(units)
        for (pool, workload, trip), count in units.items():
            rate = count * self.question.scenario.workload(workload).rate_rps / UNITS
            column = columns.get((pool, workload, trip))
            service = UNREACHABLE_RPS if column is None else column.rate_rps
            self.pools.append(
                PoolLoad(
                    pool=pool, workload=workload, rtt_ms=trip, service_rate_rps=service, rate_rps=rate,
                    load=rate / service,
                )
            )  # fmt: skip


def written(content: Decisions) -> Plan:
    """Return a plan file of decisions, with its books."""
    question = content.question
    books = keep_books(content, content.setting, content.columns)
    scenario = question.scenario.model_dump(mode="json")
    topology = question.topology.model_dump(mode="json")
    return Plan(
        scenario=scenario,
        scenario_file=ScenarioFile(path=None, sha256=content_hash(scenario)),
        topology=topology,
        status="optimal",
        objective=books.cost.total,
        bound=books.cost.total,
        gap=0.0,
        cost=books.cost,
        servers=books.servers,
        retrofitted_racks=list(content.retrofitted_racks),
        replicas=list(content.replicas),
        routes=list(content.routes),
        unserved=list(content.unserved),
        pools=list(content.pools),
        ledgers=books.ledgers,
        slo=books.slo,
        metrics=books.metrics,
        solver={},
        provenance={"topology_sha256": content_hash(topology)},
    )


def full_decisions(scenario: Mapping[str, Any] = FULL) -> Decisions:
    """Return the decisions of the full plan; other scenarios must know the same names."""
    plan = Decisions(load_question(scenario))
    plan.server("ams-old-s1", "dgx-h100", "ams-old", "existing")
    plan.server("ams-new-new1", "dgx-h100", "ams-new")
    plan.server("ams-new-new2", "dgx-h100", "ams-new")
    plan.server("ams-cold-new1", "hgx-h100-8-dlc", "ams-cold")
    plan.retrofitted_racks.append("ams-cold")
    plan.server("dub-r-01-new1", "dgx-h100", "dub-r-01")
    plan.rent("cloud-1", 0, "cloud-northeurope")
    old = plan.replica(SMALL, [["ams-old-s1:0-0"], ["ams-old-s1:1-1"]])
    giant = plan.replica(LARGE, [["ams-new-new1:0-7", "ams-new-new2:0-7"]])
    cold = plan.replica(SMALL, [["ams-cold-new1:3-3"]])
    dub = plan.replica(SMALL, [["dub-r-01-new1:0-0"], ["dub-r-01-new1:1-1"]])
    cloud = plan.replica(SMALL, [["cloud-1:0-0"]])
    plan.route("chat", "westeurope", old, 400)
    plan.route("chat", "westeurope", cold, 200)
    plan.route("chat", "northeurope", dub, 290)
    plan.route("chat", "northeurope", cloud, 100)
    plan.leave("chat", "northeurope", 10)
    plan.route("giant", "westeurope", giant, 1000)
    plan.size()
    return plan


def safe_decisions(scenario: Mapping[str, Any] = SAFE) -> Decisions:
    """Return the decisions of the plan that survives every loss."""
    plan = Decisions(load_question(scenario))
    plan.server("ams-old-s1", "dgx-h100", "ams-old", "existing")
    plan.server("ams-new-new1", "dgx-h100", "ams-new")
    plan.server("dub-r-01-new1", "dgx-h100", "dub-r-01")
    plan.server("dub-r-02-new1", "dgx-h100", "dub-r-02")
    ams = plan.replica(SMALL, [["ams-old-s1:0-0"], ["ams-new-new1:0-0"]])
    dub = plan.replica(SMALL, [["dub-r-01-new1:0-0"], ["dub-r-02-new1:0-0"]])
    plan.route("chat", "westeurope", ams, 600)
    plan.route("chat", "northeurope", dub, 400)
    plan.size()
    return plan


@cache
def _full_json() -> str:
    return written(full_decisions()).model_dump_json()


@cache
def _safe_json() -> str:
    return written(safe_decisions()).model_dump_json()


def full_plan() -> Plan:
    """Return a fresh copy of the plan with one of everything."""
    return Plan.model_validate_json(_full_json())


def safe_plan() -> Plan:
    """Return a fresh copy of the plan that survives every single failure."""
    return Plan.model_validate_json(_safe_json())
