"""API "Following and consuming": what a consumer says is told in time, and its end ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import select
from pyesdb.store import desk, sending
from pyesdb.store.head import SyncWaiter
from tests.contract.test_consuming import SOON_S, seen, taken
from tests.contract.test_slow_handlers import until
from tests.contract.tools import new_events


@pytest.fixture
def db(data_dir: Path) -> Iterator[Any]:
    with pyesdb.open(data_dir, durability="os") as found:
        yield found


@pytest.fixture
def sub(db: Any) -> Any:
    """A store with three events, and a subscription to all."""
    db.store().append("s", new_events(3))
    db.store().save_subscription("sub", select.everything, ack_timeout=3600)
    return db.store()


@contextmanager
def held(db: Any) -> Iterator[None]:
    """Somebody else holds the store, as another process would."""
    lock, holder = db._core.node.lock_file("default"), object()
    while not lock.try_acquire(holder):
        pass
    try:
        yield
    finally:
        lock.release(holder)


def test_a_word_that_rode_in_a_cancelled_claim_is_sent_in_time(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", new_events(3))
            await store.save_subscription("sub", select.everything, window=1, ack_timeout=3600)
            async with store.consume("sub") as consumer:
                consumer.ack(await consumer.get(0))
                with held(db):
                    getting = asyncio.ensure_future(consumer.get())
                    while not consumer._consuming.unknown:  # noqa: ASYNC110
                        await asyncio.sleep(0.001)
                    getting.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await getting
                async with asyncio.timeout(SOON_S):  # below, nobody calls the consumer
                    while (await store.subscription_info("sub")).in_flight:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)

    asyncio.run(main())


def test_an_end_that_is_collected_where_the_hands_are_locked_waits_for_nothing(sub: Any) -> None:
    consumer = sub.consume("sub")
    consumer.ack(consumer.get(0))
    hands = consumer._consuming.hands
    closing = consumer._consuming.close(SyncWaiter())
    next(closing)

    def collect() -> None:
        with hands._mutex:
            closing.close()

    collecting = threading.Thread(target=collect, daemon=True)
    collecting.start()
    collecting.join(SOON_S)
    assert not collecting.is_alive()
    until(lambda: sub.subscription_info("sub").in_flight == 0)


def test_an_end_interrupted_at_its_beginning_says_the_rest(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    consumer = sub.consume("sub")
    consumer.ack(taken(consumer, 2)[:1])
    monkeypatch.setattr(consumer._consuming, "stop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        consumer.__exit__(None, None, None)
    until(lambda: sub.subscription_info("sub").in_flight == 0)
    with sub.consume("sub") as again:
        assert seen(again) == [(2, 1), (3, 1)]


def test_an_end_in_a_child_takes_no_lock_of_the_parents(sub: Any) -> None:
    consumer = sub.consume("sub")
    hands = consumer._consuming.hands
    with hands._mutex:  # as another thread had it when the process forked
        runtime = consumer._consuming.runtime
        runtime.ended = pyesdb.Forked()
        consumer.__exit__(None, None, None)
        runtime.ended = None


def test_a_frozen_store_is_logged_once(
    db: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sending, "AGAIN_S", 0.001)
    monkeypatch.setattr(sending, "AGAIN_MAX_S", 0.002)
    store = db.create_store("cold")
    store.append("s", new_events(3))
    store.save_subscription("sub", select.everything)
    with store.consume("sub") as consumer:
        words = consumer._consuming.sending
        tries: list[object] = []
        post = words._post
        monkeypatch.setattr(words, "_post", lambda make: (tries.append(make), post(make)))
        event = consumer.get(0)
        db.freeze_store("cold")
        consumer.ack(event)
        until(lambda: len(tries) > 3)
        assert caplog.text.count("not stored yet") == 1
        db.thaw_store("cold")
        until(lambda: store.subscription_info("sub").in_flight == 2)


def test_a_database_that_waits_for_last_words_keeps_no_other_from_opening(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, go_on = threading.Event(), threading.Event()
    real = desk.last_words

    def last_words(desks: Any) -> None:
        waiting.set()
        assert go_on.wait(SOON_S)
        real(desks)

    db = pyesdb.open(data_dir, durability="os")
    store = db.store()
    store.append("s", new_events(3))
    store.save_subscription("sub", select.everything, ack_timeout=3600)
    consumer = store.consume("sub")
    consumer.ack(taken(consumer, 2)[:1])
    monkeypatch.setattr("pyesdb.node.registry.last_words", last_words)
    closing = threading.Thread(target=db.close)
    closing.start()
    assert waiting.wait(SOON_S)
    monkeypatch.undo()
    opening = threading.Thread(target=lambda: pyesdb.open(tmp_path / "other").close())
    opening.start()
    opening.join(SOON_S)
    assert not opening.is_alive()
    go_on.set()
    closing.join()
    with pyesdb.open(data_dir) as db, db.store().consume("sub") as again:
        assert seen(again) == [(2, 1), (3, 1)]


def test_handles_that_close_at_once_say_the_last_words(data_dir: Path) -> None:
    handles = [pyesdb.open(data_dir, durability="os") for _ in range(2)]
    for stream in "abc":
        handles[0].store().append(stream, new_events())
    handles[0].store().save_subscription("sub", select.everything, ack_timeout=3600)
    consumers = [db.store().consume("sub", window=1) for db in handles]
    assert [consumer.get(0).position for consumer in consumers] == [1, 2]
    closing = [threading.Thread(target=db.close) for db in handles]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()
    with pyesdb.open(data_dir) as db, db.store().consume("sub") as again:
        assert seen(again) == [(1, 1), (2, 1), (3, 1)]
