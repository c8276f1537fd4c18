"""One bit flips: in every file of a directory, on the disk, and on the way from the disk.

What is read afterwards is what was written, or an error that names the file and says what to do.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb import NewEvent
from pyesdb.transfer import InvalidExport, TruncatedExport, export_events, import_events
from tests.crash.faultbook.book import entry
from tests.crash.faultbook.scene import HURT, OTHER, Scene
from tests.crash.faultbook.vfs import Fault, armed

PAGE = 4096
SEED = 4
REMEDY = "restore it|restore a backup|use another backup|upgrade"
BACKUP = r"Corrupt: names stores/orders/store.db"
VERIFY = r"verify\(\) names the page"
BACK = "the file as it was, or a backup, has everything"


def spread(size: int, step: int = PAGE, every: int = 1) -> list[int]:
    """A place in every (or each nth) region of a file."""
    chance = random.Random(SEED)
    starts = range(0, size, step)
    places = [min(size - 1, start + chance.randrange(step)) for start in starts]
    return places[::every]


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << random.Random(place).randrange(8)
    path.write_bytes(content)


def told(scene: Scene, error: pyesdb.PyesdbError, name: str) -> None:
    """Class, file and remedy of an error: the rest of its text differs from place to place."""
    text = scene.plain(str(error))
    assert name in text, f"{error!r} does not name {name}"
    assert re.search(REMEDY, text), f"{error!r} says no remedy"
    scene.tell(f"{type(error).__name__}: names {name}, and says what to do")


@contextmanager
def one_flip(scene: Scene, path: Path, place: int) -> Iterator[None]:
    """The directory with one bit flipped; as it was again behind the block."""
    kept = scene.directory / "kept"
    shutil.copytree(scene.data, kept)
    flip(path, place)
    try:
        yield
    finally:
        shutil.rmtree(scene.data)
        kept.rename(scene.data)


def same_or_told(scene: Scene, name: str, asking: Callable[[], Any], right: Any) -> bool:
    """Whether an answer came; it must be the right one, else an error that names the file."""
    try:
        found = asking()
    except pyesdb.PyesdbError as error:
        told(scene, error, name)
        return False
    assert found == right, f"{name}: wrong data"
    return True


def questions(db: Any, store: str) -> dict[str, Callable[[], Any]]:
    """What a user may ask; streams apart, because each walks through other pages."""
    hurt = db.store
    return {
        "all": lambda: [
            (e.position, e.stream, e.version, e.json()) for e in hurt(store).read_all()
        ],
        "s": lambda: [(e.version, e.json()) for e in hurt(store).read("s")],
        "backwards": lambda: [e.position for e in hurt(store).read("t", backwards=True)],
        "streams": lambda: list(hurt(store).streams()),
        "version": lambda: hurt(store).version("s"),
    }


def asked(scene: Scene, store: str = HURT) -> dict[str, Any]:
    return {name: ask() for name, ask in questions(scene.db, store).items()}


def flipped_store(scene: Scene, every: int) -> None:
    """Each page of a store's file: what is asked is right or told; verify finds all."""
    scene.append(count=200, size=300)
    right, other = asked(scene), asked(scene, OTHER)
    scene.close()
    for place in spread(scene.file().stat().st_size)[1::every]:
        with one_flip(scene, scene.file(), place):
            scene.open()
            for name, asking in questions(scene.db, HURT).items():
                same_or_told(scene, "stores/orders/store.db", asking, right[name])
            problems = scene.db.store(HURT).verify().problems
            page = f"store.db: page {place // PAGE + 1}"
            assert any(p.where.endswith(page) and p.advice for p in problems), problems
            scene.tell("verify() names the page, and says what to do")
            assert asked(scene, OTHER) == other
            scene.close()


@entry("A bit flips in a page of a store's file (each fifth page)", BACKUP, VERIFY, then=BACK)
def store_some(scene: Scene) -> None:
    flipped_store(scene, 5)


@entry("A bit flips in a page of a store's file (every page)", BACKUP, VERIFY, then=BACK, slow=True)
def store_every(scene: Scene) -> None:
    flipped_store(scene, 1)


@entry("A bit flips on the way from the disk, below the checksums, once", BACKUP)
def on_the_way(scene: Scene) -> None:
    scene.append(count=50, size=300)
    right = asked(scene)
    for skip in range(100):
        scene.reopen()
        fault = Fault("xRead", "orders/store.db", times=1, skip=skip, change=change)
        armed.append(fault)
        for name, asking in questions(scene.db, HURT).items():
            same_or_told(scene, "stores/orders/store.db", asking, right[name])
        armed.remove(fault)
        assert asked(scene) == right
        if not fault.hits:
            break
    assert skip > 3


def change(buffer: Any, offset: int) -> None:
    buffer[len(buffer) // 2] ^= 4


@entry("A bit flips in the index of the log (-shm)", then="the index is made anew")
def index(scene: Scene) -> None:
    killed(scene)
    scene.open()
    right = asked(scene)
    scene.close()
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


@entry(
    "A bit flips in a page of the catalog's file",
    r"Corrupt: names stores/\$system/store.db",
    then=BACK,
)
def catalog(scene: Scene) -> None:
    right = asked(scene)
    scene.close()
    path = scene.file("$system")
    for place in spread(path.stat().st_size, every=2):
        with one_flip(scene, path, place):
            try:
                scene.open()
                for name, asking in questions(scene.db, HURT).items():
                    same_or_told(scene, "stores/$system/store.db", asking, right[name])
            except pyesdb.PyesdbError as error:
                told(scene, error, "stores/$system/store.db")
            scene.close()


MARKER = [f"{error}: names pyesdb.json" for error in ("Corrupt", "StoreFailed")]


@entry("A bit flips in the marker (pyesdb.json)", *MARKER, then=BACK)
def marker(scene: Scene) -> None:
    right = asked(scene)
    scene.close()
    path = scene.data / "pyesdb.json"
    for place in range(path.stat().st_size):
        with one_flip(scene, path, place):
            try:
                scene.open()
                assert asked(scene) == right
            except pyesdb.PyesdbError as error:
                told(scene, error, "pyesdb.json")
            scene.close()


@entry("A bit flips in the file of a removed store, in the trash", BACKUP, then=BACK)
def trash(scene: Scene) -> None:
    right = asked(scene)
    scene.db.remove_store(HURT)
    scene.close()
    (folder,) = (scene.data / "trash").iterdir()
    for place in spread((folder / "store.db").stat().st_size, every=4):
        with one_flip(scene, folder / "store.db", place):
            scene.open()
            try:
                scene.db.recover_store(HURT)
                for name, asking in questions(scene.db, HURT).items():
                    same_or_told(scene, "stores/orders/store.db", asking, right[name])
            except pyesdb.PyesdbError as error:
                told(scene, error, "orders")
            scene.close()
    scene.open()
    scene.db.recover_store(HURT)


@entry(
    "A bit flips in a backup", r"Corrupt: names orders.backup", then="another backup has everything"
)
def backup(scene: Scene) -> None:
    path = scene.directory / "orders.backup"
    scene.db.backup_store(HURT, path)
    size = path.stat().st_size
    for place in [*spread(size, every=4), *range(size - 52, size, 5), *range(size - 600, size, 60)]:
        flip(path, place)
        try:
            scene.db.restore_backup(path, as_="more")
            raise AssertionError(f"a backup with a flip at {place} was restored")
        except pyesdb.PyesdbError as error:
            told(scene, error, "orders.backup")
        flip(path, place)
    scene.db.restore_backup(path, as_="more")
    assert asked(scene, "more") == asked(scene)
    scene.db.remove_store("more", purge=True)


EXPORT = r"InvalidExport or TruncatedExport: names the file and the line"


@entry("A bit flips in an export", EXPORT, then="the file as it was has everything")
def export(scene: Scene) -> None:
    right = asked(scene)["all"]
    for name in ("orders.jsonl", "orders.jsonl.gz"):
        path = scene.directory / name
        export_events(scene.db.store(HURT), path)
        for place in spread(path.stat().st_size, step=97):
            flip(path, place)
            scene.db.create_store("more")
            try:
                import_events(scene.db.store("more"), path)
            except (InvalidExport, TruncatedExport) as error:
                scene.tell(f"InvalidExport or TruncatedExport: names {named(error, path)}")
            else:
                assert asked(scene, "more")["all"] == right, f"{name}: a flip at {place}"
            scene.db.remove_store("more", purge=True)
            flip(path, place)


def named(error: InvalidExport, path: Path) -> str:
    """What an error about an export says of the place."""
    assert error.file == str(path)
    assert f"line {error.line}" in str(error)
    return "the file and the line"


LOG = r"Corrupt: names stores/orders/store.db-wal"
LOST = r"Corrupt: stores/orders/store.db-wal is damaged .* restore a backup"


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
            scene.close()


@entry(
    "A bit flips in the log of a process that was killed (each fifth page)", LOG, LOST, then=BACK
)
def log_some(scene: Scene) -> None:
    flipped_log(scene, 5)


@entry(
    "A bit flips in the log of a process that was killed (every page)",
    LOG,
    LOST,
    then=BACK,
    slow=True,
)
def log_every(scene: Scene) -> None:
    flipped_log(scene, 1)


@entry(
    "A bit flips in the last COMMIT of the log of a process that was killed",
    lost="that COMMIT, as a whole: SQLite takes it for a write that the crash cut short",
    then="a backup has what was backed up",
)
def log_end(scene: Scene) -> None:
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
def log_running(scene: Scene) -> None:
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
