"""Timings kept beside a plan: taken up exactly, and left alone where anything they rest on has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from planner.catalog import Accelerator
from planner.performance import version
from planner.performance.service import LatencyObjective
from planner.plan.assemble import assemble
from planner.shapes import KeptTimings, keep_timings, kept, kept_timings
from planner.shapes.menu import request_profile
from planner.topology import Question, load_question
from tests.plan.infeasible_questions import PHYSICS, crafted


def question_of(folder: Any, **workload: Any) -> Question:
    """Return a small timed question, its workload changed."""
    raw = crafted(folder, PHYSICS)
    raw["workloads"][0] |= workload
    return load_question(raw)


@pytest.fixture
def folder(tmp_path):
    """A folder with the timings of the question."""
    timings = KeptTimings()
    assemble(question_of(tmp_path), timings)
    keep_timings(timings, tmp_path)
    return tmp_path


def columns(question: Question, timings: KeptTimings) -> list[Any]:
    """Return the columns of the menu."""
    menu = assemble(question, timings).offering.menu
    return [(entry.shape.name, *entry.columns.values()) for entry in menu.entries]


def no_timing(monkeypatch) -> None:
    """Let everything that times a replica fail."""

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("was timed again")

    monkeypatch.setattr("planner.performance.service.LoadedPool", forbidden)
    monkeypatch.setattr("planner.shapes.timings.saturated_rps", forbidden)
    monkeypatch.setattr("planner.shapes.timings.awake_w", forbidden)


def test_what_is_kept_is_taken_up_exactly_and_nothing_is_timed(folder, monkeypatch):
    """The same question with the file: equal columns, not a single prediction."""
    question = question_of(folder)
    before = columns(question, KeptTimings())
    no_timing(monkeypatch)
    assert columns(question, kept_timings(folder)) == before


def test_other_demand_needs_no_timing_either(folder, monkeypatch):
    """Rates of replicas do not depend on how much is asked for."""
    no_timing(monkeypatch)
    assert columns(question_of(folder, rate_rps=50), kept_timings(folder))


@pytest.mark.parametrize(
    "changed",
    [
        {"input_tokens": {"mean": 1100, "p50": 800, "p99": 4000}},
        {"prefix_hit_rate": 0.3},
        {"burstiness_cv": 2.0},
        {"precision": ["fp8"]},
        {"slo": {"ttft_ms": 300, "tpot_ms": 20, "percentile": 95}},
    ],
)
def test_another_scenario_is_timed_as_if_nothing_were_kept(folder, changed):
    """Whatever a rate depends on: the answers are those of a fresh start."""
    question = question_of(folder, **changed)
    assert columns(question, kept_timings(folder)) == columns(question, KeptTimings())


def test_another_accelerator_of_the_same_name_is_timed_anew(folder):
    """Facts that changed in the catalog: nothing of the old ones is taken up."""
    question = question_of(folder)
    catalog, workload = question.catalog, question.scenario.workloads[0]
    known = catalog.accelerators["h100-sxm"]
    slower = known.model_copy(update={"memory_bandwidth_gb_s": known.memory_bandwidth_gb_s / 2})
    objective = LatencyObjective(ttft_ms=1000.0, tpot_ms=40.0, percentile=95.0)

    def rates(timings: KeptTimings, accelerator: Accelerator) -> list[float]:
        found = timings.shapes(
            catalog.llm("llama-3.1-8b"), catalog.servers["dgx-h100"], accelerator,
            engines=["vllm"], precisions=["bf16"],
        )  # fmt: skip
        table = timings.columns(found.replicas[:2], request_profile(workload), [objective])
        return [columns[0].rate_rps for columns in table]

    assert rates(kept_timings(folder), slower) == rates(KeptTimings(), slower)
    assert rates(kept_timings(folder), slower) != rates(kept_timings(folder), known)


def test_timings_of_another_performance_model_are_left_alone(folder, monkeypatch):
    """The file names the model that made it."""
    assert kept_timings(folder).known
    monkeypatch.setattr(kept, "model_version", lambda: "another")
    assert kept_timings(folder).known == {}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"performance_model": 1', "null"])
def test_a_broken_file_is_as_good_as_none(folder, text):
    """It is timed again."""
    (folder / "timings.json").write_text(text)
    assert kept_timings(folder).known == {}


def test_the_version_changes_with_the_calibration(tmp_path, monkeypatch):
    """A byte more in a file of the model is another version."""
    (tmp_path / "a.yaml").write_text("x: 1\n")
    monkeypatch.setattr(version, "HERE", tmp_path)
    version.model_version.cache_clear()
    first = version.model_version()
    (tmp_path / "a.yaml").write_text("x: 2\n")
    version.model_version.cache_clear()
    assert version.model_version() != first
    version.model_version.cache_clear()


NAMES = """
from planner.catalog import load_catalog
from planner.shapes.kept import facts_digest

catalog = load_catalog()
for llm in ("llama-3.1-8b", "deepseek-v3", "gpt-oss-120b"):
    server, accelerator = catalog.servers["dgx-h100"], catalog.accelerators["h100-sxm"]
    print(facts_digest(catalog.llm(llm), server, accelerator, [("engine", "vllm")]))
"""


def test_names_are_the_same_in_every_process():
    """Sets are in another order from process to process; what is kept must be found by another one."""
    said = {
        subprocess.run(
            [sys.executable, "-c", NAMES], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1
    assert len(set(said.pop().split())) == 3
