"""Two faults at once: what the first one leaves is all that the second one finds."""

from __future__ import annotations

import os
import signal
import time

import apsw

from tests.crash.faultbook.book import entry
from tests.crash.faultbook.disk import DOUBT
from tests.crash.faultbook.scene import HURT, OTHER, Scene
from tests.crash.faultbook.space import FREE
from tests.crash.faultbook.vfs import Death, Fault, faults

LOG, FILE = f"{HURT}/store.db-wal", f"{HURT}/store.db"
AGAIN = "the next open finds everything"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(scene: Scene, *these: Fault, count: int = 1, size: int = 10) -> None:
    """Work, faults, an append with them, SIGKILL; all in another process."""
    scene.close()

    def work() -> None:
        scene.open()
        scene.work()
        with faults(*these):
            for _ in range(count):
                scene.append(count=3, size=size)
            die()

    assert os.WTERMSIG(scene.child(work)) == signal.SIGKILL


@entry("The fsync of a COMMIT fails for ever, then the process is killed", DOUBT, then=AGAIN)
def fsync(scene: Scene) -> None:
    killed(scene, Fault("xSync", LOG, apsw.SQLITE_IOERR_FSYNC))


@entry(
    "The fsync of a COMMIT fails, everything reached the disk, and the process is killed before "
    "an entry stands behind it",
    then="the call had no answer: it is there as a whole, or not at all",
)
def resurrected(scene: Scene) -> None:
    """SQLite finds a whole COMMIT in the log and takes it: nobody was told that it failed."""
    failing = Fault("xSync", LOG, apsw.SQLITE_IOERR_FSYNC, times=1, behind=True)
    before = len(scene.read())
    killed(scene, failing, Fault("xOpen", FILE, gate=Death()))
    scene.open()
    assert len(scene.read()) == before + 5 + 3


@entry("The disk is full, then the process is killed", FREE, then=AGAIN)
def full(scene: Scene) -> None:
    killed(scene, Fault("xWrite", LOG, apsw.SQLITE_FULL, skip=2))


@entry("A checkpoint fails half-way, then the process is killed", then=AGAIN, slow=True)
def checkpoint(scene: Scene) -> None:
    killed(scene, Fault("xWrite", FILE, apsw.SQLITE_IOERR_WRITE, skip=500), count=7, size=900_000)


@entry("The disk is full for this process while another one writes to the same store", FREE)
def beside(scene: Scene) -> None:
    scene.close()
    stop, begun = scene.directory / "stop", scene.directory / "begun"

    def writing() -> None:
        scene.open()
        while not stop.exists():
            assert scene.append(count=2)
            assert scene.append(OTHER, 2)
            begun.touch()
        scene.db.close()

    with scene.beside(writing) as status:
        scene.open()
        while not begun.exists():
            time.sleep(0.001)
        with faults(Fault("xWrite", LOG, apsw.SQLITE_FULL)):
            for count in range(1, 10):
                scene.append(count=count)
            scene.reads_go_on()
            scene.other_goes_on()
        scene.append(count=3)
        stop.touch()
    assert status == [0]
