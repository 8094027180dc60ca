"""Each family alone decides a tiny plan, with answers derived by hand."""

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize.build import build_program
from planner.optimize.method import solve_problem
from planner.optimize.problem import (
    LOAD_SCALE,
    SHARE_SCALE,
    Assignments,
    Candidates,
    Demands,
    Failures,
    Flows,
    Goal,
    Hostings,
    RackMixes,
    integers,
)
from planner.optimize.solution import Settings
from tests.optimize.tiny import one_site, surviving_one_server, with_limit

EXACT = Settings(time_limit_s=20, relative_gap=0.0, workers=1)


def test_demand_and_capacity_decide_the_replicas():
    """10 units at a fifth of a replica each need 2 replicas: one 8-accelerator server, cost 1000 + 10."""
    solution = solve_problem(one_site(), EXACT)
    assert solution.status == "optimal"
    assert solution.objective == solution.bound == 1010
    assert solution.values["servers"].tolist() == [1]
    assert solution.values["replicas"].tolist() == [2]


def test_one_unit_more_than_two_replicas_carry_takes_a_second_server():
    """11 units need a third replica, hence a second server."""
    assert solve_problem(one_site(units=11), EXACT).values["servers"].tolist() == [2]


def test_headroom_keeps_a_share_of_each_replica_free():
    """With 10 % headroom a replica carries 4 units: 10 units need 3 replicas."""
    problem = replace(one_site(), usable_load=int(0.9 * LOAD_SCALE))
    assert solve_problem(problem, EXACT).values["servers"].tolist() == [2]


def test_six_free_and_two_free_are_not_eight():
    """Replicas of 4 in servers of 6 accelerators: only one fits in each."""
    assert solve_problem(one_site(accelerators=6), EXACT).values["servers"].tolist() == [2]


def test_a_replica_of_two_servers_takes_them_whole():
    """Two replicas of two whole servers each take four servers, although accelerators would be left."""
    problem = one_site()
    hostings = Hostings(integers([0]), integers([0]), integers([0]), integers([2]))
    assert solve_problem(replace(problem, hostings=hostings), EXACT).values["servers"].tolist() == [4]


def test_racks_hold_what_their_mix_says():
    """Six servers fit in three racks of two; a seventh does not."""
    assert solve_problem(one_site(units=60), EXACT).values["servers"].tolist() == [6]
    assert solve_problem(one_site(units=61), EXACT).status == "infeasible"


def test_maximal_mixes_allow_smaller_ones():
    """A rack that can take two kinds of servers may hold fewer of each."""
    problem = one_site(units=5)
    candidates = Candidates(
        ("buy/box", "buy/other"),
        integers([0, 0]),
        integers([0, 0]),
        integers([10, 10]),
        integers([1000, 900]),
    )
    mixes = RackMixes(
        integers([0, 0]), integers([0, 0]), integers([0, 0, 1]), integers([0, 1, 0]), integers([1, 1, 2])
    )
    solution = solve_problem(replace(problem, candidates=candidates, mixes=mixes), EXACT)
    assert solution.values["servers"].tolist() == [0, 1]
    assert solution.objective == 905


def test_retrofit_is_paid_once_per_rack():
    """Servers that only stand in racks turned to liquid pay for the turning."""
    problem = one_site(units=30)
    mixes = replace(problem.mixes, cost=integers([70]))
    solution = solve_problem(replace(problem, mixes=mixes), EXACT)
    assert solution.objective == 3 * 1000 + 2 * 70 + 30


@pytest.mark.parametrize(("limit", "servers"), [(2000, 2), (1999, None)])
def test_a_power_limit_flips_the_plan_at_its_threshold(limit, servers):
    """20 units need two servers of 1000 W: 2000 W is enough, 1999 W is not."""
    solution = solve_problem(with_limit(one_site(units=20), "power/feed/A", limit, 1000), EXACT)
    assert (solution.values["servers"].tolist() if solution.values else None) == (
        None if servers is None else [servers]
    )


def test_unserved_demand_is_paid_where_that_is_allowed():
    """At 150 per unit, two units beyond a server's ten are cheaper unserved than a second server."""
    problem = one_site(units=12)
    allowed = replace(problem.demands, unserved_cost=integers([150]))
    solution = solve_problem(replace(problem, demands=allowed), EXACT)
    assert solution.values["unserved"].tolist() == [2]
    assert solution.objective == 1000 + 10 + 300


def test_an_open_site_is_paid_for():
    """The opening cost is part of the plan when any server stands there."""
    problem = one_site()
    solution = solve_problem(replace(problem, sites=replace(problem.sites, open_cost=integers([77]))), EXACT)
    assert solution.objective == 1087
    assert solution.values["open"].tolist() == [1]


def test_losing_one_server_is_survived_by_another():
    """10 units fit on one server; to survive its loss a second one must stand."""
    assert solve_problem(surviving_one_server(one_site()), EXACT).values["servers"].tolist() == [2]


def test_a_lower_promise_after_a_loss_needs_less():
    """40 units need 4 servers; after a loss 3 carry 30: all of 75 %, but not of 80 %."""
    assert solve_problem(surviving_one_server(one_site(units=40), 0.75), EXACT).values["servers"][0] == 4
    assert solve_problem(surviving_one_server(one_site(units=40), 0.8), EXACT).values["servers"][0] == 5


def test_headroom_may_be_used_after_a_loss():
    """20 % headroom: 20 units need 5 replicas on 3 servers, and after a loss 2 servers carry 20."""
    problem = replace(one_site(units=20), usable_load=int(0.8 * LOAD_SCALE))
    assert solve_problem(problem, EXACT).values["servers"][0] == 3
    assert solve_problem(surviving_one_server(problem), EXACT).values["servers"][0] == 3


def test_losing_one_rack_takes_what_its_class_holds_on_average():
    """20 units need 2 servers after the loss: three servers, one in each of three racks, are enough."""
    problem = one_site(units=20)
    failures = Failures(
        names=("survive/rack/racks",),
        kept_share=np.full((1, len(problem.demands.names)), SHARE_SCALE),
        lost_candidate_row=integers([]),
        lost_candidate=integers([]),
        lost_one_of=integers([-1]),
        lost_rack_of=integers([0]),
        lost_count=integers([1]),
    )
    assert solve_problem(replace(problem, failures=failures), EXACT).values["servers"][0] == 3


def test_the_cheaper_path_is_taken_until_its_pool_is_full():
    """Two pools of unlike energy cost share a server's accelerators; the frugal one carries all."""
    problem = one_site()
    pools = replace(
        problem.pools,
        names=("a", "b"),
        site=integers([0, 0]),
        maximum=integers([1, 9]),
        minimum=integers([0, 0]),
    )
    hostings = Hostings(integers([0, 1]), integers([0, 0]), integers([4, 4]), integers([0, 0]))
    assignments = Assignments(
        integers([0, 0]),
        integers([1, 3]),
        integers([0, 1]),
        integers([0, 1]),
        integers([LOAD_SCALE // 5, LOAD_SCALE // 5]),
    )
    problem = replace(problem, pools=pools, hostings=hostings, assignments=assignments)
    solution = solve_problem(problem, EXACT)
    assert solution.values["assign"].tolist() == [5, 5]
    assert solution.objective == 1000 + 5 + 15


def test_flows_join_only_their_lane():
    """Two origins with unlike budgets use unlike lanes, each with its own rate."""
    problem = one_site()
    demands = Demands(
        ("chat/west", "chat/east"),
        integers([0, 0]),
        integers([5, 5]),
        integers([-1, -1]),
        ("workloads.chat.rate_rps",) * 2,
    )
    flows = Flows(integers([0, 1]), integers([0, 1]), integers([0, 0]))
    assignments = Assignments(
        integers([0, 1]),
        integers([0, 0]),
        integers([0, 1]),
        integers([0, 0]),
        integers([LOAD_SCALE // 5, LOAD_SCALE // 2]),
    )
    problem = replace(
        problem,
        demands=demands,
        flows=flows,
        assignments=assignments,
        lane_workload=integers([0, 0]),
        lane_site=integers([0, 0]),
    )
    # 5/5 + 5/2 = 3.5 replicas: four of them, two servers.
    assert solve_problem(problem, EXACT).values["replicas"].tolist() == [4]


def test_every_row_and_block_has_a_name():
    """No row is unnamed, and promises carry the field that states them."""
    arrays = build_program(surviving_one_server(with_limit(one_site(), "power/feed/A", 9000, 1000)))
    assert all(row.name and row.family for row in arrays.rows)
    promises = {row.name for row in arrays.rows if row.is_promise}
    assert {"demand/chat/west", "racks/racks", "power/feed/A"} <= promises


def test_tables_that_point_nowhere_are_refused():
    """A problem whose rows do not exist cannot be built."""
    problem = one_site()
    with pytest.raises(ValueError, match=r"flows\.lane"):
        replace(problem, flows=Flows(integers([0]), integers([7]), integers([0])))


def test_a_reproducible_run_repeats_itself():
    """Same program, same settings, same values."""
    settings = Settings(time_limit_s=5, relative_gap=0.0, workers=2, reproducible=True)
    problem = with_limit(surviving_one_server(one_site(units=33)), "power/feed/A", 90000, 1000)
    first, second = solve_problem(problem, settings), solve_problem(problem, settings)
    assert first.objective == second.objective
    assert all(np.array_equal(first.values[kind], second.values[kind]) for kind in first.values)


def test_goals_are_reached_in_order():
    """Fewest unserved units first, then cost: 1500 W feed one server, so 10 of 15 units are served."""
    problem = with_limit(one_site(units=15), "power/feed/A", 1500, 1000)
    allowed = replace(problem.demands, unserved_cost=integers([0]))
    goals = (Goal("served/1", "units", {"unserved": integers([1])}), Goal("cost", "micro-USD/h", {}))
    solution = solve_problem(replace(problem, demands=allowed, goals=goals), EXACT)
    assert [(goal.name, goal.value, goal.bound) for goal in solution.goals] == [
        ("served/1", 5, 5),
        ("cost", 1010, 1010),
    ]
    assert solution.objective == 5


def test_a_goal_other_than_cost_decides():
    """The dearer server draws less: minimizing power takes it, minimizing cost does not."""
    problem = one_site(units=5)
    candidates = Candidates(
        ("buy/hungry", "buy/frugal"),
        integers([0, 0]),
        integers([0, 0]),
        integers([10, 10]),
        integers([900, 1000]),
    )
    mixes = RackMixes(
        integers([0, 0]), integers([0, 0]), integers([0, 1]), integers([0, 1]), integers([2, 2])
    )
    problem = replace(problem, candidates=candidates, mixes=mixes)
    assert solve_problem(problem, EXACT).values["servers"].tolist() == [1, 0]
    power = Goal("power", "W", {"servers": integers([700, 500])})
    solution = solve_problem(replace(problem, goals=(power, Goal("cost", "micro-USD/h", {}))), EXACT)
    assert solution.values["servers"].tolist() == [0, 1]
    assert solution.objective == 500


def test_of_equally_dear_plans_the_simplest_is_kept():
    """Two pools of the same cost could share the load; one pool carries it all."""
    problem = one_site()
    pools = replace(
        problem.pools,
        names=("a", "b"),
        site=integers([0, 0]),
        maximum=integers([9, 9]),
        minimum=integers([0, 0]),
    )
    hostings = Hostings(integers([0, 1]), integers([0, 0]), integers([4, 2]), integers([0, 0]))
    assignments = Assignments(
        integers([0, 0]),
        integers([1, 1]),
        integers([0, 1]),
        integers([0, 1]),
        integers([LOAD_SCALE // 5, LOAD_SCALE // 2]),
    )
    problem = replace(problem, pools=pools, hostings=hostings, assignments=assignments)
    solution = solve_problem(problem, EXACT)
    assert solution.values["replicas"].tolist() == [2, 0]
    assert solution.objective == 1010
