"""The main thread has ended: from Python 3.12 on no thread can be started any more.

Other threads may go on for long, and `atexit` calls what is registered. Where Python still starts
threads then, the scripts here refuse them.
"""

from __future__ import annotations

import _thread
import threading
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.store import outbox
from tests.contract.tools import output_of

BEGIN = """
import _thread, atexit, logging, sys, threading
import pyesdb
from pyesdb import NewEvent, select

def refuse(*arguments, **named):
    raise RuntimeError("can't create new thread at interpreter shutdown")

def ended():
    threading._start_new_thread = threading._start_joinable_thread = refuse
    _thread.start_new_thread = refuse

logging.basicConfig(stream=sys.stdout)
db = pyesdb.open(sys.argv[1], durability="os")
store = db.store()
store.append("s", [NewEvent("E", {"n": n}) for n in range(3)])
store.save_subscription("sub", select.everything, ack_timeout=3600)
consumer = store.consume("sub")
first = consumer.get()
"""
AT_EXIT = """
atexit.register(db.close)
consumer.ack(first)
consumer.get()
atexit.register(ended)
"""
GOING_ON = """
def work():
    threading.main_thread().join()
    ended()
    consumer.ack(first)
    while store.subscription_info("sub").in_flight == 3:  # sent by the timer, in time
        pass
    print(store.append("t", NewEvent("E"), timeout=10).position)
    consumer.ack(consumer.get(10))
    consumer.flush()
    print(store.subscription_info("sub").in_flight)
    consumer.__exit__(None, None, None)
    db.close()
    print("closed")

threading.Thread(target=work).start()
"""
GOING_ON_ASYNC = """
import asyncio

async def go_on():
    async with pyesdb.open_async(sys.argv[1]) as db:
        store = db.store()
        appends = (store.append(f"t{n}", NewEvent("E")) for n in range(3))
        print(sorted([result.position for result in await asyncio.gather(*appends)]))
        async with store.consume("sub") as consumer:
            consumer.ack(await consumer.get(10))
            await consumer.flush()
        print((await store.subscription_info("sub")).in_flight)
    print("closed")

def work():
    threading.main_thread().join()
    ended()
    asyncio.run(go_on())
    db.close()

threading.Thread(target=work).start()
"""


def test_a_database_that_atexit_closes_says_the_rest(data_dir: Path) -> None:
    assert output_of(BEGIN + AT_EXIT, str(data_dir)) == ""
    with pyesdb.open(data_dir) as db, db.store().consume("sub") as consumer:
        event = consumer.get(0)
        assert event is not None
        assert (event.position, event.attempt) == (2, 1)


@pytest.mark.parametrize(
    ("script", "answers"),
    [(GOING_ON, "4\n1\nclosed"), (GOING_ON_ASYNC, "[4, 5, 6]\n3\nclosed")],
    ids=["sync", "async"],
)
def test_other_threads_go_on_when_the_main_thread_has_ended(
    data_dir: Path, script: str, answers: str
) -> None:
    assert output_of(BEGIN + script, str(data_dir)) == answers


def test_where_no_thread_waits_for_a_held_store_its_callers_do(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.append("s", NewEvent("E"))
        lock, holder = db._core.node.lock_file("default"), object()
        monkeypatch.setattr(_thread, "start_new_thread", refuse)
        assert lock.try_acquire(holder)
        release = threading.Timer(0.01, lock.release, (holder,))
        release.start()
        assert store.append("s", NewEvent("E")).position == 2
        release.join()
        monkeypatch.setattr(outbox, "_PATIENCE_S", 0.01)
        assert lock.try_acquire(holder)
        with pytest.raises(pyesdb.DeadlineExceeded, match="nothing was stored"):
            store.append("s", NewEvent("E"))
        lock.release(holder)
        assert store.append("s", NewEvent("E")).position == 3
