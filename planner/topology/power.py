"""Walks over the power tree: paths to racks, and what every node carries when one is lost."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from planner.topology.nodes import Graph


@dataclass(frozen=True)
class PowerCase:
    """What a power node carries in one situation: normal (`lost` is None) or after one loss.

    `shares` maps each rack to the share (0..1] of its power that the node carries then. The load of
    the node, the sum of share x provisioned power, must stay within `usable_kw`.
    """

    node: str
    lost: str | None
    usable_kw: float
    shares: Mapping[str, float]


def feeds_of(graph: Graph, rack: str) -> tuple[str, ...]:
    """Return the power nodes a rack (or power node) hangs on directly, sorted."""
    return tuple(sorted(a for a, _, k in graph.in_edges(rack, keys=True) if k == "power"))


def upstream(graph: Graph, node: str) -> frozenset[str]:
    """Return a power node and all that it hangs on, up to the grid."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += feeds_of(graph, name)
    return frozenset(found)


def power_path(graph: Graph, rack: str) -> list[str]:
    """Return every power node that feeds a rack on any side, sorted by name."""
    nodes: set[str] = set()
    for feed in feeds_of(graph, rack):
        nodes |= upstream(graph, feed)
    return sorted(nodes)


def supply_shares(graph: Graph, feeds: Iterable[str], lost: str | None = None) -> dict[str, float]:
    """Return the share of a rack's power that each power node carries, for a rack on `feeds`.

    A rack draws equally from the feeds that still stand, from a standby one only when no other does.
    Nothing is carried when none stands.
    """
    alive = [path for path in (upstream(graph, feed) for feed in feeds) if lost not in path]
    first = [path for path in alive if not any(graph.nodes[node]["standby"] for node in path)]
    alive = first or alive
    shares: dict[str, float] = defaultdict(float)
    for path in alive:
        for node in path:
            shares[node] += 1 / len(alive)
    return dict(shares)


def power_cases(graph: Graph) -> list[PowerCase]:
    """Return, for every power node, the situations that can bind it.

    In normal operation every rack draws equally from its feeds. Racks with a redundancy other than
    `none` must also run after the loss of any one power node: what stands carries all of them. For
    2N this makes each side carry everything; for 3N/2 each of three systems carries its own and half
    of the lost one's; a standby node carries the largest of those it backs. Situations in which a node
    carries no more than in another are left out.
    """
    members: dict[tuple[tuple[str, ...], bool], list[str]] = defaultdict(list)
    for rack, about in graph.nodes(data=True):
        if about["kind"] == "rack":
            members[feeds_of(graph, rack), about["redundancy"] != "none"].append(rack)
    groups = [key for key in members if key[0]]
    normal = [supply_shares(graph, feeds) for feeds, _ in groups]

    carried: dict[str, dict[str | None, dict[int, float]]] = defaultdict(dict)
    for index, shares in enumerate(normal):
        for node, share in shares.items():
            carried[node].setdefault(None, {})[index] = share
    touched: dict[str, list[int]] = defaultdict(list)
    for index, (_, redundant) in enumerate(groups):
        if redundant:
            for node in normal[index]:
                touched[node].append(index)
    for lost, indices in touched.items():
        after = {index: supply_shares(graph, groups[index][0], lost) for index in indices}
        burdened = {
            node
            for index, shares in after.items()
            for node, share in shares.items()
            if share > normal[index].get(node, 0.0)
        }
        for node in burdened:
            case = {i: share for i, share in carried[node].get(None, {}).items() if i not in after}
            case |= {i: shares[node] for i, shares in after.items() if shares.get(node)}
            carried[node][lost] = case

    cases: list[PowerCase] = []
    for node in sorted(carried):
        usable_kw = graph.nodes[node]["usable_kw"]
        for missing, by_group in _undominated(carried[node]):
            shares = {rack: share for i, share in by_group.items() for rack in members[groups[i]]}
            cases.append(PowerCase(node, missing, usable_kw, shares))
    return cases


def _undominated(
    cases: Mapping[str | None, Mapping[int, float]],
) -> list[tuple[str | None, Mapping[int, float]]]:
    """Return the cases that no other one covers share by share."""
    kept: list[tuple[str | None, Mapping[int, float]]] = []
    for lost, case in sorted(cases.items(), key=lambda item: (-sum(item[1].values()), item[0] or "")):
        if not any(all(other.get(i, 0.0) >= s for i, s in case.items()) for _, other in kept):
            kept.append((lost, case))
    return kept
