"""A bit flips in the write-ahead log: after a crash, and under a running process."""

from __future__ import annotations

import os
import shutil
import signal
from typing import Any

from pyesdb import NewEvent
from tests.crash.faultbook.book import entry
from tests.crash.faultbook.flips import BACK, PAGE, asked, one_flip, questions, same_or_told, spread
from tests.crash.faultbook.scene import HURT, OTHER, Scene
from tests.crash.faultbook.vfs import Fault, armed

LOG = r"Corrupt: names stores/orders/store.db-wal"
LOST = r"Corrupt: stores/orders/store.db-wal is damaged .* restore a backup"


@entry("A bit flips in the index of the log (-shm)", then="the index is made anew")
def index(scene: Scene) -> None:
    killed(scene)
    right, _ = logged(scene)
    for place in spread(scene.file(suffix="-shm").stat().st_size, every=2):
        with one_flip(scene, scene.file(suffix="-shm"), place):
            scene.open()
            assert asked(scene) == right
            scene.close()


def killed(scene: Scene) -> None:
    """A process works and is killed, so that its log holds what is not in the store's file."""
    scene.close()

    def work() -> None:
        scene.open()
        scene.work()
        scene.work()
        os.kill(os.getpid(), signal.SIGKILL)

    assert os.WTERMSIG(scene.child(work)) == signal.SIGKILL


def flipped_log(scene: Scene, every: int) -> None:
    """Frames before the last COMMIT: without what lies behind them nobody is answered."""
    killed(scene)
    right, last = logged(scene)
    for place in spread(last, step=PAGE + 24)[::every]:
        with one_flip(scene, scene.file(suffix="-wal"), place):
            scene.open()
            for name, asking in questions(scene.db, HURT).items():
                same_or_told(scene, "stores/orders/store.db-wal", asking, right[name])
            scene.append()
            assert any("store.db-wal is damaged" in text for text in scene.seen)
            assert scene.db.store(OTHER).append("s", NewEvent("Beside")).count == 1
            told = list(scene.seen)
            assert not scene.call(lambda: scene.db.backup_store(HURT, scene.directory / "copy"))
            assert scene.seen == told
            scene.close()


@entry(
    "A bit flips in the log of a process that was killed (each fifth page)", LOG, LOST, then=BACK
)
def some(scene: Scene) -> None:
    flipped_log(scene, 5)


@entry(
    "A bit flips in the log of a process that was killed (every page)",
    LOG,
    LOST,
    then=BACK,
    slow=True,
)
def all_pages(scene: Scene) -> None:
    flipped_log(scene, 1)


@entry(
    "A bit flips in the last COMMIT of the log of a process that was killed",
    lost="that COMMIT, as a whole: SQLite takes it for a write that the crash cut short",
    then="a backup has what was backed up",
)
def end(scene: Scene) -> None:
    killed(scene)
    right, last = logged(scene)
    size = scene.file(suffix="-wal").stat().st_size
    for place in (last + 700, last + 5000, size - 100):
        with one_flip(scene, scene.file(suffix="-wal"), place):
            scene.open()
            assert asked(scene)["all"] == right["all"][:-1]
            assert scene.db.store(HURT).verify().ok
            scene.close()


def logged(scene: Scene) -> tuple[dict[str, Any], int]:
    """What is right, and where the frames of the last COMMIT begin."""
    kept = scene.directory / "first"
    shutil.copytree(scene.data, kept)
    scene.open()
    right = asked(scene)
    scene.close()
    shutil.rmtree(scene.data)
    kept.rename(scene.data)
    content = scene.file(suffix="-wal").read_bytes()
    frames = range(32, len(content) - PAGE, PAGE + 24)
    same = [at for at in frames if content[at + 8 : at + 16] == content[16:24]]
    commits = [at for at in same if content[at + 4 : at + 8] != bytes(4)]
    return right, commits[-2] + PAGE + 24


@entry(
    "A bit flips in the log under a running process, which reads it",
    r"verify\(\) names the events",
    then="what is read until then may be wrong: SQLite does not look at checksums there",
)
def running(scene: Scene) -> None:
    """Also where the log was never closed: its pages have no checksum before a checkpoint."""
    scene.append(size=60)

    def change(buffer: Any, offset: int) -> None:
        if (place := bytes(buffer).find(b"x" * 60)) >= 0:
            buffer[place + 30] ^= 1

    right = asked(scene)
    fault = Fault("xRead", "orders/store.db-wal", change=change)
    armed.append(fault)
    runtime = scene.db.store(HURT)._handle.runtime()
    runtime.readers._close_idle()  # what they hold in memory is right
    assert asked(scene) != right
    (problem,) = scene.db.store(HURT).verify().problems
    assert "digest" in problem.what
    scene.tell("verify() names the events, and says what to do")
    armed.remove(fault)
    runtime.readers._close_idle()
    assert asked(scene) == right
