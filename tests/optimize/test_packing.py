"""The rows that pack replicas into servers, written for all host groups at once."""

from dataclasses import replace

import numpy as np

from planner.optimize.constraints.packing import add_packing_rows
from planner.optimize.problem import Candidates, HostGroups, Hostings, Problem, integers
from planner.optimize.program import Program
from planner.optimize.variables import add_variables
from tests.optimize.tiny import one_site


def many_hostings(draw: np.random.Generator) -> Problem:
    """Return a problem with replicas of many sizes on several host groups; the last hosts nothing."""
    room = np.array([8, 4, 72, 8, 6, 8])
    group = draw.integers(0, len(room) - 1, 40)
    across = np.where(draw.random(40) < 0.3, draw.integers(2, 5, 40), 0)
    inside = np.minimum(2 ** draw.integers(0, 4, 40), room[group])
    hosts = draw.integers(0, len(room), 15)
    return replace(
        one_site(),
        host_groups=HostGroups(tuple(f"group{h}" for h in range(len(room))), 0 * room, room),
        hostings=Hostings(0 * group, group, np.where(across > 0, 0, inside), across),
        candidates=Candidates(
            tuple(f"server{j}" for j in range(15)), hosts, 0 * hosts - 1, 0 * hosts + 5, 0 * hosts
        ),
        mixes=replace(one_site().mixes, candidate=integers([0] * len(one_site().mixes.row))),
    )


def test_rows_are_their_formula():
    """Every coefficient of every host group and size, with lost servers, for some of the groups."""
    draw = np.random.default_rng(7)
    problem = many_hostings(draw)
    hostings, groups = problem.hostings, problem.host_groups
    program = Program()
    columns = add_variables(program, problem)
    kept, only = draw.integers(0, 2, 15), integers([0, 2, 3, 5])
    _, group, places = add_packing_rows(program, problem, "packing", columns, kept, only, scale=3)
    matrix = program.finish().matrix.toarray()
    expected: dict[tuple[int, int], np.ndarray] = {}
    for h in only.tolist():
        room = int(groups.accelerators[h])
        on = np.flatnonzero(hostings.host_group == h).tolist()
        for g in sorted({int(hostings.accelerators[p]) or room for p in on}):
            row = np.zeros(matrix.shape[1])
            for p in on:
                if hostings.whole_servers[p]:
                    row[columns["replicas"][p]] = 3 * (room // g) * hostings.whole_servers[p]
                elif hostings.accelerators[p] >= g:
                    row[columns["replicas"][p]] = 3 * (hostings.accelerators[p] // g)
            for j in np.flatnonzero((problem.candidates.host_group == h) & (kept > 0)):
                row[columns["servers"][j]] = -3 * (room // g)
            expected[h, g] = row
    assert list(zip(group.tolist(), places.tolist(), strict=True)) == [
        (h, int(groups.accelerators[h]) // g) for h, g in expected
    ]
    np.testing.assert_array_equal(matrix, np.array(list(expected.values())))
