"""PUE by load and outdoor temperature as a fixed draw and a factor: linear in the IT load.

What a site draws beyond its IT falls little when the load falls, so its PUE rises. For each cooling type the
overhead (PUE - 1) x load of the table is covered by the straight line above all its points that lies lowest
on average: what it has at no load is drawn by the open site, its slope is the PUE of every watt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.topology.types import PuePoint, Site

COOLINGS = ("air", "liquid")


def overheads(site: Site) -> dict[str, float]:
    """Return `pue_air`, `pue_liquid` and `overhead_kw` for energy, and those of the design day for the grid.

    A cooling type that the table leaves out keeps the site's figure.
    """
    found: dict[str, float] = {}
    for prefix, outdoor_c in (("", site.outdoor_c), ("design_", site.design_outdoor_c)):
        temperature = site.outdoor_c if outdoor_c is None else outdoor_c
        fixed = 0.0
        for cooling in COOLINGS:
            points = [point for point in site.pue_table if point.cooling == cooling]
            if not points:
                found[f"{prefix}pue_{cooling}"] = float(getattr(site, f"pue_{cooling}"))
                continue
            at_zero, slope = line_above(_at_temperature(points, temperature))
            found[f"{prefix}pue_{cooling}"] = 1.0 + slope
            fixed += at_zero
        found[f"{prefix}overhead_kw"] = fixed * (site.it_kw or 0.0)
    return found


def _at_temperature(points: Sequence[PuePoint], outdoor_c: float | None) -> list[tuple[float, float]]:
    """Return (load, overhead in units of the design load) of each load, between temperatures linearly."""
    result = []
    for load in sorted({point.load for point in points}):
        here = sorted((p.outdoor_c or 0.0, p.pue) for p in points if p.load == load)
        pue = here[0][1]
        if outdoor_c is not None:
            pue = float(np.interp(outdoor_c, [at for at, _ in here], [value for _, value in here]))
        result.append((load, (pue - 1.0) * load))
    return result


def line_above(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return (value at 0, slope), neither below 0, of the line above all points that is lowest on average."""
    loads, values = (np.array(part) for part in zip(*points, strict=True))
    candidates = [(0.0, float((values / loads).max())), (float(values.max()), 0.0)]
    for i in range(len(loads)):
        for j in range(i + 1, len(loads)):
            slope = (values[j] - values[i]) / (loads[j] - loads[i])
            candidates.append((float(values[i] - slope * loads[i]), float(slope)))
    fitting = [
        (at_zero, slope)
        for at_zero, slope in candidates
        if at_zero >= -1e-12 and slope >= 0 and (at_zero + slope * loads >= values - 1e-9).all()
    ]
    at_zero, slope = min(fitting, key=lambda line: float((line[0] + line[1] * loads).sum()))
    return max(at_zero, 0.0), slope
