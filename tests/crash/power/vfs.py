"""Watches what a process writes: an apsw VFS below the checksum VFS, and the calls of `os`.

Everything goes to the real files and to the `Disk` beside them, under one lock; so the moment of
the cut is one moment for all threads. The numbered operation of the plan does not happen (a write
may have begun): the disk as it was promised is written to a file, and the process ends.
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
REAL = {
    name: getattr(os, name)
    for name in ("open", "rename", "link", "unlink", "rmdir", "mkdir", "fsync")
}
lock = threading.RLock()
thread = threading.local()
"""`thread.doing`: "lifecycle" while this thread creates, removes, recovers or erases a store."""


class Cut:
    """Which operation is the last one: the n-th of a kind, "any" counts all."""

    def __init__(self, kind: str, number: int, record: int, lies: str) -> None:
        self.kind, self.number, self.record, self.lies = kind, number, record, lies
        self.counts: Counter[str] = Counter()
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


def _nothing() -> None:
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
            operation("sync", self.path, self.file, _nothing)
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


def _path(path: Any, dir_fd: int | None) -> str:
    text = os.fspath(path)
    if dir_fd is not None:
        text = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), text)
    return os.path.abspath(text)


def _open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    if not flags & os.O_CREAT:
        return REAL["open"](path, flags, mode, dir_fd=dir_fd)
    with lock:
        place = State.disk.place(_path(path, dir_fd))
        new = place is not None and place[1] not in place[0].now
        if new:
            operation("create", place[1], None, lambda: State.disk.change(File(), None, place))
        opened = REAL["open"](path, flags, mode, dir_fd=dir_fd)
        if new:
            State.disk.change(File(), None, place)
        return opened


def _mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    with lock:
        place = State.disk.place(_path(path, dir_fd))
        if place and place[1] not in place[0].now:
            operation("mkdir", place[1], None, lambda: State.disk.change(Folder(), None, place))
        REAL["mkdir"](path, mode, dir_fd=dir_fd)
        if place:
            State.disk.change(Folder(), None, place)


def _rename(source: Any, target: Any, **fds: int | None) -> None:
    with lock:
        out = State.disk.place(_path(source, fds.get("src_dir_fd")))
        into = State.disk.place(_path(target, fds.get("dst_dir_fd")))
        node = out[0].now.get(out[1]) if out else None
        if node:
            operation("rename", out[1], node, lambda: State.disk.change(node, out, into))
        REAL["rename"](source, target, **fds)
        if node:
            State.disk.change(node, out, into)


def _link(source: Any, target: Any, **options: Any) -> None:
    with lock:
        node, into = State.disk.find(_path(source, None)), State.disk.place(_path(target, None))
        if node:
            operation("link", str(target), node, lambda: State.disk.change(node, None, into))
        REAL["link"](source, target, **options)
        if node:
            State.disk.change(node, None, into)


def _remover(real: str) -> Callable[..., None]:
    def remove(path: Any, *, dir_fd: int | None = None) -> None:
        with lock:
            out = State.disk.place(_path(path, dir_fd))
            node = out[0].now.get(out[1]) if out else None
            if node:
                operation(real, out[1], node, lambda: State.disk.change(node, out))
            REAL[real](path, dir_fd=dir_fd)
            if node:
                State.disk.change(node, out)

    return remove


def _fsync(descriptor: Any) -> None:
    number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
    path = os.readlink(f"/proc/self/fd/{number}")
    with lock:
        node = State.disk.find(path)
        if isinstance(node, File) and not node.handles:
            node.look(Path(path).read_bytes())
        if node is not None:
            operation("fsync", path, node, _nothing)
        if isinstance(node, Folder) and State.cut.lies != "names":
            State.disk.sync(node)
        elif isinstance(node, File) and State.cut.lies != "files":
            node.sync()


def watch(disk: Disk, cut: Cut) -> PowerVFS:
    """From now on; the VFS must be kept as long as SQLite is used."""
    State.disk, State.cut = disk, cut
    from pyesdb.sqlite import files

    default = apsw.vfs_names()[0]
    vfs = PowerVFS()
    files.load_vfs()  # the checksum VFS stands on what is the default now
    apsw.set_default_vfs(default)
    os.open, os.mkdir, os.rename, os.replace = _open, _mkdir, _rename, _rename
    os.link, os.unlink, os.rmdir, os.fsync = _link, _remover("unlink"), _remover("rmdir"), _fsync
    os.remove = os.unlink
    return vfs
