"""The report of a procurement: when to buy what, where it runs, what it costs, what else could be done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.report.numbers import counted, millions_usd, percent
from planner.study.figures.gantt import GanttRow, Span, gantt_picture
from planner.study.figures.stacked import Layer, stacked_picture, tone
from planner.study.page import Chapter, Drawing, Fact, Page, Table, table_of
from planner.study.procure.decisions import PARTS
from planner.study.procure.output import regret_rows, tables_of
from planner.study.procure.progress import headline, interval_words
from planner.study.procure.run import Procurement
from planner.study.procure.schedule import Record
from planner.study.procure.tree import Tree

KIND = "Procurement"
MILLION = 1e6
Tables = dict[str, list[Record]]


class Along:
    """The rows of the tables along one future. name: of the future."""

    def __init__(self, tree: Tree, leaf: int, tables: Tables) -> None:
        self.name = tree.moments[leaf].branch
        self.moments = [(tree.moments[q].branch, tree.moments[q].period) for q in tree.path(leaf)]
        self.tables = tables

    def rows(self, table: str) -> list[Record]:
        """Return the rows of a table that are about this future, in order of periods."""
        here = set(self.moments)
        rows = [row for row in self.tables.get(table, []) if (row["branch"], row["period"]) in here]
        return sorted(rows, key=lambda row: int(row["period"]))

    def series(self, rows: Iterable[Record], name: str, value: str) -> list[Layer]:
        """Return one layer for each value of a column, summed by period."""
        layers: dict[str, list[float]] = {}
        for row in rows:
            values = layers.setdefault(str(row[name]), [0.0] * len(self.moments))
            values[int(row["period"]) - 1] += float(row[value])
        return [Layer(title, values) for title, values in layers.items()]


def procure_page(found: Procurement) -> Page:
    """Return the report of what is known so far."""
    solved, study = found.solved, found.study
    assert solved is not None
    tree = solved.built.setting.tree
    tables = tables_of(found)
    futures = [Along(tree, leaf, tables) for leaf in tree.leaves]
    periods = [study.label(period) for period in range(1, study.periods + 1)]
    chapters = [
        _purchases(found, futures, periods, tables),
        _fleet(futures, periods, tables),
        _power(futures, periods, tables),
        _money(futures, periods, tables),
    ]
    regrets = _regrets(found)
    if regrets is not None:
        chapters.insert(1, regrets)
    lines = []
    if len(futures) > 1:
        parts = zip(futures, solved.built.probabilities(), solved.costs, strict=True)
        each = [f"{a.name} ({percent(float(p))}) {millions_usd(float(cost))}" for a, p, cost in parts]
        lines.append(f"Cost of each future: {', '.join(each)}.")
    if found.tables:
        wrong = found.violations
        checked = "An independent check of every order, server, rack, limit and dollar found nothing wrong."
        lines.append(f"The independent check found: {'; '.join(wrong[:5])}" if wrong else checked)
    else:
        lines.append(
            "The search was still going on when this was written; the gap may be larger than asked for."
        )
    files = "procurement.json and the tables beside this page (CSV, and Parquet where pyarrow is installed)"
    return Page(study.name, KIND, headline(found), files, lines, _facts(found), chapters)


def _facts(found: Procurement) -> list[Fact]:
    solved, measures = found.solved, found.measures
    assert solved is not None
    facts = [
        Fact(
            "Expected cost", millions_usd(solved.expected), f"discounted; proven within {percent(solved.gap)}"
        ),
    ]
    if len(solved.costs) > 1 and found.risk is not None:
        worst = percent(1 - found.study.cvar_level)
        facts.append(Fact("CVaR", millions_usd(found.risk), f"mean of the worst {worst}"))
    if measures is not None and len(measures.futures) > 1:
        for name, value in (
            ("Perfect information", measures.expected_information_value),
            ("Stochastic solution", measures.stochastic_solution_value),
        ):
            if value is not None:
                shown = "unlimited" if value.high is None else f"up to {millions_usd(value.high)}"
                facts.append(Fact(f"Value of {name.lower()}", shown, interval_words(value)))
    return facts


def _purchases(
    found: Procurement, futures: Sequence[Along], periods: Sequence[str], tables: Tables
) -> Chapter:
    drawings = []
    servers = list(dict.fromkeys(row["server"] for row in tables["purchases"]))
    end = found.study.periods + 1
    for along in futures:
        rows: list[GanttRow] = []
        for row in along.rows("purchases"):
            number = servers.index(row["server"])
            words = f"{row['count']} {row['server']}"
            start, there = row["period"], row["delivery_period"]
            tip = f"{words}: ordered {row['order_date']}, delivered {row['delivery_date']}"
            spans = [Span(there, end, words, tone(number), f"{tip}, {millions_usd(row['total_usd'])}")]
            if there > start:
                spans.insert(0, Span(start, there, "on order", tone(number), tip, faint=True))
            rows.append(GanttRow(f"{words}, {row['label']}", spans))
        for row in along.rows("rents"):
            words, until = f"rent {row['count']}", row["period"] + found.study.in_periods(row["months"])
            tip = f"{row['count']} {row['unit']} for {row['months']:g} months"
            rows.append(GanttRow(f"{words} {row['unit']}", [Span(row["period"], until, words, "t8", tip)]))
        rows += [
            GanttRow(f"sell {row['count']} {row['server']}",
                     [Span(row["period"], row["period"] + 0.12, "", "bad", f"of {row['ordered']}")])
            for row in along.rows("sales")
        ]  # fmt: skip
        rows += [
            GanttRow(f"{row['count']} racks of {row['racks']} to liquid",
                     [Span(row["period"], end, "liquid", "t1")])
            for row in along.rows("retrofits")
        ]  # fmt: skip
        rows += [
            GanttRow(f"{online.at} comes online", [Span(online.period, end, "online", "t3")])
            for online in found.study.online
        ]
        caption = f"Orders, deliveries, rents and sales{_of(along, futures)}; faint: on order"
        drawing = gantt_picture(rows, periods, caption)
        if drawing is not None:
            drawings.append(Drawing(caption, drawing))
    shown = ("branch", "label", "server", "count", "accelerators", "order_date", "delivery_date", "discount",
             "unit_usd", "total_usd")  # fmt: skip
    lists = [
        _table("Bill of materials, with the dates to order by", tables["purchases"], shown),
        _table("Rents", tables["rents"], ("branch", "label", "unit", "site", "months", "count")),
        _table("Sales", tables["sales"], ("branch", "label", "server", "ordered", "count")),
        _table("Racks turned to liquid", tables["retrofits"], ("branch", "label", "racks", "count")),
        _table("Left unserved", tables["unserved"], ("branch", "label", "demand", "share")),
    ]
    text = "Rows of the branch “now” hold in every future: they are decided before it is known which it is."
    return Chapter("purchases", "What to buy, when", text, drawings, [t for t in lists if t is not None])


def _of(along: Along, futures: Sequence[Along]) -> str:
    return f" if the future is {along.name}" if len(futures) > 1 else ""


def _table(caption: str, rows: Sequence[Record], names: Sequence[str]) -> Table | None:
    if not rows:
        return None
    return table_of(caption, [{name.replace("_", " "): row[name] for name in names} for row in rows])


def _columns(
    layers: list[Layer], periods: Sequence[str], unit: str, caption: str, limit: Sequence[float] | None = None
) -> list[Drawing]:
    drawn = stacked_picture(layers, periods, unit, caption, limit)
    if drawn is None:
        return []
    legend = [(tone(number), layer.name) for number, layer in enumerate(layers)]
    return [Drawing(caption, drawn, legend)]


def _fleet(futures: Sequence[Along], periods: Sequence[str], tables: Tables) -> Chapter:
    drawings = []
    for along in futures:
        layers = along.series(along.rows("deployments"), "server", "accelerators")
        drawings += _columns(layers, periods, "accelerators", f"Accelerators that run{_of(along, futures)}")
    shown = ("branch", "label", "server", "owned", "running", "stored", "on_order", "mean_age_months",
             "book_depreciation_usd")  # fmt: skip
    where = ("branch", "label", "site", "server", "origin", "count", "change", "accelerators")
    lists = [
        _table("Owned servers and their age", tables["fleet"], shown),
        _table("What runs where", tables["deployments"], where),
        _table(
            "The full plan of every moment, made and verified",
            tables.get("plans", []),
            (
                "branch",
                "label",
                "status",
                "servers",
                "replicas",
                "unserved_share",
                "planned_unserved_share",
                "violations",
            ),
        ),
    ]
    text = "Servers by type, with their age; a negative change was moved away, sold or put in store."
    return Chapter("fleet", "The fleet", text, drawings, [t for t in lists if t is not None])


def _power(futures: Sequence[Along], periods: Sequence[str], tables: Tables) -> Chapter:
    drawings = []
    grid = "grid"
    for along in futures:
        rows = [row for row in along.rows("power") if row["family"] == grid]
        if not rows:
            continue
        layers = along.series(rows, "node", "used_kw")
        there = [sum(layer.values[p] for layer in along.series(rows, "node", "available_kw"))
                 for p in range(len(periods))]  # fmt: skip
        caption = f"Power at the grid by site{_of(along, futures)}; dashed: what all sites have"
        drawings += _columns(layers, periods, "kW", caption, there)
    full = [
        {**row, "used_share": row["used_kw"] / row["available_kw"] if row["available_kw"] else None}
        for row in tables["power"]
        if row["used_kw"] > 0
    ]
    shown = ("branch", "label", "limit", "used_kw", "available_kw", "used_share")
    table = _table("Every limit that is used, with what there is by then", full, shown)
    text = "What breakers, grid and cooling must carry, as feeds, sites and cooling come online."
    return Chapter("power", "Power", text, drawings, [] if table is None else [table])


def _money(futures: Sequence[Along], periods: Sequence[str], tables: Tables) -> Chapter:
    drawings = []
    for along in futures:
        rows = along.rows("cash_flow")
        layers = []
        for part in PARTS:
            values = [float(row[f"{part.replace(' ', '_')}_usd"]) / MILLION for row in rows]
            if any(values) and part != "remaining value":
                layers.append(Layer(part, values))
        drawings += _columns(layers, periods, "million USD", f"Cash flow{_of(along, futures)}, undiscounted")
    names = [name for name in tables["cash_flow"][0] if name not in ("period", "probability")]
    used = [
        name for name in names
        if not name.endswith("_usd") or any(row[name] for row in tables["cash_flow"])
    ]  # fmt: skip
    table = _table("Cash flow, USD; income is negative", tables["cash_flow"], used)
    text = "The remaining value of the fleet, in the last period, is counted but not paid."
    return Chapter("money", "Cash flow", text, drawings, [] if table is None else [table])


def _regrets(found: Procurement) -> Chapter | None:
    rows = regret_rows(found)
    if not rows:
        return None
    names = [n for n in rows[0] if n != "why_not" or any(row["why_not"] for row in rows)]
    table = _table("Discounted USD; regret: more than the best of that future", rows, names)
    asked = counted(len(found.measures.futures) if found.measures else 0, "future")
    text = f"The plan beside simpler ways to go, in {asked}. Each is solved to the same gap."
    return Chapter("regrets", "What else could be done", text, (), [] if table is None else [table])
