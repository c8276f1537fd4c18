"""Four processes with four threads each, on one stream of one store; killed and stopped ones."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.stress.tools import Child, children, contents, stress_seconds

PROCESSES = THREADS = 4


@pytest.fixture
def shared(data_dir: Path) -> Path:
    with pyesdb.open(data_dir) as db:
        db.create_store("contested")
    return data_dir


def run(started: list[Child]) -> list[dict[str, Any]]:
    for child in started:
        child.go()
    return [child.report() for child in started]


def check_stored(directory: Path, reports: list[dict[str, Any]], *, lost: int = 0) -> int:
    """One winner per version, positions without a hole; `lost`: winners that could not report."""
    assert [failure for report in reports for failure in report["failures"]] == []
    won = {
        version: (position, name) for report in reports for version, position, name in report["won"]
    }
    assert len(won) == sum(len(report["won"]) for report in reports)
    with pyesdb.open(directory) as db:
        stored = contents(db.store("contested"))
    assert [row[0] for row in stored] == list(range(1, len(stored) + 1))
    assert [row[2] for row in stored] == list(range(len(stored)))
    unreported = [row for row in stored if won.get(row[2]) != (row[0], row[3])]
    assert len(unreported) <= lost
    assert len(stored) == len(won) + len(unreported)
    return len(stored)


def test_one_winner_per_version_and_no_hole(shared: Path) -> None:
    each = 6
    with children(PROCESSES, "append", shared, "s", THREADS, "count", each) as started:
        reports = run(started)
    assert check_stored(shared, reports) == PROCESSES * THREADS * each


def test_a_killed_process_holds_nobody_up(shared: Path) -> None:
    with (
        children(2, "append", shared, "s", 2, "count", 5) as started,
        children(1, "stop", shared, "SIGKILL") as [victim],
    ):
        victim.go()
        victim.expect("holding")  # and died with the lock, in the middle of its commit
        assert victim.process.wait(60) == -signal.SIGKILL
        reports = run(started)
    assert [len(report["won"]) for report in reports] == [10, 10]
    with pyesdb.open(shared) as db:
        store = db.store("contested")
        assert store.version("held") == 0
        assert [e.position for e in store.read_all()] == list(range(1, 22))


def test_a_stopped_holder_leaves_deadlines_and_is_named(shared: Path) -> None:
    with children(1, "stop", shared, "SIGSTOP") as [holder], pyesdb.open(shared) as db:
        store = db.store("contested")
        store.version("held")
        holder.go()
        holder.expect("holding")
        for _ in range(2):
            with pytest.raises(pyesdb.DeadlineExceeded, match=str(holder.pid)) as caught:
                store.append("s", NewEvent("Late"), timeout=0.05)
            assert "stop.py" in str(caught.value)
        asyncio.run(late(shared, holder.pid))
        assert store.version("held") == 0  # reading goes on
        assert db.store().append("s", NewEvent("Else")).version == 0  # so do other stores
        holder.signal(signal.SIGCONT)
        assert holder.line() == "1"
        assert store.append("s", NewEvent("OnTime"), timeout=60).version == 0
        assert [e.type for e in store.read_all()] == ["Before", "Held", "OnTime"]


async def late(directory: Path, pid: int) -> None:
    async with await pyesdb.open_async(directory) as db:
        with pytest.raises(pyesdb.DeadlineExceeded, match=str(pid)):
            await db.store("contested").append("s", NewEvent("Late"), timeout=0.05)


def test_a_store_held_by_a_stopped_process_can_be_closed(shared: Path) -> None:
    with children(1, "stop", shared, "SIGSTOP") as [holder]:
        with pyesdb.open(shared) as db:
            store = db.store("contested")
            store.version("held")
            holder.go()
            holder.expect("holding")
            with pytest.raises(pyesdb.DeadlineExceeded):
                store.append("s", NewEvent("Late"), timeout=0.05)
        holder.signal(signal.SIGCONT)
        assert holder.line() == "1"
    with pyesdb.open(shared) as db:
        assert db.store("contested").append("s", NewEvent("OnTime")).version == 0


@pytest.mark.stress
def test_thirty_seconds_of_four_processes(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = min(30.0, stress_seconds(0.1))
    with children(PROCESSES, "append", shared, "s", THREADS, "seconds", seconds) as started:
        reports = run(started)
    total = check_stored(shared, reports)
    shares = [len(report["won"]) / total for report in reports]
    longest = max(report["longest"] for report in reports)
    with capsys.disabled():
        print(
            f"\n4 processes x 4 threads, {seconds:.0f} s: {total} events, "
            f"shares {[f'{share:.1%}' for share in shares]}, longest call {longest:.3f} s"
        )
    assert min(shares) >= 0.05


@pytest.mark.stress
def test_killing_one_of_four_blocks_nobody_for_a_second(
    shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds, rounds = 4.0, max(1, int(min(5, stress_seconds(0.05) / 4)))
    blocked = []
    for number in range(rounds):
        stream = f"s{number}"
        with children(PROCESSES, "append", shared, stream, THREADS, "seconds", seconds) as started:
            for child in started:
                child.go()
            time.sleep(seconds / 2)
            started[number % PROCESSES].process.kill()
            started.pop(number % PROCESSES).end()
            reports = [child.report() for child in started]
        assert [report["failures"] for report in reports] == [[], [], []]
        blocked.append(max(report["longest"] for report in reports))
    with pyesdb.open(shared) as db:
        stored = contents(db.store("contested"))
    assert [row[0] for row in stored] == list(range(1, len(stored) + 1))
    versions = Counter((row[1], row[2]) for row in stored)
    assert max(versions.values()) == 1
    with capsys.disabled():
        print(
            f"\nkilled one of four, {rounds} times: longest call {[f'{b:.3f}' for b in blocked]} s"
        )
    assert max(blocked) < 1.0
