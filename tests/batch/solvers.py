"""What worker processes of these tests run instead of a real solver, told by the name of the scenario."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np

from planner.batch.messages import Ended, Progressed
from planner.optimize.solution import Standing

PAUSE_S = 0.05
"""How long an ordinary job takes."""


def solve(task, tell, checkpoint):
    """Answer at once, or crash, hang, devour memory, be slow or be interrupted, as the name says."""
    document = json.loads(task.document)
    name = document["scenario"]["name"].split("-")[0]
    rate = document["scenario"]["workloads"][0]["rate_rps"]
    if name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "quit":
        print("going home early", flush=True)
        os._exit(7)
    if name == "raise":
        raise_an_error()
    if name == "hang":
        time.sleep(3600)
    if name == "devour":
        devour()
    if name == "slow":
        tell(Progressed(task.key, "searching", 0.1, 12.0, 9.0))
        time.sleep(3600 if rate == 99 else 1.0)
    if name == "continued":
        known = checkpoint.recall("program")
        if known is None:
            checkpoint.keep(Standing("program", np.array([1.0, 2.0]), 30.0, 20.0))
            time.sleep(3600)
        return Ended(task.key, "optimal", 0.1, objective=known.objective, bound=known.bound, gap=0.0)
    time.sleep(PAUSE_S)
    answer = json.dumps({"rate": rate})
    return Ended(task.key, "optimal", PAUSE_S, objective=rate, bound=rate, gap=0.0, answer=answer)


def solve_with_pause(task, tell, checkpoint):
    """Solve really, and take as long as a somewhat larger question would."""
    from planner.batch.solving import solve_task

    time.sleep(2 * PAUSE_S)
    return solve_task(task, tell, checkpoint)


def devour():
    """Use more and more memory."""
    eaten = []
    while True:
        eaten.append(np.ones(5_000_000))
        time.sleep(0.01)


def raise_an_error():
    """Fail as a defect of the planner would."""
    raise ZeroDivisionError("a defect")


def solve_at_length(task, tell, checkpoint):
    """Answer with a plan of 20 kB."""
    ended = solve(task, tell, checkpoint)
    return Ended(**{**vars(ended), "answer": json.dumps({"padding": "x" * 20_000})})
