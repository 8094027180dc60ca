"""A full disk and a read-only folder: a clear message, and a store that is as it was."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner.batch import StoreFailure, run_batch
from planner.batch.database import in_words
from tests.batch.questions import write_grid, write_scenario

REPOSITORY = Path(__file__).resolve().parents[2]

CAN_MOUNT = (
    subprocess.run(
        ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"],
        capture_output=True,
        check=False,
    ).returncode
    == 0
    if os.access("/usr/bin/unshare", os.X_OK)
    else False
)
"""Whether this machine lets a process mount a file system of its own."""


def test_a_full_disk_is_named_and_what_is_stored_stays(tmp_path):
    """Some jobs are answered, then the disk is full; with room again the rest is solved."""
    study = write_grid(tmp_path / "study", list(range(10, 50)))
    place = tmp_path / "place"
    place.mkdir()
    kind = "tmpfs" if CAN_MOUNT else "limit"
    script = [sys.executable, "-m", "tests.batch.full_disk", str(place), str(study), kind]
    if CAN_MOUNT:
        mount = f"mount -t tmpfs -o size=6m none {place} && exec " + " ".join(script)
        script = ["unshare", "-Urm", "sh", "-c", mount]
    result = subprocess.run(
        script, capture_output=True, text=True, cwd=REPOSITORY, timeout=120, env=environment(), check=False
    )
    said = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert ("no space left on its disk" if CAN_MOUNT else "disk I/O error") in said["failure"], result
    assert "planner batch resume" in said["failure"]
    assert said["integrity"] == "ok"
    done, files = map(int, said["answered"].split())
    assert 0 < done <= files < 40
    assert said["leftovers"] == "0"
    assert said["resumed"] == "40"


def environment():
    """Return the environment of this process, with these tests importable."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.mark.parametrize(
    ("error", "expected"),
    [(28, "no space left"), (122, "no space left"), (30, "cannot be written"), (13, "cannot be written")],
)
def test_failures_of_the_disk_are_said_in_words(tmp_path, error, expected):
    """ENOSPC, EDQUOT, EROFS and EACCES; the message says that what is finished is safe."""
    with pytest.raises(StoreFailure, match=f"{expected}.*what is finished is safe"), in_words(tmp_path):
        raise OSError(error, os.strerror(error))


def as_anybody():
    """Give up root's right to write everywhere, in a child process that is about to start."""
    drop_capability, override, search = 24, 1, 2  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if os.geteuid() == 0:
        for capability in (override, search):
            ctypes.CDLL(None).prctl(drop_capability, capability, 0, 0, 0)


def planner(*arguments):
    """Run the command line without the rights of root."""
    return subprocess.run(
        [sys.executable, "-m", "planner.cli", "batch", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=120,
        preexec_fn=as_anybody,
        check=False,
    )


def digests(folder):
    """Return the content of every file in a folder."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_read_only_folder_is_named_and_can_still_be_read(tmp_path):
    """Running and resuming are refused; status and results work; no byte changes."""
    path = write_scenario(tmp_path)
    folder = tmp_path / "night"
    assert [result.status for result in run_batch([path], folder, workers=1)] == ["optimal"]
    before = digests(folder)
    everything = [folder, *folder.rglob("*")]
    for place in everything:
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        for command in (("run", path, "-o", folder), ("resume", folder), ("cancel", folder)):
            refused = planner(*command)
            assert refused.returncode in (2, 4), refused
            assert "it cannot be written" in refused.stderr
            assert "Traceback" not in refused.stderr
        assert "1 of 1 done" in planner("status", folder).stdout
        table = tmp_path / "table.csv"
        assert planner("results", folder, "-o", table).returncode == 0
        assert "optimal" in table.read_text()
    finally:
        for place in everything:
            place.chmod(0o755)
    assert digests(folder) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """Its parent is read-only."""
    parent = tmp_path / "closed"
    parent.mkdir(mode=0o555)
    refused = planner("run", write_scenario(tmp_path), "-o", parent / "night")
    assert refused.returncode == 4
    assert f"{parent}/night: it cannot be written" in refused.stderr
