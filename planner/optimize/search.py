"""One search: the best plan, the best bound and the clock, for one goal.

The program is solved in rounds: HiGHS decides servers, racks and replicas with continuous traffic and the
failures that are known to matter; traffic is made whole around that design; each failure not yet in the
program is tried on the result, and those that it does not survive join the program. What gap is left,
CP-SAT works on from the plan found, where the program is not too large for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from planner.optimize.lazy import Part, is_traffic, part_with, survived
from planner.optimize.neighbourhood import Freed, around, in_parallel, near
from planner.optimize.problem import VARIABLE_KINDS, Integers
from planner.optimize.program import Arrays, Cut, Floats
from planner.optimize.rerouting import SHORTAGE_TOLERANCE, with_cuts
from planner.optimize.solution import (
    Keeper,
    Listener,
    Progress,
    Settings,
    Solution,
    Standing,
    relative_gap,
    values_by_kind,
)
from planner.optimize.solvers import cp_sat, highs
from planner.optimize.solvers.glop import LinearProgram
from planner.optimize.solvers.outcome import Outcome, SolverFailure

SMALL_COLUMNS = 400
"""Programs with failures of up to this many columns go to CP-SAT at once: with few units of traffic it
matters that rerouted ones are whole too, which designs leave open."""

LARGE_COLUMNS = 20_000
"""CP-SAT finds nothing in larger programs in useful time; they are left to HiGHS."""

DETERMINISTIC_UNITS_PER_S = 1.0
"""CP-SAT's deterministic time passes at about this rate per second of one worker."""

FIRST_PLAN_GAP = 0.03
"""The first design need not be nearer to the optimum than this: a good plan within seconds."""

DESIGN_SHARE = 0.6
"""Share of the time left that one design round may take."""

WHOLE_TRAFFIC_S = 30.0
"""Longest time to make the traffic of a design whole."""

CUT_ROUNDS = 100
"""Most rounds of cuts in the linear relaxation."""

CUT_PATIENCE, CUT_PROGRESS = 8, 1e-5
"""Cuts end when so many rounds raised the bound by less than this share."""

LINEAR_SHORTAGE = 0.05
"""Units that may be missing after a loss in the linear relaxation; plans are held to the last unit."""

GROWTHS = 12
"""Rounds of growth until a design survives."""

GROWTH_NODES = 2_000
"""Nodes for growing or rounding a design: the same work on every machine."""

OPENING_SHARE, POWERING_SHARE, NEAR_SHARE, FREE_SHARE, IMPROVING_SHARE = 0.1, 0.05, 0.1, 0.05, 0.6
"""Shares of the time limit: for the sites to open, the servers to power, counts near them, for one
neighbourhood, and for all of it before the whole program is given to a solver."""

FREE_SITES = 3
"""Sites that a neighbourhood frees."""

NEIGHBOURHOODS = 200
"""Most rounds of neighbourhoods."""

NODES, REPRODUCIBLE_S = 200, 3600.0
"""Nodes of each solve of a reproducible search, which no clock ends before."""

ROUNDING_WINDOWS = (0, 1, 4)
"""How far each amount of traffic may move when it is made whole, units."""

ROUNDING_S = 5.0
"""Longest time to round the traffic of a design."""


class Search:
    """One search over the whole program `arrays`; `run()` returns its solution, `best` the plan.

    `keeper` hears of every better plan and bound, and what it kept of this program is where the search
    starts. Reproducible searches start anew: what was kept depends on when it was interrupted.
    """

    def __init__(
        self,
        arrays: Arrays,
        settings: Settings,
        listener: Listener | None,
        start: Floats | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.arrays = arrays
        self.settings = settings
        self.listener = listener
        self.started = time.perf_counter()
        self.best: Floats | None = None
        self.objective = math.inf
        self._told = math.inf
        self.bound = -math.inf
        self._exact_bound = -math.inf  # of CP-SAT, which counts in whole numbers
        self.stages: list[Mapping[str, object]] = []
        self.active: list[int] = []
        self.cuts: list[Cut] = []
        self.adopted: Floats | None = None
        self._keeper = None if settings.reproducible else keeper
        self._standing = Standing("", None, math.inf, -math.inf)
        if self._keeper is not None:
            self._standing = replace(self._standing, program=arrays.fingerprint())
        if start is not None:
            self._offer(start, "start")
        known = self._keeper.recall(self._standing.program) if self._keeper is not None else None
        if known is not None:
            self._raise_bound(known.bound)
            if known.values is not None:
                self._offer(known.values, "continued")

    def run(self) -> Solution:
        """Search until the gap or the time is met."""
        if self._relax() == "infeasible":
            return self._infeasible()
        small = bool(self.arrays.sections) and len(self.arrays.cost) <= SMALL_COLUMNS
        if not small and self.settings.method != "monolith" and self._two_stage() == "infeasible":
            return self._infeasible()
        if self.settings.method == "two-stage" and self.best is not None:
            return self._solution()
        gaps: tuple[float, ...] = () if small else (FIRST_PLAN_GAP, self.settings.relative_gap / 2)
        for gap in gaps if self.best is None else gaps[1:]:
            status = "again"
            while status == "again" and not self._done():
                status = self._design_round(max(gap, self.settings.relative_gap / 2))
            if status == "infeasible":
                return self._infeasible()
        if not self._done() and len(self.arrays.cost) <= LARGE_COLUMNS:
            outcome = self._whole_program()
            if outcome.status == "infeasible" and self.best is None:
                return self._infeasible()
        return self._solution()

    def adopt(self, values: Floats) -> None:
        """Start from a plan of a similar program.

        Where it breaks rows of this one it is made whole: servers and replicas may grow. Failures that it
        does not survive join the program at once.
        """
        values = np.clip(values, self.arrays.column_lower, self.arrays.column_upper)
        base = part_with(self.arrays, [])
        whole = values if base.arrays.violation(values[base.columns]) <= 0 else self._whole_traffic(values)
        if whole is None:
            return
        if self._lacks(whole):
            grown = self._grown(whole)
            whole = None if grown is None else self._rounded(grown)
            if whole is None:
                return
        filled, lost = survived(self.arrays, whole, range(len(self.arrays.sections)))
        self.active += lost
        if not lost:
            self._offer(filled, "start")
            self.adopted = filled

    def _part(self) -> Part:
        """Return the program with the failures that are known to matter: as sections, or as cuts."""
        part = part_with(self.arrays, self.active)
        return Part(with_cuts(part.arrays, self.cuts), part.columns)

    def _lacks(self, values: Floats, tolerance: float = SHORTAGE_TOLERANCE) -> list[Cut]:
        """Return (and keep) cuts that a solution breaks; none if it survives all losses told by cuts."""
        losses = self.arrays.losses
        found = [] if losses is None else losses.lacking(values, tolerance)
        self.cuts += found
        return found

    def _relax(self) -> str:
        """Solve linear relaxations, adding failures that their solution does not survive."""
        everything = range(len(self.arrays.sections))
        while True:
            part = self._part()
            outcome = self._relaxed(part)
            if outcome.status != "optimal":
                self._record("linear relaxation", self._elapsed(), outcome.status)
                return outcome.status
            self._raise_bound(outcome.objective)
            values = part.lift(outcome.values, np.zeros(len(self.arrays.cost)))
            others = [number for number in everything if number not in self.active]
            _, lost = survived(self.arrays, values, others, whole=False)
            if not lost:
                self._record(f"linear relaxation with {len(self.cuts)} cuts", self._elapsed(), "optimal")
                return "optimal"
            self.active += lost

    def _relaxed(self, part: Part) -> highs.LinearOutcome:
        """Solve a linear relaxation, with cuts as long as they raise its bound."""
        if self.arrays.losses is None:
            return highs.solve_linear(part.arrays, self._remaining())
        program = LinearProgram(part.arrays)
        outcome = program.solve(self._remaining())
        reached: list[float] = []
        for _ in range(CUT_ROUNDS):
            if outcome.status != "optimal" or self._remaining() <= 0:
                break
            reached.append(outcome.objective)
            if len(reached) > CUT_PATIENCE and reached[-1] <= reached[-CUT_PATIENCE] * (1 + CUT_PROGRESS):
                break
            self._raise_bound(outcome.objective)
            values = part.lift(outcome.values, np.zeros(len(self.arrays.cost)))
            found = self._lacks(values, LINEAR_SHORTAGE)
            if not found:
                break
            for cut in found:
                program.add_row(cut.columns, cut.amounts, cut.lower)
            outcome = program.solve(self._remaining())
        if outcome.status == "optimal":
            return outcome
        return highs.solve_linear(self._part().arrays, self._remaining())

    def _two_stage(self) -> str:
        """Decide which sites open, round the counts near the relaxation, then improve site by site."""
        if self._done():
            return "done"
        opened = self._opened()
        if opened.status == "infeasible":
            return "infeasible"
        if opened.values is None:
            return "stopped"
        powered = self._powered()
        for source, servers, replicas in ((powered, 1, 0), (opened, 4, 4), (powered, 8, 8)):
            if self._done():
                break
            if source.values is not None:
                self._near(source.values, servers, replicas)
        if not self.arrays.sections:
            self._improve()
        return "done"

    def _opened(self) -> Outcome:
        """Solve with whole sites only: a bound that pays for them, and counts to round."""
        part = self._part()
        integer = np.zeros(len(part.arrays.cost), dtype=bool)
        integer[part.arrays.block("open")] = True
        outcome = self._solve(part.arrays, integer, OPENING_SHARE, self.settings.relative_gap / 5)
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record("sites to open", outcome.seconds, outcome.status)
        for _ in range(CUT_ROUNDS):
            if outcome.values is None or self._remaining() <= 0:
                break
            values = part.lift(outcome.values, np.zeros(len(self.arrays.cost)))
            if not self._lacks(values, LINEAR_SHORTAGE):
                break
            # The sites stay as decided; what counts survive is a linear program.
            part = self._part()
            lower, upper = part.arrays.column_lower.copy(), part.arrays.column_upper.copy()
            block = part.arrays.block("open")
            lower[block] = upper[block] = np.rint(outcome.values[block])
            linear = highs.solve_linear(replace(part.arrays, column_lower=lower, column_upper=upper))
            if linear.status != "optimal":
                break
            outcome = replace(outcome, values=linear.values)
        return outcome

    def _powered(self) -> Outcome:
        """Solve with whole sites, racks and servers, replicas being continuous."""
        part = self._part()
        integer = np.zeros(len(part.arrays.cost), dtype=bool)
        for kind in ("open", "servers", "mixes"):
            integer[part.arrays.block(kind)] = True
        outcome = self._solve(part.arrays, integer, POWERING_SHARE, self.settings.relative_gap / 5)
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record("servers to power", outcome.seconds, outcome.status)
        return outcome

    def _near(self, values: Floats, servers: int, replicas: int) -> str:
        """Look for a plan whose counts are near fractional ones."""
        part = self._part()
        if len(values) != len(part.arrays.cost):
            return "stopped"  # failures joined the program meanwhile
        program = near(part.arrays, values, servers, replicas)
        if (program.column_lower > program.column_upper).any():
            return "stopped"
        hint = None
        if self.best is not None:
            known = self.best[part.columns]
            hint = known if program.violation(known) <= 0 else None
        gap = max(self.settings.relative_gap / 5, 1e-4)
        outcome = self._solve(program, ~is_traffic(program), NEAR_SHARE, gap, hint)
        self._record(f"servers within {servers}, replicas {replicas}", outcome.seconds, outcome.status)
        if outcome.values is None:
            return "stopped"
        return self._complete(part.lift(outcome.values, np.zeros(len(self.arrays.cost))), "counts rounded")

    def _improve(self) -> None:
        """Free some sites of the plan at a time, several neighbourhoods side by side."""
        sites = self.arrays.column_site
        if sites is None or self.best is None or sites.max(initial=-1) < 1:
            return
        many = int(sites.max()) + 1
        draw = np.random.default_rng(self.settings.seed)
        size = min(FREE_SITES, max(many - 1, 1))
        idle = 0
        for _ in range(NEIGHBOURHOODS):
            share_left = self._remaining() - (1 - IMPROVING_SHARE) * self.settings.time_limit_s
            out_of_time = share_left <= 0 and not self.settings.reproducible
            if self._done() or out_of_time or idle > 2 * many // size:
                return
            order = draw.permutation(many)
            groups = [order[:size], order[size : 2 * size]][: max(self.settings.workers, 1)]
            before = self.objective
            self._free([group for group in groups if len(group)])
            idle = 0 if self.objective < before else idle + 1

    def _free(self, groups: list[Integers]) -> None:
        """Solve around some groups of sites, and take what betters the plan."""
        assert self.best is not None
        assert self.arrays.column_site is not None
        arrays = with_cuts(self.arrays, self.cuts)
        best, sites = self.best, self.arrays.column_site
        freed = [around(arrays, best, np.isin(sites, group) | (sites < 0)) for group in groups]
        whole = ~is_traffic(self.arrays)

        def task(part: Freed) -> Callable[[], Outcome]:
            gap = max(self.settings.relative_gap / 10, 1e-4)
            return lambda: self._solve(part.arrays, whole[part.columns], FREE_SHARE, gap, best[part.columns])

        outcomes = in_parallel([task(part) for part in freed], self.settings.workers)
        for part, outcome in zip(freed, outcomes, strict=True):
            self._record("around some sites", outcome.seconds, outcome.status)
            if outcome.values is None:
                continue
            spent = float(self.arrays.cost[part.columns] @ (outcome.values - best[part.columns]))
            if spent >= -1.0 or self.best is None:
                continue
            design = self.best.copy()
            design[part.columns] = outcome.values
            # Both neighbourhoods may have used the same slack: what does not fit together is left.
            if self.best is not best and with_cuts(self.arrays, self.cuts).violation(design) > 1e-3:
                continue
            self._complete(design, "around some sites")

    def _solve(
        self, arrays: Arrays, integer: np.ndarray, share: float, gap: float, hint: Floats | None = None
    ) -> Outcome:
        """Run HiGHS for a share of the whole time; in reproducible searches for so many nodes instead."""
        settings = self.settings
        if settings.reproducible:
            seconds, nodes = REPRODUCIBLE_S, NODES
        else:
            seconds, nodes = min(share * settings.time_limit_s, max(self._remaining(), 0.1)), None
        try:
            return highs.solve_integer(
                arrays,
                integer=integer,
                time_limit_s=seconds,
                relative_gap=gap,
                seed=settings.seed,
                node_limit=nodes,
                hint=hint,
            )
        except SolverFailure:
            return Outcome("unknown", None, math.inf, -math.inf, 0.0)

    def _design_round(self, gap: float) -> str:
        """Solve for a design and make it a plan; "again" if it did not survive failures, now added."""
        part = self._part()
        outcome = self._design(part, gap)
        if outcome.status == "infeasible":
            return "infeasible"
        if outcome.values is None:
            return "stopped"
        return self._complete(part.lift(outcome.values, np.zeros(len(self.arrays.cost))), "design")

    def _complete(self, design: Floats, stage: str) -> str:
        """Make a design with continuous traffic a plan; "again" if it did not survive failures, now added."""
        grown = self._grown(design)
        if grown is None:
            return "stopped"
        whole = self._rounded(grown)
        if whole is None:
            whole = self._whole_traffic(grown)
        if whole is None:
            return "stopped"
        filled, lost = survived(self.arrays, whole, range(len(self.arrays.sections)))
        if lost:
            news = [number for number in lost if number not in self.active]
            self.active += news
            return "again" if news else "stopped"
        self._offer(filled, stage)
        return "found"

    def _grown(self, design: Floats) -> Floats | None:
        """Let servers and replicas of a design grow until it survives all losses told by cuts."""
        for _ in range(GROWTHS):
            if not self._lacks(design):
                return design
            arrays = with_cuts(self.arrays, self.cuts)
            base = part_with(replace(arrays, column_lower=self._at_least(design)), [])
            outcome = highs.solve_integer(
                base.arrays,
                integer=~is_traffic(base.arrays),
                time_limit_s=WHOLE_TRAFFIC_S,
                relative_gap=self.settings.relative_gap / 4,
                seed=self.settings.seed,
                node_limit=GROWTH_NODES,
            )
            self._record("growth", outcome.seconds, outcome.status)
            if outcome.values is None:
                return None
            design = base.lift(outcome.values, design)
        return None

    def _at_least(self, design: Floats) -> Floats:
        """Return lower bounds of columns at which no server, mix, replica or site of a design is lost."""
        lower = self.arrays.column_lower.copy()
        for kind in ("servers", "mixes", "replicas", "open"):
            block = self.arrays.block(kind)
            lower[block] = np.rint(design[block])
        return lower

    def _rounded(self, design: Floats) -> Floats | None:
        """Make the traffic of a design integer near where it is, on exactly its servers and replicas."""
        arrays = self.arrays
        traffic = is_traffic(arrays)
        for window in ROUNDING_WINDOWS:
            lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
            fixed = np.rint(design)
            for kind in ("servers", "mixes", "replicas", "open"):
                block = arrays.block(kind)
                lower[block] = upper[block] = fixed[block]
            lower[traffic] = np.maximum(lower[traffic], np.floor(design[traffic] + 1e-6) - window)
            upper[traffic] = np.minimum(upper[traffic], np.ceil(design[traffic] - 1e-6) + window)
            if (lower > upper).any():
                return None
            base = part_with(replace(arrays, column_lower=lower, column_upper=upper), [])
            outcome = highs.solve_integer(
                base.arrays,
                integer=np.ones(len(base.arrays.cost), dtype=bool),
                time_limit_s=ROUNDING_S,
                relative_gap=self.settings.relative_gap / 4,
                seed=self.settings.seed,
                node_limit=GROWTH_NODES,
            )
            if outcome.values is not None and base.arrays.violation(np.rint(outcome.values)) <= 0:
                self._record(f"traffic rounded within {window}", outcome.seconds, outcome.status)
                return base.lift(np.rint(outcome.values), design)
        return None

    def _design(self, part: Part, gap: float) -> Outcome:
        """Integer servers, racks and replicas; continuous traffic."""
        settings = self.settings
        limit = self._remaining() * DESIGN_SHARE
        outcome = highs.solve_integer(
            part.arrays,
            integer=~is_traffic(part.arrays),
            time_limit_s=settings.time_limit_s if settings.reproducible else limit,
            relative_gap=gap,
            seed=settings.seed,
            hint=None if self.best is None else self.best[part.columns],
        )
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record(f"design with {len(self.active)} failures", outcome.seconds, outcome.status)
        return outcome

    def _whole_traffic(self, design: Floats) -> Floats | None:
        """Make the traffic of normal operation integer; servers and replicas may grow, nothing shrinks.

        More servers and replicas never make a failure harder to survive.
        """
        arrays = self.arrays
        lower, upper = self._at_least(design), arrays.column_upper
        # Columns that only help rows along cost nothing: without a little cost they end anywhere, and a
        # group without servers would count as used in the failures tried next.
        cost = arrays.cost + 1.0
        for kind in VARIABLE_KINDS:
            cost[arrays.block(kind)] -= 1.0
        base = part_with(replace(arrays, cost=cost, column_lower=lower, column_upper=upper), [])
        outcome = highs.solve_integer(
            base.arrays,
            integer=np.ones(len(base.arrays.cost), dtype=bool),
            time_limit_s=min(max(self._remaining() * 0.5, 1.0), WHOLE_TRAFFIC_S),
            relative_gap=self.settings.relative_gap / 10,
            seed=self.settings.seed,
        )
        if outcome.values is None or base.arrays.violation(np.rint(outcome.values)) > 0:
            outcome = self._cp_sat(base.arrays, None, min(self._remaining() * 0.5, WHOLE_TRAFFIC_S))
        self._record("whole traffic", outcome.seconds, outcome.status)
        if outcome.values is None:
            return None
        return base.lift(np.rint(outcome.values), design)

    def _whole_program(self) -> Outcome:
        """CP-SAT on everything, from the best plan known."""
        while True:
            arrays = with_cuts(self.arrays, self.cuts)
            outcome = self._cp_sat(
                arrays, self.best, self._remaining(), self._keep_incumbent, self._raise_bound
            )
            if outcome.status != "infeasible":
                self._raise_bound(outcome.bound)
                self._exact_bound = max(self._exact_bound, outcome.bound)
            self._record("whole program", outcome.seconds, outcome.status)
            if outcome.values is None:
                return outcome
            if not self._lacks(outcome.values):
                self._offer(outcome.values, "whole program")
                return outcome
            if self._remaining() <= 0 and not self.settings.reproducible:
                return outcome

    def _cp_sat(
        self,
        arrays: Arrays,
        hint: Floats | None,
        seconds: float,
        on_incumbent: cp_sat.OnIncumbent | None = None,
        on_bound: Callable[[float], None] | None = None,
    ) -> Outcome:
        settings = self.settings
        return cp_sat.solve(
            arrays,
            time_limit_s=seconds if not settings.reproducible else 100 * settings.time_limit_s,
            relative_gap=settings.relative_gap,
            seed=settings.seed,
            workers=settings.workers,
            hint=hint,
            deterministic_limit=(
                settings.time_limit_s * DETERMINISTIC_UNITS_PER_S if settings.reproducible else None
            ),
            on_incumbent=on_incumbent or self._tell_incumbent,
            on_bound=on_bound,
        )

    def _tell_incumbent(self, objective: float, bound: float, _: Callable[[], Floats]) -> None:
        if self.arrays.losses is None and self.listener and objective < min(self.objective, self._told):
            self.listener(Progress("search", self._elapsed(), objective, max(bound, self.bound)))

    def _keep_incumbent(self, objective: float, bound: float, values: Callable[[], Floats]) -> None:
        """Pass on a plan of the whole program while the solver goes on.

        Where losses are told by cuts it may lack some yet unknown: it is passed on once it is tried.
        """
        if self.arrays.losses is not None:
            return
        self._tell_incumbent(objective, bound, values)
        self._told = min(self._told, objective)
        if self._keeper is not None and objective < self._standing.objective:
            self._keep(values(), objective)

    def _keep(self, values: Floats | None, objective: float) -> None:
        """Let the keeper know of a plan, where it is the best so far, and of the bound."""
        standing = self._standing
        if values is not None and objective < standing.objective:
            standing = replace(standing, values=values, objective=objective)
        self._standing = replace(standing, bound=max(self.bound, standing.bound))
        if self._keeper is not None:
            self._keeper.keep(self._standing)

    def _offer(self, values: Floats, stage: str) -> None:
        """Take `values` as the incumbent if it keeps every row and is better.

        Rows of normal operation are kept to the last unit; routing after failures may be fractional.
        """
        base = part_with(self.arrays, [])
        if base.arrays.violation(values[base.columns]) > 0:
            return
        objective = float(self.arrays.cost @ values)
        if objective < self.objective:
            self.best, self.objective = values, objective
            self._keep(values, objective)
            if self.listener:
                self.listener(Progress(stage, self._elapsed(), objective, self.bound))

    def _raise_bound(self, bound: float) -> None:
        if bound > self.bound:
            self.bound = bound
            self._keep(self.best, self.objective)
            if self.listener:
                best = min(self.objective, self._told)
                incumbent = best if math.isfinite(best) else None
                self.listener(Progress("bound", self._elapsed(), incumbent, bound))

    def _record(self, stage: str, seconds: float, status: str) -> None:
        self.stages.append(
            {
                "stage": stage,
                "seconds": round(seconds, 3),
                "status": status,
                "incumbent_usd_per_h": self.objective / 1e6 if math.isfinite(self.objective) else None,
                "bound_usd_per_h": self.bound / 1e6 if math.isfinite(self.bound) else None,
            }
        )

    def _done(self) -> bool:
        if not math.isfinite(self.objective):
            return self._remaining() <= 0 and not self.settings.reproducible
        small_enough = relative_gap(self.objective, self.bound) <= self.settings.relative_gap
        return small_enough or (self._remaining() <= 0 and not self.settings.reproducible)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.started

    def _remaining(self) -> float:
        return self.settings.time_limit_s - self._elapsed()

    def _infeasible(self) -> Solution:
        return Solution("infeasible", 0, 0, {}, tuple(self.stages))

    def _solution(self) -> Solution:
        # Objective coefficients are integers: a bound can be rounded up, less what doubles lose.
        slack = 1e-9 * abs(self.bound) + 1e-3 if math.isfinite(self.bound) else 0.0
        bound = math.ceil(self.bound - slack) if math.isfinite(self.bound) else 0
        if math.isfinite(self._exact_bound):
            bound = max(bound, round(self._exact_bound))
        if self.best is None:
            return Solution("unknown", 0, bound, {}, tuple(self.stages))
        objective = round(self.objective)
        bound = min(bound, objective)
        proven = relative_gap(objective, bound) <= self.settings.relative_gap
        status = "optimal" if proven else "feasible"
        values = values_by_kind(self.arrays, self.best)
        return Solution(status, objective, bound, values, tuple(self.stages))
