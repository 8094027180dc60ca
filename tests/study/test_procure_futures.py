"""Uncertain demand: what is decided before it is known, against every possibility tried on paper.

A server costs 100,000 USD and must be ordered a period before it serves; a box is 20,000 USD a period and
there at once. From the second of eight periods on demand is either gone (10 requests/s) or three times as
high, so that nothing but the number ordered in period 1 matters (see `enumerated`).
"""

from __future__ import annotations

import numpy as np
import pytest

from planner.study.procure.aims import conditional_value_at_risk
from tests.study.procurements import MONTHS, PRICE_USD, RENT_USD, bought, solve

PERIODS = 8
LOW, HIGH = 1, 3
"""Servers needed from the second period on in each future; one in the first."""
PROBABILITIES = np.array([0.4, 0.6])
DOLLARS = 40.0

STUDY = {
    "periods": PERIODS,
    "growth": {"chat": 1.0},
    "tree": [
        {"name": "low", "from_period": 2, "probability": 0.4, "demand": LOW},
        {"name": "high", "from_period": 2, "probability": 0.6, "demand": HIGH},
    ],
    # one order, in the first period: whoever misses it rents
    "buy": {"dgx-h200": {"lead_months": MONTHS, "last_period": 1}},
}


def cost(ordered, needed):
    """USD of a future that needs so many servers from period 2 on, so many having been ordered in 1."""
    return ordered * PRICE_USD + RENT_USD + (PERIODS - 1) * max(0, needed - ordered) * RENT_USD


def enumerated(weigh):
    """Return (orders, value) with the least value of `weigh(costs of both futures)` over every order."""
    tried = {n: weigh(np.array([cost(n, LOW), cost(n, HIGH)])) for n in range(6)}
    best = min(tried, key=lambda n: tried[n])
    return best, tried[best]


def mean(costs):
    """Expected cost."""
    return float(PROBABILITIES @ costs)


BEST = np.array([min(cost(n, need) for n in range(6)) for need in (LOW, HIGH)])
"""Least cost of each future if it were certain."""


def test_here_and_now_wait_and_see_and_the_mean_are_those_of_enumeration(tmp_path):
    """RP, WS, EEV, and the values of information and of the stochastic solution between them."""
    found = solve(tmp_path, STUDY)
    orders, here_and_now = enumerated(mean)
    assert bought(found) == [(1, orders)]
    assert found.solved.expected == pytest.approx(here_and_now, abs=DOLLARS)
    measures = found.measures
    assert measures.wait_and_see == pytest.approx(PROBABILITIES @ BEST, abs=DOLLARS)
    assert measures.best == pytest.approx(BEST, abs=DOLLARS)
    mean_need = float(PROBABILITIES @ [LOW, HIGH])  # 2.2: three boxes or servers at 22 requests/s
    for_the_mean = min(range(6), key=lambda n: cost(n, int(np.ceil(mean_need))))
    eev = mean(np.array([cost(for_the_mean, LOW), cost(for_the_mean, HIGH)]))
    assert measures.alternative("plan for the mean").expected == pytest.approx(eev, abs=DOLLARS)
    information = measures.expected_information_value
    assert information.low <= here_and_now - PROBABILITIES @ BEST + DOLLARS
    assert information.high == pytest.approx(here_and_now - PROBABILITIES @ BEST, abs=DOLLARS)
    value = measures.stochastic_solution_value
    assert value.high == pytest.approx(eev - here_and_now, abs=DOLLARS)
    assert here_and_now > PROBABILITIES @ BEST  # or the test would show nothing


def test_planning_for_the_mean_can_cost(tmp_path):
    """With 0.8 for low demand one server is right; the mean of 1.4 asks for two, one of them for nothing."""
    tree = [
        {"name": "low", "from_period": 2, "probability": 0.8, "demand": LOW},
        {"name": "high", "from_period": 2, "probability": 0.2, "demand": HIGH},
    ]
    found = solve(tmp_path, {**STUDY, "tree": tree})
    here_and_now = 0.8 * cost(1, LOW) + 0.2 * cost(1, HIGH)
    for_the_mean = 0.8 * cost(2, LOW) + 0.2 * cost(2, HIGH)
    assert bought(found) == [(1, 1)]
    assert found.solved.expected == pytest.approx(here_and_now, abs=DOLLARS)
    value = found.measures.stochastic_solution_value
    assert for_the_mean - here_and_now == 72_000
    assert value.low == pytest.approx(72_000, abs=DOLLARS)
    assert value.high == pytest.approx(72_000, abs=DOLLARS)


def test_alternatives_and_their_regrets(tmp_path):
    """Renting only costs 160,000 or 440,000; buying only leaves the first period without servers."""
    measures = solve(tmp_path, STUDY).measures
    rent_only = measures.alternative("rent only")
    costs = np.array([PERIODS * RENT_USD, RENT_USD + (PERIODS - 1) * HIGH * RENT_USD])
    assert rent_only.costs == pytest.approx(costs, abs=DOLLARS)
    assert measures.regrets(rent_only) == pytest.approx(costs - BEST, abs=DOLLARS)
    assert measures.alternative("buy only").reason
    # what may be ordered only before the branch cannot be waited for
    assert measures.alternative("wait until it is known").costs == pytest.approx(costs, abs=DOLLARS)


@pytest.mark.parametrize(
    ("objective", "weigh"),
    [
        ("robust", np.max),
        ("regret", lambda costs: float(np.max(costs - BEST))),
        ("cvar", lambda costs: 0.5 * mean(costs) + 0.5 * float(np.max(costs))),
    ],
)
def test_other_aims_are_those_of_enumeration(tmp_path, objective, weigh):
    """The worst future, the largest regret, and the mean of the worst half of the probability."""
    study = {**STUDY, "objective": objective, "cvar_level": 0.5, "cvar_weight": 0.5, "alternatives": False}
    found = solve(tmp_path, study)
    orders, value = enumerated(weigh)
    assert bought(found) == [(1, orders)]
    costs = found.solved.costs
    assert weigh(costs) == pytest.approx(value, abs=DOLLARS)


def test_the_mean_of_the_worst_cases():
    """Half of the probability at level 0.5: 0.3 of the worst, 0.2 of the next, over 0.5."""
    costs, probabilities = np.array([10.0, 30.0, 20.0]), np.array([0.4, 0.3, 0.3])
    worst = (0.3 * 30 + 0.2 * 20) / 0.5
    assert conditional_value_at_risk(costs, probabilities, 0.5) == pytest.approx(worst)
    assert conditional_value_at_risk(costs, probabilities, 0.95) == pytest.approx(30.0)


def test_servers_bought_now_are_deployed_when_it_is_known_where(tmp_path):
    """Three stages: what is ordered in period 1 is the same in all futures; later orders are not."""
    tree = [
        {"name": "low", "from_period": 2, "probability": 0.5, "demand": 1},
        {"name": "high", "from_period": 2, "probability": 0.5, "demand": 2},
        {"name": "higher", "after": "high", "from_period": 3, "probability": 0.5, "demand": 2},
        {"name": "same", "after": "high", "from_period": 3, "probability": 0.5},
    ]
    study = {**STUDY, "periods": 12, "tree": tree, "buy": {"dgx-h200": {"lead_months": 0}}}
    found = solve(tmp_path, {**study, "alternatives": False})
    assert bought(found) == [(1, 1)]
    assert bought(found, "low") == []
    assert bought(found, "high") == [(2, 1)]
    assert bought(found, "higher") == [(3, 2)]
    assert bought(found, "same") == []
    assert found.solved.costs == pytest.approx([100_000, 400_000, 200_000], abs=DOLLARS)
