"""Jobs on a Ray cluster: one that runs already, or Ray started on this machine.

Ray decides where and when a job runs, and runs it again elsewhere when its node is lost. On the node the job
is solved by the same worker process as on one machine, with the same limits: a solver that crashes, hangs or
takes too much memory ends its own job only. Only this process writes to the store.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from planner import __version__
from planner.batch.engines.node import solve_on_node
from planner.batch.limits import BYTES_PER_GB, Limits
from planner.batch.messages import Ended, Event, Task
from planner.batch.process import SOLVER

RETRIES = 10
"""How often Ray runs a job again after losing its node; on preemptible machines that is part of life."""

AHEAD = 2
"""Jobs given to Ray for each that can run, so that no node waits for this process."""

LOOK_S = 5.0
"""How often the size of the cluster is asked for: it may grow and shrink."""

MAIL_S = 0.5
"""How often news of running jobs are fetched."""

PATIENCE_S = 10.0
"""How long to wait for news of running jobs before they are given up."""


class Mailbox:
    """Keeps what jobs say while they run, until it is fetched; an actor beside the driver."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def post(self, event: Event) -> None:
        """Take an event."""
        self._events.append(event)

    def drain(self) -> list[Event]:
        """Return what came since the last call."""
        events, self._events = self._events, []
        return events


@dataclass
class _Given:
    task: Task
    since: float


class RayEngine:
    """Ray tasks, each solving one job."""

    name = "ray"

    def __init__(
        self,
        workers: int | None = None,
        limits: Limits | None = None,
        address: str | None = None,
        solver: str = SOLVER,
    ) -> None:
        """Connect to the cluster at `address`, or start Ray here with room for `workers` jobs.

        Raises:
            LookupError: Ray is not installed.
            ConnectionError: there is no cluster at the address.
        """
        try:
            import ray
        except ImportError:
            raise LookupError(
                "engine ray needs Ray: pip install 'llm-deployment-planner[ray]', or use --engine local"
            ) from None
        self._ray: Any = ray
        self._limits = limits or Limits()
        self._solver = solver
        self._most = workers if address is not None else None
        self._given: dict[Any, _Given] = {}
        self._capacity, self._looked = 1, -LOOK_S
        self._fetched = 0.0
        self._started_here = not ray.is_initialized()
        if self._started_here:
            self._connect(workers, address)
        self._mailbox = self._new_mailbox()
        options: dict[str, Any] = {"num_cpus": self._limits.threads, "max_retries": RETRIES}
        if self._limits.memory_gb is not None:
            options["memory"] = self._limits.memory_gb * BYTES_PER_GB
        self._remote = self._ray.remote(**options)(solve_on_node)

    def _connect(self, workers: int | None, address: str | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a planner tells nobody what is planned
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if address is not None:
            _somebody_answers(address)
            try:
                self._ray.init(address=address, **quiet)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ConnectionError(f"no Ray cluster at '{address}': {error}") from error
        else:
            count = None if workers is None else workers * self._limits.threads
            self._ray.init(num_cpus=count, include_dashboard=False, **quiet)

    def _new_mailbox(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=True)
        return self._ray.remote(num_cpus=0, scheduling_strategy=here)(Mailbox).remote()

    def prepare(self) -> None:
        """Do nothing: nodes start their processes when they get a job."""

    def room(self) -> int:
        """Return how many more jobs it would take: some more than the cluster can run now."""
        if time.monotonic() - self._looked > LOOK_S:
            cores = self._ray.cluster_resources().get("CPU", 0.0)
            self._capacity = max(1, int(cores // self._limits.threads))
            self._looked = time.monotonic()
        most = AHEAD * self._capacity if self._most is None else self._most
        return most - len(self._given)

    def give(self, task: Task) -> None:
        """Hand a job to Ray."""
        reference = self._remote.remote(task, self._solver, __version__, self._mailbox)
        self._given[reference] = _Given(task, time.monotonic())

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what happened, waiting up to `timeout_s` for the first job to end."""
        done: list[Any] = []
        if self._given:
            done, _ = self._ray.wait(list(self._given), num_returns=1, timeout=timeout_s)
        elif timeout_s:
            time.sleep(timeout_s)
        found: list[Event] = []
        if done or time.monotonic() - self._fetched > MAIL_S:
            found += self._mail()
        return [*found, *(self._result(reference) for reference in done)]

    def _mail(self) -> list[Event]:
        """Return what jobs said; a lost mailbox is replaced, news are not worth a job."""
        self._fetched = time.monotonic()
        errors = self._ray.exceptions
        try:
            mail: list[Event] = self._ray.get(self._mailbox.drain.remote(), timeout=PATIENCE_S)
        except errors.RayActorError:
            self._mailbox = self._new_mailbox()
            return []
        except errors.GetTimeoutError:
            return []
        return mail

    def _result(self, reference: Any) -> Ended:
        given = self._given.pop(reference)
        try:
            ended: Ended = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            seconds = time.monotonic() - given.since
            return Ended(given.task.key, "failed", seconds, f"lost on the cluster: {error}")
        return ended

    def drop(self, key: str) -> None:
        """Stop working on a job."""
        for reference, given in list(self._given.items()):
            if given.task.key == key:
                del self._given[reference]
                self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """Stop everything; a cluster that was running before goes on."""
        for reference in self._given:
            self._ray.cancel(reference, force=True)
        self._given.clear()
        if self._started_here:
            self._ray.shutdown()
        else:
            self._ray.kill(self._mailbox)


def _somebody_answers(address: str) -> None:
    """Look whether anything listens at `HOST:PORT`: Ray itself would try for nine minutes (measured).

    Raises:
        ConnectionError: nothing does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():
        return  # `auto` and the like are looked up by Ray
    try:
        socket.create_connection((host, int(port)), PATIENCE_S).close()
    except OSError as error:
        raise ConnectionError(f"no Ray cluster at '{address}': {error}") from error
