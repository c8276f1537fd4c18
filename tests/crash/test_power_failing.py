"""An fsync fails once, the next one succeeds, the power goes: the disk never had those pages."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import pyesdb
from tests.crash.power.disk import Disk, File, Write
from tests.crash.power.failing import BEFORE, MANY
from tests.crash.power.images import Least, content, materialise
from tests.crash.power.lab import ROOT
from tests.stress.tools import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
IMAGES = 6


def acknowledged(folder: Path, how: str, number: int = -1) -> list[str]:
    """Run a process until its power goes; a line for each event that it was sure of."""
    env = environment()
    env["PYTHONPATH"] += os.pathsep + str(ROOT)
    command = [sys.executable, "-m", "tests.crash.power.failing"]
    done = subprocess.run(
        [*command, str(folder / "disk"), str(folder / "record"), how, str(number)],
        cwd=ROOT, env=env, text=True, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return done.stdout.splitlines()


def found(disk: Disk, chance: Random, image: Path) -> list[str]:
    """What the plain package finds when the power is back."""
    materialise(disk, chance, image)
    with pyesdb.open(image / "data") as db:
        store = db.store("orders")
        lines = [f"{event.position} {event.json()['text']}" for event in store.read_all()]
        assert store.verify().ok
    return lines


def nothing_is_lost(folder: Path, wanted: list[str], events: set[int]) -> None:
    disk = pickle.loads((folder / "record").read_bytes())["disk"]
    for number, chance in enumerate((Least(0), *map(Random, range(IMAGES)))):
        lines = found(disk, chance, folder / f"image{number}")
        assert [line for line in wanted if line not in lines] == []
        assert len(lines) - BEFORE in events


def killed(folder: Path) -> list[str]:
    """The fsync of the fourth commit fails, and the process dies."""
    (folder / "disk").mkdir()
    wanted = acknowledged(folder, "killed")
    assert len(wanted) == 3
    return wanted


def test_the_next_process_finds_a_commit_that_never_reached_the_disk(tmp_path: Path) -> None:
    """It was not acknowledged, but it can be read, and what is acknowledged lies behind it."""
    wanted = killed(tmp_path)
    wanted += acknowledged(tmp_path, "after")
    assert [line.split(" ", 1)[1] for line in wanted[3:]] == ["after 0", "after 1", "after 2"]
    nothing_is_lost(tmp_path, wanted, {6 + MANY})


@pytest.mark.parametrize(
    "number",
    [pytest.param(n, marks=[] if n in (4, 8) else [pytest.mark.slow]) for n in range(1, 26)],
)
def test_the_power_goes_while_the_next_process_opens(tmp_path: Path, number: int) -> None:
    """A checkpoint instead would leave pages in the file that older ones in the log hide."""
    wanted = killed(tmp_path)
    wanted += acknowledged(tmp_path, "after", number)
    nothing_is_lost(tmp_path, wanted, {3, *(n + MANY for n in range(3, 7))})


def test_the_process_itself_goes_on(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    wanted = acknowledged(tmp_path, "goes-on")
    assert wanted[3].endswith("behind it")
    nothing_is_lost(tmp_path, wanted, {4})


def test_a_file_of_which_a_sync_failed() -> None:
    file = File(b"......")
    file.pending.append(Write(0, b"ab"))
    file.fail_to_sync()
    file.pending.append(Write(1, b"cd"))
    assert file.now() == b"acd..."
    file.sync()
    assert file.now() == b"acd..."
    assert content(file, Least(0)) == b".cd..."
