"""The formulation page cannot drift from the code."""

from pathlib import Path

from planner.optimize.build import FAMILIES
from planner.optimize.formulation import formulation_markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formulation.md"


def test_the_page_is_what_the_code_says():
    """Regenerate with: python -m planner.optimize.formulation > docs/formulation.md."""
    assert PAGE.read_text(encoding="utf-8") == formulation_markdown()


def test_every_family_states_its_rows():
    """Each constraint family has a title and at least one equation with a meaning."""
    for family in FAMILIES:
        assert family.TITLE
        assert all(row and equation and meaning for row, equation, meaning in family.EQUATIONS)
