"""What a node does by itself: one thread, started when needed, ended with the node."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.node.duties import Duties
from tests.scale.tools import node_of

others: set[threading.Thread] = set()
"""Threads of databases that tests before have left for the garbage collector."""


@pytest.fixture(autouse=True)
def _look() -> None:
    others.clear()
    others.update(running())


def running() -> list[threading.Thread]:
    found = [thread for thread in threading.enumerate() if thread.name == "pyesdb-duties"]
    return [thread for thread in found if thread not in others]


def test_no_thread_before_there_is_a_duty_and_none_behind_the_end() -> None:
    duties = Duties()
    assert running() == []
    duties.stop()
    duties.add("late", lambda: None, 1.0)
    assert running() == []


def test_a_duty_is_done_by_the_thread() -> None:
    duties, done = Duties(), threading.Event()
    duties.add("often", done.set, 0.001)
    duties.add("seldom", lambda: None, 1000.0)
    assert done.wait(30)
    assert len(running()) == 1
    duties.stop()
    for thread in running():
        thread.join()


def test_a_failing_duty_stops_no_other() -> None:
    duties = Duties()
    done: list[str] = []

    def fails() -> None:
        done.append("fails")
        raise ValueError("broken")

    duties.add("fails", fails, 1000.0)
    duties.add("works", lambda: done.append("works"), 1000.0)
    now = float(int(time.monotonic()) + 1002)
    assert duties.run_due(now) == 1000.0
    assert done == ["fails", "works"]
    assert duties.run_due(now + 999) == 1.0
    assert duties.run_due(now + 1000) == 1000.0
    assert done == ["fails", "works"] * 2
    duties.run("fails")
    duties.stop()


def test_a_duty_may_end_its_own_node() -> None:
    duties, ended = Duties(), threading.Event()

    def stops() -> None:
        duties.stop()
        ended.set()

    duties.add("stops", stops, 0.001)
    assert ended.wait(30)


def test_starting_and_stopping_at_the_same_time() -> None:
    for _ in range(50):
        duties = Duties()
        threads = [
            threading.Thread(target=duties.add, args=(str(n), lambda: None, 10.0)) for n in range(3)
        ] + [threading.Thread(target=duties.stop)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        duties.stop()
    for thread in running():
        thread.join(30)
    assert running() == []


def test_a_forgotten_database_warns_though_it_has_duties(data_dir: Path) -> None:
    db = pyesdb.open(data_dir, durability="os")
    db.store().append("s", NewEvent("E"))
    assert "idle" in node_of(db).duties._duties
    holder = [db]
    del db
    with pytest.warns(ResourceWarning, match="unclosed database"):
        holder.clear()
    for thread in running():
        thread.join(30)
    assert running() == []


def test_a_duty_added_while_the_thread_reckons_is_not_missed() -> None:
    duties, done = Duties(), threading.Event()
    real = duties.run_due

    def run_due(now: float) -> float:
        wait_s = real(now)
        if "soon" not in duties._duties:
            duties.add("soon", done.set, 0.001)
        return wait_s

    duties.run_due = run_due  # type: ignore[method-assign]
    duties.add("seldom", lambda: None, 1000.0)
    assert done.wait(30)
    duties.stop()
