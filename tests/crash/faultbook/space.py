"""No room: on the disk, in the log, in the directory; really, and from below SQLite."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

import pyesdb
from pyesdb.transfer import export_events
from tests.crash.faultbook.book import Skipped, entry
from tests.crash.faultbook.scene import HURT, Scene, patched
from tests.crash.faultbook.vfs import Fault, faults

FULL = apsw.SQLITE_FULL
LOG = f"{HURT}/store.db-wal"
FILE = f"{HURT}/store.db"
NEW = ".new/store.db"
"""The file of a store in the making; it has no log until it is complete."""
IDENTITY, SETTINGS = 2, 3
"""So many pages are written for who the store is, and then for its settings."""
FREE = "DiskFull: the disk is full at .*: nothing was stored; free some space"


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A file system of its own, mounted by root; the function remounts it with other options."""

    def mount(*words: str) -> bool:
        return not subprocess.run(["mount", *words], check=False, capture_output=True).returncode

    place.mkdir(exist_ok=True)
    if os.geteuid() or not mount("-t", "tmpfs", "-o", options, "tmpfs", str(place)):
        raise Skipped("mounting a small disk needs root")
    try:
        yield lambda other: print(end="" if mount("-o", f"remount,{other}", str(place)) else 1 / 0)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def no_room(*endings: str) -> Any:
    """An os.open that has no room for new files whose names end like this."""
    real = os.open

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT and str(path).endswith(endings):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, flags, *args, **kwargs)

    return patched(os, "open", opened)


def appends_while(scene: Scene, *these: Fault) -> None:
    """One event and a batch while the faults are there; what is beside goes on."""
    with faults(*these):
        scene.append()
        scene.append(count=3)
        scene.reads_go_on()
        scene.other_goes_on()


@entry("The disk is full when an append is written to the log", FREE)
def log(scene: Scene) -> None:
    appends_while(scene, Fault("xWrite", LOG, FULL))


@entry("The same, and the call is asynchronous", FREE, asynchronous=True)
def log_async(scene: Scene) -> None:
    appends_while(scene, Fault("xWrite", LOG, FULL))


@entry("The disk is full behind the first page of a batch", FREE)
def log_middle(scene: Scene) -> None:
    with faults(Fault("xWrite", LOG, FULL, skip=3)):
        scene.append(count=50, size=3000)
    scene.reads_go_on()


@entry("The disk is full for one write only", FREE)
def log_once(scene: Scene) -> None:
    with faults(Fault("xWrite", LOG, FULL, times=1)):
        scene.append(count=2)
        assert scene.append(count=2)


@entry("The disk is full when a checkpoint moves the log into the store's file")
def checkpoint(scene: Scene) -> None:
    with faults(Fault("xWrite", FILE, FULL)):
        for _ in range(20):  # more than the 16 MB at which SQLite begins a checkpoint
            assert scene.append(count=1, size=900_000)
        scene.reads_go_on()
        scene.other_goes_on()


@entry("The disk is full when the store is closed", then="the next open finds everything")
def closing(scene: Scene) -> None:
    with faults(Fault("xWrite", FILE, FULL)):
        scene.close()


def create(scene: Scene) -> None:
    """Try to create a store while there is no room: nothing is left of it."""
    scene.call(lambda: scene.db.create_store("more"))
    assert not list((scene.data / "stores").glob(".*"))
    scene.other_goes_on()
    scene.reads_go_on()


def create_again(scene: Scene) -> None:
    scene.db.create_store("more", exist_ok=True)
    scene.note("store", "more")
    assert scene.append("more", 2)


@entry("The disk is full when a store's file is made", FREE)
def create_file(scene: Scene) -> None:
    with no_room("more.4.new/store.db", "/store.db"):
        create(scene)
    create_again(scene)


@entry("The disk is full when a store's settings are written into its file", FREE)
def create_settings(scene: Scene) -> None:
    with faults(Fault("xWrite", NEW, FULL, skip=IDENTITY)):
        create(scene)
    create_again(scene)


@entry("The disk is full when a new store's file gets its log", FREE)
def create_settled(scene: Scene) -> None:
    with faults(Fault("xWrite", NEW, FULL, skip=IDENTITY + SETTINGS)):
        create(scene)
    create_again(scene)


@entry("The disk is full when the catalog notes a new store", FREE)
def create_noted(scene: Scene) -> None:
    with faults(Fault("xWrite", "$system/store.db-wal", FULL)):
        create(scene)
        assert "more" not in scene.db.list_stores()
        scene.call(lambda: scene.db.update_store(HURT, description="new"))
        scene.call(lambda: scene.db.freeze_store(HURT))
        scene.call(lambda: scene.db.remove_store(HURT))
    create_again(scene)


@entry("There is no room for a store's lock file", FREE)
def lock_file(scene: Scene) -> None:
    scene.reopen()
    with no_room("locks/orders.lock"):
        (scene.data / "locks/orders.lock").unlink()
        scene.append()
        scene.append()
        scene.reads_go_on()
        scene.other_goes_on()


@entry("The disk is full during a backup", "DiskFull: .*nothing was stored; free some space")
def backup(scene: Scene) -> None:
    target = scene.directory / "orders.backup"
    with faults(Fault("xWrite", ".part", FULL)):
        scene.call(lambda: scene.db.backup_store(HURT, target))
        scene.other_goes_on()
    assert not list(scene.directory.glob("orders.backup*"))
    scene.append()
    scene.db.backup_store(HURT, target)


@entry("The disk is full when a backup is restored, and when a store is copied", FREE)
def drafts(scene: Scene) -> None:
    target = scene.directory / "orders.backup"
    scene.db.backup_store(HURT, target)
    with no_room("/store.db"):
        scene.call(lambda: scene.db.restore_backup(target, as_="more"))
        scene.call(lambda: scene.db.copy_store(HURT, "more"))
    with faults(Fault("xWrite", "/store.db", FULL)):
        scene.call(lambda: scene.db.copy_store(HURT, "more"))
        scene.call(lambda: scene.db.copy_store(HURT, "more", select=pyesdb.select.stream("s")))
    assert not list((scene.data / "drafts").iterdir())
    scene.db.copy_store(HURT, "more")
    assert len(scene.read("more")) == len(scene.read())
    scene.db.remove_store("more", purge=True)


@entry("The disk is full during an export", "DiskFull: no room for .*")
def export(scene: Scene) -> None:
    target = scene.directory / "orders.jsonl"
    with small_disk(scene.directory / "disk", "size=64k"):
        for _ in range(3):
            scene.append(count=10, size=10_000)
        scene.call(lambda: export_events(scene.db.store(HURT), scene.directory / "disk/e.jsonl"))
        assert not list((scene.directory / "disk").iterdir())
    export_events(scene.db.store(HURT), target)


@entry("The file system has no room for another file", FREE)
def inodes(scene: Scene) -> None:
    scene.close()
    scene.data.rename(scene.directory / "made")
    with small_disk(scene.data, "size=50m,nr_inodes=40") as remount:
        copy(scene.directory / "made", scene.data)
        scene.open()
        scene.work()
        for number in range(40):
            scene.call(lambda name=f"filler{number}": (scene.data / name).touch(), OSError)
        scene.seen.clear()  # it is full: what follows is seen by a user
        scene.call(lambda: scene.db.create_store("more"))
        scene.work()
        for path in scene.data.glob("filler*"):
            path.unlink()
        remount("nr_inodes=400")
        scene.db.create_store("more")
        scene.note("store", "more")
        scene.close()
        copy(scene.data, scene.directory / "made")
    scene.data.rmdir()
    (scene.directory / "made").rename(scene.data)


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


@entry("A small disk is really full, and grows", FREE)
def really(scene: Scene) -> None:
    scene.close()
    scene.data.rename(scene.directory / "made")
    with small_disk(scene.data, "size=5m") as remount:
        copy(scene.directory / "made", scene.data)
        scene.open()
        while not scene.seen:
            scene.append(size=200_000)
        while scene.append(size=10):
            pass
        scene.append()
        scene.reads_go_on()
        remount("size=50m")
        scene.work()
        scene.close()
        copy(scene.data, scene.directory / "made")
    scene.data.rmdir()
    (scene.directory / "made").rename(scene.data)
