"""Is this environment sound? Imports, versions, solvers that solve, cores and memory."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

LEAST_PYTHON = (3, 11)
LEAST_MEMORY_GB = 2.0
"""Enough for plans of a few thousand accelerators."""

SOLVER_PROBE = """
from ortools.math_opt.python import mathopt
model = mathopt.Model()
x = model.add_integer_variable(lb=0, ub=9)
model.add_linear_constraint(2 * x >= 5)
model.minimize(x)
result = mathopt.solve(model, mathopt.SolverType.HIGHS)
assert round(result.objective_value()) == 3
from ortools.sat.python import cp_model
program = cp_model.CpModel()
y = program.new_int_var(0, 9, "y")
program.add(2 * y >= 5)
program.minimize(y)
solver = cp_model.CpSolver()
assert solver.solve(program) == cp_model.OPTIMAL and solver.value(y) == 3
"""
"""Solves one tiny program with each solver; run in a process of its own, since a broken one may crash."""


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, whether it is fine, and what to do if not."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def checks() -> Iterator[Check]:
    """Yield the findings, one by one."""
    version = sys.version_info[:2]
    yield Check(
        "python",
        version >= LEAST_PYTHON,
        platform.python_version(),
        f"install Python {LEAST_PYTHON[0]}.{LEAST_PYTHON[1]} or newer",
    )
    for name in ("pydantic", "networkx", "pandas", "numpy", "scipy", "ruamel.yaml", "typer", "rich"):
        present = importlib.util.find_spec(name) is not None
        yield Check(name, present, "present" if present else "missing", "pip install the planner again")
    yield _solvers()
    clash = importlib.util.find_spec("highspy") is not None
    yield Check(
        "highspy",
        True,
        "installed: never import it in the planner's process" if clash else "absent (as it should be)",
    )
    cores = os.cpu_count() or 1
    yield Check("cores", True, str(cores))
    memory = memory_gb()
    if memory is not None:
        yield Check(
            "memory",
            memory >= LEAST_MEMORY_GB,
            f"{memory:.1f} GB",
            f"{LEAST_MEMORY_GB:g} GB are needed for anything but toys",
        )
    yield _shipped()
    yield _kept_rates()


def _solvers() -> Check:
    run = subprocess.run(
        [sys.executable, "-c", SOLVER_PROBE], capture_output=True, text=True, timeout=120, check=False
    )
    if run.returncode == 0:
        from importlib.metadata import version

        return Check("solvers", True, f"HiGHS and CP-SAT of OR-Tools {version('ortools')} solve")
    last = (run.stderr.strip().splitlines() or ["no message"])[-1]
    return Check(
        "solvers",
        False,
        f"a tiny program failed (exit {run.returncode}): {last}",
        "reinstall OR-Tools (pip install --force-reinstall 'ortools>=9.15,<9.16'); if another package "
        "imports highspy at start (sitecustomize, a .pth file), remove it: the two cannot share a process",
    )


def _shipped() -> Check:
    from planner.shipped import shipped_folder

    try:
        folders = [shipped_folder(name) for name in ("models", "topologies")]
    except FileNotFoundError as error:
        return Check("shipped files", False, str(error), "pip install the planner again")
    counts = [len(list(folder.iterdir())) for folder in folders]
    return Check("shipped files", True, f"{counts[0]} models, {counts[1]} topologies")


def _kept_rates() -> Check:
    """Look at the cache of rates; planning works without it, so nothing about it is a fault."""
    from planner.shapes.rate_cache import description

    return Check("kept rates", True, description())


def memory_gb() -> float | None:
    """Return the memory of this machine (or of its container's limit) in GB, None where unknown."""
    limits = []
    limit_file = Path("/sys/fs/cgroup/memory.max")
    if limit_file.is_file() and (text := limit_file.read_text().strip()).isdigit():
        limits.append(int(text) / 1e9)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    return min(limits) if limits else None


def print_doctor(console: Console) -> bool:
    """Print every finding; return whether all are fine."""
    sound = True
    for check in checks():
        sound = sound and check.ok
        mark = "[green]ok  [/green]" if check.ok else "[red]FAIL[/red]"
        console.print(f"{mark} {check.name}: {check.found}", highlight=False)
        if not check.ok:
            console.print(f"     {check.advice}", highlight=False, markup=False)
    console.print("this environment is sound" if sound else "this environment is broken", highlight=False)
    return sound
