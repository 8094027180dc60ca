"""What power nodes carry after a loss: only those whose load moves are reckoned again."""

import random

from planner.plan.verify.power import Load, carried, carried_by, loads_on


def test_only_what_moves_is_reckoned_again():
    """Over random feeds, reserves and redundancy: as if every load were added up anew."""
    draw = random.Random(3)
    for _ in range(50):
        feeds = {f"feed{n}": frozenset({f"feed{n}", f"ups{n % 3}", "grid"}) for n in range(6)}
        loads = []
        for _ in range(8):
            names = draw.sample(sorted(feeds), draw.randint(1, 3))
            reserve = tuple(draw.random() < 0.3 for _ in names)
            paths = tuple(feeds[name] for name in names)
            loads.append(Load(paths, reserve, draw.random() < 0.7, draw.randint(1, 90)))
        normal, on = carried(loads, None), loads_on(loads)
        for lost in {node for path in feeds.values() for node in path}:
            moved = {n for load in on[lost] if load.redundant for path in load.paths for n in path}
            anew = carried(loads, lost)
            assert carried_by(moved, on, lost) == {node: anew[node] for node in moved if node in anew}
            assert {n: w for n, w in anew.items() if n not in moved} == {
                n: w for n, w in normal.items() if n not in moved
            }
