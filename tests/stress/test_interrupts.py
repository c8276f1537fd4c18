"""Ctrl-C in a thread that leads the lane: only that caller sees it, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.stress.interrupts import at_step, interrupt
from tests.stress.tools import children, contents, stress_seconds

LONGEST_S = 60


@pytest.fixture
def helper() -> Iterator[Callable[..., Any]]:
    """Calls on another thread, which nobody interrupts; a hang is a failure."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda function, *args, **named: pool.submit(function, *args, **named).result(
            LONGEST_S
        )


def steps(work: Callable[[], Any]) -> int:
    """How many steps a call has."""
    low = 1
    count = 0

    def seen() -> None:
        nonlocal count
        count += 1

    while at_step(low, seen, work):
        low *= 2
    high, low = low, low // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at_step(middle, seen, work) else (low, middle)
    return low


def test_an_append_interrupted_at_every_step(data_dir: Path, helper: Any) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.append("s", NewEvent("E", "first"))
        acknowledged: list[tuple[str, int]] = []

        def work(name: str) -> None:
            acknowledged.append((name, store.append("s", NewEvent("E", name)).position))

        total = steps(lambda: work("warm"))
        assert total > 50
        acknowledged.clear()
        for step in range(1, total + 1):
            with suppress(KeyboardInterrupt):
                at_step(step, interrupt, lambda step=step: work(f"main-{step}"))
            helper(work, f"other-{step}")
        check(store, acknowledged)


def check(store: Any, acknowledged: list[tuple[str, int]]) -> None:
    """Nothing acknowledged is lost or elsewhere, nothing is stored twice, no hole."""
    stored = contents(store)
    assert [row[0] for row in stored] == list(range(1, len(stored) + 1))
    assert [row[2] for row in stored] == list(range(len(stored)))
    names = [row[3] for row in stored if row[3] not in ("warm", "first")]
    assert len(names) == len(set(names))
    where = {row[3]: row[0] for row in stored}
    assert [(name, where.get(name)) for name, _ in acknowledged] == acknowledged


def test_a_leader_interrupted_while_others_wait(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, ThreadPoolExecutor(8) as pool:
        store = db.store()
        store.append("s", NewEvent("E", "first"))
        acknowledged: list[tuple[str, int]] = []

        def work(name: str) -> None:
            acknowledged.append((name, store.append("s", NewEvent("E", name)).position))

        total = steps(lambda: work("warm"))
        acknowledged.clear()
        for step in range(1, total + 1, 3):
            others = [pool.submit(work, f"other-{step}-{n}") for n in range(8)]
            with suppress(KeyboardInterrupt):
                at_step(step, interrupt, lambda step=step: work(f"main-{step}"))
            for other in others:
                other.result(LONGEST_S)
        assert len(acknowledged) >= 8 * len(range(1, total + 1, 3))
        check(store, acknowledged)


def test_the_first_append_interrupted(data_dir: Path, helper: Any) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        acknowledged: list[tuple[str, int]] = []
        for step in range(1, 900, 11):
            db.store().append("a", NewEvent("E", "warm"))
            store = db.create_store(f"s{step}")

            def work(name: str, store: Any = store) -> None:
                acknowledged.append((name, store.append("s", NewEvent("E", name)).position))

            acknowledged.clear()
            with suppress(KeyboardInterrupt):
                at_step(step, interrupt, lambda work=work: work("main"))
            helper(work, "other")
            check(store, acknowledged)
            db.remove_store(f"s{step}", purge=True)


@pytest.mark.parametrize("operation", ["create", "remove", "purge"])
def test_a_store_operation_interrupted(data_dir: Path, helper: Any, operation: str) -> None:
    with pyesdb.open(data_dir, durability="os") as db:

        def remove(*, missing_ok: bool = False) -> None:
            db.remove_store("x", missing_ok=missing_ok, purge=operation == "purge")

        def create(*, exist_ok: bool = False) -> None:
            db.create_store("x", exist_ok=exist_ok).append("s", NewEvent("E"))

        step, went_on = 1, True
        while went_on:
            if operation != "create":
                create()
            try:
                work = create if operation == "create" else remove
                went_on = at_step(step, interrupt, work)
            except KeyboardInterrupt:
                pass
            helper(create, exist_ok=True)
            assert helper(db.get_store_status, "x") == "running"
            helper(remove)
            assert "x" not in helper(db.list_stores)
            step += 53


def test_sixty_interrupts_and_eight_other_threads(data_dir: Path) -> None:
    report = interrupted_child(data_dir, 60)
    assert report["interrupts"] == 60


def interrupted_child(directory: Path, count: int) -> dict[str, Any]:
    with pyesdb.open(directory) as db:
        db.create_store("contested")
    with children(1, "interrupt", directory, count) as [child]:
        child.go()
        report: dict[str, Any] = child.report()
    assert report["foreign"] == []
    assert report["stuck"] == 0
    with pyesdb.open(directory) as db:
        check(db.store("contested"), [tuple(row) for row in report["acknowledged"]])
    return report


@pytest.mark.stress
def test_five_hundred_interrupts(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = max(1, int(min(10, stress_seconds(0.1) / 10)))
    for number in range(rounds):
        report = interrupted_child(data_dir / str(number), 500)
        with capsys.disabled():
            print(
                f"\n500 interrupts: {len(report['acknowledged'])} appends acknowledged, "
                f"{report['raised']} raised to the caller, longest call of the eight others "
                f"{report['longest']:.3f} s"
            )


def test_threads_are_not_left_behind(data_dir: Path) -> None:
    before = threading.active_count()
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        for step in range(1, 60, 5):
            with suppress(KeyboardInterrupt):
                at_step(step, interrupt, lambda: store.append("s", NewEvent("E")))
            store.append("s", NewEvent("E"))
    assert threading.active_count() <= before
