"""A disk with errors: each call of SQLite's that can fail does, once, three times, for ever."""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import apsw

from tests.crash.faultbook.book import entry
from tests.crash.faultbook.scene import HURT, Scene, patched
from tests.crash.faultbook.space import IDENTITY, NEW, SETTINGS
from tests.crash.faultbook.vfs import FOR_EVER, Fault, faults
from tests.crash.faults import applier_of

LOG, FILE = f"{HURT}/store.db-wal", f"{HURT}/store.db"
AGAIN = r"Unavailable: stores/orders/store.db could not be read .*; look after the disk"
DOUBT = r"OutcomeUnknown: not known whether the command was stored .* again with command_id=\.\.\."
TIMES = {"once": 1, "three times": 3, "for ever": FOR_EVER}


def use(scene: Scene) -> None:
    """What a user does while the disk has errors: writes, reads, and the other store."""
    for count in (1, 3, 1):
        scene.append(count=count)
        scene.read()
    scene.other_goes_on()


def appends(fault: Fault, scene: Scene) -> None:
    with faults(fault):
        use(scene)
    scene.reads_go_on()


def of_the_log(call: str, code: int, what: str, *see: tuple[str, ...], slow: bool = False) -> None:
    """An entry for each number of times that a call on the log fails."""
    for (often, times), seen in zip(TIMES.items(), see, strict=True):

        @entry(f"{what}, {often}", *seen, name=f"{call}-{often.replace(' ', '-')}", slow=slow)
        def _(scene: Scene, times: int = times) -> None:
            appends(Fault(call, LOG, code, times=times), scene)


SEEN = (AGAIN,), (DOUBT, AGAIN), (DOUBT,)
of_the_log("xWrite", apsw.SQLITE_IOERR_WRITE, "Writing the log fails", *SEEN)
of_the_log("xSync", apsw.SQLITE_IOERR_FSYNC, "The fsync of a COMMIT fails", *SEEN)


@entry("The fsync of a COMMIT fails for ever, asynchronous calls", DOUBT, asynchronous=True)
def sync_async(scene: Scene) -> None:
    appends(Fault("xSync", LOG, apsw.SQLITE_IOERR_FSYNC), scene)


@entry("The fsync of a COMMIT fails though everything reached the disk", AGAIN)
def sync_behind(scene: Scene) -> None:
    appends(Fault("xSync", LOG, apsw.SQLITE_IOERR_FSYNC, times=1, behind=True), scene)


@entry("Writing fails when the log begins anew behind a checkpoint", AGAIN)
def begin_anew(scene: Scene) -> None:
    """Then the old header and old frames, all of them whole, lie where SQLite says is nothing."""
    store = scene.db.store(HURT)
    applier_of(store)._connection.execute("PRAGMA wal_checkpoint").fetchall()
    with faults(Fault("xWrite", LOG, apsw.SQLITE_IOERR_WRITE, times=1)):
        scene.append()
        store._handle.runtime().readers._close_idle()
        scene.reads_go_on()
    store._handle.runtime().readers._close_idle()


@entry("Reading the log fails", AGAIN)
def read_log(scene: Scene) -> None:
    appends(Fault("xRead", LOG, apsw.SQLITE_IOERR_READ), scene)


def fresh(scene: Scene) -> None:
    """Everything in the store's file, nothing in the log or in memory."""
    scene.reopen()


@entry("Reading the store's file fails", AGAIN)
def read_file(scene: Scene) -> None:
    fresh(scene)
    appends(Fault("xRead", FILE, apsw.SQLITE_IOERR_READ), scene)


@entry("Reading the store's file fails once", AGAIN)
def read_file_once(scene: Scene) -> None:
    fresh(scene)
    appends(Fault("xRead", FILE, apsw.SQLITE_IOERR_READ, times=1, skip=4), scene)


@entry("The log's index cannot be mapped into memory", AGAIN)
def map_index(scene: Scene) -> None:
    fresh(scene)
    appends(Fault("xShmMap", FILE, apsw.SQLITE_IOERR_SHMMAP), scene)


@entry("The log's index cannot be locked", AGAIN)
def lock_index(scene: Scene) -> None:
    appends(Fault("xShmLock", FILE, apsw.SQLITE_IOERR_SHMLOCK), scene)


@entry("The store's file cannot be opened", r"Unavailable: .*orders/store.db cannot be opened")
def open_file(scene: Scene) -> None:
    fresh(scene)
    appends(Fault("xOpen", FILE, apsw.SQLITE_CANTOPEN), scene)


@entry("The log cannot be opened", r"Unavailable: .*orders/store.db cannot be opened")
def open_log(scene: Scene) -> None:
    fresh(scene)
    appends(Fault("xOpen", LOG, apsw.SQLITE_CANTOPEN), scene)


def checkpoint(scene: Scene, *these: Fault) -> None:
    """So much is written that SQLite begins a checkpoint."""
    with faults(*these):
        for _ in range(20):
            assert scene.append(size=900_000)
        scene.reads_go_on()
        scene.other_goes_on()


@entry("Writing the store's file fails at a checkpoint", slow=True)
def checkpoint_write(scene: Scene) -> None:
    checkpoint(scene, Fault("xWrite", FILE, apsw.SQLITE_IOERR_WRITE))


@entry("The fsync of the log fails at a checkpoint", slow=True)
def checkpoint_log(scene: Scene) -> None:
    with faults(Fault("xSync", LOG, apsw.SQLITE_IOERR_FSYNC)):
        scene.close()


@entry("The fsync of the store's file fails at a checkpoint, for ever", slow=True)
def checkpoint_sync(scene: Scene) -> None:
    checkpoint(scene, Fault("xSync", FILE, apsw.SQLITE_IOERR_FSYNC))


CATALOG = r"OutcomeUnknown: not known whether the catalog noted .*list_stores"


@entry("The catalog's log cannot be written", CATALOG)
def catalog(scene: Scene) -> None:
    with faults(Fault("xWrite", "$system/store.db-wal", apsw.SQLITE_IOERR_WRITE)):
        scene.call(lambda: scene.db.create_store("more"))
        scene.work()


MADE = r"Unavailable: stores/more could not be read or written .*; look after the disk"
FILLED = r"Unavailable: stores/more/store.db could not be read or written .*; look after the disk"


def create_while(scene: Scene, fault: AbstractContextManager[None]) -> None:
    """Create a store during a fault, then again; nothing is left of the first try."""
    with fault:
        scene.call(lambda: scene.db.create_store("more"))
    assert not list((scene.data / "stores").glob(".*"))
    scene.db.create_store("more")
    scene.note("store", "more")


def write_of_new(skip: int) -> AbstractContextManager[None]:
    return faults(Fault("xWrite", NEW, apsw.SQLITE_IOERR_WRITE, skip=skip))


@entry("The file of a new store cannot be written", FILLED)
def create(scene: Scene) -> None:
    create_while(scene, write_of_new(0))


@entry("The settings of a new store cannot be written into its file", FILLED)
def create_settings(scene: Scene) -> None:
    create_while(scene, write_of_new(IDENTITY))


@entry("The file of a new store cannot be given its log", MADE)
def create_settled(scene: Scene) -> None:
    create_while(scene, write_of_new(IDENTITY + SETTINGS))


def broken(name: str, ending: str) -> AbstractContextManager[None]:
    """A function of `os` that fails for paths (or descriptors of files) that end like this."""
    real = getattr(os, name)

    def called(first: int | Path, *args: Any) -> Any:
        path = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else str(first)
        if path.endswith(ending):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(first, *args)

    return patched(os, name, called)


@entry("The fsync of a new store's file fails", MADE)
def create_sync(scene: Scene) -> None:
    create_while(scene, broken("fsync", NEW))


@entry("The fsync of a new store's directory fails", MADE)
def create_sync_folder(scene: Scene) -> None:
    create_while(scene, broken("fsync", ".new"))


@entry("A new store's directory cannot be renamed into its place", MADE)
def create_rename(scene: Scene) -> None:
    create_while(scene, broken("rename", ".new"))


@entry("Reading fails in the middle of a backup", AGAIN)
def backup(scene: Scene) -> None:
    fresh(scene)
    scene.read()
    with faults(Fault("xRead", FILE, apsw.SQLITE_IOERR_READ, skip=3)):
        scene.call(lambda: scene.db.backup_store(HURT, scene.directory / "orders.backup"))
    assert not list(scene.directory.glob("orders.backup*"))
    scene.db.backup_store(HURT, scene.directory / "orders.backup")
