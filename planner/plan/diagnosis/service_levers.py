"""Levers of how a workload is served beyond its latencies: warm room, deadlines, how good an LLM must be."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan.day import waits
from planner.plan.diagnosis.lever import Lever, shown, stating
from planner.scenario import Workload
from planner.topology import Question

ANY_HOUR_H = 24.0
"""A deadline that lets work be served in any hour of the day."""


def service_levers(question: Question, workload: Workload) -> Iterator[Lever]:
    """Yield the promises of a workload that are no rows and no latencies."""
    yield from _ramp(question, workload)
    yield from _deadline(workload)
    yield from _quality(question, workload)


def _ramp(question: Question, workload: Workload) -> Iterator[Lever]:
    if question.scenario.performance.cold_start is None or not workload.ramp_per_min:
        return
    path = f"workloads.{workload.name}.ramp_per_min"
    yield Lever(
        row=f"ramp/{workload.name}",
        kind="ramp",
        path=path,
        stated=workload.ramp_per_min,
        unit="of the plan per minute",
        end=0.0,
        says=f"{workload.name} may rise by {workload.ramp_per_min:.3g} of the plan per minute: room for that "
        "is kept free while a further replica starts",
        subject=f"room for `{workload.name}` to rise",
        edit=stating(path),
        dropped=(f"{path}=0",),
        up=False,
    )


def _deadline(workload: Workload) -> Iterator[Lever]:
    if not waits(workload) or workload.deadline_h is None:
        return
    path = f"workloads.{workload.name}.deadline_h"
    yield Lever(
        row=f"deadline/{workload.name}",
        kind="deadline",
        path=path,
        stated=workload.deadline_h,
        unit="h",
        end=ANY_HOUR_H,
        says=f"{workload.name} is served within {shown(workload.deadline_h)} h",
        subject=f"for `{workload.name}` to wait",
        edit=stating(path),
        dropped=(f"{path}=null",),
        whole=float(workload.deadline_h).is_integer(),
    )


def _quality(question: Question, workload: Workload) -> Iterator[Lever]:
    quality = question.scenario.quality
    if workload.quality is None or quality is None:
        return
    path = f"workloads.{workload.name}.quality"
    end = min(quality.scores.values()) - max(quality.loss.values(), default=0.0)
    if end >= workload.quality:
        return
    yield Lever(
        row=f"quality/{workload.name}",
        kind="quality",
        path=path,
        stated=workload.quality,
        unit="points",
        end=end,
        says=f"{workload.name} is answered by LLMs of at least {shown(workload.quality)} points of quality",
        subject=f"least quality for `{workload.name}`",
        edit=stating(path),
        dropped=(f"{path}={end!r}",),
        up=False,
    )
