"""API "Following and consuming": handling, run with workers, stopping, threads that share one."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from typing import Any

import pytest

import pyesdb
from pyesdb import select
from pyesdb.store.head import AsyncWaiter, SyncWaiter
from tests.contract.test_consuming import SOON_S, seen, taken
from tests.contract.tools import new_events, one


@pytest.fixture
def sub(own_store: Any) -> Any:
    """A store with six events, in turn of streams "a" and "b", and a subscription to all."""
    for number in range(6):
        own_store.append("ab"[number % 2], one(data=number))
    own_store.save_subscription("sub", select.everything, max_retries=1)
    return own_store


def test_a_block_that_ends_well_acknowledges(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        for event in taken(consumer, 5):
            with consumer.handling(event):
                pass
    with sub.consume("sub") as consumer:
        assert seen(consumer) == [(6, 1)]


def test_an_exception_in_the_block_is_logged_and_the_event_comes_again(
    sub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with sub.consume("sub") as consumer, caplog.at_level(logging.WARNING, "pyesdb"):
        with consumer.handling(consumer.get(0)):
            raise ValueError("no stock")
        (record,) = [r for r in caplog.records if "attempt 1" in r.getMessage()]
        assert record.exc_info is not None
        assert record.exc_info[0] is ValueError
        again = consumer.get(SOON_S)
        while again.position != 1:
            again = consumer.get(SOON_S)
        assert (again.attempt, again.last_reason) == (2, "ValueError: no stock")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_passes_the_block_and_settles_nothing(
    sub: Any, face: Any, error: type[BaseException]
) -> None:
    if face.name == "async":
        pytest.skip("such an exception ends the loop of the driver")
    with sub.consume("sub") as consumer, pytest.raises(error), consumer.handling(consumer.get(0)):
        raise error
    with sub.consume("sub") as consumer:
        assert seen(consumer)[0] == (1, 1)


def test_a_handler_gets_every_event_until_it_stops(sub: Any) -> None:
    handled: list[int] = []

    def handler(event: Any) -> None:
        handled.append(event.position)
        if len(handled) == 6:
            consumer.stop()

    consumer = sub.consume("sub")
    consumer.run(handler)
    assert handled == [1, 2, 3, 4, 5, 6]
    info = sub.subscription_info("sub")
    assert (info.in_flight, info.lag) == (0, 0)


def test_a_handler_that_fails_parks_and_the_rest_flows(sub: Any) -> None:
    handled: list[tuple[int, int]] = []

    def handler(event: Any) -> None:
        handled.append((event.position, event.attempt))
        if event.position == 6:
            consumer.stop()
        if event.position == 1:
            raise RuntimeError("always")

    sub.update_subscription("sub", max_retries=0)
    with sub.consume("sub", window=1) as consumer:
        consumer.run(handler)
    assert handled == [(1, 1), (2, 1), (4, 1), (6, 1)]
    assert [parked.reason for parked in sub.parked("sub")] == ["RuntimeError: always"]


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_share_the_events_and_no_two_have_events_of_one_stream(
    own_store: Any, workers: int
) -> None:
    for number in range(120):
        own_store.append(f"s{number % 6}", one(data=number))
    own_store.save_subscription("sub", select.everything)
    mutex = threading.Lock()
    under_way: set[str] = set()
    order: dict[str, list[int]] = defaultdict(list)
    together = 0

    def handler(event: Any) -> None:
        nonlocal together
        with mutex:
            assert event.stream not in under_way
            under_way.add(event.stream)
            together = max(together, len(under_way))
            order[event.stream].append(event.version)
        if event.version == 0 and event.stream in ("s0", "s1"):
            meeting.wait(SOON_S)  # two of them at once, or never
        with mutex:
            under_way.remove(event.stream)
            if sum(map(len, order.values())) == 120:
                consumer.stop()

    meeting = threading.Barrier(2)
    consumer = own_store.consume("sub")
    if hasattr(consumer, "_runner"):  # handlers of tasks run one after the other
        meeting = threading.Barrier(1)
    consumer.run(handler, workers=workers)
    assert order == {f"s{n}": list(range(20)) for n in range(6)}
    assert own_store.subscription_info("sub").in_flight == 0


def test_what_ends_one_worker_ends_the_run(sub: Any) -> None:
    def handler(event: Any) -> None:
        if event.position == 2:
            removing.set()

    def remove() -> None:
        removing.wait(SOON_S)
        sub.remove_subscription("sub")

    removing = threading.Event()
    consumer = sub.consume("sub", window=1)
    remover = threading.Thread(target=remove)
    remover.start()
    with pytest.raises(pyesdb.SubscriptionRemoved):
        consumer.run(handler, workers=3)
    remover.join()


@pytest.mark.parametrize(
    ("handler", "workers"), [(None, 1), ("print", 1), (print, 0), (print, True), (print, "2")]
)
def test_a_run_of_nothing_is_refused(sub: Any, handler: Any, workers: Any) -> None:
    with sub.consume("sub") as consumer, pytest.raises(pyesdb.RequestError):
        consumer.run(handler, workers=workers)
    assert sub.subscription_info("sub").position == 0


def test_who_waits_gets_what_is_appended(store: Any) -> None:
    store.save_subscription("sub", select.event_type("Wanted"))
    with store.consume("sub") as consumer:
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.extend(taken(consumer, 2)))
        waiting.start()
        for number in range(20):
            store.append("s", one("Other", number))
        store.append("s", new_events(2, "Wanted"))
        waiting.join()
        assert [event.version for event in found] == [20, 21]


def test_who_waits_is_let_go_by_stop(sub: Any) -> None:
    sub.reset_subscription("sub", after="end")
    with sub.consume("sub") as consumer:
        found: list[Any] = [1]
        waiting = [threading.Thread(target=lambda: found.extend(consumer)) for _ in range(3)]
        for thread in waiting:
            thread.start()
        consumer.stop()
        for thread in waiting:
            thread.join(SOON_S)
        assert found == [1]


@pytest.mark.parametrize("what", ["removed", "store", "database"])
def test_who_waits_learns_of_the_end(db: Any, what: str) -> None:
    store = db.create_store("short")
    store.save_subscription("sub", select.everything)
    consumers = [store.consume("sub") for _ in range(3)]
    errors: list[str] = []

    def wait(consumer: Any) -> None:
        try:
            consumer.get()
        except pyesdb.Ended as error:
            errors.append(error.code)

    waiting = [threading.Thread(target=wait, args=(consumer,)) for consumer in consumers]
    for thread in waiting:
        thread.start()
    if what == "removed":
        store.remove_subscription("sub")
    elif what == "store":
        db.remove_store("short")
    else:
        db.close()
    for thread in waiting:
        thread.join(SOON_S)
    codes = {"removed": "subscription_removed", "store": "store_removed"}
    assert errors == [codes.get(what, "database_closed")] * 3


@pytest.fixture
def waiting_begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set when somebody has looked, found nothing, and waits."""
    begun = threading.Event()
    for waiter in (SyncWaiter, AsyncWaiter):

        def wait(self: Any, timeout_s: float | None, real: Any = waiter.wait) -> Any:
            begun.set()
            return real(self, timeout_s)

        monkeypatch.setattr(waiter, "wait", wait)
    return begun


@pytest.mark.parametrize("how", ["leaving", "nack", "skip"])
def test_who_waits_gets_what_another_leaves(
    sub: Any, how: str, waiting_begun: threading.Event
) -> None:
    sub.update_subscription("sub", ack_timeout=3600)
    holder = sub.consume("sub", window=1)
    event = holder.get(0)
    with sub.consume("sub") as consumer:
        assert [position for position, _ in seen(consumer)] == [2, 4, 6]
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.append(consumer.get()))
        waiting.start()
        assert waiting_begun.wait(SOON_S)
        if how == "leaving":
            holder.__exit__(None, None, None)
        else:
            holder.nack(event, "retry" if how == "nack" else "skip", reason="for you")
            holder.flush()
        waiting.join(SOON_S)
        consumer.stop()  # if nobody has told it
        waiting.join()
        assert found[0] is not None
        wanted = {"leaving": (1, 1, ""), "nack": (1, 2, "for you"), "skip": (3, 1, "")}
        assert (found[0].position, found[0].attempt, found[0].last_reason) == wanted[how]
        consumer.ack(found[0])
    holder.__exit__(None, None, None)


def test_a_thread_that_finds_the_window_in_other_hands_waits_for_them(sub: Any, face: Any) -> None:
    if face.name == "async":
        pytest.skip("the driver's tasks are gone at once; see test_async_consuming")
    with sub.consume("sub", window=2) as consumer:
        held = taken(consumer, 2)
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.append(consumer.get()))
        waiting.start()
        with pytest.raises(pyesdb.WindowFull):
            consumer.get(0)
        consumer.ack(held)
        waiting.join(SOON_S)
        assert found[0].position == 3


def test_a_consumer_that_waits_for_itself_is_not_in_the_way_of_others(sub: Any, face: Any) -> None:
    if face.name == "async":
        pytest.skip("the driver's tasks are gone at once; see test_async_consuming")
    with sub.consume("sub", window=1) as consumer, sub.consume("sub") as other:
        held = consumer.get(0)
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.append(consumer.get()))
        waiting.start()
        while not consumer._consuming._waiting:
            pass
        assert [event.position for event in taken(other, 3)] == [2, 4, 6]
        consumer.ack(held)
        waiting.join(SOON_S)
        assert found[0].position == 3


def test_threads_that_all_ask_for_more_with_all_in_their_hands_are_told(
    sub: Any, face: Any
) -> None:
    if face.name == "async":
        pytest.skip("the driver's tasks are gone at once; see test_async_consuming")
    told: list[str] = []

    def greedy(consumer: Any) -> None:
        consumer.get(SOON_S)
        both.wait(SOON_S)
        try:
            consumer.get()
        except pyesdb.WindowFull as error:
            told.append(error.code)
            consumer.stop()

    both = threading.Barrier(2)
    with sub.consume("sub", window=2) as consumer:
        threads = [threading.Thread(target=greedy, args=(consumer,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON_S)
    assert told
    assert set(told) == {"window_full"}


def test_events_of_one_stream_are_not_given_to_two_threads(sub: Any, face: Any) -> None:
    if face.name == "async":
        pytest.skip("the driver's tasks are gone at once; see test_async_consuming")
    with sub.consume("sub") as consumer:
        first = consumer.get(0)
        found: list[Any] = []

        def other() -> None:
            while (event := consumer.get(0)) is not None:
                found.append(event.position)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join(SOON_S)
        assert found == [2, 4, 6]
        assert [event.position for event in taken(consumer, 2)] == [3, 5]
        consumer.ack(first)


def test_a_consumer_that_is_forgotten_says_so(sub: Any) -> None:
    consumer = sub.consume("sub")
    consumer.get(0)
    with pytest.warns(ResourceWarning, match="with"):
        del consumer
