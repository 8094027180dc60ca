"""What the user asked for, line by line: scenario files with changes, each with a name.

JOBS is a folder of scenarios, one scenario, a list (text or CSV) or a study file with a grid or a list of
changes. Reading them here is quick: the scenarios themselves are opened one by one while the batch runs.
"""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.batch.grid import KINDS, kind_of, points_of, sweep_points_of
from planner.files import Document, InputFault, InputFaults, read_document

if TYPE_CHECKING:
    from planner.topology import Question

SCENARIO_SUFFIXES = (".yaml", ".yml", ".json")
PATH_COLUMNS = ("scenario", "path", "file")
NAME_COLUMN = "name"


@dataclass(frozen=True)
class Entry:
    """One thing to solve.

    name: unique in the batch. scenario: a path, plain data, or a loaded question. overrides: changes such
    as `limits.grid_kw=2000`. folder: what relative paths in plain data start from. document: a loaded
    question as `job.Job` writes it, instead of the scenario.
    """

    name: str
    scenario: str | Path | Mapping[str, Any] | Question
    overrides: tuple[str, ...] = ()
    folder: str | None = None
    document: str | None = None

    def stored(self) -> str:
        """Return the entry as JSON."""
        scenario = str(self.scenario) if isinstance(self.scenario, Path) else self.scenario
        if not isinstance(scenario, str | Mapping):
            from planner.batch.job import job_of

            return json.dumps({"document": self.document or job_of(scenario).document})
        return json.dumps({"scenario": scenario, "overrides": self.overrides, "folder": self.folder})

    @classmethod
    def restored(cls, name: str, stored: str) -> Entry:
        """Return the entry that `stored` was made from."""
        data = json.loads(stored)
        if "document" in data:
            return cls(name, "", document=data["document"])
        return cls(name, data["scenario"], tuple(data["overrides"]), data["folder"])

    def question(self) -> Question:
        """Return the loaded question.

        Raises:
            InputFaults: the scenario, its topology or a change is wrong.
        """
        from planner.topology import Question, load_question

        if self.document is not None:
            from planner.batch.job import question_of

            return question_of(self.document)
        if isinstance(self.scenario, Question):
            return self.scenario
        inline = isinstance(self.scenario, Mapping) and self.folder is not None
        folder = Path(str(self.folder)) if inline else None
        return load_question(self.scenario, self.overrides, folder)


def read_entries(jobs: Any) -> tuple[list[Entry], list[str]]:
    """Return the entries of JOBS and notes about what was left out.

    `jobs` is a path, or several of: paths of scenarios, plain data, loaded questions, entries.

    Raises:
        InputFaults: JOBS itself is wrong (a list with a missing file, a study with an unknown field ...).
    """
    notes: list[str] = []
    if isinstance(jobs, str | Path):
        found = _of_path(Path(jobs), notes)
    else:
        found = [_of_object(job, number) for number, job in enumerate(jobs, 1)]
    if not found:
        raise InputFaults([InputFault(str(jobs), None, "", "no scenario", "at least one", "")])
    return list(_uniquely_named(found)), notes


def _of_path(path: Path, notes: list[str]) -> list[Entry]:
    if path.is_dir():
        return _of_folder(path, notes)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _of_csv(path)
    if suffix in SCENARIO_SUFFIXES:
        document = read_document(path)
        return _of_document(document, path.resolve(), path.stem)
    return _of_list(path)


def _of_folder(folder: Path, notes: list[str]) -> list[Entry]:
    """Return every scenario in a folder and the folders in it; other YAML files are named in the notes.

    A file that is no YAML at all becomes an entry like the rest: it ends as `invalid` and stops nothing else.
    """
    found: list[Entry] = []
    faults: list[InputFault] = []
    others: list[str] = []
    studies: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix.lower() not in SCENARIO_SUFFIXES or any(part.startswith(".") for part in name.parts):
            continue
        label = str(name.with_suffix(""))
        try:
            document = read_document(path)
        except InputFaults:
            found.append(Entry(label, str(path.resolve())))
            continue
        try:
            if not _is_question(document.data):
                others.append(str(name))
            elif kind_of(document) not in KINDS:
                studies.append(f"{name} (`planner {kind_of(document)}`)")
            else:
                found += _of_document(document, path.resolve(), label)
        except InputFaults as error:
            faults += error.faults
    if faults:
        raise InputFaults(faults)
    if others:
        notes.append(f"not scenarios, left out: {', '.join(others)}")
    if studies:
        notes.append(f"studies with a command of their own, left out: {', '.join(studies)}")
    return found


def _is_question(data: Any) -> bool:
    """Return whether a document is meant as a scenario or a study: no topology, catalog or plan is."""
    if not isinstance(data, Mapping) or {"scenario", "status"} <= set(data):
        return False
    return bool({"workloads", "topology", "scenario"} & set(data))


def _of_document(document: Document, path: Path, name: str) -> list[Entry]:
    data = document.data
    if isinstance(data, Mapping) and "scenario" in data and "workloads" not in data:
        points = sweep_points_of(path) if kind_of(document) == "sweep" else points_of(document, path)
        return [
            Entry(
                f"{name}: {point.name}" if point.name else name, point.scenario, point.overrides, point.folder
            )
            for point in points
        ]
    return [Entry(name, str(path))]


def _of_list(path: Path) -> list[Entry]:
    """Read lines of `path key=value ...`; # begins a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fault = InputFault(str(path), None, "", str(error), "a folder, scenario, list or study", "")
        raise InputFaults([fault]) from None
    found: list[Entry] = []
    faults: list[InputFault] = []
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            faults.append(InputFault(str(path), number, "", str(error), "path key=value ...", "quote"))
            continue
        if not words:
            continue
        odd = [word for word in words[1:] if "=" not in word]
        faults += [InputFault(str(path), number, "", f"'{word}'", "key=value", "") for word in odd]
        found.append(_listed(path, number, words[0], words[1:], "", faults))
    if faults:
        raise InputFaults(faults)
    return found


def _of_csv(path: Path) -> list[Entry]:
    """Read a table: column `scenario`, maybe `name`, and a column for each field that changes."""
    found: list[Entry] = []
    faults: list[InputFault] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            columns = [column.strip() for column in rows.fieldnames or []]
            rows.fieldnames = columns
            where = next((column for column in PATH_COLUMNS if column in columns), None)
            if where is None:
                have = ", ".join(columns) or "no columns"
                fault = InputFault(str(path), 1, "", have, "a column `scenario`", "it holds the paths")
                raise InputFaults([fault])
            for row in rows:
                cells = {name: (text or "").strip() for name, text in row.items() if isinstance(name, str)}
                if not any(cells.values()):
                    continue
                changes = [
                    f"{name}={text}"
                    for name, text in cells.items()
                    if text and name not in (where, NAME_COLUMN)
                ]
                name = cells.get(NAME_COLUMN, "")
                found.append(_listed(path, rows.line_num, cells[where], changes, name, faults))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputFaults([InputFault(str(path), None, "", str(error), "a readable CSV", "")]) from None
    if faults:
        raise InputFaults(faults)
    return found


def _listed(
    path: Path, line: int, scenario: str, changes: list[str], name: str, faults: list[InputFault]
) -> Entry:
    """Return the entry of one line of a list, whose paths are relative to the list."""
    file = (path.resolve().parent / Path(scenario).expanduser()).resolve()
    if not file.is_file():
        faults.append(
            InputFault(str(path), line, "", f"no file '{scenario}'", "a scenario file", f"looked for {file}")
        )
    stem = str(Path(scenario).with_suffix(""))
    return Entry(name or " ".join([stem, *changes]), str(file), tuple(changes))


def _of_object(job: Any, number: int) -> Entry:
    if isinstance(job, Entry):
        return job
    if isinstance(job, str | Path):
        return Entry(Path(job).stem, str(Path(job).resolve()))
    if isinstance(job, Mapping):
        name = job.get("name")
        return Entry(str(name) if name else f"scenario-{number}", job, (), str(Path.cwd()))
    return Entry(job.scenario.name, job)


def _uniquely_named(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Give the second and later entries of one name a number."""
    taken: set[str] = set()
    for entry in entries:
        name, count = entry.name, 1
        while name in taken:
            count += 1
            name = f"{entry.name} #{count}"
        taken.add(name)
        yield replace(entry, name=name)
