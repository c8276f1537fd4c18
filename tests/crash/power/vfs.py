"""Watches what SQLite writes: an apsw VFS below the checksum VFS; and the power cut itself.

`system.py` watches what Python does. Everything goes to the real files and to the `Disk` beside
them, under one lock; so the moment of the cut is one moment for all threads. The numbered operation
of the plan does not happen (a write may have begun): the disk as it was promised is written to a
file, and the process ends.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from tests.crash.power.disk import MEMORY, Disk, File, Folder, Size, Write

VFS = "power"
LOG = "-wal"
lock = threading.RLock()
thread = threading.local()
"""`thread.doing`: "lifecycle" while this thread creates, removes, recovers or erases a store."""


class Cut:
    """Which operation is the last one: the n-th of a kind, "any" counts all."""

    def __init__(self, kind: str, number: int, record: int, lies: str) -> None:
        self.kind, self.number, self.record, self.lies = kind, number, record, lies
        self.counts: Counter[str] = Counter()
        self.failing = ""
        """The next sync of a file whose path ends like this fails, as it does on Linux."""
        self.kills = False
        """The process is killed when that has failed; what it left is written to `record`."""
        self.restarts = 0
        """How often a log began anew over its older content."""


class State:
    """Of this process: set once, by `watch`."""

    disk: Disk
    cut: Cut


def kind_of(what: str, name: str, node: File | Folder | None) -> str:
    """Where in a commit, a checkpoint or a store's life an operation stands."""
    if getattr(thread, "doing", "") == "lifecycle":
        return "lifecycle"
    if name.endswith(LOG) and what == "write":
        return "log write"
    if name.endswith(LOG) and what == "sync" and isinstance(node, File) and node.pending:
        return "log sync"
    if name.endswith(("store.db", LOG)) and what in ("write", "size", "sync"):
        return "checkpoint"
    return "other"


def operation(what: str, name: str, node: File | Folder | None, begun: Callable[[], None]) -> None:
    """Under the lock, before it happens: the power goes, or not. `begun`: what may be there."""
    cut = State.cut
    kind = kind_of(what, name, node)
    cut.counts[kind] += 1
    cut.counts["any"] += 1
    if cut.counts[cut.kind] == cut.number:
        end(kind, begun)


def end(kind: str, begun: Callable[[], None] = lambda: None) -> None:
    """The power is gone."""
    with lock:
        disk, cut = State.disk, State.cut
        _look_at_all(disk.root, Path(disk.base))
        begun()
        content = pickle.dumps(
            {
                "disk": disk,
                "kind": kind,
                "operations": cut.counts["any"],
                "restarts": cut.restarts,
            }
        )
        while content:
            content = content[os.write(cut.record, content) :]
        os._exit(0)


def _look_at_all(folder: Folder, place: Path) -> None:
    """What was written past the VFS; and the lab itself: the rest must be as it was recorded."""
    names = set(os.listdir(place))
    folder.memory = {name: (place / name).read_bytes() for name in names if name.endswith(MEMORY)}
    names -= set(folder.memory)
    assert names == set(folder.now), f"{place} has {names}, recorded are {set(folder.now)}"
    for name, node in folder.now.items():
        if isinstance(node, Folder):
            _look_at_all(node, place / name)
        elif node.handles:
            assert node.now() == (place / name).read_bytes(), f"{place / name} is not as recorded"
        else:
            node.look((place / name).read_bytes())


def nothing() -> None:
    pass


class PowerFile(apsw.VFSFile):
    """A file of the watched tree, or any other one, which is left alone."""

    def __init__(self, name: Any, flags: list[int]) -> None:
        self.path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.file: File | None = None
        with lock:
            place = State.disk.place(self.path) if self.path else None
            found = State.disk.find(self.path) if place else None
            if place and found is None and flags[0] & apsw.SQLITE_OPEN_CREATE:
                operation("create", place[1], None, lambda: State.disk.change(File(), None, place))
            super().__init__("unix", name, flags)
            if not place:
                return
            if found is None:
                found = File()
                State.disk.change(found, None, place)
            assert isinstance(found, File)
            if not found.handles:
                found.look(Path(self.path).read_bytes())
            found.handles += 1
            self.file = found
            # the first sync of a log or journal syncs its name, too: UNIXFILE_DIRSYNC of SQLite
            kinds = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
            self.folder = place[0] if flags[0] & kinds else None

    def xWrite(self, data: bytes, offset: int) -> None:
        if self.file is None:
            super().xWrite(data, offset)
            return
        with lock:
            step, pending = Write(offset, bytes(data)), self.file.pending
            if offset == 0 and self.path.endswith(LOG) and self.file.durable:
                State.cut.restarts += 1
            operation("write", self.path, self.file, lambda: pending.append(step))
            super().xWrite(data, offset)
            pending.append(step)

    def xTruncate(self, size: int) -> None:
        if self.file is None:
            super().xTruncate(size)
            return
        with lock:
            pending = self.file.pending
            operation("size", self.path, self.file, lambda: pending.append(Size(size)))
            super().xTruncate(size)
            pending.append(Size(size))

    def xSync(self, flags: int) -> None:
        if self.file is None:
            super().xSync(flags)
            return
        with lock:
            operation("sync", self.path, self.file, nothing)
            if State.cut.failing and self.path.endswith(State.cut.failing):
                State.cut.failing = ""
                self.file.fail_to_sync()
                if State.cut.kills:
                    end("killed")
                raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
            if State.cut.lies == "files":
                return
            self.file.sync()
            if self.folder is not None:
                State.disk.sync(self.folder)
                self.folder = None

    def xClose(self) -> None:
        with lock:
            super().xClose()
            if self.file is not None:
                self.file.handles -= 1
                self.file = None


class PowerVFS(apsw.VFS):
    """Below the checksum VFS, above the operating system."""

    def __init__(self) -> None:
        super().__init__(VFS, "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> PowerFile:
        return PowerFile(name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        with lock:
            place, node = State.disk.place(name), State.disk.find(name)
            if place and node:
                operation("unlink", place[1], node, lambda: State.disk.change(node, place))
            super().xDelete(name, sync)
            if place and node:
                State.disk.change(node, place)
                if sync:
                    State.disk.sync(place[0])
