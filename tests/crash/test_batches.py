"""kill -9 in the middle of a batch: all of it or nothing, and what was acknowledged is there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import pyesdb
from tests.stress.tools import environment, stress_seconds

SCRIPT = Path(__file__).with_name("batches.py")
SIZE = 40


def killed(directory: Path, place: str, acknowledged: int = 0) -> int:
    """Let the child write until it is killed; how many batches it acknowledged."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(directory), place],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        if place == "any":
            process.kill()
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    return sum(line.endswith("\n") for line in lines)


def stored_batches(directory: Path) -> int:
    """How many batches are stored; each must be complete, versions and positions too."""
    with pyesdb.open(directory) as db:
        store = db.store()
        events = store.read_all().to_list()
        assert [e.position for e in events] == list(range(1, len(events) + 1))
        for stream in ("a", "b"):
            versions = [e.version for e in events if e.stream == stream]
            assert versions == list(range(len(versions)))
        sizes = Counter(e.json()["batch"] for e in events)
        assert set(sizes.values()) <= {SIZE}
        assert sorted(sizes) == list(range(1, len(sizes) + 1))
        following = store.append("after", pyesdb.NewEvent("E"))
        assert following.position == len(events) + 1
        return len(sizes)


@pytest.mark.parametrize(("place", "stored"), [("before", 3), ("behind", 4)])
def test_killed_around_the_commit(data_dir: Path, place: str, stored: int) -> None:
    assert killed(data_dir, place) == 3
    assert stored_batches(data_dir) == stored


@pytest.mark.parametrize("acknowledged", [1, 5, 12])
def test_killed_anywhere(data_dir: Path, acknowledged: int) -> None:
    found = killed(data_dir, "any", acknowledged)
    assert found >= acknowledged
    assert stored_batches(data_dir) in (found, found + 1)


@pytest.mark.stress
def test_killed_again_and_again(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end, chance, rounds, batches = time.monotonic() + stress_seconds(0.1), random.Random(9), 0, 0
    while time.monotonic() < end:
        directory = data_dir / str(rounds)
        directory.parent.mkdir(exist_ok=True)
        found = killed(directory, "any", chance.randrange(1, 200))
        assert stored_batches(directory) in (found, found + 1)
        rounds, batches = rounds + 1, batches + found
    with capsys.disabled():
        print(f"\nkilled {rounds} times in {batches} batches of {SIZE}: none torn, none lost")
