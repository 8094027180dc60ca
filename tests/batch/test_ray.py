"""The same batch on a real Ray cluster of two worker nodes, one of which is taken away while it runs."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from planner.batch import Limits, run_batch
from planner.batch.engines import engine_named
from planner.batch.engines.local import LocalEngine
from planner.batch.engines.ray import RayEngine
from planner.batch.results import all_results
from planner.batch.store import Store
from tests.batch.questions import answers, write_grid, write_scenario

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SOLVER = "tests.batch.solvers:solve_with_pause"
JOBS = 40


@pytest.fixture
def cluster(monkeypatch):
    """A head that solves nothing, and two nodes of one core; this process is connected."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [made.add_node(num_cpus=1), made.add_node(num_cpus=1)]
    ray.init(address=made.address, log_to_driver=False, logging_level=logging.ERROR)
    yield made, nodes
    ray.shutdown()
    made.shutdown()


def test_a_batch_is_the_same_on_ray_though_a_node_is_lost(cluster, tmp_path):
    """Every job of the lost node runs again elsewhere; the plans are those of the local engine."""
    made, nodes = cluster
    study = write_grid(tmp_path, [10 + number for number in range(JOBS)])
    list(run_batch(study, tmp_path / "local", engine=LocalEngine(2, solver=SOLVER)))

    batch = run_batch(study, tmp_path / "ray", engine=RayEngine(solver=SOLVER))
    results = [next(batch)]
    for result in batch:
        results.append(result)
        if len(results) == JOBS // 4:
            places = {row["place"] for row in attempts(tmp_path / "ray") if row["place"]}
            made.remove_node(nodes[0], allow_graceful=False)
    assert len(places) == 2, "both nodes were at work before one was lost"
    assert len(results) == len({result.job for result in results}) == JOBS
    assert {result.status for result in results} == {"optimal"}
    assert answers(tmp_path / "ray") == answers(tmp_path / "local")
    assert len(answers(tmp_path / "ray")) == JOBS
    assert objectives(tmp_path / "ray") == objectives(tmp_path / "local")
    rows = attempts(tmp_path / "ray")
    assert len(rows) == len({row["key"] for row in rows}) == JOBS


def attempts(folder):
    """Return the attempts of a batch."""
    store = Store(folder)
    rows = store.read("SELECT key, place, status FROM attempts")
    store.close()
    return rows


def objectives(folder):
    """Return what every job costs, by name."""
    store = Store(folder, to_read=True)
    found = {result.job: (result.objective, result.bound, result.gap) for result in all_results(store)}
    store.close()
    return found


def test_bad_jobs_cost_the_cluster_nothing(cluster, tmp_path):
    """A crash, a hang and a cancelled job are told as on one machine; news come through."""
    path = write_scenario(tmp_path)
    from planner.batch import Entry

    names = ["crash", "hang", "good", "slow"]
    entries = [
        Entry(name, str(path), (f"name={name}", f"workloads.chat.rate_rps={20 + number}"))
        for number, name in enumerate(names)
    ]
    engine = RayEngine(limits=Limits(kill_after_s=4), solver="tests.batch.solvers:solve")
    heard = []
    results = {
        result.job: result
        for result in run_batch(
            entries,
            tmp_path / "night",
            engine=engine,
            limits=Limits(kill_after_s=4),
            on_incumbent=heard.append,
        )
    }
    assert {name: results[name].status for name in names} == {
        "crash": "failed",
        "hang": "failed",
        "good": "optimal",
        "slow": "optimal",
    }
    assert results["crash"].error.startswith("crashed: SIGSEGV")
    assert results["hang"].error.startswith("hung: killed after")
    assert [(news.names, news.objective) for news in heard] == [(("slow",), 12.0)]


def test_a_dropped_job_frees_its_node(cluster):
    """Its process ends, and the next job runs there."""
    from tests.batch.test_local import run_to_end, task

    engine = RayEngine(solver="tests.batch.solvers:solve")
    for name in ("hang-1", "hang-2", "good"):
        engine.give(task(name))
    time.sleep(5)
    engine.drop("hang-1")
    engine.drop("hang-2")
    assert run_to_end(engine, "good")["good"].status == "optimal"


def test_an_address_where_nobody_answers_is_said_so():
    """Before any job is given."""
    with pytest.raises(ConnectionError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        engine_named("ray", address="127.0.0.1:1")
