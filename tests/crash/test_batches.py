"""kill -9 in the middle of a batch: all of it or nothing, and what was acknowledged is there."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

import pyesdb
from tests.crash.batches import APPENDED, killed
from tests.stress.tools import stress_seconds


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
        assert set(sizes.values()) <= {APPENDED}
        assert sorted(sizes) == list(range(1, len(sizes) + 1))
        following = store.append("after", pyesdb.NewEvent("E"))
        assert following.position == len(events) + 1
        return len(sizes)


@pytest.mark.parametrize(("place", "stored"), [("before", 3), ("behind", 4)])
def test_killed_around_the_commit(data_dir: Path, place: str, stored: int) -> None:
    assert killed("append", data_dir, place) == 3
    assert stored_batches(data_dir) == stored


@pytest.mark.parametrize("acknowledged", [1, 5, 12])
def test_killed_anywhere(data_dir: Path, acknowledged: int) -> None:
    found = killed("append", data_dir, "any", acknowledged)
    assert found >= acknowledged
    assert stored_batches(data_dir) in (found, found + 1)


@pytest.mark.stress
def test_killed_again_and_again(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end, chance, rounds, batches = time.monotonic() + stress_seconds(0.1), random.Random(9), 0, 0
    while time.monotonic() < end:
        directory = data_dir / str(rounds)
        directory.parent.mkdir(exist_ok=True)
        found = killed("append", directory, "any", chance.randrange(1, 200))
        assert stored_batches(directory) in (found, found + 1)
        rounds, batches = rounds + 1, batches + found
    with capsys.disabled():
        print(f"\nkilled {rounds} times in {batches} batches of {APPENDED}: none torn, none lost")
