"""Watches what Python does to files and names: the calls of `os`, wrapped.

Content that Python writes, but for `pwrite`, is not seen; it is looked at when somebody syncs the
file, opens it through the VFS, or when the power goes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from tests.crash.power.disk import Disk, File, Folder, Write
from tests.crash.power.vfs import Cut, PowerVFS, State, lock, nothing, operation

REAL = {
    name: getattr(os, name)
    for name in ("open", "rename", "link", "unlink", "rmdir", "mkdir", "fsync", "pwrite")
}


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
            operation("fsync", path, node, nothing)
        if isinstance(node, Folder) and State.cut.lies != "names":
            State.disk.sync(node)
        elif isinstance(node, File) and State.cut.lies != "files":
            node.sync()


def _pwrite(descriptor: int, data: bytes, offset: int) -> int:
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    with lock:
        node = State.disk.find(path)
        if not isinstance(node, File):
            return REAL["pwrite"](descriptor, data, offset)
        step = Write(offset, bytes(data))
        operation("write", path, node, lambda: node.pending.append(step))
        node.pending.append(step)
        return REAL["pwrite"](descriptor, data, offset)


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
    os.remove, os.pwrite = os.unlink, _pwrite
    return vfs
