"""The study file of a procurement: periods, growth, futures, terms of buying and renting, money."""

from __future__ import annotations

import calendar
import datetime
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.files import Document, FieldProblem, FieldProblems, FileModel, InputFault
from planner.study.procure.check import name_faults
from planner.study.procure.names import EVERY, NOW
from planner.study.study_file import StudyFile
from planner.topology import Question

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Factors = Mapping[str, Positive]


class Discount(FileModel):
    """A lower price for a large order."""

    from_count: int = Field(gt=0, description="Servers in one order from which it holds, for all of them.")
    share: float = Field(gt=0, lt=1, description="What is taken off the price.")


class Terms(FileModel):
    """How one server type can be bought."""

    price_usd: float | None = Field(
        default=None, gt=0, description="Price of one in the first period, USD. None: the scenario's."
    )
    price_per_year: float = Field(
        default=1.0, gt=0, description="Factor of the price from one year to the next."
    )
    prices_usd: list[Positive] | None = Field(
        default=None, min_length=1, description="Price in each period instead; the last one stays."
    )
    lead_months: float = Field(
        default=9.0,
        ge=0,
        description="Months from order to delivery, rounded up to periods. Default: the lower end of the"
        " 36-52 weeks quoted for H100 bought directly in 2026 (Cliff Center, May 2026).",
    )
    first_period: int = Field(default=1, ge=1, description="First period in which it can be ordered.")
    last_period: int | None = Field(default=None, ge=1, description="Last one. None: no end.")
    most_per_period: int | list[Count] | None = Field(
        default=None,
        description="The most that can be ordered, in every or in each period. None: any number.",
    )
    discounts: list[Discount] = Field(default_factory=list, description="Volume discounts, by one order.")

    def most(self, period: int) -> int | None:
        """Return the most that can be ordered in a period (from 1), None if nothing limits it."""
        if period < self.first_period or (self.last_period is not None and period > self.last_period):
            return 0
        if isinstance(self.most_per_period, list):
            if not self.most_per_period:
                return 0
            return self.most_per_period[min(period, len(self.most_per_period)) - 1]
        return self.most_per_period


class RentTerm(FileModel):
    """A way to rent: for how long, at what price."""

    months: float = Field(gt=0, description="Months that are paid for, rounded up to periods.")
    price: float = Field(default=1.0, gt=0, description="Factor of the scenario's price by the hour.")


class Future(FileModel):
    """A branch of the tree: from a period on the world goes this way with some probability."""

    name: str = Field(min_length=1, description="Unique name.")
    after: str = Field(default=NOW, description="The branch it leaves. Default: what all have in common.")
    from_period: int = Field(ge=2, description="First period in which it is known which way things went.")
    probability: float = Field(gt=0, le=1, description="Probability among the branches of the same parent.")
    demand: float | Factors = Field(
        default=1.0, description="Factor of demand from then on, for all or by workload."
    )
    growth: Factors = Field(
        default_factory=dict, description="Growth per year from then on, by workload, instead of the study's."
    )
    prices: float | Factors = Field(
        default=1.0, description="Factor of server prices from then on, for all or by server."
    )
    rent: float = Field(default=1.0, gt=0, description="Factor of rents from then on.")
    electricity: float = Field(default=1.0, gt=0, description="Factor of tariffs from then on.")


class Online(FileModel):
    """Power, cooling or a site that is there (in full) only from a period on."""

    at: str = Field(description="Name in the topology: a site, feed, UPS, loop such as ams1-cdu.")
    period: int = Field(ge=2, description="First period with what the topology says.")
    kw_before: float = Field(default=0.0, ge=0, description="What there is before, kW.")


class Owned(FileModel):
    """What is known of the standing servers of one type."""

    age_months: float = Field(default=12.0, ge=0, description="Age at the start.")
    paid_usd: float | None = Field(
        default=None, gt=0, description="What one cost when new. None: what one costs now."
    )


class ProcureStudy(StudyFile):
    """A fleet over several periods and futures."""

    KIND: ClassVar[str] = "procure"

    start: datetime.date = Field(description="First day of the first period, such as 2026-07-01.")
    periods: int = Field(default=8, ge=1, le=60, description="How many periods.")
    months_per_period: float = Field(default=3.0, gt=0, le=24, description="Length of each.")
    growth: Mapping[str, float | list[float]] = Field(
        default_factory=dict,
        description="Growth of each workload (`*`: all others): a factor per year, or the factor of the"
        " scenario's rate in each period.",
    )
    tree: list[Future] = Field(
        default_factory=list,
        description="Branches of the future. Until its first one everything is common to all of them:"
        " what is decided then is decided once. None: the future is certain.",
    )
    buy: Mapping[str, Terms] = Field(
        default_factory=dict,
        description="Terms by server of the scenario's fleet.buy (`*`: all others).",
    )
    rent_terms: list[RentTerm] = Field(
        default_factory=list,
        description="Ways to rent the offers of fleet.rent. None: by the period at the scenario's price.",
    )
    owned: Mapping[str, Owned] = Field(
        default_factory=dict, description="Age and price of the standing servers, by server."
    )
    online: list[Online] = Field(default_factory=list, description="What comes online later.")
    budget_usd: NonNegative | list[NonNegative] | None = Field(
        default=None,
        description="Money for servers, retrofits and moves, in every or in each period. None: any amount.",
    )
    carry_over: bool = Field(default=True, description="What is left of a budget may be spent later.")
    deposit_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of the price paid with the order; the rest on delivery."
    )
    install_usd_per_server: float = Field(
        default=0.0, ge=0, description="Work and material to install one server at a site, USD."
    )
    move_usd_per_server: float = Field(
        default=0.0, ge=0, description="To take one away from a site, USD; installing it again comes on top."
    )
    value_kept_per_year: float = Field(
        default=0.67,
        gt=0,
        le=1,
        description="Share of its value that a server keeps each year. Default: an H100 fetches 25-35 % of"
        " its price after 36 months, and 0.67^3 = 0.30 (published cost analysis of H100 nodes, 2026).",
    )
    discount_rate_per_year: float = Field(
        default=0.08,
        ge=0,
        lt=1,
        description="What later money is worth less, per year. Default: a usual cost of capital (planning"
        " figure, not verified).",
    )
    reserve: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Share of every server's capacity kept free besides the scenario's headroom, for what is"
        " not counted here: whole replicas, servers under repair, losses to survive.",
    )
    unserved_usd_per_request: float | None = Field(
        default=None,
        ge=0,
        description="Price of not serving a request of any workload that states none itself, USD. None: all"
        " must be served.",
    )
    objective: Literal["expected", "cvar", "robust", "regret"] = Field(
        default="expected",
        description="What is small: the expected cost, a mix of it with the mean of the worst cases (cvar),"
        " the cost of the worst future (robust), or the largest regret over all futures.",
    )
    cvar_level: float = Field(
        default=0.9, gt=0, lt=1, description="cvar: the worst 1 - level of the probability are averaged."
    )
    cvar_weight: float = Field(
        default=0.5, ge=0, le=1, description="cvar: its weight against the expectation."
    )
    alternatives: bool = Field(
        default=True,
        description="Also solve renting only, buying only, waiting, and each future by itself, for the value"
        " of information and the table of regrets.",
    )
    time_limit_s: float = Field(
        default=240.0, gt=0, description="Time for the search, s; per alternative too."
    )
    relative_gap: float = Field(default=0.01, ge=0, lt=1, description="Stop at this proven gap.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*self._tree_problems(), *self._list_problems()]
        if problems:
            raise FieldProblems(problems)
        return self

    def _tree_problems(self) -> list[FieldProblem]:
        problems: list[FieldProblem] = []
        starts = {NOW: 1}
        children: dict[str, list[tuple[int, Future]]] = {}
        for at, future in enumerate(self.tree):
            where = ("tree", at)
            if future.name in starts:
                problems.append(FieldProblem(f"'{future.name}' again", "a name for each", at=where))
            if future.after not in starts:
                allowed = ", ".join(starts)
                problems.append(FieldProblem(f"'{future.after}'", f"an earlier branch: {allowed}", at=where))
            elif not starts[future.after] < future.from_period <= self.periods:
                allowed = f"a period from {starts[future.after] + 1} to {self.periods}"
                problems.append(FieldProblem(str(future.from_period), allowed, at=(*where, "from_period")))
            starts.setdefault(future.name, future.from_period)
            children.setdefault(future.after, []).append((at, future))
        for name, members in children.items():
            total = sum(future.probability for _, future in members)
            first = ("tree", members[0][0])
            if abs(total - 1) > PROBABILITY_TOLERANCE:
                found = f"probabilities after '{name}' that sum to {total:g}"
                problems.append(FieldProblem(found, "a sum of 1", at=(*first, "probability")))
            if len({future.from_period for _, future in members}) > 1:
                found = f"branches of '{name}' that begin at different periods"
                problems.append(FieldProblem(found, "one period for all branches of a parent", at=first))
        return problems

    @classmethod
    def name_faults(cls, document: Document, question: Question) -> list[InputFault]:
        """Return the names that stand for nothing in the scenario or the topology."""
        return name_faults(document, question)

    def _list_problems(self) -> list[FieldProblem]:
        problems: list[FieldProblem] = []
        for online_at, online in enumerate(self.online):
            if online.period > self.periods:
                allowed = f"a period from 2 to {self.periods}"
                problems.append(FieldProblem(str(online.period), allowed, at=("online", online_at, "period")))
        for name, growth in self.growth.items():
            for factor in growth if isinstance(growth, list) else [growth]:
                if not 0 < factor < math.inf:
                    allowed = "factors above 0; 1 is no growth"
                    problems.append(FieldProblem(f"{factor:g}", allowed, at=("growth", name)))
                    break
            if isinstance(growth, list) and len(growth) != self.periods:
                found, allowed = f"{len(growth)} factors", f"{self.periods}, one per period"
                problems.append(FieldProblem(found, allowed, at=("growth", name)))
        if isinstance(self.budget_usd, list) and len(self.budget_usd) != self.periods:
            found, allowed = f"{len(self.budget_usd)} budgets", f"{self.periods}, one per period"
            problems.append(FieldProblem(found, allowed, at=("budget_usd",)))
        return problems

    def terms(self, server: str) -> Terms:
        """Return the terms of a server: its own, those of `*`, or the defaults."""
        return self.buy.get(server) or self.buy.get(EVERY) or Terms()

    def in_periods(self, months: float) -> int:
        """Return months as whole periods, rounded up."""
        return math.ceil(months / self.months_per_period - ROUNDING)

    def rents(self) -> list[RentTerm]:
        """Return the ways to rent."""
        return self.rent_terms or [RentTerm(months=self.months_per_period)]

    def date_of(self, period: int) -> datetime.date:
        """Return the first day of a period (from 1)."""
        months = (period - 1) * self.months_per_period
        whole = int(months)
        year, month = divmod(self.start.year * 12 + self.start.month - 1 + whole, 12)
        day = min(self.start.day, calendar.monthrange(year, month + 1)[1])
        return datetime.date(year, month + 1, day) + datetime.timedelta(
            days=(months - whole) * DAYS_PER_MONTH
        )

    def label(self, period: int) -> str:
        """Return the name of a period: `2026 Q3` where periods are quarters, else its first month."""
        date = self.date_of(period)
        if self.months_per_period == 3 and date.month % 3 == 1:
            return f"{date.year} Q{(date.month + 2) // 3}"
        return f"{date.year}-{date.month:02d}"


PROBABILITY_TOLERANCE = 1e-6
"""How far probabilities may be from a sum of 1 (rounding of written decimals)."""

ROUNDING = 1e-9
"""Months that are whole periods but for rounding are so."""

DAYS_PER_MONTH = 30.4375
