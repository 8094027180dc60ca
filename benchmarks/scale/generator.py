"""Seeded instances: whole scenarios with their topologies, of four sizes, all constraint families on.

| size | sites | accelerators that fit |
|---|---|---|
| S | 4 | about 1,000 |
| M | 12 | about 10,000 |
| L | 40 | about 100,000 |
| XL | 100 | about 1,000,000 |

Every instance has standing servers of several generations, racks to fill and racks to turn to liquid; feeds
(A and B, 80 % rule), UPS, grid contracts, air and liquid loops that bind before the space does; sites that
cost money to open; user bandwidth of every site; ten workloads from several regions with latency objectives,
so that far sites serve less or nothing; finite stock, a budget and a carbon limit; and the loss of any site
with 70 % of the demand kept.

What an instance is follows from its size and seed alone: the generator's version is part of its name.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

VERSION = 1
"""Raised whenever the same size and seed would give another instance."""


@dataclass(frozen=True)
class Size:
    """How large an instance is: sites, and the accelerators that its racks hold together."""

    sites: int
    accelerators: int


SIZES = {
    "S": Size(4, 1_000),
    "M": Size(12, 10_000),
    "L": Size(40, 100_000),
    "XL": Size(100, 1_000_000),
}

REGIONS = (
    "eastus", "westus2", "westeurope", "northeurope", "centralus", "southcentralus", "francecentral",
    "germanywestcentral", "uksouth", "swedencentral", "japaneast", "southeastasia", "centralindia",
    "australiaeast", "canadacentral", "westus3", "norwayeast", "switzerlandnorth", "koreacentral",
    "brazilsouth",
)  # fmt: skip
"""Where sites stand and users live, in the order in which sizes take them."""


@dataclass(frozen=True)
class Hall:
    """A kind of row: what stands in its racks, and what they can take.

    full_w: watts of a rack full of what it is made for. share: how often sites build it.
    """

    name: str
    server: str | None
    per_rack: int
    full_w: int
    liquid: bool
    retrofit: bool
    share: float


HALLS = (
    Hall("h100", "dgx-h100", 4, 40_800, liquid=False, retrofit=False, share=3),
    Hall("h200", "dgx-h200", 4, 40_800, liquid=False, retrofit=True, share=3),
    Hall("b200", "dgx-b200", 3, 42_900, liquid=False, retrofit=False, share=2),
    Hall("mi300x", "mi300x-8", 4, 42_400, liquid=False, retrofit=True, share=1),
    Hall("l40s", "l40s-8", 6, 28_800, liquid=False, retrofit=False, share=1),
    Hall("free", None, 4, 42_900, liquid=False, retrofit=True, share=3),
    Hall("liquid", None, 6, 94_800, liquid=True, retrofit=False, share=2),
    Hall("nvl72", "gb200-nvl72-rack", 1, 132_000, liquid=True, retrofit=False, share=1),
)

BUY = ("dgx-h100", "dgx-h200", "dgx-b200", "mi300x-8", "l40s-8", "mi355x-8-dlc", "gb200-nvl72-rack")
"""Seven server types, L40S to NVL72."""


@dataclass(frozen=True)
class Kind:
    """A kind of workload. share: of the whole load; busy_rps: requests/s that keep one H100 busy."""

    name: str
    llm: str
    input_tokens: int
    output_tokens: int
    ttft_ms: int
    tpot_ms: int
    share: float
    busy_rps: float


KINDS = (
    Kind("assist", "llama-3.1-8b", 900, 220, 1000, 40, 0.10, 30.0),
    Kind("summary", "gemma-3-27b", 2400, 260, 3000, 60, 0.08, 3.5),
    Kind("code", "qwen3-32b", 1800, 60, 800, 40, 0.12, 2.7),
    Kind("chat", "llama-3.3-70b", 1155, 211, 2000, 50, 0.18, 2.3),
    Kind("search", "gpt-oss-20b", 1400, 120, 800, 30, 0.08, 15.0),
    Kind("agent", "gpt-oss-120b", 2600, 350, 2500, 40, 0.12, 4.5),
    Kind("write", "mixtral-8x7b", 700, 500, 2000, 50, 0.06, 9.0),
    Kind("tutor", "qwen3-235b-a22b-fp8", 1000, 420, 3000, 60, 0.10, 3.0),
    Kind("reason", "deepseek-v3", 800, 900, 5000, 80, 0.10, 1.3),
    Kind("classify", "qwen3-8b", 600, 8, 500, 60, 0.06, 75.0),
)  # fmt: skip

LOAD = 1.4
"""Share of the accelerators that the demand would keep busy if all were H100."""

ROOM = 1.8
"""Accelerators that racks would hold by their space alone, for each one that is expected to be used."""

RACK_W = {True: 140_000, False: 44_000}
"""What a rack may take, W: liquid racks, air racks."""


def instance(size: str, seed: int, load: float = LOAD) -> dict[str, Any]:
    """Return a scenario as plain data, its topology inside.

    Args:
        size: `S`, `M`, `L` or `XL`.
        seed: equal seeds give equal instances.
        load: share of the accelerators that the demand would keep busy if all were H100.

    Raises:
        KeyError: no such size.
    """
    about = SIZES[size]
    draw = random.Random(f"{VERSION}/{size}/{seed}")
    regions = REGIONS[: max(4, min(len(REGIONS), about.sites))]
    sites = [
        _site(draw, number, regions[number % len(regions)], ROOM * about.accelerators / about.sites)
        for number in range(about.sites)
    ]
    scale = about.accelerators / 1000
    return {
        "name": f"scale-{size}-{seed}",
        "topology": {"name": f"scale-{size}-{seed}", "sites": sites},
        "workloads": [_workload(draw, kind, regions, load * about.accelerators) for kind in KINDS],
        "fleet": {
            "buy": list(BUY),
            "stock": {
                "dgx-b200": round(12 * scale),
                "mi355x-8-dlc": round(16 * scale),
                "gb200-nvl72-rack": max(1, round(1.5 * scale)),
            },
        },
        "limits": {"capex_usd": 4.5e7 * scale, "carbon_kg_per_h": 900.0 * scale},
        "reliability": {"survive": ["site"], "level": 0.7, "headroom": 0.05},
        "objective": {"minimize": "cost"},
        "solver": {"relative_gap": 0.01},
    }


def _site(draw: random.Random, number: int, region: str, accelerators: float) -> dict[str, Any]:
    """Return a site whose racks hold about so many accelerators."""
    wanted = accelerators * draw.uniform(0.6, 1.4)
    kinds = _kinds_of(draw, wanted)
    blocks, held, watts = [], 0.0, 0.0
    weights = [hall.share * draw.uniform(0.5, 1.5) for hall in kinds]
    for hall, weight in zip(kinds, weights, strict=True):
        racks = min(16, max(2, round(wanted / 32 / len(kinds)))) if not hall.liquid else 4
        size = racks * (72 if hall.name == "nvl72" else 8 * hall.per_rack)
        rows = max(1, round(wanted * weight / sum(weights) / size))
        blocks.append(_row(draw, hall, rows, racks))
        held += rows * size
        watts += rows * racks * hall.full_w
    kw = watts / 1000
    return {
        "name": f"site{number:02d}",
        "region": region,
        "climate": draw.choice(["cold", "temperate", "temperate", "hot"]),
        "grid_kw": round(kw * 1.35 * draw.uniform(0.75, 0.95)),
        "open_usd_per_h": round(0.05 * held * draw.uniform(0.5, 1.5), 2),
        "wan_gb_s": round(0.0008 * held * draw.uniform(0.7, 1.3), 6),
        "power": [
            {"name": f"ups-{side}", "level": "ups", "capacity_kw": round(kw * 0.92)} for side in ("A", "B")
        ],
        "blocks": blocks,
    }


def _kinds_of(draw: random.Random, accelerators: float) -> list[Hall]:
    """Return the kinds of rows of a site: more where it is larger."""
    many = 2 if accelerators < 400 else 3 if accelerators < 1500 else 5
    left = list(HALLS)
    chosen: list[Hall] = []
    while len(chosen) < many:
        hall = draw.choices(left, [kind.share for kind in left])[0]
        left.remove(hall)
        chosen.append(hall)
    return chosen


def _row(draw: random.Random, hall: Hall, rows: int, racks: int) -> dict[str, Any]:
    """Return a kind of row, built several times; part of its racks is free.

    Feeds, loops and racks are a little too small for the most that would fit, each in its own way.
    """
    full_kw = racks * hall.full_w / 1000
    feed_kw = round(full_kw * draw.choice([0.9, 1.0, 1.15]) / 0.8)
    free = racks if hall.server is None else max(1, round(racks * draw.choice([0.75, 0.875, 1.0])))
    common: dict[str, Any] = {
        "feeds": ["A", "B"],
        "power_kw": RACK_W[hall.liquid] / 1000,
        "air_kw": 25 if hall.liquid else 44,
        "air_loop": "crah",
    }
    if hall.liquid:
        common |= {"liquid_kw": 125, "liquid_loop": "cdu"}
    else:
        common |= {"slots": 6 if hall.name == "l40s" else 4}
    spare: dict[str, Any] = {"name": "free", "count": free, **common}
    cooling = [
        {"name": "crah", "medium": "air", "units": 6, "spare_units": 1,
         "unit_kw": round(full_kw * (0.24 if hall.liquid else draw.choice([0.95, 1.1])) / 5, 1)},
    ]  # fmt: skip
    if hall.liquid or hall.retrofit:
        cooling.append(
            {"name": "cdu", "medium": "liquid", "units": 3, "spare_units": 1,
             "unit_kw": round(full_kw * draw.choice([0.9, 1.05]) / 2, 1)}
        )  # fmt: skip
    if hall.retrofit:
        spare["retrofit"] = {"liquid_loop": "cdu", "liquid_kw": 40}
    groups = [spare]
    if hall.server is not None and racks > free:
        groups.insert(
            0, {"name": "r", "count": racks - free, "servers": {hall.server: hall.per_rack}, **common}
        )
    return {
        "name": hall.name,
        "count": rows,
        "power": [
            {"name": side, "level": "feed", "capacity_kw": feed_kw, "parent": f"ups-{side}"}
            for side in ("A", "B")
        ],
        "cooling": cooling,
        "fabric_domains": [{"name": "fabric", "leaves": 8, "spines": 4}],
        "racks": groups,
    }


def _workload(draw: random.Random, kind: Kind, regions: tuple[str, ...], busy: float) -> dict[str, Any]:
    """Return a workload that keeps its share of `busy` H100 busy; its users live in several regions."""
    origins = draw.sample(regions, min(len(regions), 4))
    weights = [draw.uniform(0.5, 2.0) for _ in origins]
    shares = [round(weight / sum(weights), 3) for weight in weights]
    shares[0] = round(1 - sum(shares[1:]), 3)
    return {
        "name": kind.name,
        "llms": [kind.llm],
        "origins": dict(zip(origins, shares, strict=True)),
        "rate_rps": round(busy * kind.share * kind.busy_rps * draw.uniform(0.8, 1.2), 3),
        "input_tokens": {"mean": kind.input_tokens, "p99": 4 * kind.input_tokens},
        "output_tokens": {"mean": kind.output_tokens, "p99": 4 * kind.output_tokens},
        "slo": {"ttft_ms": kind.ttft_ms, "tpot_ms": kind.tpot_ms, "percentile": 99},
    }
