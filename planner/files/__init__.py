"""Read what people write, answer with line numbers, write whole files or nothing.

The lowest room: it knows YAML, JSON and pydantic, and nothing about deployments.
"""

from planner.files.document import Document, read_document
from planner.files.faults import FieldProblem, FieldProblems, InputFault, InputFaults, close_matches, nearest
from planner.files.validate import FileModel, faulty_places, model_faults, validate
from planner.files.write import content_hash, write_json_atomic, write_text_atomic

__all__ = [
    "Document",
    "FieldProblem",
    "FieldProblems",
    "FileModel",
    "InputFault",
    "InputFaults",
    "close_matches",
    "content_hash",
    "faulty_places",
    "model_faults",
    "nearest",
    "read_document",
    "validate",
    "write_json_atomic",
    "write_text_atomic",
]
