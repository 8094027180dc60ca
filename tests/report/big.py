"""A plan of 10,240 accelerators, made by hand: forty rows of eight racks of four servers.

What runs where is drawn at random, so that hardly two racks are alike: the worst case for the report.
"""

from __future__ import annotations

import random
from collections import defaultdict

from planner.catalog import load_catalog
from planner.plan.types import (
    Cost,
    Latency,
    LedgerRow,
    Ledgers,
    Metrics,
    Plan,
    PoolLoad,
    ReplicaGroup,
    RoutePlan,
    ScenarioFile,
    ServerPlan,
    ShapePlan,
    SloRow,
)
from planner.topology import build_graph, load_topology

ROWS, RACKS, SERVERS = 40, 8, 4
SIZES = (8, 4, 2, 1)
LLMS = ("llama-3.1-8b", "llama-3.3-70b", "qwen3-32b")
SERVER_W = 10_200

TOPOLOGY = {
    "name": "campus",
    "sites": [
        {
            "name": "campus",
            "region": "westeurope",
            "power": [
                {"name": "ups-A", "level": "ups", "capacity_kw": 20_000},
                {"name": "ups-B", "level": "ups", "capacity_kw": 20_000},
            ],
            "blocks": [
                {
                    "name": "row",
                    "count": ROWS,
                    "power": [
                        {"name": "A", "level": "feed", "capacity_kw": 500, "parent": "ups-A"},
                        {"name": "B", "level": "feed", "capacity_kw": 500, "parent": "ups-B"},
                    ],
                    "fabric_domains": [{"name": "fabric", "leaves": 8, "spines": 4}],
                    "racks": [
                        {"name": "r", "count": RACKS, "feeds": ["A", "B"], "power_kw": 44, "slots": SERVERS}
                    ],
                }
            ],
        }
    ],
}
SCENARIO = {
    "name": "campus",
    "topology": TOPOLOGY,
    "workloads": [
        {
            "name": name,
            "llms": [name],
            "origins": {"westeurope": 1.0},
            "rate_rps": 100,
            "input_tokens": {"mean": 500},
            "output_tokens": {"mean": 100},
            "slo": {"ttft_ms": 2000, "tpot_ms": 50, "percentile": 99},
        }
        for name in LLMS
    ],
    "fleet": {"buy": ["dgx-h100"]},
}


def big_plan(rows: int = ROWS) -> Plan:
    """Return the plan, with `rows` of its forty rows in use."""
    draw = random.Random(0)
    catalog = load_catalog()
    topology = load_topology(TOPOLOGY, catalog)
    graph = build_graph(topology, catalog)
    racks = [n for n, about in graph.nodes(data=True) if about["kind"] == "rack"][: rows * RACKS]
    servers: list[ServerPlan] = []
    placements: dict[tuple[str, int, str], list[list[str]]] = defaultdict(list)
    power: list[LedgerRow] = []
    for rack in racks:
        domain = graph.nodes[rack]["fabric_domain"]
        for number in range(draw.randint(1, SERVERS) if rows < ROWS else SERVERS):
            name = f"{rack}-new{number + 1}"
            servers.append(
                ServerPlan(
                    name=name, server="dgx-h100", accelerator="h100-sxm", accelerators=8, site="campus",
                    fabric_domain=domain, rack=rack, origin="buy", provisioned_w=SERVER_W,
                    expected_w=6_000 + draw.randint(0, 999), air_w=SERVER_W,
                )
            )  # fmt: skip
            first = 0
            while first < 8:
                size = draw.choice([size for size in SIZES if first + size <= 8])
                placements[draw.choice(LLMS), size, domain].append([f"{name}:{first}-{first + size - 1}"])
                first += size
        used = sum(server.provisioned_w for server in servers if server.rack == rack)
        power.append(
            LedgerRow(name=f"power/rack/{rack}", used=used - draw.randint(0, 99), limit=44_000, unit="W")
        )
    for feed in (n for n, about in graph.nodes(data=True) if about["kind"] == "power"):
        lost = feed[:-1] + ("B" if feed.endswith("A") else "A")
        row = LedgerRow(name=f"power/feed/{feed}/without/{lost}", used=326_400, limit=400_000, unit="W")
        power.append(row)
    groups = [
        ReplicaGroup(
            pool=f"campus/dgx-h100/{llm}/tp{size}", shape=shape(llm, size), site="campus",
            fabric_domain=domain, server="dgx-h100", count=len(found), placements=found,
        )
        for (llm, size, domain), found in placements.items()
    ]  # fmt: skip
    pools = sorted({(group.pool, group.shape.llm) for group in groups})
    return Plan(
        scenario=SCENARIO,
        scenario_file=ScenarioFile(path=None, sha256="0" * 64),
        topology=topology.model_dump(mode="json"),
        status="feasible",
        objective=40_000.0,
        bound=39_000.0,
        gap=0.025,
        cost=Cost(depreciation=30_000.0, electricity_idle=10_000.0, total=40_000.0),
        servers=servers,
        replicas=groups,
        routes=[
            RoutePlan(
                workload=llm, origin="westeurope", site="campus", pools=[pool], llm=llm, units=250,
                units_total=1000, rate_rps=25.0, rtt_ms=1.5,
            )
            for pool, llm in pools
        ],
        pools=[
            PoolLoad(pool=pool, workload=llm, rtt_ms=1.5, service_rate_rps=1.0, rate_rps=25.0, load=25.0)
            for pool, llm in pools
        ],
        ledgers=Ledgers(power=power),
        slo=[
            SloRow(
                workload=llm, origin="westeurope", site="campus", pools=[pool], percentile=99,
                ttft_ms=Latency(asked=2000, predicted=800), tpot_ms=Latency(asked=50, predicted=45),
                error_band=0.2, provider="analytic",
            )
            for pool, llm in pools
        ],
        metrics=Metrics(
            usd_per_mtok_input=0.1, usd_per_mtok_output=0.4, usd_per_mtok=0.2, output_tokens_per_s=1e6,
            tokens_per_s_per_mw=1e5, accelerators=8 * len(servers), servers=len(servers),
            replicas=sum(group.count for group in groups), utilization=0.8, expected_kw=8_000,
            provisioned_kw=len(servers) * SERVER_W / 1000, grid_kw=17_000, carbon_kg_per_h=2_000,
            capex_usd=4e8,
        ),
        solver={"seconds": 12.0, "stages": []},
        provenance={"planner": "0.1.0"},
    )  # fmt: skip


def shape(llm: str, tp: int) -> ShapePlan:
    """Return a plain tensor-parallel shape."""
    return ShapePlan(
        llm=llm,
        accelerator="h100-sxm",
        engine="vllm",
        tp=tp,
        pp=1,
        dp=1,
        ep=1,
        weights="fp8",
        kv_cache="bf16",
    )
