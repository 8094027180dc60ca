"""How much of the machine a batch uses, and what a job costs besides its solve.

`python -m benchmarks.batch_throughput` runs 200 jobs (examples/batch/night.yaml) on the local engine with a
worker for each core. Printed:

- solving: share of the workers' time, between the first start and the last end of a job, that they spend on
  jobs: reading the question, solving, writing the answer as JSON.
- cores: processor time of the whole batch, this process included, over that of all cores, start included.
  What others use on the same machine is missing there; it is printed beside it.
- overhead: (workers x wall clock - time spent on jobs) / jobs, once with the start of the processes, once
  without it.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from planner.batch import run_batch
from planner.batch.store import Store

STUDY = Path(__file__).resolve().parents[1] / "examples" / "batch" / "night.yaml"

LEAST_BUSY = 0.90
MOST_OVERHEAD_MS = 50.0
"""What a batch of 200 jobs has to reach."""


def main() -> int:
    """Run the batch and print the figures; return 1 where they miss what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="?", type=Path, default=STUDY)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return measure(arguments.study, Path(folder) / "batch", arguments.workers)


def measure(study: Path, folder: Path, workers: int) -> int:
    """Run a batch and print what it took."""
    cores = os.cpu_count() or 1
    busy_before, began, wall_began = machine_s(), processor_s(), time.time()
    results = list(run_batch(study, folder, workers=workers))
    wall_s = time.time() - wall_began
    used_s, others_s = processor_s() - began, 0.0
    others_s = max(0.0, machine_s() - busy_before - used_s)

    seconds = {result.key: result.seconds or 0.0 for result in results}
    jobs, on_jobs_s = len(seconds), sum(seconds.values())
    store = Store(folder, to_read=True)
    rows = store.read("SELECT key, ended_at FROM attempts ORDER BY ended_at")
    store.close()
    first_began = min(row["ended_at"] - seconds[row["key"]] for row in rows)
    steady_s = rows[-1]["ended_at"] - first_began

    solving = on_jobs_s / (workers * steady_s)
    busy = used_s / (cores * wall_s)
    steady_ms = 1000 * (workers * steady_s - on_jobs_s) / jobs
    total_ms = 1000 * (workers * wall_s - on_jobs_s) / jobs
    answered = sum(result.is_answered for result in results)
    start_s = wall_s - steady_s
    print(f"jobs       {jobs} different, {answered} of {len(results)} entries answered")
    print(f"machine    {workers} workers on {cores} cores")
    print(f"wall       {wall_s:.1f} s, {start_s:.1f} s of it to start; a job takes {on_jobs_s / jobs:.3f} s")
    print(f"solving    {solving:.1%} of the workers' time")
    print(f"cores      {busy:.1%} used by the batch, {others_s / (cores * wall_s):.1%} by others")
    print(f"overhead   {steady_ms:.1f} ms a job, {total_ms:.1f} ms with the start")
    good = solving >= LEAST_BUSY and steady_ms <= MOST_OVERHEAD_MS and answered == len(results)
    return 0 if good else 1


def processor_s() -> float:
    """Return the processor time of this process and of those it started that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def machine_s() -> float:
    """Return the processor time that everything on this machine has used (Linux)."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _, _, interrupts, soft, steal = map(int, fields)
    return (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
