"""The written references agree with the code."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from planner.files import FileModel
from planner.files.reference import model_reference, with_reference
from planner.scenario import Scenario
from planner.topology import Topology

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("name", "model"), [("scenario", Scenario), ("topology", Topology)])
def test_the_reference_has_not_drifted(name: str, model: type[BaseModel]) -> None:
    """docs/*.md are what the models say now; `python docs/make_reference.py` writes them again."""
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert with_reference(page, model) == page


def test_every_field_has_a_meaning() -> None:
    """No field of a scenario or topology goes unexplained."""

    def models(annotation: object) -> list[type[FileModel]]:
        if isinstance(annotation, type) and issubclass(annotation, FileModel):
            return [annotation]
        return [m for part in getattr(annotation, "__args__", ()) for m in models(part)]

    waiting: list[type[FileModel]] = [Scenario, Topology]
    while waiting:
        model = waiting.pop()
        for name, info in model.model_fields.items():
            assert info.description, f"{model.__name__}.{name}"
            waiting += models(info.annotation)


def test_a_table_says_type_limits_and_default() -> None:
    """The row of a limited number."""
    text = model_reference(Scenario)
    assert "| `relative_gap` | number (>= 0, < 1) | `0.01` |" in text
    assert "[Workload](#workload)" in text
