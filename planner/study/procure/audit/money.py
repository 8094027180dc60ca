"""The money of one future, added up again from the tables: budgets hold, and the total is the plan's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from planner.plan.assemble.offers import Offer
from planner.study.procure.audit.fleet import STANDING
from planner.study.procure.audit.history import MONTHS_PER_YEAR, History, whole_periods
from planner.study.procure.deployment import Deployment
from planner.study.procure.study import Owned
from planner.topology import Question

HOURS_PER_MONTH = 730.0
MICRO = 1e6
BUDGET_TOLERANCE_USD = 1.0


class Ledger:
    """Undiscounted USD by period (from 1), and what there is after the last one.

    capital: what budgets pay for. paid: everything. after: rents that run on, and what the fleet is worth.
    """

    def __init__(self, history: History, question: Question, places: Deployment) -> None:
        self.history, self.question, self.places = history, question, places
        self.study = history.study
        self.capital: dict[int, float] = defaultdict(float)
        self.paid: dict[int, float] = defaultdict(float)
        self.after = 0.0
        self.offers: dict[str, Offer] = dict(zip(places.names, places.offers, strict=True))
        self._orders()
        self._rents()
        self._sales()
        self._retrofits()
        self._installation()
        for period in range(1, self.study.periods + 1):
            self._running(period)

    @property
    def years(self) -> float:
        """Length of a period, years."""
        return self.study.months_per_period / MONTHS_PER_YEAR

    def _invest(self, period: int, usd: float) -> None:
        self.capital[period] += usd
        self.paid[period] += usd

    def list_price(self, server: str, period: int) -> float:
        """Return the price of one server ordered in a period, before discounts, USD."""
        terms = self.study.terms(server)
        if terms.prices_usd is not None:
            base = terms.prices_usd[min(period, len(terms.prices_usd)) - 1]
        else:
            stated = self.question.scenario.fleet.prices_usd.get(server)
            known = self.question.catalog.servers[server].price_usd
            first = terms.price_usd or (known if stated is None else stated) or 0.0
            base = first * terms.price_per_year ** ((period - 1) * self.years)
        return float(base * self.history.price_factor(server, period))

    def _orders(self) -> None:
        adder = self.question.scenario.economics.network_adder
        for row in self.history.rows("purchases"):
            period, count = int(row["period"]), int(row["count"])
            listed = self.list_price(str(row["server"]), period)
            unit = round(listed * (1 - float(row["discount"])) * (1 + adder))
            self._invest(period, unit * count * self.study.deposit_share)
            self._invest(int(row["delivery_period"]), unit * count * (1 - self.study.deposit_share))
            self.after -= count * self._worth(str(row["server"]), period, self.study.periods + 1)

    def _worth(self, server: str, ordered: int | None, period: int) -> float:
        """Return what a server is worth at the beginning of a period; ordered None: it stood there."""
        kept = self.study.value_kept_per_year
        if ordered is None:
            owned = self.study.owned.get(server, Owned())
            stated = self.question.scenario.fleet.prices_usd.get(server)
            new = self.question.catalog.servers[server].price_usd if stated is None else stated
            paid = owned.paid_usd if owned.paid_usd is not None else (new or 0.0)
            return float(paid * kept ** (owned.age_months / MONTHS_PER_YEAR + (period - 1) * self.years))
        terms = self.study.terms(server)
        arrived = ordered + whole_periods(self.study, terms.lead_months)
        best = max((d.share for d in terms.discounts), default=0.0)
        worth = self.list_price(server, ordered) * (1 - best) * kept ** ((period - arrived) * self.years)
        return float(worth)

    def _rents(self) -> None:
        for row in self.history.rows("rents"):
            begins, count = int(row["period"]), int(row["count"])
            per_period = self.offers[str(row["offer"])].rental / MICRO * float(row["price"])
            per_period *= self.history.rent_factor(begins) * self.study.months_per_period * HOURS_PER_MONTH
            for period in range(begins, begins + whole_periods(self.study, float(row["months"]))):
                if period <= self.study.periods:
                    self.paid[period] += per_period * count
                else:
                    self.after += per_period * count

    def _sales(self) -> None:
        # what stands from the start counts only by what selling it changes
        for row in self.history.rows("sales"):
            ordered, server, count = str(row["ordered"]), str(row["server"]), int(row["count"])
            since = None if ordered == STANDING else int(ordered.rpartition("/")[2])
            self.paid[int(row["period"])] -= count * self._worth(server, since, int(row["period"]))
            self.after += count * self._worth(server, since, self.study.periods + 1)

    def _retrofits(self) -> None:
        usd = {
            c.name: float(c.attributes["retrofit"]["usd"])
            for c in self.places.classes
            if c.attributes["retrofit"] is not None
        }
        for row in self.history.rows("retrofits"):
            self._invest(int(row["period"]), int(row["count"]) * usd[str(row["racks"])])

    def _installation(self) -> None:
        """What runs at a site beyond the period before was installed; what no store gave was moved."""
        types, sites = self.places.types, self.places.sites
        before = {(types[kind], site): n for (kind, site), n in self.places.standing.items()}
        stored: dict[str, int] = defaultdict(int)
        for period in range(1, self.study.periods + 1):
            now: dict[tuple[str, str], int] = defaultdict(int)
            for row in self.history.rows("placements", period):
                if row["origin"] != "rent":
                    now[str(row["server"]), str(row["site"])] += int(row["count"])
            for server in types:
                put = sum(max(0, now[server, s] - before.get((server, s), 0)) for s in sites)
                came = sum(
                    int(r["count"])
                    for r in self.history.rows("purchases")
                    if r["server"] == server and int(r["delivery_period"]) == period
                )
                moved = max(0, put - came - stored[server])
                self._invest(period, put * self.study.install_usd_per_server)
                self._invest(period, moved * self.study.move_usd_per_server)
                gone = sum(
                    int(r["count"]) for r in self.history.rows("sales", period) if r["server"] == server
                )
                ran = sum(before.get((server, s), 0) for s in sites)
                runs = sum(now[server, s] for s in sites)
                stored[server] += came + ran - gone - runs
            before = dict(now)

    def _running(self, period: int) -> None:
        hours = self.study.months_per_period * HOURS_PER_MONTH
        tariff = self.history.tariff_factor(period)
        usd_per_h = 0.0
        sites: set[str] = set()
        for row in self.history.rows("placements", period):
            offer, count = self.offers[str(row["offer"])], int(row["count"])
            sites.add(offer.site)
            fixed = offer.maintenance + offer.infrastructure
            usd_per_h += count * (offer.idle_electricity * tariff + fixed) / MICRO
        usd_per_h += sum(usd for site, usd in self.places.open_usd_per_h.items() if site in sites)
        uses = {(use.lane, self.places.groups[use.group][1]): use for use in self.places.uses}
        flows = {(self.places.demands[f.demand].name, f.lane): f for f in self.places.flows}
        for row in self.history.rows("traffic", period):
            growth = self.history.demand(str(row["workload"]), period) * float(row["units"])
            lane = int(row["lane"])
            if row["demand"]:
                usd_per_h += flows[str(row["demand"]), lane].usd_per_h * growth
            else:
                usd_per_h += uses[lane, str(row["server"])].usd_per_h * growth * tariff
        for row in self.history.rows("unserved", period):
            demand = next(d for d in self.places.demands if d.name == row["demand"])
            units = float(row["share"]) * demand.units * self.history.demand(demand.workload, period)
            usd_per_h += (demand.usd_per_unit_h or 0.0) * units
        self.paid[period] += usd_per_h * hours

    def total(self) -> float:
        """Return the discounted cost of this future, USD."""
        rate = 1 + self.study.discount_rate_per_year
        now = sum(usd * rate ** (-(period - 1) * self.years) for period, usd in self.paid.items())
        return float(now + self.after * rate ** (-self.study.periods * self.years))


def check_budget(history: History, ledger: Ledger) -> Iterator[str]:
    """Yield periods that spend more than there is."""
    study = history.study
    if study.budget_usd is None:
        return
    there = spent = 0.0
    for period in range(1, study.periods + 1):
        budget = study.budget_usd[period - 1] if isinstance(study.budget_usd, list) else study.budget_usd
        if study.carry_over:
            there, spent = there + budget, spent + ledger.capital[period]
        else:
            there, spent = budget, ledger.capital[period]
        if spent > there + BUDGET_TOLERANCE_USD:
            where = f"{history.branches[period - 1]}/{period}"
            yield f"{where}: {spent:,.0f} USD of capital are spent of {there:,.0f}"
