"""A clock that jumps: in a process, between processes. Time in a store never goes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from pyesdb import NewEvent
from pyesdb.telemetry.clock import set_source
from tests.crash.faultbook.book import entry
from tests.crash.faultbook.scene import HURT, OTHER, Scene
from tests.crash.faultbook.vfs import Fault, Gate, faults
from tests.crash.faults import outbox_of

HOUR, YEAR = 3600, 365 * 24 * 3600


@contextmanager
def jumped(seconds: int) -> Iterator[None]:
    """The wall clock of this process, as much before or behind as it is told."""
    set_source(lambda: time.time_ns() + seconds * 10**9)
    try:
        yield
    finally:
        set_source(None)


def repeated(scene: Scene, *jumps: int) -> None:
    """An append is repeated with its command id while the clock jumps: it is stored once."""
    command = uuid4()
    with scene.booked() as booking:
        store, events = scene.db.store(HURT), booking.events
        booking.result = store.append("s", events, command_id=command)
    for seconds in jumps:
        with jumped(seconds):
            scene.work()
            again = scene.db.store(HURT).append("s", events, command_id=command)
            assert (again.position, again.duplicate) == (booking.result.position, True)
            assert scene.db.store(HURT).outcome(command).position == again.position


@entry("The clock is set back an hour; a call is repeated with its command id")
def hour_back(scene: Scene) -> None:
    repeated(scene, 0, -HOUR, 0)


@entry("The clock is a year ahead for a while; a call is repeated with its command id")
def year_ahead(scene: Scene) -> None:
    repeated(scene, 0, YEAR, 0, -HOUR)


@entry("The clock of another process is a year ahead; streams with `max_age` and a dedup window")
def other_process(scene: Scene) -> None:
    scene.db.create_store("aged", max_age=24 * HOUR)
    scene.note("store", "aged")
    assert scene.append("aged", 3)
    command, event = uuid4(), NewEvent("Once")
    scene.db.create_store("once")
    first = scene.db.store("once").append("s", event, command_id=command)
    scene.close()

    def ahead() -> None:
        with jumped(YEAR):
            scene.open()
            scene.work()
            assert scene.append("aged", 3)
            scene.db.store("once").append("s", NewEvent("Later"))
            scene.db.close()

    assert scene.child(ahead) == 0
    scene.open()
    assert scene.append("aged", 3)
    scene.db._core.node.opened.expire()
    runtime = scene.db.store("aged")._handle.runtime()
    runtime.expire(10)
    assert len(scene.read("aged")) == 9
    again = scene.db.store("once").append("s", event, command_id=command)
    assert (again.position, again.duplicate) == (first.position, True)
    scene.db.remove_store("once", purge=True)


@entry("The clock is set back an hour behind the removal of a store, and it is recovered")
def trash(scene: Scene) -> None:
    before = scene.read()
    scene.db.remove_store(HURT)
    with jumped(-HOUR):
        scene.db._core.node.expire_trash()
        scene.reopen()
        scene.db.recover_store(HURT)
        assert scene.read() == before
        scene.work()


@entry("The clock jumps a year while a call waits for another one's fsync: deadlines do not follow")
def deadlines(scene: Scene) -> None:
    gate, outbox = Gate(), outbox_of(scene.db.store(HURT))
    with faults(Fault("xSync", f"{HURT}/store.db-wal", times=1, gate=gate)):
        calls = [threading.Thread(target=lambda: scene.append(timeout=60)) for _ in range(2)]
        calls[0].start()
        assert gate.entered.wait(60)
        calls[1].start()
        while not outbox._queue:
            time.sleep(0.001)
        with jumped(YEAR):
            scene.append(OTHER)
            gate.go_on.set()
            for call in calls:
                call.join()
    assert scene.seen == []
