"""Documents keep their lines, and every error is told at once."""

import json
from pathlib import Path

import pytest
from pydantic import Field, field_validator

from planner.files import (
    FieldProblem,
    FileModel,
    InputFaults,
    close_matches,
    content_hash,
    read_document,
    validate,
    write_json_atomic,
    write_text_atomic,
)
from planner.files.document import parse_document


class Wheel(FileModel):
    name: str
    size_mm: float = Field(gt=0)


class Bike(FileModel):
    wheels: list[Wheel]
    colors: dict[str, float] = Field(default_factory=dict)
    basket: Wheel | None = None

    @field_validator("colors")
    @classmethod
    def _sum(cls, value: dict[str, float]) -> dict[str, float]:
        if value and sum(value.values()) != 1:
            raise FieldProblem(f"a sum of {sum(value.values())}", "a sum of 1", "scale them")
        return value


BIKE = """\
wheels:
  - name: front
    size_mm: 622
  - {name: rear, size_mm: -1}
  - name: spare
    sise_mm: 3
colors: {red: 0.5, blue: 0.25}
"""


def test_all_errors_of_a_document_are_reported_together_with_lines() -> None:
    """Four mistakes give four faults, each on its own line with its own path."""
    document = parse_document(BIKE, name="bike.yaml")
    with pytest.raises(InputFaults) as caught:
        validate(Bike, document)
    faults = {fault.field: fault for fault in caught.value.faults}
    assert faults["wheels.rear.size_mm"].line == 4
    assert faults["wheels.rear.size_mm"].allowed == "a number above 0.0"
    assert faults["wheels.spare.size_mm"].found == "nothing"
    assert faults["wheels.spare.sise_mm"].line == 6
    assert "did you mean 'size_mm'?" in faults["wheels.spare.sise_mm"].advice
    assert faults["colors"].line == 7
    assert faults["colors"].found == "a sum of 0.75"
    assert len(faults) == 4
    assert str(faults["colors"]).startswith("bike.yaml:7: colors: found a sum of 0.75; allowed:")


def test_an_optional_model_says_its_fields_too() -> None:
    """The fields of a model inside a union are found for the advice."""
    document = parse_document("wheels: []\nbasket: {name: b, size_mm: 3, sze: 1}\n")
    with pytest.raises(InputFaults, match="one of name, size_mm"):
        validate(Bike, document)


def test_a_yaml_typo_names_its_line(tmp_path: Path) -> None:
    """An unclosed bracket is a fault with a line, not a traceback."""
    path = tmp_path / "typo.yaml"
    path.write_text("name: a\nlist: [1, 2\nother: 3\n")
    with pytest.raises(InputFaults) as caught:
        read_document(path)
    assert caught.value.faults[0].line == 3
    assert "brackets" in caught.value.faults[0].advice


def test_a_key_written_twice_is_a_fault() -> None:
    """The second of two equal keys would silently win; it is refused instead."""
    with pytest.raises(InputFaults, match="duplicate key"):
        parse_document("a: 1\nb: 2\na: 3\n")


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    """A misspelled file name is answered with the file that is there."""
    (tmp_path / "scenario.yaml").write_text("{}")
    with pytest.raises(InputFaults, match=r"did you mean 'scenario\.yaml'"):
        read_document(tmp_path / "scenaro.yaml")


def test_a_file_that_is_not_text_is_a_fault(tmp_path: Path) -> None:
    """Binary content and folders are answered, not raised."""
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputFaults, match="UTF-8"):
        read_document(tmp_path / "x.yaml")
    with pytest.raises(InputFaults, match="a folder"):
        read_document(tmp_path)


def test_json_keeps_lines_too(tmp_path: Path) -> None:
    """JSON documents answer with lines, and JSON typos with the JSON reader's words."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": {"b": [1, 2]}}, indent=1))
    document = read_document(path)
    assert document.data == {"a": {"b": [1, 2]}}
    assert document.line(("a", "b", 1)) == 5
    assert document.line(("a", "nothing", "here")) == 2
    path.write_text('{"a": 1,}')
    with pytest.raises(InputFaults, match="valid JSON"):
        read_document(path)


def test_data_is_plain_python() -> None:
    """Anchors, merges, numbers in exponent form and dates come out as plain values."""
    text = "base: &b {x: 20e6, on: true}\nuse: {<<: *b, y: 1_000}\nday: 2026-01-05\n"
    data = parse_document(text).data
    assert data["use"] == {"x": 20e6, "on": True, "y": 1000}
    assert type(data["use"]["x"]) is float
    assert type(data["use"]["on"]) is bool
    assert data["day"] == "2026-01-05"


def test_part_of_a_document_keeps_file_and_lines() -> None:
    """An inline section is validated as its own document, with the lines of the whole."""
    part = parse_document("a: 1\nb:\n  c:\n    d: 2\n", name="f.yaml").part("b")
    assert part.data == {"c": {"d": 2}}
    assert part.line(("c", "d")) == 4
    assert part.name == "f.yaml"


def test_writing_is_atomic_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A refused JSON value leaves the old file as it was and no temporary file."""
    path = tmp_path / "plan.json"
    write_json_atomic(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_atomic(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    write_text_atomic(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]


def test_hash_depends_on_content_not_order() -> None:
    """Two dictionaries with the same content have the same name."""
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


def test_close_matches_list_a_few_choices_when_nothing_is_near() -> None:
    """With few choices and none near, all are named; with many, none."""
    assert close_matches("zzz", ["red", "blue"]) == "known: blue, red"
    assert close_matches("zzz", [f"choice{i}" for i in range(50)]) == ""


def test_faults_travel_between_processes() -> None:
    """A batch worker can send the faults of a job back."""
    import pickle

    with pytest.raises(InputFaults) as caught:
        validate(Bike, parse_document("{}"))
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.faults == caught.value.faults


BOMB = "templates:\n  a0: &a0 [x, x]\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


def test_aliases_that_grow_beyond_measure_are_a_fault() -> None:
    """A dozen lines that stand for 2e11 values are refused at once, with the line they begin at."""
    with pytest.raises(InputFaults) as caught:
        parse_document(BOMB, "bomb.yaml")
    (fault,) = caught.value.faults
    assert (fault.file, fault.line) == ("bomb.yaml", 1)
    assert "aliases" in fault.found


@pytest.mark.parametrize("text", ["a: " + "[" * 150 + "]" * 150, "a: " + "[" * 3_000 + "]" * 3_000])
def test_values_without_end_are_a_fault(text: str) -> None:
    """Brackets without end, whether the parser still takes them or not."""
    with pytest.raises(InputFaults, match="levels"):
        parse_document(text)


def test_json_without_end_is_a_fault() -> None:
    """The JSON parser gives up in words too."""
    with pytest.raises(InputFaults, match="levels"):
        parse_document("[" * 200_000 + "]" * 200_000, path=Path("deep.json"))


def test_ordinary_aliases_are_written_out() -> None:
    """An alias used three times is three values, each with the line where it stands."""
    document = parse_document("a: &a {x: 1}\nb: [*a, *a]\n")
    assert document.data == {"a": {"x": 1}, "b": [{"x": 1}, {"x": 1}]}


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_the_mark_at_the_start_of_windows_files_is_no_content(tmp_path: Path, ending: str) -> None:
    """A byte-order mark is skipped, in YAML and JSON."""
    path = tmp_path / f"file.{ending}"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}')
    assert read_document(path).data == {"a": 1}
    assert parse_document('\ufeff{"a": 1}', path=path).data == {"a": 1}
