"""Failures on request: what dies, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planner.plan.types import ServerPlan

KINDS = ("server", "rack", "fabric_domain", "site")


@dataclass(frozen=True)
class FailureOrder:
    """Something that dies.

    Attributes:
        kind: one of `KINDS`.
        name: of the server, rack, fabric domain or site.
        time_s: when, or None for the middle of the replay.

    """

    kind: str
    name: str
    time_s: float | None


def read_failure(text: str) -> FailureOrder:
    """Read `server:NAME`, `rack:NAME@600`, ... (a time in seconds after @).

    Raises:
        ValueError: it does not read so.
    """
    kind, colon, rest = text.partition(":")
    name, at, time = rest.partition("@")
    if kind not in KINDS or not colon or not name:
        allowed = ", ".join(f"{k}:NAME" for k in KINDS)
        raise ValueError(f"cannot read the failure '{text}': write one of {allowed}, and @SECONDS for when")
    try:
        when = float(time) if at else None
    except ValueError:
        when = math.nan
    if when is not None and not 0 <= when < math.inf:
        raise ValueError(f"'{time}' in the failure '{text}' is not a time in seconds")
    return FailureOrder(kind, name, when)


def servers_lost(order: FailureOrder, servers: Sequence[ServerPlan]) -> set[str]:
    """Return the names of the plan's servers that die.

    Raises:
        ValueError: nothing in the plan has that name.
    """
    field = {"server": "name"}.get(order.kind, order.kind)
    lost = {server.name for server in servers if getattr(server, field) == order.name}
    if not lost:
        known = sorted({str(getattr(server, field)) for server in servers if getattr(server, field)})
        some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise ValueError(f"the plan has no server in {order.kind} '{order.name}'; it has: {some}")
    return lost


def replicas_lost(lost: set[str], servers_of: Mapping[int, set[str]]) -> list[int]:
    """Return the replicas (keys of `servers_of`) that stand on a lost server, in order."""
    return [replica for replica, standing in servers_of.items() if standing & lost]
