"""Figures people compare plans by."""

from __future__ import annotations

from planner.plan.content import Columns, Content, Setting, pools_of, route_uses
from planner.plan.costs import WATTS_PER_KW, plan_micro_cost, server_pue
from planner.plan.draw import carbon_mg_per_h, overheads_w
from planner.plan.ledgers import (
    MG_PER_KG,
    TOKENS_PER_MTOK,
    capex_usd,
    served_mtok_per_h,
    server_grid_w,
)
from planner.plan.traffic import SECONDS_PER_HOUR
from planner.plan.types import Metrics
from planner.plan.watts import server_expectations

OUTPUT_PRICE_RATIO = 4.0
"""An output token is charged four times an input token where the cost is split between them: the ratio of
OpenAI's list prices (GPT-4o, GPT-4.1: 4); others lie between 1 and 8."""

DECIMALS = 6
WATTS_PER_MW = 1e6
MICRO_USD = 1e6


def plan_metrics(content: Content, setting: Setting, columns: Columns) -> Metrics:
    """Return the metrics of a plan.

    usd_per_mtok spreads the whole cost over all tokens, input and output; usd_per_mtok_input and
    usd_per_mtok_output split it with output tokens `OUTPUT_PRICE_RATIO` times as dear.
    tokens_per_s_per_mw: output tokens per second and MW of expected power at the grid (PUE included,
    rented servers too). utilization: share of the accelerators of all powered servers that the traffic
    keeps busy over the day. grid_kw: provisioned, of owned servers, cooling included. All are rounded to 6
    decimals.
    """
    cost_usd = plan_micro_cost(content, setting, columns).total / MICRO_USD
    mtok_in, mtok_out = served_mtok_per_h(content, setting)
    weighed = mtok_in + OUTPUT_PRICE_RATIO * mtok_out
    output_tokens_per_s = mtok_out * TOKENS_PER_MTOK / SECONDS_PER_HOUR
    expected = server_expectations(content, setting, columns)
    grid_mw = (
        sum(expected[server.name] * server_pue(server, setting) for server in content.servers)
        + sum(overheads_w(content, setting).values())
    ) / WATTS_PER_MW
    accelerators = sum(server.accelerators for server in content.servers)
    sizes = {pool.name: pool.shape.shape().accelerators for pool in pools_of(content).values()}
    busy = sum(
        sizes[use.pool.name]
        * use.route.units
        * setting.mean_unit_rps(use.workload, use.route.period)
        / use.column.rate_rps
        for use in route_uses(content, setting, columns)
        if use.column.rate_rps > 0
    )
    values = {
        "usd_per_mtok_input": _ratio(cost_usd, weighed),
        "usd_per_mtok_output": OUTPUT_PRICE_RATIO * _ratio(cost_usd, weighed),
        "usd_per_mtok": _ratio(cost_usd, mtok_in + mtok_out),
        "output_tokens_per_s": output_tokens_per_s,
        "tokens_per_s_per_mw": _ratio(output_tokens_per_s, grid_mw),
        "utilization": _ratio(busy, accelerators),
        "expected_kw": sum(expected.values()) / WATTS_PER_KW,
        "provisioned_kw": sum(server.provisioned_w for server in content.servers) / WATTS_PER_KW,
        "grid_kw": sum(server_grid_w(server, setting) for server in content.servers) / WATTS_PER_KW,
        "carbon_kg_per_h": carbon_mg_per_h(content, setting, columns) / MG_PER_KG,
        "capex_usd": float(capex_usd(content, setting)),
    }
    return Metrics(
        **{name: round(value, DECIMALS) for name, value in values.items()},
        accelerators=accelerators,
        servers=len(content.servers),
        replicas=sum(group.count for group in content.replicas),
    )


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else 0.0
