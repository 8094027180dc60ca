"""The store gives each job to one run at a time and takes one result from whoever holds it."""

import os
import sqlite3
import time

import pytest

from planner.batch import owner as owners
from planner.batch.entries import Entry
from planner.batch.job import Job
from planner.batch.messages import Ended, Progressed
from planner.batch.overview import overview
from planner.batch.owner import Owner
from planner.batch.results import all_results, results_since
from planner.batch.store import Reading, Store, StoreFailure


@pytest.fixture
def store(tmp_path):
    """A store with three jobs, the third asked for twice."""
    made = Store(tmp_path / "night", create=True)
    names = ["a", "b", "c", "again"]
    made.add([Entry(name, f"{name}.yaml") for name in names])
    keys = ["key-a", "key-b", "key-c", "key-c"]
    made.settle([Reading(name, Job(key, "{}")) for name, key in zip(names, keys, strict=True)])
    yield made
    made.close()


def states(store):
    """Return the status of every entry by name."""
    return {result.job: result.status for result in all_results(store)}


def optimal(key, cost=7.0):
    """Return the end of a job with a plan."""
    return Ended(key, "optimal", 1.5, objective=cost, bound=cost, gap=0.0, answer="{}\n")


def dead_owner():
    """Return the run of a process that does not exist."""
    here = Owner.new()
    return Owner(here.machine, 2**22 + 1, "1", "gone")


def test_a_job_is_leased_to_one_run_only(store):
    """Two runs never get the same job; there are three jobs for four entries."""
    mine, other = Owner.new(), Owner.new()
    first = store.take(mine, "local", 2)
    second = store.take(other, "local", 5)
    assert [leased.key for leased in first] == ["key-a", "key-b"]
    assert [leased.key for leased in second] == ["key-c"]
    assert store.take(mine, "local", 5) == []


def test_a_result_counts_for_every_entry_that_asks_for_it(store):
    """It comes with its file, once."""
    (leased,) = [found for found in store.take(Owner.new(), "local", 5) if found.key == "key-c"]
    assert store.finish(leased.attempt, optimal("key-c"))
    number, news = results_since(store, 0)
    assert [(result.job, result.status, result.objective) for result in news] == [
        ("c", "optimal", 7.0),
        ("again", "optimal", 7.0),
    ]
    assert news[0].answer.read_text() == "{}\n"
    assert results_since(store, number) == (number, [])


def test_only_the_holder_of_the_lease_may_give_a_result(store):
    """A run that was thought dead and comes back late changes nothing."""
    late = store.take(dead_owner(), "local", 1)[0]
    assert store.release_of_the_dead() == 1
    (leased,) = store.take(Owner.new(), "local", 1)
    assert (leased.key, leased.attempt) != (late.key, late.attempt)
    assert not store.finish(late.attempt, optimal("key-a", 99.0))
    assert store.finish(leased.attempt, optimal("key-a", 7.0))
    assert all_results(store)[0].objective == 7.0
    assert all_results(store)[0].attempts == 2


def test_jobs_of_living_runs_are_left_alone(store, monkeypatch):
    """A run of this process lives until its run ends; another machine's until it was silent for too long."""
    mine = Owner.new()
    elsewhere = Owner("other/host", 1, "1", "run")
    store.take(mine, "local", 1)
    store.take(elsewhere, "local", 1)
    assert store.release_of_the_dead() == 0
    mine.end()
    assert store.release_of_the_dead() == 1
    monkeypatch.setattr(owners, "LEASE_S", -1.0)
    assert store.release_of_the_dead() == 1
    assert set(states(store).values()) == {"waiting"}


def test_a_process_number_used_again_is_not_the_same_process():
    """The start time tells them apart."""
    here = Owner.new()
    assert here.lives(time.time())
    assert Owner.parse(str(here)) == here
    assert not Owner(here.machine, os.getpid(), "1", here.run).lives(time.time())
    assert not Owner(here.machine, 1, "not its start", here.run).lives(time.time())


def test_a_beat_tells_what_is_cancelled_and_what_is_lost(store):
    """And keeps how far jobs are for everyone to see."""
    mine = Owner.new()
    store.take(mine, "local", 2)
    store.cancel(["b"])
    held, cancelled = store.beat(
        mine, [Progressed("key-a", "searching", 3.0, 10.0, 9.0)], {"key-a": "here:1"}
    )
    assert (held, cancelled) == ({"key-a", "key-b"}, {"key-b"})
    (running,) = overview(store).running
    assert (running.job, running.place, running.incumbent) == ("a", "here:1", 10.0)
    assert running.gap == pytest.approx(0.1)
    store.release(mine)
    assert store.beat(mine, [], {})[0] == set()
    assert states(store) == {"a": "waiting", "b": "cancelled", "c": "waiting", "again": "waiting"}


def test_cancelled_and_failed_jobs_wait_again_when_retried(store):
    """Answered ones only when they are named."""
    mine = Owner.new()
    for leased in store.take(mine, "local", 2):
        ended = optimal(leased.key) if leased.key == "key-a" else Ended(leased.key, "failed", 1.0, "crashed")
        store.finish(leased.attempt, ended)
    assert store.cancel(None) == (2, 0)
    assert states(store) == {"a": "optimal", "b": "failed", "c": "cancelled", "again": "cancelled"}
    assert store.retry(None) == 3
    assert states(store) == {"a": "optimal", "b": "waiting", "c": "waiting", "again": "waiting"}
    assert store.retry(["a"]) == 1
    assert states(store)["a"] == "waiting"
    with pytest.raises(LookupError, match=r"no job 'agian': did you mean 'again'"):
        store.retry(["agian"])


def test_an_entry_read_again_keeps_its_answer_or_becomes_another_job(store):
    """Unchanged files find the old answer; a changed one waits; the old job is not solved any more."""
    (leased,) = store.take(Owner.new(), "local", 1)
    store.finish(leased.attempt, optimal("key-a"))
    store.add([Entry("a", "a.yaml"), Entry("b", "b.yaml")])
    assert states(store)["a"] == "waiting"
    store.settle([Reading("a", Job("key-a", "{}")), Reading("b", Job("key-new", "{}"))])
    assert states(store)["a"] == "optimal"
    keys = {leased.key for leased in store.take(Owner.new(), "local", 9)}
    assert keys == {"key-c", "key-new"}


def test_entries_that_are_wrong_are_kept_with_their_fault(store):
    """They count as ended, and retry reads them again."""
    store.add([Entry("bad", "bad.yaml")])
    store.settle([Reading("bad", None, "bad.yaml:3: found nothing")])
    assert all_results(store)[-1].error == "bad.yaml:3: found nothing"
    assert states(store)["bad"] == "invalid"
    assert store.retry(["bad"]) == 1
    assert [entry.name for entry in store.unread(9)] == ["bad"]


def test_unfinished_jobs_of_another_version_are_read_again(store):
    """The answer belongs to the version in its key; what is answered stays."""
    (leased,) = store.take(Owner.new(), "local", 1)
    store.finish(leased.attempt, optimal("key-a"))
    store.database.execute("UPDATE jobs SET planner = '0.0.1'")
    assert store.take(Owner.new(), "local", 9) == []
    store.renew()
    assert [entry.name for entry in store.unread(9)] == ["b", "c", "again"]


def test_the_overview_adds_up(store):
    """Counts, jobs, gaps; no time left is promised while nobody works."""
    (leased,) = store.take(Owner.new(), "local", 1)
    store.finish(leased.attempt, optimal("key-a"))
    state = overview(store)
    assert state.counts == {"optimal": 1, "waiting": 3}
    assert (state.total, state.done, state.jobs) == (4, 1, 3)
    assert (state.mean_gap, state.worst_gap, state.runs, state.eta_s) == (0.0, 0.0, 0, None)


def test_a_folder_without_a_batch_is_said_so(tmp_path):
    """Also one whose database is something else."""
    with pytest.raises(StoreFailure, match="no batch here"):
        Store(tmp_path)
    (tmp_path / "batch.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 9)
    with pytest.raises(StoreFailure, match="not the database of a batch"):
        Store(tmp_path)
    (tmp_path / "batch.sqlite").unlink()
    newer = Store(tmp_path, create=True)
    newer.database.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    newer.close()
    with pytest.raises(StoreFailure, match="store version 99"):
        Store(tmp_path)


def test_a_database_that_is_full_says_so_and_keeps_what_it_has(store):
    """SQLite's own limit on pages stands for the disk."""
    leased = store.take(Owner.new(), "local", 2)
    store.finish(leased[0].attempt, optimal("key-a"))
    pages = store.database.execute("PRAGMA page_count").fetchone()[0]
    store.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFailure, match="no space left"):
        store.finish(leased[1].attempt, Ended("key-b", "failed", 1.0, "x" * 1_000_000))
    store.database.execute("PRAGMA max_page_count = 1000000")
    assert states(store)["a"] == "optimal"
    assert store.finish(leased[1].attempt, optimal("key-b"))
    with sqlite3.connect(store.folder / "batch.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
