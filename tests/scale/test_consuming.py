"""A thousand idle subscriptions, and consumers that wait: what they cost, in counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.store import consuming, looking
from pyesdb.store.head import SyncWaiter
from tests.contract.tools import one
from tests.scale.tools import let_rest, store_files, threads

SOON_S = 30.0
MANY = 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[pyesdb.Store]:
    with pyesdb.open(tmp_path / "data", durability="os") as opened:
        yield opened.store()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the subscriptions that somebody looked at."""
    found: list[int] = []

    def look(source: Any, wanted: Any, reader: Any) -> Any:
        found.append(wanted.number)
        return looking.look(source, wanted, reader)

    monkeypatch.setattr(consuming, "look", look)
    return found


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """How long each wait may be at most."""
    found: list[float | None] = []
    real = SyncWaiter.wait

    def wait(self: SyncWaiter, timeout_s: float | None) -> bool:
        found.append(timeout_s)
        return real(self, timeout_s)

    monkeypatch.setattr(SyncWaiter, "wait", wait)
    return found


class Steps:
    """Steps of SQLite's machine on the write connection, in tens."""

    def __init__(self, store: pyesdb.Store) -> None:
        self.count = 0
        connection = store._handle.runtime().applier._connection
        assert connection is not None
        connection.set_progress_handler(self._step, 10)

    def _step(self) -> bool:
        self.count += 1
        return False


def until(true: Any) -> None:
    for _ in range(100_000):
        if true():
            return
        threading.Event().wait(0.0005)
    raise AssertionError("it does not come")


def test_a_thousand_idle_subscriptions_cost_an_append_nothing(store: pyesdb.Store) -> None:
    def cost() -> int:
        store.append("s", one())
        steps = Steps(store)
        for _ in range(100):
            store.append("s", one())
        return steps.count

    before, count = cost(), threads()
    for number in range(MANY):
        store.save_subscription(f"sub-{number}", select.stream("s"), after="end")
    assert cost() <= before * 1.05
    assert threads() <= count
    assert not store._handle.runtime().desks
    assert len(store.subscriptions()) == MANY
    assert store.stats().subscriptions == MANY


def test_a_claim_costs_the_same_beside_a_thousand_others(store: pyesdb.Store) -> None:
    def cost(name: str) -> int:
        store.save_subscription(name, select.everything, after="end")
        for _ in range(20):
            store.append("s", one())
        steps = Steps(store)
        with store.consume(name) as consumer:
            for _ in range(20):
                event = consumer.get(0)
                assert event is not None
                consumer.ack(event)
        return steps.count

    cost("warm")
    before = cost("first")
    for number in range(MANY):
        store.save_subscription(f"sub-{number}", select.everything)
    assert cost("last") <= before * 1.1


def waiting(consumers: list[Any], into: list[Any]) -> list[threading.Thread]:
    """A thread for each, which waits for one event."""
    found = [
        threading.Thread(target=lambda c=consumer: into.append(c.get())) for consumer in consumers
    ]
    for thread in found:
        thread.start()
    return found


def test_a_waiting_consumer_waits_without_end_and_holds_no_connection(
    store: pyesdb.Store, waits: list[float | None], tmp_path: Path
) -> None:
    store.append("s", one())
    store.save_subscription("sub", select.everything, after="end")
    got: list[Any] = []
    consumers = [store.consume("sub") for _ in range(5)]
    threads_ = waiting(consumers, got)
    until(lambda: len(waits) == 5)
    assert waits == [None] * 5
    let_rest(store)
    until(lambda: store_files(tmp_path) == [])  # but for the moments in which the poller looks
    assert len(waits) == 5  # nobody was woken
    for consumer in consumers:
        consumer.stop()
    for thread in threads_:
        thread.join()
    assert got == [None] * 5


def test_an_event_wakes_one_of_many_that_wait_for_it_and_one_who_goes_on_waiting(
    store: pyesdb.Store, looks: list[int], waits: list[float | None]
) -> None:
    store.save_subscription("sub", select.everything)
    consumers = [store.consume("sub") for _ in range(20)]
    got: list[Any] = []
    threads_ = waiting(consumers, got)
    until(lambda: len(waits) == 20)
    looks.clear()
    store.append("s", NewEvent("E"))
    until(lambda: got)
    until(lambda: len(waits) >= 21)  # the one that has the turn now waits as well
    assert len(looks) <= 4
    for consumer in consumers:
        consumer.stop()
    for thread in threads_:
        thread.join()
    assert sum(event is not None for event in got) == 1
    for consumer in consumers:
        consumer.__exit__(None, None, None)


def test_who_waits_is_not_woken_by_what_others_settle(
    store: pyesdb.Store, looks: list[int], waits: list[float | None]
) -> None:
    store.save_subscription("busy", select.stream("s"))
    store.save_subscription("idle", select.stream("t"))
    got: list[Any] = []
    idle = store.consume("idle")
    threads_ = waiting([idle], got)
    until(lambda: len(waits) == 1)
    number = looks[0]
    for _ in range(10):
        store.append("s", one())
    before = looks.count(number)
    with store.consume("busy") as consumer:
        for _ in range(10):
            event = consumer.get(0)
            assert event is not None
            consumer.ack(event)
            consumer.flush()
    assert looks.count(number) <= before + 10  # for the appends, none for claims and acks
    idle.stop()
    threads_[0].join()
