"""Shapes that need not be timed: what they could serve at most is less than what another serves for sure.

Reading a service column off latency curves takes ten times as long as finding the rate at which a replica
saturates. A shape whose saturated rate, with no latency objective at all, is below what copies of another
shape in the same accelerators serve while they keep every objective cannot be better than it. Most shapes
(large tensor-parallel groups of small LLMs, pipelines) are ruled out so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from planner.performance.load_model import load_model, saturation_per_ms
from planner.performance.profile import RequestProfile
from planner.performance.types import ReplicaModel

MARGIN = 1.1
"""By how much the other shape must be better: what a shape could save in energy per request is worth less
(over seven servers and ten LLMs the most saved by a shape ruled out was 4 % of its energy above idle)."""

WAVE = 1
"""Shapes of a group that are timed before the others of it are looked at again: the fewer, the sooner others
are ruled out (`S-1` of `benchmarks/scale`: 419 timed with 1, 498 with 4, for the same menu)."""

MS_PER_S = 1000.0


@dataclass(frozen=True)
class Beaten:
    """Candidate `loser` needs no timing: `copies` of `winner` serve `ratio` times what it could at most."""

    loser: int
    winner: int
    copies: int
    ratio: float


def saturated_rps(replica: ReplicaModel, profile: RequestProfile) -> float:
    """Return the rate at which a replica has no time left, requests/s; 0 if it cannot hold one request."""
    model = load_model(replica, profile)
    return 0.0 if model is None else saturation_per_ms(model) * MS_PER_S


def time_in_waves(
    groups: Mapping[Hashable, Sequence[int]],
    sizes: Sequence[int],
    ceilings: Sequence[Mapping[str, float]],
    time_these: Callable[[list[int]], None],
    sure_rps: Callable[[int, str], float],
) -> list[Beaten]:
    """Time candidates group by group, the most promising first, but those already beaten.

    Args:
        groups: candidates that compete: same server, cap and workloads.
        sizes: accelerators of each candidate.
        ceilings: for each candidate, workload -> requests/s that it cannot exceed.
        time_these: times candidates.
        sure_rps: (timed candidate, workload) -> requests/s under the strictest promise of the workload.

    Returns:
        The candidates that were not timed.
    """
    waiting = {
        key: sorted(members, key=lambda i: (-sum(ceilings[i].values()) / sizes[i], sizes[i], i))
        for key, members in groups.items()
    }
    timed: dict[Hashable, list[int]] = defaultdict(list)
    beaten: list[Beaten] = []
    while any(waiting.values()):
        wave = {key: members[:WAVE] for key, members in waiting.items()}
        time_these([i for members in wave.values() for i in members])
        for key, members in wave.items():
            timed[key] += members
            left = []
            for i in waiting[key][WAVE:]:
                found = _winner(i, timed[key], sizes, ceilings[i], sure_rps)
                if found is None:
                    left.append(i)
                else:
                    beaten.append(found)
            waiting[key] = left
    return beaten


def _winner(
    loser: int,
    timed: Sequence[int],
    sizes: Sequence[int],
    ceiling: Mapping[str, float],
    sure_rps: Callable[[int, str], float],
) -> Beaten | None:
    for other in timed:
        if sizes[loser] % sizes[other]:
            continue
        copies = sizes[loser] // sizes[other]
        ratio = min(
            (copies * sure_rps(other, name) / most for name, most in ceiling.items() if most > 0),
            default=float("inf"),
        )
        if MARGIN <= ratio < float("inf"):
            return Beaten(loser, other, copies, ratio)
    return None
