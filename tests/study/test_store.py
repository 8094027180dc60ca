"""Finished rows are never lost: one line each, and a line cut short is as if it were not there."""

from __future__ import annotations

import importlib.util

import pandas as pd

from planner.study.outcome import Outcome
from planner.study.store import LINES, Store, write_table


def infeasible(reason="too little power"):
    """An outcome without a plan."""
    return Outcome("infeasible", None, reason, 0.5)


def test_rows_come_back_by_the_question_they_answer(tmp_path):
    """A second store over the same folder knows them."""
    Store(tmp_path).add(1, "key", {"a": [1, 2]}, infeasible())
    row = Store(tmp_path).known("key")
    assert (row.inputs, row.status, row.reason) == ({"a": [1, 2]}, "infeasible", "too little power")
    assert Store(tmp_path).known("another") is None


def test_a_line_cut_short_costs_only_itself(tmp_path):
    """Half a line at the end, then another row: the first and the last are there."""
    store = Store(tmp_path)
    store.add(1, "first", {}, infeasible())
    with (tmp_path / LINES).open("a") as stream:
        stream.write('{"number": 2, "key": "sec')
    Store(tmp_path).add(3, "third", {}, infeasible())
    store = Store(tmp_path)
    assert store.known("first") is not None
    assert store.known("third") is not None
    assert store.known("second") is None


def test_a_point_that_was_stopped_is_solved_again(tmp_path):
    """No plan in time is no answer; no plan at all is one."""
    store = Store(tmp_path)
    store.add(1, "slow", {}, Outcome("stopped", None, "no plan was found in time"))
    assert store.known("slow") is None


def test_the_table_has_a_row_per_point_and_one_type_per_column(tmp_path):
    """CSV always; Parquet too where pyarrow is installed, mixed columns as text."""
    files = write_table(pd.DataFrame({"a": [1, "*0.9"], "b": [1.5, None]}), tmp_path, "results")
    assert files[0].read_text() == "a,b\n1,1.5\n*0.9,\n"
    assert [path.suffix for path in files[1:]] == [".parquet"] * bool(importlib.util.find_spec("pyarrow"))
