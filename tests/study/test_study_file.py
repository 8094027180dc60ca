"""Study files are checked like scenarios: everything wrong at once, with lines."""

from __future__ import annotations

import pytest

from planner.files import InputFaults
from planner.study.break_even import BreakEvenStudy
from planner.study.pareto import ParetoStudy
from planner.study.sensitivity import SensitivityStudy
from planner.study.study_file import Span, open_study
from planner.study.sweep import SweepStudy
from tests.study.questions import written


def faults(model, path):
    """Return the messages of a study that is refused."""
    with pytest.raises(InputFaults) as caught:
        open_study(model, path)
    return [str(fault) for fault in caught.value.faults]


def test_faults_of_the_study_and_of_its_changes_are_told_together(tmp_path):
    """A wrong method, a wrong figure, a span upside down and a change that leads nowhere."""
    written(tmp_path, {})
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "scenario: scenario.json\n"
        "changes: ['workloads.chatt.rate_rps=1']\n"
        "vary:\n"
        "  workloads.chat.rate_rps: {low: 3, high: 2}\n"
        "method: gird\n"
        "show: [costs]\n"
    )
    texts = faults(SweepStudy, path)
    assert any("wrong.yaml:4: vary" in text and "low 3, high 2" in text for text in texts)
    assert any("wrong.yaml:5: method: found 'gird'" in text for text in texts)
    assert any("did you mean 'chat'?" in text for text in texts)


def test_a_scenario_that_is_not_there_is_named_with_its_line(tmp_path):
    """The path starts at the study's folder, and the message says where was looked."""
    path = tmp_path / "study.yaml"
    path.write_text("name: x\nscenario: gone.yaml\nvary: {workloads.chat.rate_rps: [1]}\n")
    (text,) = faults(SweepStudy, path)
    assert "study.yaml:2: scenario: found no file 'gone.yaml'" in text
    assert str(tmp_path / "gone.yaml") in text


def test_a_study_of_another_kind_names_its_command(tmp_path):
    """`planner sweep` on a Pareto study does not list unknown fields."""
    path = written(tmp_path, {"study": "pareto", "objectives": ["cost", "power"]})
    (text,) = faults(SweepStudy, path)
    assert "run `planner pareto` on it" in text
    assert open_study(ParetoStudy, path).study.objectives == ["cost", "power"]


def test_a_study_is_named_after_its_file(tmp_path):
    """Reports need a name; the file has one."""
    path = written(tmp_path, {"vary": {"workloads.chat.rate_rps": [1]}})
    assert open_study(SweepStudy, path).study.name == "study"


@pytest.mark.parametrize(
    ("model", "wrong", "told"),
    [
        (ParetoStudy, {"objectives": ["cost", "cost"]}, "each objective once"),
        (ParetoStudy, {"objectives": ["cost"]}, "at least 2 entries"),
        (BreakEvenStudy, {"path": "a.b", "low": 2, "high": 1}, "a low end below the high end"),
        (SensitivityStudy, {"inputs": []}, "at least 1 entries"),
        (SensitivityStudy, {"inputs": [{"path": "a", "low": 1, "high": 2}] * 2}, "a name for each input"),
        (SensitivityStudy, {"inputs": [{"path": "a", "low": 1, "high": 2}], "measure": "x"}, "one of cost"),
        (SweepStudy, {"vary": {}}, "at least one path"),
        (SweepStudy, {"vary": {"a": []}}, "at least one"),
        (SweepStudy, {"vary": {"a": [1, 2], "b": [1]}, "method": "list"}, "lists of equal length"),
        (SweepStudy, {"method": "csv"}, "the CSV file of the points"),
        (SweepStudy, {"vary": {"a": {"low": 0, "high": 1, "scale": "log"}}}, "a low end above 0"),
    ],
)
def test_studies_that_make_no_sense_are_refused(tmp_path, model, wrong, told):
    """Each rule of each kind of study, in words."""
    assert any(told in text for text in faults(model, written(tmp_path, wrong)))


def test_spans_are_spread_by_steps_or_by_ratios():
    """Ends included; a log span has equal ratios."""
    assert Span(low=1, high=2, steps=3).values() == [1, 1.5, 2]
    assert Span(low=1, high=100, steps=3, scale="log").values() == [1, 10, 100]
