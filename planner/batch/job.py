"""A job: one question, resolved and named by its content, in a form that any process can solve later.

The key of a job is the SHA-256 of everything its answer depends on: the resolved scenario and topology,
the catalog, the content of the files they read, and the planner's version. What does not change the answer
(the scenario's name, where its files lie, how many threads may be used) is left out, so that the same
question is never solved twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner import __version__
from planner.catalog import load_catalog
from planner.files import Document, content_hash
from planner.scenario import Scenario
from planner.topology import Question, Topology

NOT_IN_THE_KEY = ("name", "topology", "topology_changes", "catalog")
"""Fields of a scenario that the key leaves out: a label, and what is hashed by its content instead."""


class FilesChanged(Exception):
    """A file that a job reads is not what it was when the job was added."""


@dataclass(frozen=True)
class Job:
    """One solve. key: 64 hex digits. document: JSON text, see `question_of`."""

    key: str
    document: str


def job_of(question: Question) -> Job:
    """Return the job that solves a question."""
    scenario = question.scenario.model_dump(mode="json")
    topology = question.topology.model_dump(mode="json")
    files = {str(path): _hash_of(path) for path in files_of(scenario)}
    key = content_hash(
        {
            "scenario": _what_matters(scenario, files),
            "topology": topology,
            "catalog": question.catalog.hash,
            "llms": _llms(question),
            "planner": __version__,
        }
    )
    document = {
        "planner": __version__,
        "scenario": scenario,
        "topology": topology,
        "files": files,
        "written": _written(question.scenario.document),
        "topology_written": _written(question.topology.document),
    }
    return Job(key, json.dumps(document, ensure_ascii=False))


def question_of(document: str) -> Question:
    """Return the question of a job's document.

    Raises:
        FilesChanged: a file it reads is gone or has other content than when the job was added.
    """
    data = json.loads(document)
    for name, expected in data["files"].items():
        path = Path(name)
        found = _hash_of(path) if path.is_file() else None
        if found != expected:
            what = "is not there" if found is None else "has changed since the job was added"
            raise FilesChanged(
                f"{name} {what}: put it back, or add the job again with `planner batch run`"
                " (on a cluster every node must see the file at the same path)"
            )
    scenario = Scenario.model_validate(data["scenario"])
    scenario._document = _document(data["written"])
    topology = Topology.model_validate(data["topology"])
    topology._document = _document(data["topology_written"])
    if isinstance(scenario.catalog, str):
        catalog = load_catalog(extra=Path(scenario.catalog))
    else:
        catalog = load_catalog(inline=scenario.catalog)
    return Question(scenario, topology, catalog)


def files_of(scenario: dict[str, Any]) -> list[Path]:
    """Return the files that solving a resolved scenario reads (the shipped ones are not among them)."""
    names = [scenario["performance"]["path"], scenario["catalog"]]
    names += [llm for workload in scenario["workloads"] for llm in workload["llms"]]
    found: list[Path] = []
    for name in names:
        if not isinstance(name, str) or not Path(name).is_absolute():
            continue
        path = Path(name)
        if path.is_dir():
            found += [path / part for part in ("config.json", "hf_quant_config.json")]
        else:
            found.append(path)
    return [path for path in dict.fromkeys(found) if path.is_file()]


def _what_matters(scenario: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """Return what the key has of a scenario: contents instead of paths, no labels, no threads."""
    kept = {name: value for name, value in scenario.items() if name not in NOT_IN_THE_KEY}
    kept["solver"] = {name: value for name, value in scenario["solver"].items() if name != "workers"}
    path = scenario["performance"]["path"]
    kept["performance"] = {**scenario["performance"], "path": files.get(path, path)}
    # A trace is read into the rates and token counts; LLMs given by path come by their content.
    kept["workloads"] = [
        {**workload, "trace": None, "llms": [llm for llm in workload["llms"] if not Path(llm).is_absolute()]}
        for workload in scenario["workloads"]
    ]
    return kept


def _llms(question: Question) -> dict[str, list[Any]]:
    """Return the architectures of every workload's LLMs; those only a table of rates knows by name."""
    found: dict[str, list[Any]] = {}
    for workload in question.scenario.workloads:
        found[workload.name] = [_architecture(question, llm) for llm in workload.llms]
    return found


def _architecture(question: Question, name: str) -> Any:
    try:
        llm = question.catalog.llm(name)
    except LookupError:
        return name
    fields = dataclasses.asdict(llm)
    fields.pop("source")
    if Path(name).is_absolute() and not question.scenario.performance.measured_throughout:
        fields.pop("id")  # where it was read from does not change the answer; a table knows it by this name
    return {
        field: sorted(value) if isinstance(value, frozenset) else value for field, value in fields.items()
    }


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _written(document: Document | None) -> dict[str, Any] | None:
    """Return a document with its lines as JSON, so that an answer can name the line of a promise."""
    if document is None:
        return None
    path = None if document.path is None else str(document.path)
    lines = [[*loc, line] for loc, line in document.lines.items()]
    return {"name": document.name, "path": path, "data": document.data, "lines": lines}


def _document(written: dict[str, Any] | None) -> Document | None:
    if written is None:
        return None
    path = None if written["path"] is None else Path(written["path"])
    lines = {tuple(row[:-1]): int(row[-1]) for row in written["lines"]}
    return Document(written["data"], path, written["name"], lines)
