"""Rates kept from run to run: taken up exactly, shared between processes, never in the way."""

from __future__ import annotations

import json
import os

import pytest

from planner.report.doctor import checks
from planner.shapes import KeptTimings
from planner.shapes.rate_cache import RateCache, cache_folder, code_version, kept_files, user_cache
from tests.shapes.test_kept import columns, no_timing, question_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that the environment names for rates, empty."""
    monkeypatch.setenv("PLANNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rates"


def test_a_later_run_times_nothing_and_finds_the_same(folder, tmp_path, monkeypatch):
    """Another set of timings, as another process has it, reads what the first one kept."""
    before = columns(question_of(tmp_path), KeptTimings())
    assert [path.parent.name for _, path, _ in kept_files(folder)] == [code_version()] * len(
        kept_files(folder)
    )
    no_timing(monkeypatch)
    assert columns(question_of(tmp_path), KeptTimings()) == before
    with pytest.raises(AssertionError, match="timed again"):
        columns(question_of(tmp_path), KeptTimings(cache=None))


def test_nothing_new_writes_nothing(folder, tmp_path):
    """A run that takes everything up leaves the pages as they are."""
    columns(question_of(tmp_path), KeptTimings())
    written = {path: path.read_text() for _, path, _ in kept_files(folder)}
    timings = KeptTimings()
    assert isinstance(timings.cache, RateCache)
    timings.cache.add = lambda *_: pytest.fail("wrote again")  # type: ignore[method-assign]
    columns(question_of(tmp_path), timings)
    assert {path: path.read_text() for _, path, _ in kept_files(folder)} == written


@pytest.mark.parametrize("damage", ["", "{", "0\n{}", "cut", "changed", "no text"])
def test_a_damaged_page_counts_as_none(folder, tmp_path, damage):
    """Whatever stands in a page: rates are those timed anew, and the page is sound again."""
    before = columns(question_of(tmp_path), KeptTimings())
    for _, path, _ in kept_files(folder):
        sound = path.read_text()
        if damage == "no text":
            path.write_bytes(b"\xff\xfe\x00")
        else:
            path.write_text({"cut": sound[:-40], "changed": sound.replace("1", "2")}.get(damage, damage))
    assert columns(question_of(tmp_path), KeptTimings()) == before
    for _, path, _ in kept_files(folder):
        assert json.loads(path.read_text().split("\n", 1)[1])


def test_processes_keep_what_others_kept_meanwhile(tmp_path):
    """Two caches that read before either wrote: both additions are there."""
    one, other = RateCache(tmp_path / "v"), RateCache(tmp_path / "v")
    assert one.page("p") == other.page("p") == {}
    one.add({"p": {"a": {"saturated_rps": 1.25}}})
    other.add({"p": {"b": {"saturated_rps": 2.5}, "a": {"awake_w": 7}}})
    assert RateCache(tmp_path / "v").page("p") == {
        "a": {"saturated_rps": 1.25, "awake_w": 7},
        "b": {"saturated_rps": 2.5},
    }


def test_the_longest_unused_pages_go_first(tmp_path):
    """Beyond the limit half of it stays, the latest, whatever model they are of."""
    cache = RateCache(tmp_path / "new", most_bytes=4_000)
    for number in range(3):
        RateCache(tmp_path / "old").add({f"p{number}": {"a": {"filler": "x" * 1_000}}})
        os.utime(tmp_path / "old" / f"p{number}.json", (number, number))
    cache.add({"q": {"a": {"filler": "x" * 1_000}}})
    assert sorted(path.name for _, path, _ in kept_files(tmp_path)) == ["q.json"]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("here")
    monkeypatch.setenv("PLANNER_CACHE", str(tmp_path / "file"))
    assert columns(question_of(tmp_path), KeptTimings())
    assert (tmp_path / "file").read_text() == "here"


def test_the_environment_says_where(tmp_path, monkeypatch):
    """Off, a folder, the user's cache folder."""
    monkeypatch.setenv("PLANNER_CACHE", "off")
    assert cache_folder() is None
    assert user_cache() is None
    assert KeptTimings().cache is None
    assert any(check.name == "kept rates" and "turned off" in check.found for check in checks())
    monkeypatch.delenv("PLANNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "planner" / "rates"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "planner" / "rates"
    assert any(check.name == "kept rates" and str(tmp_path) in check.found for check in checks())
