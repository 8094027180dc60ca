"""Moves away from the plan in force."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from planner.plan.content import Content
from planner.plan.types import Plan, ReplicaGroup
from planner.scenario import Scenario
from planner.scenario.churn import Standing
from planner.topology import Question

Place = tuple[str, str, str]
"""(pool, fabric domain or rented place, server with its cap)."""


def place_of(group: ReplicaGroup) -> Place:
    """Return where a group of replicas stands, as far as moves are concerned."""
    return group.pool, group.fabric_domain or group.site, group.server


def standing(scenario: Scenario) -> Counter[Place]:
    """Return the replicas that run already."""
    counts: Counter[Place] = Counter()
    for one in scenario.churn.in_force:
        counts[one.pool, one.place, one.server] += one.count
    return counts


def moves(content: Content, scenario: Scenario) -> int:
    """Return how many replicas start where none of their pool ran; 0 where nothing is in force."""
    if not scenario.churn.in_force:
        return 0
    wanted: Counter[Place] = Counter()
    for group in content.replicas:
        wanted[place_of(group)] += group.count
    return (wanted - standing(scenario)).total()


def with_plan_in_force(question: Question, plan: Plan) -> Question:
    """Return the question with the replicas of a plan as those that run already."""
    running = [
        Standing(
            pool=group.pool,
            place=group.fabric_domain or group.site,
            server=group.server,
            count=group.count,
            placements=group.placements,
        )
        for group in plan.replicas
    ]
    churn = question.scenario.churn.model_copy(update={"in_force": running})
    return replace(question, scenario=question.scenario.model_copy(update={"churn": churn}))
