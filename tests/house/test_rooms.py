"""Data flows one way: a room imports only rooms below it, and the verifier stays independent."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "planner"

ROOMS = (
    "cli",
    "service",
    "batch",
    "study",
    "report",
    "interop",
    "simulate",
    "explain",
    "plan",
    "optimize",
    "shapes",
    "performance",
    "topology",
    "scenario",
    "catalog",
    "files",
    "shipped",
)
"""Top to bottom."""


def imports_of(path: Path) -> set[str]:
    """Return the planner modules that a file imports, at any depth of the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("planner")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("planner"):
            found.add(node.module or "")
    return found


def room_of(module: str) -> str | None:
    """Return the room of a module, None for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_room_is_in_the_list():
    """A new room has to find its place in the order."""
    present = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir() if p.suffix in ("", ".py")}
    present -= {"__init__", "__pycache__", "_shipped"}
    assert present <= set(ROOMS) | {"py"}, present - set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room):
    """Each file of a room imports its own room and those below."""
    position = ROOMS.index(room)
    files = [f for f in FILES if f.relative_to(PACKAGE).parts[0] in (room, f"{room}.py")]
    for path in files:
        for module in imports_of(path):
            other = room_of(module)
            if other is not None:
                assert ROOMS.index(other) >= position, f"{path.relative_to(PACKAGE)} imports {module}"


def test_the_program_knows_no_files_graphs_or_physics():
    """optimize/ sees integer tables only."""
    for path in (PACKAGE / "optimize").rglob("*.py"):
        for module in imports_of(path):
            assert room_of(module) in (None, "optimize"), f"{path.name} imports {module}"
        text = path.read_text(encoding="utf-8")
        assert "networkx" not in text, f"{path.name} names networkx"
        assert "yaml" not in text.replace("No YAML", "").lower(), f"{path.name} names YAML"


def test_performance_never_sees_a_solver():
    """No solver library in the physics."""
    for path in (PACKAGE / "performance").rglob("*.py"):
        assert "ortools" not in path.read_text(encoding="utf-8"), path.name


def reachable(start: Path) -> set[str]:
    """Return every planner module that files under `start` import, directly or through others."""
    waiting = {m for path in start.rglob("*.py") for m in imports_of(path)}
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        base = PACKAGE.joinpath(*module.split(".")[1:])
        for candidate in (base.with_suffix(".py"), base / "__init__.py"):
            if candidate.is_file():
                waiting |= imports_of(candidate)
    return seen


def test_the_verifier_shares_no_code_with_the_optimizer():
    """Nothing that plan/verify reaches is part of optimize/, shapes/ or the assembly."""
    for module in reachable(PACKAGE / "plan" / "verify"):
        assert not module.startswith(("planner.optimize", "planner.shapes", "planner.plan.assemble")), module


def test_no_file_grows_beyond_its_idea():
    """Most files stay under 400 lines; none passes 500."""
    for path in FILES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 500, f"{path.relative_to(PACKAGE)} has {lines} lines"
