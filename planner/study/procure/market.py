"""Prices: what a server costs at a moment, what it is worth later, and what later money is worth."""

from __future__ import annotations

from dataclasses import dataclass

from planner.plan.assemble.offers import server_price_usd
from planner.study.procure.study import Owned, ProcureStudy
from planner.study.procure.tree import MONTHS_PER_YEAR, Moment
from planner.topology import Question


@dataclass(frozen=True)
class Market:
    """Prices of one study. All amounts USD, network adder included where it says capex."""

    study: ProcureStudy
    question: Question

    @property
    def years_per_period(self) -> float:
        """Length of a period in years."""
        return self.study.months_per_period / MONTHS_PER_YEAR

    def price_usd(self, server: str, moment: Moment) -> float:
        """Return the list price of one server ordered at a moment.

        Raises:
            ValueError: neither study, scenario nor catalog knows a price.
        """
        terms = self.study.terms(server)
        if terms.prices_usd is not None:
            base = terms.prices_usd[min(moment.period, len(terms.prices_usd)) - 1]
        else:
            first = terms.price_usd
            if first is None:
                first = server_price_usd(self.question.catalog.servers[server], self.question.scenario)
            base = first * terms.price_per_year ** ((moment.period - 1) * self.years_per_period)
        return base * moment.prices[server]

    def capex_usd(self, server: str, moment: Moment, discount: float = 0.0) -> int:
        """Return what one server costs with its share of the network, whole USD."""
        adder = self.question.scenario.economics.network_adder
        return round(self.price_usd(server, moment) * (1 - discount) * (1 + adder))

    def resale_usd(self, server: str, moment: Moment) -> float:
        """Return what a server ordered at a moment counts when its value is reckoned.

        The lowest price it can be had for: nobody is to earn by buying with a discount and selling at once.
        """
        most = max((discount.share for discount in self.study.terms(server).discounts), default=0.0)
        return self.price_usd(server, moment) * (1 - most)

    def worth_usd(self, paid_usd: float, years: float) -> float:
        """Return what a server that cost `paid_usd` is worth after some years."""
        return paid_usd * float(self.study.value_kept_per_year**years)

    def standing(self, server: str, first: Moment) -> tuple[float, float]:
        """Return (USD paid, age in years at the start) of the standing servers of a type."""
        known = self.study.owned.get(server, Owned())
        paid = known.paid_usd
        if paid is None:
            model = self.question.catalog.servers[server]
            listed = self.question.scenario.fleet.prices_usd.get(server, model.price_usd)
            paid = 0.0 if listed is None else listed
        return paid, known.age_months / MONTHS_PER_YEAR

    def discounting(self, period: float) -> float:
        """Return what money at the beginning of a period is worth at the start."""
        return float((1 + self.study.discount_rate_per_year) ** (-(period - 1) * self.years_per_period))
