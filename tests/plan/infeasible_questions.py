"""Small questions without a plan: one for each family of promises, and combinations.

One site with two racks of DGX H100, a second site with one rack, and boxes to rent. What a replica carries
comes from a table: on one H100 10 requests/s of chat or 5 of code, so that one server carries 80 or 40. A
server takes 10.2 kW and costs what is stated.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

RATES = """llm,accelerator,tp,workload,max_rps
m,h100-sxm,1,chat,10.0001
m,h100-sxm,1,code,5.0001
m,box,1,chat,4.0001
"""

SITE: dict[str, Any] = {
    "name": "ams",
    "region": "westeurope",
    "grid_kw": 400,
    "power": [
        {"name": "A", "level": "feed", "capacity_kw": 200},
        {"name": "B", "level": "feed", "capacity_kw": 200},
    ],
    "cooling": [{"name": "crah", "medium": "air", "unit_kw": 50, "units": 4, "spare_units": 1}],
    "racks": [
        {"name": "r", "count": 2, "power_kw": 44, "slots": 4, "feeds": ["A", "B"], "air_loop": "crah"},
    ],
}  # fmt: skip

SECOND: dict[str, Any] = {
    "name": "dub",
    "region": "northeurope",
    "racks": [{"name": "r", "count": 1, "power_kw": 22, "slots": 2}],
}

CHAT: dict[str, Any] = {
    "name": "chat", "llms": ["m"], "rate_rps": 100, "input_tokens": 100, "output_tokens": 100,
    "origins": {"westeurope": 1.0},
}  # fmt: skip
CODE: dict[str, Any] = {**CHAT, "name": "code", "rate_rps": 40}

TABLE: dict[str, Any] = {
    "name": "crafted",
    "topology": {"name": "small", "sites": [SITE]},
    "workloads": [CHAT],
    "fleet": {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 300_000}},
    "economics": {"network_adder": 0.0},
    "performance": {"provider": "table", "path": "rates.csv"},
    "solver": {"time_limit_s": 20, "relative_gap": 0.0, "workers": 1, "demand_units": 100},
}

PHYSICS: dict[str, Any] = {
    "name": "timed",
    "topology": {"name": "small", "sites": [SITE]},
    "workloads": [
        {
            "name": "chat", "llms": ["llama-3.1-8b"], "origins": {"westeurope": 1.0}, "rate_rps": 100,
            "input_tokens": {"mean": 1000, "p50": 800, "p99": 4000},
            "output_tokens": {"mean": 300, "p50": 200, "p99": 1200},
            "slo": {"ttft_ms": 1000, "tpot_ms": 40, "percentile": 95}, "precision": ["bf16"],
        }
    ],
    "fleet": {"buy": ["dgx-h100"]},
    "solver": {"time_limit_s": 20, "relative_gap": 0.0, "workers": 1, "demand_units": 50},
}  # fmt: skip


def crafted(folder: Path, base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a base question with top-level mappings merged, its rates written into a folder."""
    question = deepcopy(base)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(question.get(name), dict):
            question[name].update(value)
        else:
            question[name] = deepcopy(value)
    if base is TABLE:
        (folder / "rates.csv").write_text(RATES)
        question["performance"]["path"] = str(folder / "rates.csv")
    return question


def site(**changes: Any) -> dict[str, Any]:
    """Return a topology of the first site with fields changed; `racks`, `feeds`, `crah` reach inside."""
    one = deepcopy(SITE)
    for name, value in changes.items():
        if name == "racks":
            one["racks"][0].update(value)
        elif name == "feeds":
            for feed in one["power"]:
                feed.update(value)
        elif name == "crah":
            one["cooling"][0].update(value)
        else:
            one[name] = value
    return {"name": "small", "sites": [one]}


def two_sites(first: dict[str, Any] | None = None, **second: Any) -> dict[str, Any]:
    """Return both sites, fields of the second changed."""
    one = site(**(first or {}))["sites"][0]
    return {"name": "both", "sites": [one, {**deepcopy(SECOND), **second}]}


def chat(**changes: Any) -> list[dict[str, Any]]:
    """Return the chat workload with fields changed."""
    return [{**CHAT, **changes}]


def both(chat_rps: float, code_rps: float, **changes: Any) -> list[dict[str, Any]]:
    """Return two workloads with rates."""
    return [{**CHAT, "rate_rps": chat_rps, **changes}, {**CODE, "rate_rps": code_rps}]


BOX = {"accelerator": "box", "usd_per_h": 1.0, "region": "westeurope"}
STANDING = {"count": 1, "servers": {"dgx-h100": 1}}
SURVIVE = {"survive": ["server"]}

TABLE_CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "capex": ({"limits": {"capex_usd": 500_000}}, {"demand", "capex"}),
    "no money at all": ({"limits": {"capex_usd": 0}}, {"demand", "capex"}),
    "opex": ({"limits": {"opex_usd_per_h": 0.5}}, {"demand", "opex"}),
    "grid of a site": ({"topology": site(grid_kw=20)}, {"demand", "grid"}),
    "grid of all sites": ({"limits": {"grid_kw": 15}}, {"demand", "grid"}),
    "expected power": ({"limits": {"expected_kw": 1.0}}, {"demand", "power"}),
    "carbon an hour": ({"limits": {"carbon_kg_per_h": 0.01}}, {"demand", "carbon"}),
    "carbon a token": ({"limits": {"carbon_g_per_mtok": 0.1}}, {"demand", "carbon"}),
    "servers": ({"limits": {"servers": 1}}, {"demand", "servers"}),
    "no server at all": ({"limits": {"servers": 0}}, {"demand", "servers"}),
    "stock": ({"fleet": {"stock": {"dgx-h100": 1}}}, {"demand", "stock"}),
    "empty stock": ({"fleet": {"stock": {"dgx-h100": 0}}}, {"demand", "stock"}),
    "one feed too small": (
        {"topology": site(power=[{"name": "A", "level": "feed", "capacity_kw": 15}],
                          racks={"feeds": ["A"], "redundancy": "none"})},
        {"demand", "power"},
    ),
    "utility too small": (
        {"topology": site(power=[
            {"name": "grid", "level": "utility", "capacity_kw": 12},
            {"name": "A", "level": "feed", "capacity_kw": 200, "parent": "grid"},
        ], racks={"feeds": ["A"], "redundancy": "none"})},
        {"demand", "power"},
    ),
    "air loop": ({"topology": site(crah={"unit_kw": 5, "units": 3})}, {"demand", "heat"}),
    "wan": ({"topology": site(wan_gb_s=1e-5)}, {"demand", "network"}),
    "racks": ({"workloads": chat(rate_rps=900)}, {"demand", "racks"}),
    "rack slots": ({"topology": site(racks={"count": 1, "slots": 1})}, {"demand", "rack"}),
    "rack power": ({"topology": site(racks={"count": 2, "power_kw": 8})}, {"demand", "rack"}),
    "rack air": ({"topology": site(racks={"count": 2, "air_kw": 8})}, {"demand", "rack"}),
    "only what stands": (
        {"topology": site(racks=STANDING), "fleet": {"buy": []}}, {"demand", "fleet"},
    ),
    "rent runs out": (
        {"topology": "cloud", "fleet": {"buy": [], "rent": [{**BOX, "max_count": 9}]}}, {"demand", "rent"},
    ),
    "nothing to rent": (
        {"topology": "cloud", "fleet": {"buy": [], "rent": [{**BOX, "max_count": 0}]}}, {"demand", "rent"},
    ),
    "headroom": (
        {"reliability": {"headroom": 0.5}, "limits": {"servers": 2}},
        {"demand", "servers", "reliability"},
    ),
    "survive a server": (
        {"reliability": SURVIVE, "limits": {"servers": 2}}, {"demand", "servers", "reliability"},
    ),
    "survive a rack": (
        {"reliability": {"survive": ["rack"]}, "topology": site(racks={"count": 1})},
        {"demand", "racks", "reliability"},
    ),
    "survive a loop": ({"reliability": {"survive": ["cooling_loop"]}}, {"demand", "reliability"}),
    "survive the site": ({"reliability": {"survive": ["site"]}}, {"demand", "reliability"}),
    "survive a single feed": (
        {"topology": site(power=[{"name": "A", "level": "feed", "capacity_kw": 200}],
                          racks={"feeds": ["A"], "redundancy": "none"}),
         "reliability": {"survive": ["feed"]}},
        {"demand", "reliability"},
    ),
    "data may not leave": (
        {"topology": two_sites({"grid_kw": 20}), "workloads": chat(regions=["westeurope"])},
        {"demand", "grid", "residency"},
    ),
}  # fmt: skip
"""Families of promises: what is changed, and the kinds that must be in the conflict."""

GPUS = {"topology": "cloud", "fleet": {"buy": [], "rent": [BOX]}}
SHORT = {"limits": {"servers": 1}}

NEWER_CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "quota of accelerators": (
        {"tenants": [{"name": "acme", "workloads": ["chat"], "accelerators": 5}]}, {"demand", "quota"},
    ),
    "quota of requests": (
        {"tenants": [{"name": "acme", "workloads": ["chat"], "rps": 80}]}, {"demand", "quota"},
    ),
    "quota of money": (
        {"tenants": [{"name": "acme", "workloads": ["chat"], "usd_per_h": 1.0}]}, {"demand", "quota"},
    ),
    "two tenants share one server": (
        {"workloads": both(60, 20), "limits": {"servers": 1},
         "tenants": [{"name": "a", "workloads": ["chat"], "accelerators": 7},
                     {"name": "b", "workloads": ["code"], "accelerators": 3}]},
        {"demand"},
    ),
    "a least share": (
        {"workloads": chat(unserved_usd_per_request=0.001, minimum_served=0.9), **SHORT},
        {"minimum", "servers"},
    ),
    "replicas that must stand": (
        {"replicas": [{"llm": "m", "at_least": 20}], "limits": {"servers": 2}}, {"replicas", "servers"},
    ),
    "too few replicas allowed": ({"replicas": [{"llm": "m", "at_most": 5}]}, {"demand", "replicas"}),
    "adapters without slots": (
        {"workloads": chat(loras=150), "limits": {"servers": 2}}, {"demand", "lora", "servers"},
    ),
    "spares beyond the money": (
        {"reliability": {"spares": {"availability": 0.999}}, "limits": {"capex_usd": 700_000}},
        {"demand", "capex", "spares"},
    ),
    "spares beyond the stock": (
        {"reliability": {"spares": {"availability": 0.999}}, "fleet": {"stock": {"dgx-h100": 2}}},
        {"demand", "stock", "spares"},
    ),
    "water of a site": (
        {"topology": site(water_l_per_kwh_air=1.8, water_l_per_h=2.0)}, {"demand", "water"},
    ),
    "water of all sites": (
        {"topology": site(water_l_per_kwh_air=1.8), "limits": {"water_l_per_h": 2.0}}, {"demand", "water"},
    ),
    "short peaks": (
        {"topology": site(power=[{"name": "A", "level": "feed", "capacity_kw": 30, "peak_share": 0.5}],
                          racks={"feeds": ["A"], "redundancy": "none"})},
        {"demand", "peak", "power"},
    ),
    "short even when some is shed": (
        {"topology": site(power=[{"name": "A", "level": "feed", "capacity_kw": 20, "oversubscription": 1.5}],
                          racks={"feeds": ["A"], "redundancy": "none"}),
         "workloads": chat(rate_rps=150, priority=2),
         "reliability": {"shedding": [{"priority": 2, "power_caps_w": {"dgx-h100": 600}}]}},
        {"demand", "power"},
    ),
    "warm for rising traffic": (
        {"workloads": chat(ramp_per_min=1.0), "limits": {"servers": 2},
         "performance": {"cold_start": {"load_gb_s": 10, "start_s": 60}}},
        {"demand", "servers", "ramp"},
    ),
    "paid ahead": (
        {**GPUS, "fleet": {"buy": [], "rent": [{**BOX, "terms": "reserved", "upfront_usd": 1000}]},
         "limits": {"capex_usd": 5000}},
        {"demand", "capex"},
    ),
    "few reserved, few spot": (
        {**GPUS, "fleet": {"buy": [], "rent": [
            {**BOX, "terms": "reserved", "upfront_usd": 1000, "max_count": 9},
            {**BOX, "terms": "spot", "max_count": 7},
        ]}},
        {"demand", "rent"},
    ),
    "survive spot": (
        {**GPUS, "fleet": {"buy": [], "rent": [{**BOX, "terms": "spot"}, {**BOX, "max_count": 9}]},
         "reliability": {"survive": ["spot"]}},
        {"demand", "reliability", "rent"},
    ),
    "upgrade": ({"reliability": {"upgrade_servers": 1}, "limits": {"servers": 2}},
                {"demand", "servers", "reliability"}),
    "delivered too late": (
        {"fleet": {"delivery": {"dgx-h100": [{"count": 1, "weeks": 0}, {"count": 10, "weeks": 20}]},
                   "needed_in_weeks": 4}},
        {"demand", "stock", "delivery"},
    ),
    "no time to wait": (
        {"workloads": chat(tier="batch", deadline_h=1, rate_rps=160, profile=[1.0] * 6 + [0.0] * 18),
         **SHORT},
        {"demand", "servers", "deadline"},
    ),
    "not good enough": (
        {"quality": {"source": "own", "scores": {"m": 50}}, "workloads": chat(quality=60)},
        {"demand", "quality"},
    ),
}  # fmt: skip
"""Promises of tenants, counted replicas, spares, water, peaks, terms of rent, quality and deadlines."""

COMBINATIONS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "both feeds": ({"topology": site(feeds={"capacity_kw": 15})}, {"demand", "power"}),
    "capex and stock": (
        {"limits": {"capex_usd": 300_000}, "fleet": {"stock": {"dgx-h100": 1}}}, {"demand"},
    ),
    "capex and grid and servers": (
        {"limits": {"capex_usd": 300_000, "grid_kw": 15, "servers": 1}}, {"demand"},
    ),
    "two workloads on one server": (
        {"workloads": both(60, 20), "limits": {"servers": 1}}, {"demand", "servers"},
    ),
    "two workloads, each too much": (
        {"workloads": both(100, 60), "limits": {"servers": 1}}, {"demand", "servers"},
    ),
    "buy and rent": (
        {"limits": {"capex_usd": 300_000}, "fleet": {"rent": [{**BOX, "max_count": 2}]}},
        {"demand", "capex", "rent"},
    ),
    "two sites, each too small": (
        {"topology": two_sites({"grid_kw": 15}, grid_kw=5)}, {"demand", "grid"},
    ),
    "two sites and capex": (
        {"topology": two_sites({"grid_kw": 15}), "limits": {"capex_usd": 400_000}}, {"demand"},
    ),
    "survive and capex": (
        {"reliability": SURVIVE, "limits": {"capex_usd": 600_000}}, {"demand", "capex", "reliability"},
    ),
    "survive and headroom": (
        {"reliability": {"survive": ["server"], "headroom": 0.3}, "limits": {"servers": 2}},
        {"demand", "servers", "reliability"},
    ),
    "racks and stock": (
        {"workloads": chat(rate_rps=900), "fleet": {"stock": {"dgx-h100": 5}}}, {"demand"},
    ),
    "air and power": (
        {"topology": site(feeds={"capacity_kw": 15}, crah={"unit_kw": 5, "units": 3})}, {"demand"},
    ),
    "survive two kinds": (
        {"reliability": {"survive": ["server", "rack"]}, "topology": site(racks={"count": 1})},
        {"demand", "reliability"},
    ),
    "a third of everything": (
        {"limits": {"capex_usd": 200_000, "servers": 1}, "topology": site(grid_kw=14),
         "reliability": {"headroom": 0.1}},
        {"demand"},
    ),
}  # fmt: skip
"""Several promises at once; kinds that any conflict of the question has."""

PHYSICS_CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "ttft out of reach": ({"slo": {"ttft_ms": 20, "tpot_ms": 40, "percentile": 95}}, {"demand", "slo"}),
    "tpot out of reach": ({"slo": {"ttft_ms": 1000, "tpot_ms": 1, "percentile": 95}}, {"demand", "slo"}),
    "both out of reach": ({"slo": {"ttft_ms": 5, "tpot_ms": 0.5, "percentile": 95}}, {"demand", "slo"}),
    "end to end out of reach": ({"slo": {"e2e_ms": 100, "percentile": 95}}, {"demand", "slo"}),
    "a tight slo and one server": (
        {"slo": {"ttft_ms": 1000, "tpot_ms": 6, "percentile": 95}, "limits": {"servers": 1}},
        {"demand", "servers", "slo"},
    ),
    "caches handed over a thin fabric": (
        {"serving": ["split"],
         "topology": site(fabric_domains=[{"name": "f", "leaves": 8, "spines": 4, "oversubscription": 4000}],
                          racks={"fabric_domain": "f"})},
        {"demand", "network"},
    ),
    "a model that fits nothing": (
        {"llms": ["llama-3.1-405b"], "limits": {"servers": 1}, "rate_rps": 0.05,
         "slo": {"ttft_ms": 9e5, "tpot_ms": 9e4, "percentile": 95}},
        {"demand"},
    ),
}  # fmt: skip
"""Latencies and memory, timed by the model; `slo`, `llms`, `rate_rps` change the workload."""
