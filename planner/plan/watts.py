"""What the meters read: expected watts of every server at the planned load, mean over the day."""

from __future__ import annotations

from collections import defaultdict

from planner.plan.content import Columns, Content, Setting, pools_of, route_uses
from planner.plan.costs import dynamic_watts_per_unit, server_idle_w


def pool_dynamic_w(content: Content, setting: Setting, columns: Columns) -> dict[str, float]:
    """Return the watts above idle of each pool, mean over the day: awake replicas and traffic."""
    watts: dict[str, float] = defaultdict(float)
    for pool in pools_of(content).values():
        watts[pool.name] += pool.count * pool.awake_w
    for use in route_uses(content, setting, columns):
        watts[use.pool.name] += use.route.units * dynamic_watts_per_unit(use, setting)
    return dict(watts)


def server_expectations(content: Content, setting: Setting, columns: Columns) -> dict[str, int]:
    """Return the expected watts of every server, by name.

    A server draws what it draws idle, and its share of the dynamic watts of the pools it hosts: a
    pool's watts are spread evenly over its accelerators. Whole watts; the servers of a pool add up to
    the pool's watts, rounded once.
    """
    expected = {server.name: server_idle_w(server, setting) for server in content.servers}
    dynamic = pool_dynamic_w(content, setting, columns)
    for pool in pools_of(content).values():
        total = dynamic.get(pool.name, 0.0)
        accelerators = sum(pool.accelerators_on.values())
        passed, given = 0, 0
        for name, taken in pool.accelerators_on.items():
            passed += taken
            until = round(total * passed / accelerators)
            expected[name] += until - given
            given = until
    return expected
