"""API "Following and consuming": threads that share a consumer, and consumers in one process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pyesdb import Append, select
from pyesdb.store.pace import Pace
from tests.contract.test_consuming import SOON_S, seen, taken
from tests.contract.tools import new_events, one

MOMENT_S = 0.2
"""What goes wrong has so long to do it; what is right does not wait for it."""


@pytest.fixture
def sub(own_store: Any) -> Any:
    """A store with six events, in turn of streams "a" and "b", and a subscription to all."""
    for number in range(6):
        own_store.append("ab"[number % 2], one(data=number))
    own_store.save_subscription("sub", select.everything)
    return own_store


@pytest.fixture
def threads_only(face: Any) -> None:
    """These are about threads."""
    if face.name == "async":
        pytest.skip("the driver's tasks are gone at once; see test_async_consuming")


def at_submit(monkeypatch: pytest.MonkeyPatch, consumer: Any, kind: str, act: Any) -> None:
    """Call `act` once, when a command of that kind is decided and its caller not yet told."""
    runtime = consumer._consuming.runtime
    submit, waiting = runtime.submit, [act]

    def submitted(command: Any, timeout_s: float) -> Any:
        outcome = submit(command, timeout_s)
        if type(command).__name__ == kind and waiting:
            waiting.pop()()
        return outcome

    monkeypatch.setattr(runtime, "submit", submitted)


def in_thread(function: Any, wait_s: float = SOON_S) -> threading.Thread:
    """Do it in a thread, which has so long to come to its end."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(wait_s)
    return thread


@pytest.mark.usefixtures("threads_only")
def test_a_flush_beside_a_claim_hands_nothing_out_twice(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[int] = []

    def flush() -> None:  # and take what it has found
        consumer.flush()
        handed.extend(position for position, _ in seen(consumer))

    with sub.consume("sub") as consumer:
        at_submit(monkeypatch, consumer, "Claim", lambda: in_thread(flush))
        handed.extend(position for position, _ in seen(consumer))
        assert handed == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("threads_only")
def test_flush_waits_for_what_another_thread_is_saying(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    flushing: list[threading.Thread] = []

    def flush() -> None:
        consumer.flush()
        order.append("flushed")

    def meanwhile() -> None:
        flushing.append(in_thread(flush, MOMENT_S))
        order.append("stored")

    with sub.consume("sub") as consumer:
        consumer._consuming.sending.stop()  # not the timer: by this flush
        consumer.ack(taken(consumer, 2))
        at_submit(monkeypatch, consumer, "Settle", meanwhile)
        consumer.flush()
        flushing[0].join(SOON_S)
        assert order == ["stored", "flushed"]


@pytest.mark.usefixtures("threads_only")
def test_a_consumer_that_is_full_keeps_no_other_from_its_events(sub: Any) -> None:
    with sub.consume("sub", window=1) as full, sub.consume("sub") as other:
        full.get(0)
        waiting = in_thread(full.get, MOMENT_S)
        assert other.get(SOON_S).position == 2
        full.stop()
        waiting.join(SOON_S)


@pytest.mark.usefixtures("threads_only")
def test_who_has_waited_behind_others_gets_what_comes_when_they_have_theirs(store: Any) -> None:
    store.save_subscription("sub", select.everything)
    found: list[int] = []
    with store.consume("sub") as left, store.consume("sub") as right:
        waiting = [
            in_thread(
                lambda c=consumer: found.extend(e.position for e in [c.get()] if e), MOMENT_S / 4
            )
            for consumer in (left, left, right)
        ]
        store.append_many([Append("a", [one()]), Append("b", [one()])])
        while len(found) < 2 and any(thread.is_alive() for thread in waiting):
            waiting[0].join(0.01)
        store.append("c", one())
        for thread in waiting:
            thread.join(SOON_S)
        assert sorted(found) == [1, 2, 3]


@pytest.mark.usefixtures("threads_only")
def test_what_a_dead_thread_held_comes_before_what_follows_it(clock: Any, sub: Any) -> None:
    sub.update_subscription("sub", ack_timeout=10)
    handed: list[int] = []
    with sub.consume("sub") as consumer:
        in_thread(lambda: handed.append(consumer.get(0).position))

        def rest() -> None:  # a thread that may have the number of the dead one
            for event in iter(lambda: consumer.get(0), None):
                handed.append(event.position)
                consumer.ack_until(event)

        in_thread(rest)
        assert handed == [1, 2, 4, 6]
        clock.move(seconds=10)
        assert seen(consumer) == [(1, 2), (3, 1), (5, 1)]


def test_what_ran_out_while_the_machine_slept_is_not_handed_out(clock: Any, sub: Any) -> None:
    sub.update_subscription("sub", ack_timeout=10)
    with sub.consume("sub") as sleeper, sub.consume("sub") as other:
        assert sleeper.get(0).position == 1
        clock.move(seconds=10)  # of which the process's own clock knows nothing
        assert {position for position, _ in seen(other)} == {1, 2, 3, 4, 5, 6}
        other.flush()
        assert sleeper.get(0) is None


@pytest.mark.usefixtures("threads_only")
def test_an_event_of_another_stream_does_not_wait_with_those_of_a_parked_one(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        consumer.nack(consumer.get(0), "park")
        assert [position for position, _ in seen(consumer)] == [2, 4, 6]
        sub.append("a", one())
        assert consumer.get(0) is None
        consumer._consuming._hold_until *= 1_000_000  # as if it waited for long
        sub.append("b", one())
        event = consumer.get(MOMENT_S)
        assert (event.stream, event.position) == ("b", 8)


@pytest.mark.usefixtures("threads_only")
def test_what_waits_behind_a_parked_event_is_passed_in_large_steps(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        sub.append("a", new_events(1000))
    sub.append("z", one())
    with sub.consume("sub") as consumer:
        consumer.nack(consumer.get(0), "park")
        runtime = consumer._consuming.runtime
        submit, commands = runtime.submit, list[Any]()

        def submitted(command: Any, timeout_s: float) -> Any:
            commands.append(command)
            return submit(command, timeout_s)

        monkeypatch.setattr(runtime, "submit", submitted)
        assert [position for position, _ in seen(consumer)] == [2, 4, 6, 4007]
        assert len(commands) < 25


def test_pages_fit_into_memory(sub: Any) -> None:
    (event,) = sub.read("a", limit=1)
    small, large = Pace(), Pace()
    for _ in range(20):
        small.received([event] * small.page)
        small.handled(30.0)
        large.received([_sized(event, 1 << 20)] * large.page)
        large.handled(30.0)
    assert small.page == 1000
    assert large.page == 4


def _sized(event: Any, size: int) -> Any:
    return msgspec.structs.replace(event, data=b" " * size)


FORK = """
import os, sys, pyesdb
store = pyesdb.open(sys.argv[1]).store()
store.append("s", [pyesdb.NewEvent("T") for _ in range(5)])
store.save_subscription("sub", pyesdb.select.everything)
consumer = store.consume("sub")
first = consumer.get(0)
if os.fork() == 0:
    try:
        print(consumer.get(0), flush=True)
    except pyesdb.Forked as error:
        print(error.code, flush=True)
    os._exit(0)
os.wait()
with consumer:
    print(first.position, consumer.get(0).position)
"""


def test_a_forked_child_is_handed_nothing_of_its_parent(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(tmp_path / "db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.stdout.split() == ["forked", "1", "2"], found.stderr
