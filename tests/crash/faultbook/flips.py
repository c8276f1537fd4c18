"""One bit flips: in every file of a directory, on the disk, and on the way from the disk.

What is read afterwards is what was written, or an error that names the file and says what to do.
"""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.model.keys import Key
from pyesdb.sqlite import cipher
from pyesdb.transfer import InvalidExport, TruncatedExport, export_events, import_events
from tests.crash.faultbook.book import entry
from tests.crash.faultbook.scene import HURT, OTHER, Scene
from tests.crash.faultbook.vfs import Fault, armed
from tests.verify.tools import checkpoint

PAGE = 4096
SEED = 4
REMEDY = (
    "restore (it|a backup)|make it anew|use another backup|upgrade|open the database with|run `"
    "|give the"
)
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
    checkpoint(scene.file())  # else the log may have the page, and it is not looked at
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
    for place in range(0, path.stat().st_size, 2):
        with one_flip(scene, path, place):
            try:
                scene.open()
                assert asked(scene) == right
            except pyesdb.PyesdbError as error:
                told(scene, error, "pyesdb.json")
            scene.close()


@entry(
    "A bit flips in the key check of an encrypted store (key.json)",
    r"Corrupt: names stores/orders/",
    r"AccessDenied: names stores/orders/",
    then=BACK,
)
def key_check(scene: Scene) -> None:
    """Made for a plain file here: nothing of it is served while the check says otherwise."""
    scene.close()
    path = cipher.check_path(scene.file())
    cipher.write_check(scene.file(), cipher.new_check(Key(bytes(32))))
    for place in range(0, path.stat().st_size, 9):
        with one_flip(scene, path, place):
            scene.open()
            for asking in questions(scene.db, HURT).values():
                try:
                    raise AssertionError(f"served with a flip at {place}: {asking()}")
                except pyesdb.PyesdbError as error:
                    told(scene, error, "stores/orders/")
            assert asked(scene, OTHER)
            scene.close()
    path.unlink()


@entry(
    "A bit flips in the lock file of a database that another process holds exclusively",
    r"DatabaseLocked: ",
    then="the lock is the kernel's: it holds until that process ends",
)
def lock_file(scene: Scene) -> None:
    scene.close()
    path, go_on = scene.data / "locks/$database.lock", scene.directory / "go on"

    def holding() -> None:
        with pyesdb.open(scene.data, exclusive=True):
            (scene.directory / "held").touch()
            while not go_on.exists():
                time.sleep(0.001)

    with scene.beside(holding) as status:
        while not (scene.directory / "held").exists():
            time.sleep(0.001)
        for place in range(path.stat().st_size):
            flip(path, place)
            with pytest.raises(pyesdb.DatabaseLocked, match=r"is in use by process .* stop it"):
                scene.open()
            scene.tell("DatabaseLocked: says that another process holds it, and what to do")
            flip(path, place)
        go_on.touch()
    assert status == [0]


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
