"""API "Following and consuming": no word is lost, whatever comes in between; bad ones are told."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

import pyesdb
from pyesdb import select
from pyesdb.model import commands
from pyesdb.store import consuming, sending
from pyesdb.store.runtime import StoreRuntime
from tests.contract.test_consumers_shared import MOMENT_S, in_thread
from tests.contract.test_consuming import SOON_S, seen, taken
from tests.contract.test_slow_handlers import later, until  # noqa: F401  (a fixture)
from tests.contract.tools import new_events, one, positions


@pytest.fixture
def sub(own_store: Any) -> Any:
    """A store with six events, in turn of streams "a" and "b", and a subscription to all."""
    for number in range(6):
        own_store.append("ab"[number % 2], one(data=number))
    own_store.save_subscription("sub", select.everything, ack_timeout=3600)
    return own_store


@pytest.fixture
def sync_only(face: Any) -> None:
    """These are about threads."""
    if face.name == "async":
        pytest.skip("about threads, or a signal; the asynchronous half has its own")


# -- what is said


async def _coroutine(event: Any) -> None:
    raise AssertionError


class _Object:
    async def __call__(self, event: Any) -> None:
        raise AssertionError


HANDLERS = {
    "coroutine function": _coroutine,
    "method": _Object().__call__,
    "object": _Object(),
    "partial": functools.partial(_coroutine),
    "function": lambda event: [_coroutine(event)][0],
}


@pytest.mark.usefixtures("sync_only")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_a_handler_that_nobody_awaits_handles_nothing(sub: Any, handler: Any, workers: int) -> None:
    with sub.consume("sub") as consumer, pytest.raises(pyesdb.RequestError, match="open_async"):
        consumer.run(handler, workers=workers)
    with sub.consume("sub") as consumer:
        assert seen(consumer) == [(position, 1) for position in range(1, 7)]


def _generator(event: Any) -> Iterator[None]:
    raise AssertionError
    yield


def test_a_generator_function_is_no_handler(sub: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="generator"):
        sub.consume("sub").run(_generator)
    assert sub.subscription_info("sub").position == 0


@pytest.mark.parametrize("what", [None, 5, "event", [None], "recorded", "of another"])
def test_only_an_event_that_it_delivered_is_settled(sub: Any, what: Any) -> None:
    with sub.consume("sub") as consumer, sub.consume("sub") as other:
        event = what
        if what == "recorded":
            event = next(iter(sub.read_all()))
        elif what == "of another":
            event = other.get(0)
        entered = False
        for call in (consumer.ack, consumer.ack_until, consumer.nack):
            with pytest.raises(pyesdb.RequestError):
                call(event)
        with pytest.raises(pyesdb.RequestError), consumer.handling(event):
            entered = True
        assert not entered


def test_what_fails_is_tried_again_later_and_later(clock: Any, sub: Any) -> None:
    waits: list[int] = []
    with sub.consume("sub") as consumer:
        event = consumer.get(0)
        while len(waits) < 4:
            with consumer.handling(event):
                raise ValueError("an outage")
            others = seen(consumer)  # of the other stream, at once
            assert others == ([] if waits else [(2, 1), (4, 1), (6, 1)])
            waits.append(0)
            while (event := consumer.get(0)) is None:
                clock.move(seconds=0.1)
                waits[-1] += 1
            assert event.position == 1
    assert waits == [1, 2, 4, 8]


# -- flush


@pytest.mark.usefixtures("sync_only")
def test_flush_waits_for_words_that_another_thread_has_just_taken_up(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not unsaid any more, and their command is not made yet."""
    order: list[str] = []
    flushing: list[threading.Thread] = []
    real = commands.with_digest

    def flush() -> None:
        consumer.flush()
        order.append(f"flushed, {sub.subscription_info('sub').in_flight} in flight")

    def with_digest(kind: Any, *args: Any, **more: Any) -> Any:
        if kind is commands.Settle and not flushing:
            flushing.append(in_thread(flush, MOMENT_S))
        return real(kind, *args, **more)

    with sub.consume("sub", window=2) as consumer:
        consumer._consuming.sending.stop()  # not the timer: by this flush
        consumer.ack(taken(consumer, 2))
        monkeypatch.setattr(commands, "with_digest", with_digest)
        consumer.flush()
        flushing[0].join(SOON_S)
    assert order == ["flushed, 0 in flight"]


@pytest.mark.usefixtures("sync_only")
def test_flush_says_again_what_could_not_be_sent_meanwhile(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that come back unstored at any moment are stored when it returns."""
    with sub.consume("sub", window=2) as consumer:
        consumer.ack(taken(consumer, 2))
        hands, looked = consumer._consuming.hands, threading.Event()
        posted: list[Any] = []
        monkeypatch.setattr(consumer._consuming.runtime, "post", posted.append)
        until(lambda: posted)
        flushing = threading.Thread(target=lambda: (looked.set(), consumer.flush()))
        flushing.start()
        assert looked.wait(SOON_S)
        assert hands.unsaid == 0
        posted[0].error = pyesdb.Unavailable("not now")
        posted[0].told(posted[0])
        flushing.join(SOON_S)
        assert not flushing.is_alive()
        assert sub.subscription_info("sub").in_flight == 0


# -- time


@pytest.mark.usefixtures("sync_only")
def test_without_a_thread_for_acknowledgements_they_go_later(
    sub: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = threading.Thread.start
    refused: list[str] = []

    def start(thread: threading.Thread) -> None:
        if thread.name == "pyesdb-acks":
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        real(thread)

    until(lambda: not sending.timer().running)
    with sub.consume("sub", window=2) as consumer:
        monkeypatch.setattr(threading.Thread, "start", start)
        first, second = taken(consumer, 2)
        consumer.ack(first)
        assert refused
        assert "no thread" in caplog.text
        monkeypatch.setattr(threading.Thread, "start", real)
        consumer.ack(second)
        until(lambda: sub.subscription_info("sub").in_flight == 0)


def test_a_batch_that_took_longer_than_its_leases_is_done_all_the_same(
    sub: Any,
    later: Any,  # noqa: F811
) -> None:
    with sub.consume("sub", window=4) as consumer:
        batch = taken(consumer, 4)
        consumer.ack(batch[0])
        consumer.flush()
        later.seconds += 4000
        assert consumer.get(0).position == 5  # a call that notices what is late
        consumer.ack_until(batch[2])
        consumer.flush()
        assert sub.subscription_info("sub").in_flight == 2
        consumer.ack_until(batch[2])  # settled: says nothing of the others
        consumer.flush()
        assert sub.subscription_info("sub").in_flight == 2


def test_a_get_with_little_time_does_not_wait_long_for_its_turn(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "_GRACE_S", 0.01)
    store = db.create_store("busy", timeout=10)
    store.append("s", one())
    store.save_subscription("sub", select.everything)
    held, go_on = threading.Event(), threading.Event()
    with store.consume("sub") as consumer:
        runtime = _runtime(consumer)

        def hold() -> None:
            held.set()
            go_on.wait(SOON_S)

        def lead() -> None:
            while not runtime.outbox.alone(hold):  # who led before may not have gone yet
                pass

        holder = threading.Thread(target=lead)
        holder.start()
        assert held.wait(SOON_S)
        assert consumer.get(0.01) is None
        assert holder.is_alive()
        go_on.set()
        holder.join()
        assert consumer.get(0).position == 1


def _runtime(consumer: Any) -> Any:
    found = consumer._consuming
    return getattr(found, "_target", found).runtime


# -- the end


def test_closing_the_database_stores_what_was_said_and_returns_the_rest(
    open_db: Any, data_dir: Any
) -> None:
    db = open_db(data_dir, durability="os")
    db.store().append("s", new_events(100))
    db.store().save_subscription("sub", select.everything, ack_timeout=3600)
    consumer = db.store().consume("sub")
    got = taken(consumer, 7)
    consumer.ack(got[:5])
    db.close()
    for call in (consumer.get, lambda: consumer.ack(got[5]), lambda: consumer.nack(got[6])):
        with pytest.raises(pyesdb.DatabaseClosed):
            call()
    with open_db(data_dir) as db:
        assert db.store().subscription_info("sub").in_flight == 0
        with db.store().consume("sub") as consumer:
            found = taken(consumer, 2)
            assert [(event.position, event.attempt) for event in found] == [(6, 1), (7, 1)]


def test_one_handle_that_closes_keeps_no_event_from_the_others(
    open_db: Any, data_dir: Any, caplog: pytest.LogCaptureFixture
) -> None:
    db, other = open_db(data_dir, durability="os"), open_db(data_dir)
    db.store().append("s", new_events(3))
    db.store().save_subscription("sub", select.everything, ack_timeout=3600)
    consumer = db.store().consume("sub")
    consumer.ack(consumer.get(0))
    db.close()
    with other.store().consume("sub") as again:
        assert positions(taken(again, 2)) == [2, 3]
    consumer.__exit__(None, None, None)
    assert caplog.text == ""


def test_a_removed_store_hands_nothing_out(db: Any) -> None:
    store = db.create_store("short")
    store.append("s", new_events(3))
    store.save_subscription("sub", select.everything)
    with store.consume("sub") as consumer:
        consumer.get(0)
        db.remove_store("short")
        with pytest.raises(pyesdb.StoreRemoved):
            consumer.get(0)


@pytest.mark.usefixtures("sync_only")
@pytest.mark.parametrize("kind", ["Settle", "Gone"])
def test_an_interrupted_end_stores_what_was_said_and_returns_the_rest(
    sub: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    consumer = sub.consume("sub")
    consumer._consuming.sending.stop()
    consumer._consuming.sending.stopped = False
    consumer.ack(taken(consumer, 2))
    runtime = consumer._consuming.runtime
    real = runtime.submit

    def submit(command: Any, timeout_s: float) -> Any:
        if type(command).__name__ == kind:
            raise KeyboardInterrupt
        return real(command, timeout_s)

    monkeypatch.setattr(runtime, "submit", submit)
    with pytest.raises(KeyboardInterrupt):
        consumer.__exit__(None, None, None)
    monkeypatch.undo()
    until(lambda: sub.subscription_info("sub").in_flight == 0)
    with sub.consume("sub") as consumer:
        assert seen(consumer) == [(3, 1), (4, 1), (5, 1), (6, 1)]


def test_flush_and_the_end_have_a_deadline(
    sub: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else holds the store, as another process would, and the timer has queued an ack."""
    consumer = sub.consume("sub")
    consumer.ack(consumer.get(0))
    runtime = _runtime(consumer)
    monkeypatch.setattr(runtime, "config", replace(runtime.config, timeout=0.03))
    lock, holder = runtime._log._lock, object()
    until(lambda: lock.try_acquire(holder))
    hands = getattr(consumer._consuming, "_target", consumer._consuming).hands
    until(lambda: hands.saying()[1])
    with pytest.raises(pyesdb.DeadlineExceeded, match="not lost"):
        consumer.flush()
    consumer.__exit__(None, None, None)
    assert "its last words follow" in caplog.text
    lock.release(holder)
    until(lambda: sub.subscription_info("sub").in_flight == 0)
    with sub.consume("sub") as again:
        assert seen(again)[0] == (2, 1)


def test_the_end_of_a_removed_subscription_is_no_warning(
    sub: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with sub.consume("sub") as consumer:
        consumer.ack(taken(consumer, 2)[:1])
        sub.remove_subscription("sub")
    assert caplog.text == ""


@pytest.mark.usefixtures("sync_only")
def test_an_end_beside_a_claim_of_another_thread_leaves_nothing_in_flight(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = sub.consume("sub")
    closing: list[threading.Thread] = []
    runtime = consumer._consuming.runtime
    real = runtime.submit

    def submit(command: Any, timeout_s: float) -> Any:
        if isinstance(command, commands.Claim) and not closing:  # made, and not decided
            closing.append(in_thread(lambda: consumer.__exit__(None, None, None), MOMENT_S))
        return real(command, timeout_s)

    monkeypatch.setattr(runtime, "submit", submit)
    assert consumer.get(0) is None
    closing[0].join(SOON_S)
    assert sub.subscription_info("sub").in_flight == 0
    with sub.consume("sub") as again:
        assert again.get(0).attempt == 1


def test_a_hint_that_fails_takes_nothing_back(
    sub: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with sub.consume("sub", window=1) as consumer:
        consumer.ack(consumer.get(0))
        runtime = _runtime(consumer)
        monkeypatch.setattr(runtime.desks, "tell", lambda commands: 1 / 0)
        consumer.flush()
        assert sub.append("a", one()).position == 7
        monkeypatch.undo()
    assert "ZeroDivisionError" in caplog.text


# -- loops


def test_a_loop_that_stands_still_keeps_no_thread_from_its_events(tmp_path: Any) -> None:
    """Its task had looked, found nothing, and waited for all."""
    with pyesdb.open(tmp_path / "db", durability="os") as db:
        store = db.store()
        store.save_subscription("sub", select.everything)
        paused, go_on = threading.Event(), threading.Event()

        def pause() -> None:
            paused.set()
            go_on.wait(SOON_S)

        async def main() -> None:
            twin = await pyesdb.open_async(tmp_path / "db")
            async with twin, twin.store().consume("sub") as consumer:
                getting = asyncio.ensure_future(consumer.get())
                while not consumer._consuming._idle:  # noqa: ASYNC110  (it waits for all)
                    await asyncio.sleep(0.001)
                pause()
                getting.cancel()

        loop = threading.Thread(target=asyncio.run, args=(main(),))
        loop.start()
        try:
            assert paused.wait(SOON_S)
            with store.consume("sub") as consumer:
                found: list[Any] = []
                getting = in_thread(lambda: found.append(consumer.get(SOON_S)), MOMENT_S)
                store.append("s", one())
                getting.join(5)
                consumer.stop()
                getting.join()
                assert found[0] is not None
        finally:
            go_on.set()
            loop.join()


def test_a_cancelled_end_stores_what_was_said_and_returns_the_rest(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = StoreRuntime.submit_async

    async def submit_async(self: Any, command: Any, *args: Any) -> Any:
        if isinstance(command, commands.Settle):
            await asyncio.sleep(3600)
        return await real(self, command, *args)

    async def main() -> None:
        async with pyesdb.open_async(tmp_path / "db", durability="os") as db:
            store = db.store()
            await store.append("s", new_events(6))
            await store.save_subscription("sub", select.everything, ack_timeout=3600)
            consumer = store.consume("sub")
            found = [await consumer.get(0) for _ in range(2)]
            monkeypatch.setattr(StoreRuntime, "submit_async", submit_async)
            consumer.ack(found)
            leaving = asyncio.ensure_future(consumer.__aexit__(None, None, None))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            monkeypatch.undo()
            end = time.monotonic() + SOON_S
            while (info := await store.subscription_info("sub")).in_flight:
                assert time.monotonic() < end, info
            async with store.consume("sub") as again:
                event = await again.get(0)
                assert (event.position, event.attempt) == (3, 1)

    asyncio.run(main())
