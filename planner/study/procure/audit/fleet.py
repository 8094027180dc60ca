"""Orders, deliveries, sales and rents of one future: does every server that runs exist by then?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from planner.scenario import Scenario
from planner.study.procure.audit.history import History, Record, whole_periods

STANDING = "standing"


def order_name(row: Record) -> str:
    """Return the name by which sales refer to an order."""
    return f"{row['branch']}/{row['period']}"


def check_orders(history: History, scenario: Scenario) -> Iterator[str]:
    """Yield orders that cannot be placed: too many, too early, with a discount that is not given."""
    study = history.study
    ordered: dict[str, int] = defaultdict(int)
    for row in sorted(history.rows("purchases"), key=lambda r: int(r["period"])):
        server, count, period = str(row["server"]), int(row["count"]), int(row["period"])
        what = f"{count} {server} ordered in {order_name(row)}"
        if server not in scenario.fleet.buy:
            yield f"{what}: not in fleet.buy"
            continue
        terms = study.terms(server)
        delivery = period + whole_periods(study, terms.lead_months)
        if int(row["delivery_period"]) != delivery:
            yield f"{what}: delivered in period {row['delivery_period']}, the lead time says {delivery}"
        if delivery > study.periods:
            yield f"{what}: would arrive after the last period"
        if period < terms.first_period or (terms.last_period is not None and period > terms.last_period):
            yield f"{what}: cannot be ordered in that period"
        most = terms.most_per_period
        if isinstance(most, list):
            most = most[min(period, len(most)) - 1] if most else 0
        if most is not None and count > most:
            yield f"{what}: at most {most} can be had"
        share = float(row["discount"])
        if share and not any(d.share == share and count >= d.from_count for d in terms.discounts):
            yield f"{what}: no discount of {share:g} for so many"
        ordered[server] += count
        stock = scenario.fleet.stock.get(server)
        if stock is not None and ordered[server] > stock:
            yield f"{what}: {ordered[server]} in all, while {stock} are in stock"


def check_balance(history: History, standing: Mapping[str, int]) -> Iterator[str]:
    """Yield servers that run without being there, and sales of what is not there."""
    periods = range(1, history.study.periods + 1)
    orders = {(order_name(r), str(r["server"])): r for r in history.rows("purchases")}
    sold: dict[tuple[str, str], int] = defaultdict(int)
    for row in history.rows("sales"):
        key = (str(row["ordered"]), str(row["server"]))
        sold[key] += int(row["count"])
        if key[0] == STANDING:
            there, since = standing.get(key[1], 0), 1
        elif key in orders:
            there, since = int(orders[key]["count"]), int(orders[key]["delivery_period"]) + 1
        else:
            there, since = 0, 1
        where = f"{history.name}: {key[1]} of {key[0]}"
        if sold[key] > there:
            yield f"{where}: {sold[key]} sold of {there}"
        if int(row["period"]) < since:
            yield f"{where}: sold in period {row['period']}, not to be sold before {since}"
    for period in periods:
        owned: dict[str, int] = defaultdict(int, standing)
        for row in history.rows("purchases"):
            if int(row["delivery_period"]) <= period:
                owned[str(row["server"])] += int(row["count"])
        for row in history.rows("sales"):
            if int(row["period"]) <= period:
                owned[str(row["server"])] -= int(row["count"])
        running: dict[str, int] = defaultdict(int)
        for row in history.rows("placements", period):
            if row["origin"] != "rent":
                running[str(row["server"])] += int(row["count"])
        for server, count in running.items():
            if count > owned[server]:
                where = f"{history.branches[period - 1]}/{period}"
                yield f"{where}: {count} {server} run, {owned[server]} are owned"


def check_rents(history: History, most: Mapping[str, int | None]) -> Iterator[str]:
    """Yield rented units that run without a term, or are more than there are. most: by offer."""
    study = history.study
    for period in range(1, study.periods + 1):
        covered: dict[str, int] = defaultdict(int)
        for row in history.rows("rents"):
            begins = int(row["period"])
            if begins <= period < begins + whole_periods(study, float(row["months"])):
                covered[str(row["offer"])] += int(row["count"])
        where = f"{history.branches[period - 1]}/{period}"
        for row in history.rows("placements", period):
            offer = str(row["offer"])
            if row["origin"] == "rent" and int(row["count"]) > covered[offer]:
                yield f"{where}: {row['count']} of {offer} run, {covered[offer]} are rented"
        for offer, count in covered.items():
            limit = most.get(offer)
            if limit is not None and count > limit:
                yield f"{where}: {count} of {offer} are rented, there are {limit}"
