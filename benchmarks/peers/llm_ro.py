"""LLM-RO (github.com/JJmingcc/LLM-RO @78b1552): model x GPU tier x tensor parallelism, with known optima.

`python -m benchmarks.peers.llm_ro` solves the four published instances as programs of this planner and prints
optimum, bound and time beside the reference (HiGHS on the original formulation).

Its question: six kinds of queries are each placed on one (model, GPU tier); a tier of a model runs with one
tensor-parallel degree, and has that many GPUs. Cost over 12 hours: rent, storage of models and tokens, and a
penalty for every millisecond of processing. Limits: compute, memory, delay and error rate of a query, a
budget, storage. In the tables of `planner.optimize.problem` a degree of a (model, tier) is a pool of one
replica, and a kind of query is one unit of traffic, so that it goes to one place.

Two readings of its delay limit exist. `as_published` is what its code states: the limit of every query hangs
on the GPUs of the last tier of the last model, whoever serves it. `delay_of_the_chosen_tier` is what its
paper means.
"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from planner.optimize.method import solve_problem
from planner.optimize.problem import (
    LOAD_SCALE,
    Assignments,
    Candidates,
    Demands,
    Entries,
    Flows,
    HostGroups,
    Hostings,
    Ledger,
    Pools,
    Problem,
    RackClasses,
    RackMixes,
    Sites,
    integers,
)
from planner.optimize.solution import Settings

INSTANCES = Path(__file__).parent / "data" / "llm_ro.json"
MICRO = 1_000_000
READINGS = ("as_published", "delay_of_the_chosen_tier")

STORAGE_GB = 5000
"""The code allows five times the stated 1,000 GB."""


@dataclass(frozen=True)
class Place:
    """A tensor-parallel degree of a model on a GPU tier."""

    model: int
    tier: int
    degree: int


def problem_of(params: dict[str, Any], reading: str) -> Problem:
    """Return an instance as tables. Money in micro-USD over the rental period, memory in kB."""
    queries, models, tiers = range(params["I"]), range(params["J"]), range(params["K"])
    hours = params["Delta_T"]
    tokens = [h + f for h, f in zip(params["h"], params["f"], strict=True)]
    places = [
        Place(j, k, n)
        for j, k, n in product(models, tiers, params["TP_degrees"])
        if params["B"][j] / n <= params["C_gpu"][k]
    ]
    number = {place: q for q, place in enumerate(places)}
    paths: list[tuple[int, int, int, int]] = []  # query, place, cost, load
    memory: list[tuple[int, int, int]] = []
    storage: list[int] = []
    budget: list[int] = []
    for i, place in product(queries, places):
        j, k, n = place.model, place.tier, place.degree
        delay_ms = params["d_bar"][i][j] * tokens[i]
        late = reading == "delay_of_the_chosen_tier" and delay_ms > params["Delta_i"][i] * n
        load = params["alpha"][i] * tokens[i] / (params["P_gpu"][k] * n)
        if late or load > 1 or params["e_bar"][i][j] > params["epsilon"][i]:
            continue
        stored = params["B"][j] + params["theta"][i] * tokens[i] * params["lambda_i"][i]
        keeping = hours * params["p_s"] * stored
        waiting = params["rho"][i] * delay_ms * params["lambda_i"][i]
        paths.append((i, number[place], round((keeping + waiting) * MICRO), max(1, round(load * LOAD_SCALE))))
        cache = params["beta"][j] / n * tokens[i] * params["lambda_i"][i] * params["T_res"]
        memory.append((number[place], len(paths) - 1, round(cache * MICRO)))
        storage.append(params["B"][j])
        budget.append(round(keeping * MICRO))
    table = np.array(paths, dtype=np.int64).reshape(-1, 4)
    rents = [round(hours * price * MICRO) for price in params["p_c"]]
    ledgers = [
        _ledger("degree", _pairs(params), 1, {"replicas": _one_degree(places, params)}),
        _ledger("memory", [_name(p, params) for p in places], _free(places, params), {"assign": memory}),
        _ledger("storage", ["storage"], STORAGE_GB, {"assign": [(0, a, gb) for a, gb in enumerate(storage)]}),
        _ledger(
            "budget",
            ["budget"],
            params["delta"] * MICRO,
            {
                "servers": [(0, k, len(queries) * rent) for k, rent in enumerate(rents)],  # once per query
                "assign": [(0, a, amount) for a, amount in enumerate(budget)],
            },
        ),
    ]
    if reading == "as_published":
        ledgers.append(_delay_of_the_last(params, places, paths, tokens))
    return Problem(
        workloads=tuple(params["query_types"]),
        demands=Demands(
            tuple(params["query_types"]),
            integers(queries),
            integers([1 for _ in queries]),
            integers([-1 for _ in queries]),
            tuple("lambda_i" for _ in queries),
        ),
        sites=Sites(("cloud",), integers([0])),
        rack_classes=RackClasses((), integers([]), ()),
        mixes=RackMixes(*(integers([]) for _ in range(5))),
        host_groups=HostGroups(
            tuple(params["gpu_tiers"]), integers([0 for _ in tiers]), integers([1 for _ in tiers])
        ),
        candidates=Candidates(
            tuple(params["gpu_tiers"]),
            integers(tiers),
            integers([-1 for _ in tiers]),
            integers([max(params["TP_degrees"]) * params["J"] for _ in tiers]),
            integers(rents),
        ),
        pools=Pools(
            tuple(_name(place, params) for place in places),
            integers([0 for _ in places]),
            integers([1 for _ in places]),
            integers([0 for _ in places]),
        ),
        hostings=Hostings(
            integers(range(len(places))),
            integers([place.tier for place in places]),
            integers([0 if place.degree > 1 else 1 for place in places]),
            integers([place.degree if place.degree > 1 else 0 for place in places]),
        ),
        lane_workload=integers(queries),
        lane_site=integers([0 for _ in queries]),
        flows=Flows(integers(queries), integers(queries), integers([0 for _ in queries])),
        assignments=Assignments(
            table[:, 0], table[:, 2], integers(range(len(table))), table[:, 1], table[:, 3]
        ),
        ledgers=tuple(ledgers),
    )


def _name(place: Place, params: dict[str, Any]) -> str:
    return f"{params['model_names'][place.model]}|{params['gpu_tiers'][place.tier]}|tp{place.degree}"


def _pairs(params: dict[str, Any]) -> list[str]:
    return [f"{model}|{tier}" for model, tier in product(params["model_names"], params["gpu_tiers"])]


def _one_degree(places: list[Place], params: dict[str, Any]) -> list[tuple[int, int, int]]:
    return [(place.model * params["K"] + place.tier, p, 1) for p, place in enumerate(places)]


def _free(places: list[Place], params: dict[str, Any]) -> list[int]:
    """Return kB left on each GPU beside the weights."""
    return [
        math.floor((params["C_gpu"][place.tier] - params["B"][place.model] / place.degree) * MICRO)
        for place in places
    ]


def _delay_of_the_last(
    params: dict[str, Any], places: list[Place], paths: list[tuple[int, int, int, int]], tokens: list[int]
) -> Ledger:
    """Return the published delay rows: every query's delay against the GPUs of the last model's last tier."""
    last = (params["J"] - 1, params["K"] - 1)
    used = [
        (i, a, round(params["d_bar"][i][places[q].model] * tokens[i] * MICRO))
        for a, (i, q, _, _) in enumerate(paths)
    ]
    allowed = [
        (i, p, -params["Delta_i"][i] * place.degree * MICRO)
        for i in range(params["I"])
        for p, place in enumerate(places)
        if (place.model, place.tier) == last
    ]
    names = [f"delay/{query}" for query in params["query_types"]]
    return _ledger("delay", names, 0, {"assign": used, "replicas": allowed})


def _ledger(
    family: str,
    names: list[str],
    limits: int | list[int],
    entries: dict[str, list[tuple[int, int, int]]],
) -> Ledger:
    values = [limits] * len(names) if isinstance(limits, int) else limits
    made = {}
    for kind, triples in entries.items():
        array = np.array(triples, dtype=np.int64).reshape(-1, 3)
        made[kind] = Entries(array[:, 0], array[:, 1], array[:, 2])
    return Ledger(family, tuple(names), integers(values), "", tuple("" for _ in names), made)


def main() -> int:
    """Solve every instance in both readings; return 1 where an optimum is missed."""
    missed = 0
    print(
        f"{'instance':16s} {'reading':26s} {'reference':>11s} {'ours':>11s} {'bound':>11s}"
        f" {'s':>6s} {'HiGHS s':>8s}"
    )
    for instance in json.loads(INSTANCES.read_text(encoding="utf-8")):
        for reading in READINGS:
            problem = problem_of(instance["params"], reading)
            started = time.perf_counter()
            found = solve_problem(problem, Settings(time_limit_s=60.0, relative_gap=0.0))
            seconds = time.perf_counter() - started
            reference = instance["optimum_usd"][reading]
            ours, bound = found.objective / MICRO, found.bound / MICRO
            missed += found.status != "optimal" or ours > reference + 1e-4
            print(
                f"{instance['name']:16s} {reading:26s} {reference:11.4f} {ours:11.4f} {bound:11.4f}"
                f" {seconds:6.2f} {instance['highs_seconds'][reading]:8.2f}"
            )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
