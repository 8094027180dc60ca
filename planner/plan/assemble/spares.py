"""Spare servers as steps: how many servers each spare more is enough for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from planner.optimize.problem import Candidates, RackClasses, RackMixes, Spares, integers
from planner.plan.assemble.offers import MICRO, Offer
from planner.scenario import HOURS_PER_YEAR, Scenario

MOST_STEPS = 400
"""Spares of one kind at one site; a plan that needs more is refused."""

ROUNDING = 1e-9


def spare_price_usd(offer: Offer, scenario: Scenario) -> float:
    """Return the price of a spare of an offer's type: the scenario's, else the catalog's, else nothing."""
    stated = scenario.fleet.prices_usd.get(offer.host.name)
    return (offer.server.price_usd if stated is None else stated) or 0.0


def spare_table(
    scenario: Scenario,
    offers: Sequence[Offer],
    classes: RackClasses,
    mixes: RackMixes,
    candidates: Candidates,
) -> Spares | None:
    """Return the steps of every type of own server at every site, None if no spares are asked for.

    With s spares the mean number in repair may be as large as the m with P(Poisson(m) <= s) = availability,
    which is half the (1 - availability) quantile of a chi-squared variable of 2 (s + 1) degrees.
    """
    rules = scenario.reliability.spares
    if rules is None:
        return None
    from scipy.stats import chi2

    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for j, offer in enumerate(offers):
        if offer.origin != "rent":
            members[offer.site, offer.host.name].append(j)
    most = _most_servers(classes, mixes, candidates)
    bases: list[int] = []
    pairs: list[tuple[int, int]] = []
    steps: list[tuple[int, int, int]] = []
    for g, chosen in enumerate(members.values()):
        offer = offers[chosen[0]]
        between_h = rules.mtbf_h.get(
            offer.host.name,
            HOURS_PER_YEAR / (rules.failures_per_accelerator_year * offer.host.accelerators),
        )
        degrees = 2 * np.arange(1, MOST_STEPS + 2)
        largest_mean = chi2.ppf(1 - rules.availability, degrees) / 2
        covered = np.floor(largest_mean * between_h / rules.repair_h + ROUNDING).astype(np.int64)
        life_h = scenario.economics.life_years * HOURS_PER_YEAR
        cost = round(spare_price_usd(offer, scenario) / life_h * MICRO)
        bases.append(int(covered[0]))
        pairs += [(g, j) for j in chosen]
        for before, after in zip(covered[:-1].tolist(), covered[1:].tolist(), strict=True):
            if before >= most[chosen].sum():
                break
            steps.append((g, after - before, cost))
    member = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    step = np.array(steps, dtype=np.int64).reshape(-1, 3)
    return Spares(
        names=tuple(f"spares/{site}/{name}" for site, name in members),
        source=("reliability.spares",) * len(members),
        base=integers(bases),
        member_group=member[:, 0],
        member=member[:, 1],
        group=step[:, 0],
        step=step[:, 1],
        cost=step[:, 2],
    )


def _most_servers(classes: RackClasses, mixes: RackMixes, candidates: Candidates) -> np.ndarray:
    """Return (candidates,) the most servers that racks hold of each."""
    held = np.zeros(len(candidates.names), dtype=np.int64)
    np.maximum.at(held, mixes.candidate, mixes.servers)
    racks = np.where(candidates.rack_class >= 0, classes.count[candidates.rack_class], 0)
    return np.asarray(np.minimum(candidates.maximum, held * racks))
