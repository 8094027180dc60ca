"""tables/*.csv: every part of a plan as a table, one header row, units in the column names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.files import write_text_atomic
from planner.plan.types import Plan

if TYPE_CHECKING:
    import pandas as pd  # takes a third of a second to import: only who writes tables waits for it


def plan_tables(plan: Plan) -> dict[str, pd.DataFrame]:
    """Return the tables of a plan by name."""
    import pandas as pd

    servers = pd.DataFrame([server.model_dump() for server in plan.servers])
    replicas = pd.DataFrame(
        [
            {
                "pool": group.pool,
                "site": group.site,
                "fabric_domain": group.fabric_domain,
                "server": group.server,
                "count": group.count,
                **group.shape.model_dump(),
                "placements": " | ".join(" + ".join(slices) for slices in group.placements),
            }
            for group in plan.replicas
        ]
    )
    routes = pd.DataFrame([{**route.model_dump(), "pools": " > ".join(route.pools)} for route in plan.routes])
    ledgers = pd.DataFrame(
        [{"family": family, **row} for family, rows in plan.ledgers.model_dump().items() for row in rows]
    )
    cost = pd.DataFrame(
        [{"part": part, "usd_per_h": amount} for part, amount in plan.cost.model_dump().items()]
    )
    slo = pd.DataFrame(
        [
            {
                "workload": row.workload,
                "origin": row.origin,
                "site": row.site,
                "pools": " > ".join(row.pools),
                "percentile": row.percentile,
                "ttft_asked_ms": row.ttft_ms.asked,
                "ttft_predicted_ms": row.ttft_ms.predicted,
                "tpot_asked_ms": row.tpot_ms.asked,
                "tpot_predicted_ms": row.tpot_ms.predicted,
                "error_band": row.error_band,
                "provider": row.provider,
            }
            for row in plan.slo
        ]
    )
    pools = pd.DataFrame([pool.model_dump() for pool in plan.pools])
    return {
        "servers": servers,
        "replicas": replicas,
        "routes": routes,
        "pools": pools,
        "ledgers": ledgers,
        "cost": cost,
        "slo": slo,
    }


def write_tables(plan: Plan, folder: Path) -> list[Path]:
    """Write every table of a plan as CSV and return the files; each is written whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in plan_tables(plan).items():
        path = folder / f"{name}.csv"
        write_text_atomic(path, table.to_csv(index=False, lineterminator="\n"))
        written.append(path)
    return written
