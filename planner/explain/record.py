"""The explanation of a plan, as programs and people read it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Whole(_Record):
    """What one more of something does to the integer program, by solving it again from this plan.

    step: how much more, in the unit of the limit. change: of the objective that the search found, in the
    goal's unit. certainly: the ends between which the change of the best possible plan lies, since both
    plans are proven only within their gaps.
    """

    step: float
    unit: str
    change: float
    certainly: tuple[float, float]


class Marginal(_Record):
    """What a promise is worth: the change of the objective per unit of loosening (negative: it saves).

    row, kind, field, says: which promise. stated, unit: its value. used: what the plan uses of it, in the
    same unit; None where the plan's books have no such row. of: `relaxation` (the linear relaxation of the
    program; local). value: per unit loosened. tighter: per unit tightened (positive: it costs). holds_from,
    holds_to: values between which the slopes hold; None: for ever. stable: loosening and tightening have
    the same slope, within a hundredth; `note` says so where not. worth: what 10 % more would save. whole:
    the same of the integer program. rests_on: inputs of low confidence.
    """

    row: str
    kind: str
    field: str
    says: str
    stated: float
    unit: str
    used: float | None = None
    of: Literal["relaxation"] = "relaxation"
    value: float
    tighter: float | None = None
    holds_from: float | None = None
    holds_to: float | None = None
    stable: bool
    checked: bool
    note: str = ""
    worth: float
    whole: Whole | None = None
    rests_on: list[str] = []


class Price(_Record):
    """What a price is worth: the change of cost for a `step` of it, USD/h.

    plan: if this plan is kept as it is. relaxation: of the relaxation, solved again with the price; None
    where cost is not the first goal.
    """

    name: str
    field: str
    step: float
    unit: str
    plan: float
    relaxation: float | None
    rests_on: list[str] = []


class Trade(_Record):
    """A promise that is no row (a latency, headroom): what changing it to `to` does, by solving again."""

    row: str
    field: str
    says: str
    stated: float
    to: float
    unit: str
    change: float
    note: str = ""


class Slack(_Record):
    """A limit that does not bind: what the plan uses of it. whole: what more of it does, where tried."""

    row: str
    used: float
    limit: float
    unit: str
    left: float
    whole: Whole | None = None


class Explanation(_Record):
    """Why a plan is what it is.

    objective, relaxation, bound: in the goal's unit. binding: promises worth loosening, the most worth
    first. full: rows that the plan fills although the relaxation would not pay for more of them. slack:
    everything else, the fullest first. told: what was left out, where time ran out.
    """

    goal: str
    unit: str
    objective: float
    bound: float
    relaxation: float
    binding: list[Marginal]
    prices: list[Price]
    trades: list[Trade]
    full: list[Slack]
    slack: list[Slack]
    seconds: float
    told: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return self.model_dump(mode="json")
