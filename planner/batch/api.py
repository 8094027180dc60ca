"""Run a batch from Python: an iterator over results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from planner.batch.engines import Engine, engine_named
from planner.batch.entries import read_entries
from planner.batch.limits import Limits
from planner.batch.results import JobResult
from planner.batch.run import Incumbent, Over, Run
from planner.batch.store import Store


def run_batch(
    jobs: Any,
    folder: str | Path,
    *,
    engine: str | Engine = "local",
    workers: int | None = None,
    limits: Limits | None = None,
    address: str | None = None,
    on_result: Callable[[JobResult], None] | None = None,
    on_incumbent: Callable[[Incumbent], None] | None = None,
) -> Iterator[JobResult]:
    """Solve many scenarios and yield what becomes of each, as they finish.

    What `folder` already holds is not solved again: an interrupted batch is continued by the same call,
    and several processes may make it at once to share the work. The caller's thread runs the callbacks.

    Args:
        jobs: a folder, scenario, list or study file; or several of paths, plain data and loaded questions;
            None continues what is in the folder.
        folder: where the store is, or is made.
        engine: `local`, `ray`, or an engine.
        workers: jobs at a time; None: as many as the cores carry.
        limits: of each job.
        address: of a running Ray cluster.
        on_result: told about every result.
        on_incumbent: told about better plans and bounds while jobs are being solved.

    Raises:
        InputFaults: `jobs` itself is wrong; entries in it that are wrong come out as `invalid` results.
        StoreFailure: the folder cannot be used, or its disk is full; what is finished is safe.
        CannotWork: the engine cannot start.
        ValueError, LookupError: no such engine, or it is not installed.
    """
    entries = [] if jobs is None else read_entries(jobs)[0]
    limits = limits or Limits()
    chosen = engine_named(engine, workers, limits, address) if isinstance(engine, str) else engine
    try:
        store = Store(folder, create=jobs is not None)
        store.add(entries)
    except BaseException:
        chosen.close()
        raise
    return _results(Run(store, chosen, limits), on_result, on_incumbent)


def _results(
    run: Run,
    on_result: Callable[[JobResult], None] | None,
    on_incumbent: Callable[[Incumbent], None] | None,
) -> Iterator[JobResult]:
    run.start()
    try:
        while True:
            news = run.news.get()
            if isinstance(news, Over):
                if news.error is not None:
                    raise news.error
                return
            if isinstance(news, Incumbent):
                if on_incumbent is not None:
                    on_incumbent(news)
                continue
            if on_result is not None:
                on_result(news)
            yield news
    finally:
        run.stop()
