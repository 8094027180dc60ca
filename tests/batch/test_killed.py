"""SIGKILL at random moments: whatever is running is killed, and in the end nothing is lost or doubled."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.batch import run_batch
from planner.batch.engines.local import LocalEngine
from planner.batch.results import all_results
from planner.batch.store import Store
from tests.batch.questions import answers, write_grid

REPOSITORY = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from planner.batch import run_batch
from planner.batch.engines.local import LocalEngine
jobs, folder, solver = sys.argv[1:]
for _ in run_batch(jobs or None, folder, engine=LocalEngine(2, solver=solver)):
    pass
"""

MEAN_WAIT_S = 0.05
"""Mean time from the first sign of work to the kill: about one job long, so that many kills hit the batch."""

WITHOUT = ("seconds", "peak_memory_gb", "attempts", "answer")
"""What of a result may differ between runs: how long, how much memory, how often, in which folder."""


def ends_in(folder: Path) -> int:
    """Return how many attempts have ended or begun: it grows while a batch is at work."""
    try:
        with sqlite3.connect(f"file:{folder}/batch.sqlite?mode=ro", uri=True, timeout=5) as database:
            query = "SELECT count(*) + count(ended_at) FROM attempts"
            count: int = database.execute(query).fetchone()[0]
            return count
    except sqlite3.Error:
        return 0


def kill_until_done(study: Path, folder: Path, solver: str, kills: int, rng: random.Random) -> int:
    """Run a batch, killing it at random moments, `kills` times or until it is done; return the kills."""
    for number in range(kills):
        jobs = str(study) if number % 3 == 0 else ""  # now and then all entries are read again
        command = [sys.executable, "-c", SCRIPT, jobs if folder.exists() else str(study), str(folder), solver]
        process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
        before, waited = ends_in(folder), time.monotonic()
        if rng.random() < 0.8:  # at work; otherwise while it starts
            while ends_in(folder) == before and process.poll() is None and time.monotonic() - waited < 60:
                time.sleep(0.005)
            time.sleep(rng.expovariate(1 / MEAN_WAIT_S))
        else:
            time.sleep(rng.uniform(0, 2))
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr.read()
            return number
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        with sqlite3.connect(folder / "batch.sqlite") as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return kills


def comparable(folder: Path) -> list[dict[str, object]]:
    """Return every result without what may differ between runs."""
    store = Store(folder, to_read=True)
    results = [vars(result) for result in all_results(store)]
    store.close()
    return [{name: value for name, value in result.items() if name not in WITHOUT} for result in results]


def check(tmp_path: Path, jobs: int, kills: int, solver: str, seed: int) -> None:
    """Compare a batch that was killed often with one that nobody disturbed."""
    study = write_grid(tmp_path, [10 + number for number in range(jobs)])
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    list(run_batch(study, undisturbed, engine=LocalEngine(2, solver=solver)))
    assert kill_until_done(study, killed, solver, kills, random.Random(seed)) == kills
    results = list(run_batch(study, killed, engine=LocalEngine(2, solver=solver)))
    assert len(results) == len({result.job for result in results}) == jobs
    assert {result.status for result in results} == {"optimal"}
    assert comparable(killed) == comparable(undisturbed)
    assert len(answers_by_file(killed)) == jobs
    assert answers_by_file(killed) == answers_by_file(undisturbed)
    store = Store(killed)
    ended = store.read("SELECT key, count(*) AS count FROM attempts WHERE status = 'optimal' GROUP BY key")
    interrupted = store.read("SELECT count(*) FROM attempts WHERE status = 'interrupted'")[0][0]
    store.close()
    assert {row["count"] for row in ended} == {1}
    assert interrupted > 0


def answers_by_file(folder: Path) -> dict[str, object]:
    """Return the content of every plan.json without the time it took."""
    try:
        return dict(answers(folder))
    except KeyError:  # answers of the solver of these tests
        return {path.parent.name: path.read_text() for path in folder.glob("answers/*/plan.json")}


def test_a_batch_killed_again_and_again_loses_and_doubles_nothing(tmp_path, monkeypatch):
    """Forty quick jobs, five kills."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    check(tmp_path, jobs=40, kills=5, solver="tests.batch.solvers:solve", seed=1)


@pytest.mark.slow
def test_sixty_solves_killed_at_twenty_moments_end_as_if_undisturbed(tmp_path, monkeypatch):
    """Real solves: exactly 60 plans, the same as those of a run that nobody killed."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    check(tmp_path, jobs=60, kills=20, solver="tests.batch.solvers:solve_with_pause", seed=2)
