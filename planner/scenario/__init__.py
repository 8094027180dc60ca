"""What the user asks: the scenario, its loading, its errors, its changes.

`load_scenario` reads a file and answers with a `Scenario` or with everything that is wrong.
"""

from planner.scenario.distributions import TokenDistribution
from planner.scenario.economics import HOURS_PER_YEAR, Economics
from planner.scenario.fleet import Fleet, Rent
from planner.scenario.load import Examined, examine_scenario, load_scenario
from planner.scenario.names import instance_price, region_names
from planner.scenario.overrides import apply_overrides
from planner.scenario.promises import Limits, Objective, Reliability
from planner.scenario.request_trace import Trace, read_trace
from planner.scenario.scenario import Scenario
from planner.scenario.schema import scenario_json_schema
from planner.scenario.solving import Performance, Solver
from planner.scenario.workload import ANYWHERE, HOURS_PER_DAY, Slo, Workload

__all__ = [
    "ANYWHERE",
    "HOURS_PER_DAY",
    "HOURS_PER_YEAR",
    "Economics",
    "Examined",
    "Fleet",
    "Limits",
    "Objective",
    "Performance",
    "Reliability",
    "Rent",
    "Scenario",
    "Slo",
    "Solver",
    "TokenDistribution",
    "Trace",
    "Workload",
    "apply_overrides",
    "examine_scenario",
    "instance_price",
    "load_scenario",
    "read_trace",
    "region_names",
    "scenario_json_schema",
]
