"""The headline: what it costs, how sure that is, and what there is to do, in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from planner.plan.metrics import OUTPUT_PRICE_RATIO
from planner.plan.types import LedgerRow, Plan
from planner.report.console import HOURS_PER_MONTH, ledger_rows
from planner.report.figures.bars import latency_state, state_of
from planner.report.numbers import counted, kilowatts, listed, millions_usd, percent, quantity, usd
from planner.report.sections.limits import ledger_title
from planner.report.sections.places import SiteView
from planner.report.sections.search import Goal, goals_of
from planner.scenario import HOURS_PER_YEAR

PROVEN = 1e-6
"""Below this gap a plan is called optimal without a percentage."""


@dataclass(frozen=True)
class Tile:
    """One figure with its name and a line below it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """The top of the report. state: `good` or `warning`."""

    title: str
    serves: str
    per_hour: str
    per_month: str
    per_year: str
    state: str
    verdict: str
    proof: str
    tiles: list[Tile]
    actions: list[str]
    warnings: list[str]


def headline(plan: Plan, sites: list[SiteView]) -> Headline:
    """Return the headline of a plan."""
    goals = goals_of(plan)
    verdict, proof = proof_in_words(plan, goals)
    return Headline(
        title=str(plan.scenario.get("name", "plan")),
        serves=_serves(plan, sites),
        per_hour=usd(plan.cost.total),
        per_month=usd(plan.cost.total * HOURS_PER_MONTH),
        per_year=usd(plan.cost.total * HOURS_PER_YEAR),
        state="good" if plan.status == "optimal" else "warning",
        verdict=verdict,
        proof=proof,
        tiles=_tiles(plan, sites, goals),
        actions=_actions(plan, sites),
        warnings=_warnings(plan),
    )


def proof_in_words(plan: Plan, goals: list[Goal]) -> tuple[str, str]:
    """Return how good the plan is known to be: in two or three words, and in a sentence or two."""
    first = goals[0]
    bound = first.bound_text
    if plan.gap < PROVEN:
        verdict = "Proven optimal"
        text = f"No plan that keeps every promise {first.beats} {first.value_text}."
    elif plan.status == "optimal":
        verdict = f"Proven within {percent(plan.gap)}"
        text = (
            f"No plan that keeps every promise {first.beats} {bound}: at most"
            f" {percent(plan.gap)} could still be saved, which is within what was asked."
        )
    else:
        verdict = f"Best found, up to {percent(plan.gap)} above the optimum"
        text = (
            f"The search stopped before the gap that was asked for was proven. The plan keeps every"
            f" promise; a better one may exist, but none {first.beats} {bound}."
        )
    if len(goals) > 1:
        text += " Then, in this order: " + ", ".join(f"{g.name} {g.value_text}" for g in goals[1:]) + "."
    return verdict, text


def _serves(plan: Plan, sites: list[SiteView]) -> str:
    """Return one sentence that says what the plan does."""
    rates: dict[str, float] = {}
    for route in plan.at_peak().routes:
        rates[route.workload] = rates.get(route.workload, 0.0) + route.rate_rps
    workloads = listed(f"{quantity(rate)} requests/s of {name}" for name, rate in rates.items())
    llms = listed(dict.fromkeys(group.shape.llm for group in plan.replicas))
    used = [site.name for site in sites if site.used]
    where = listed(used) if len(used) <= 4 else f"{len(used)} sites"
    return f"Serves {workloads or 'nothing'} with {llms or 'no LLM'} from {where or 'nowhere'}."


def _tiles(plan: Plan, sites: list[SiteView], goals: list[Goal]) -> list[Tile]:
    metrics = plan.metrics
    chips = Counter[str]()
    for server in plan.servers:
        chips[server.accelerator] += server.accelerators
    kinds = ", ".join(f"{count:,} {name}" for name, count in chips.most_common(3))
    origins = Counter(server.origin for server in plan.servers)
    words = {"existing": "already owned", "buy": "to buy", "rent": "to rent"}
    servers = ", ".join(f"{count:,} {words[o]}" for o, count in sorted(origins.items()))
    promises = _promises(plan)
    fullest = _fullest(plan)
    grid = (
        f"{kilowatts(metrics.grid_kw * 1000)} at the grid with cooling" if metrics.grid_kw else "all rented"
    )
    return [
        Tile(
            "Per million output tokens",
            usd(metrics.usd_per_mtok_output),
            f"an output token priced as {OUTPUT_PRICE_RATIO:g} input tokens",
        ),
        Tile(
            "Per million input tokens",
            usd(metrics.usd_per_mtok_input),
            f"{usd(metrics.usd_per_mtok)} per million tokens of both kinds",
        ),
        Tile("Accelerators", f"{metrics.accelerators:,}", f"{kinds}; {percent(metrics.utilization)} used"),
        Tile("Servers", f"{metrics.servers:,}", servers),
        Tile("Proven gap", percent(plan.gap) if plan.gap >= PROVEN else "0 %", _bound_note(goals)),
        Tile("To invest", millions_usd(metrics.capex_usd), "bought servers, their network, retrofits"),
        Tile(
            "Expected power",
            kilowatts(metrics.expected_kw * 1000),
            f"{kilowatts(metrics.provisioned_kw * 1000)} provisioned, {grid}",
        ),
        Tile(
            "Carbon per hour",
            f"{quantity(metrics.carbon_kg_per_h)} kg",
            f"{quantity(metrics.tokens_per_s_per_mw)} output tokens/s per MW",
        ),
        Tile("Latency promises kept", *promises),
        Tile("Fullest limit", *fullest),
    ]


def _bound_note(goals: list[Goal]) -> str:
    return f"no plan below {goals[0].bound_text}"


def _promises(plan: Plan) -> tuple[str, str]:
    """Return how many latency promises are kept, and the tightest."""
    shares = [
        (latency.predicted / latency.asked, row.workload, name)
        for row in plan.slo
        for name, latency in (("TTFT", row.ttft_ms), ("TPOT", row.tpot_ms))
        if latency.asked and latency.predicted is not None
    ]
    if not shares:
        return "–", "none asked, or rates were measured"
    kept = sum(share <= 1 for share, _, _ in shares)
    share, workload, name = max(shares)
    return f"{kept:,} of {len(shares):,}", f"tightest: {name} of {workload} at {percent(share)} of its target"


def _fullest(plan: Plan) -> tuple[str, str]:
    rows = [(row.used / row.limit, row) for family in ledger_rows(plan) for row in family if row.limit]
    if not rows:
        return "–", "no limits stated"
    share, row = max(rows, key=lambda item: item[0])
    return percent(share), ledger_title(row.name)


def _actions(plan: Plan, sites: list[SiteView]) -> list[str]:
    """Return what there is to do: buy, rent, keep, switch off, retrofit."""
    words = {"buy": "Buy", "rent": "Rent", "existing": "Keep running"}
    found: list[str] = []
    for origin, verb in words.items():
        by_kind: dict[str, Counter[str]] = {}
        for server in plan.servers:
            if server.origin == origin:
                by_kind.setdefault(server.server, Counter())[server.site] += 1
        for kind, where in by_kind.items():
            found.append(f"{verb} {where.total():,} × {kind}{_split(where)}")
    dark = Counter({site.name: site.servers["off"] for site in sites if site.servers["off"]})
    if dark:
        found.append(f"Leave {counted(dark.total(), 'existing server')} without power{_split(dark)}")
    if plan.retrofitted_racks:
        names = ", ".join(plan.retrofitted_racks[:4]) + (" …" if len(plan.retrofitted_racks) > 4 else "")
        found.append(f"Bring liquid cooling to {counted(len(plan.retrofitted_racks), 'rack')}: {names}")
    return found


def _split(counts: Mapping[str, int], most: int = 6) -> str:
    """Return counts by place, the largest first."""
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    if len(ranked) == 1:
        return f" at {ranked[0][0]}"
    shown = ", ".join(f"{count:,} at {name}" for name, count in ranked[:most])
    left = len(ranked) - most
    return f": {shown}" if left <= 0 else f": {shown} and the rest at {counted(left, 'other site')}"


def _warnings(plan: Plan) -> list[str]:
    """Return what the reader must not overlook."""
    found = [
        f"{quantity(gone.rate_rps)} requests/s of {gone.workload} from {gone.origin} are not served."
        for gone in plan.unserved
    ]
    full = [r for rows in ledger_rows(plan) for r in rows if _state(r) in ("full", "over")]
    if full:
        names = "; ".join(ledger_title(row.name) for row in full[:3]) + (" …" if len(full) > 3 else "")
        found.append(f"{counted(len(full), 'limit')} more than 95 % used: {names}.")
    doubtful = sum(
        latency_state(latency.asked, latency.predicted, row.error_band) != "fine"
        for row in plan.slo
        for latency in (row.ttft_ms, row.tpot_ms)
        if latency.asked and latency.predicted is not None
    )
    if doubtful:
        found.append(
            f"{counted(doubtful, 'latency prediction')} so near the target that the model's error band"
            " reaches it: measure before relying on it."
        )
    return found


def _state(row: LedgerRow) -> str:
    return state_of(row.used / row.limit) if row.limit else "fine"
