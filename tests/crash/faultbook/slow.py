"""A disk that answers late: an fsync that the test lets go on when it has seen enough."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable

import pyesdb
from tests.crash.faultbook.book import GOES_ON, entry
from tests.crash.faultbook.scene import HURT, OTHER, Scene, patched
from tests.crash.faultbook.vfs import Fault, Gate, faults

LOG = f"{HURT}/store.db-wal"
LATE = "DeadlineExceeded: the deadline passed while .* its turn; nothing was stored: call again, .*"
"""Of a caller who waits behind the one whose fsync it is."""
UNKNOWN = r"OutcomeUnknown: not known .*its commit did not end in time.*command_id=\.\.\."
"""Of a caller whose command is in that COMMIT."""


def started(doing: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=doing)
    thread.start()
    return thread


@entry(
    "The fsync of a COMMIT takes longer than the deadline of those who wait",
    LATE,
    then=f"{GOES_ON}; the caller whose thread is in the COMMIT waits for the disk",
)
def fsync(scene: Scene) -> None:
    gate = Gate()
    with faults(Fault("xSync", LOG, times=1, gate=gate)):
        leader = started(lambda: scene.append(count=3))
        assert gate.entered.wait(60)
        scene.append(timeout=0.01)
        scene.append(count=3, timeout=0.01)
        scene.reads_go_on()
        scene.other_goes_on()
        gate.go_on.set()
        leader.join()


@entry(
    "The same, and the calls are asynchronous: the event loop goes on, and so do reads",
    LATE,
    UNKNOWN,
)
def fsync_async(scene: Scene) -> None:
    asyncio.run(asynchronously(scene))


async def asynchronously(scene: Scene) -> None:
    """An append in a COMMIT that does not end, until its deadline has passed."""
    gate, loop = Gate(), asyncio.get_running_loop()
    async with pyesdb.open_async(scene.data) as db:
        hurt, other = db.store(HURT), db.store(OTHER)

        async def append(store: pyesdb.AsyncStore, timeout: float) -> None:
            with scene.booked(store.id, 2) as booking:
                booking.result = await store.append("s", booking.events, timeout=timeout)

        with faults(Fault("xSync", LOG, times=1, gate=gate)):
            leader = asyncio.create_task(append(hurt, 60))
            while not gate.entered.is_set():  # noqa: ASYNC110  (the loop turns)
                await asyncio.sleep(0)
            await append(hurt, 0.001)
            await append(other, 60)
            assert [event.position async for event in hurt.read_all()]
            real, later = loop.time, itertools.count(100, 100)
            with patched(loop, "time", lambda: real() + next(later)):  # its deadline, and 5 s more
                await leader
            gate.go_on.set()
