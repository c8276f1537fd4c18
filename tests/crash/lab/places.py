"""Where a child dies: between two steps of the library, at the n-th time it comes there.

Inside COMMIT it is SQLite's own write(2) that is looked at (its system calls can be replaced, see
https://sqlite.org/c3ref/vfs.html, xSetSystemCall), so shared memory stays what it is and other
processes can go on in the same file.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import apsw

from pyesdb.log.local import LocalLog
from pyesdb.model.commands import AppendEvents, Entry, Scavenge, StreamAppend
from pyesdb.node import backup, reconcile
from pyesdb.sqlite import backup as pages
from pyesdb.sqlite import files
from pyesdb.store import applier, runtime
from pyesdb.transfer import engine

PLACES = {
    "lock taken, before BEGIN": "append",
    "BEGIN, nothing written": "append",
    "written, before COMMIT": "append",
    "in COMMIT: log half written": "append",
    "in COMMIT: log written, not synced": "append",
    "in COMMIT: checkpoint half done": "append",
    "synced, before the answer": "append",
    "answered, before the lock is free": "append",
    "noted StoreCreated": "life",
    "file made": "life",
    "file in place": "life",
    "noted StoreReady": "life",
    "noted StoreFrozen": "life",
    "noted StoreUpdated": "life",
    "noted StoreRemoved": "life",
    "sealed": "life",
    "in the trash": "life",
    "noted StoreRecovered": "life",
    "unsealed": "life",
    "out of the trash": "life",
    "noted StoreErased": "life",
    "scavenge: before COMMIT": "scavenge",
    "scavenge: between two steps": "scavenge",
    "import: before COMMIT": "import",
    "import: synced, before the answer": "import",
    "import: between two batches": "import",
    "backup: copying": "backup",
    "backup written": "backup",
    "backup: in place": "backup",
}
"""Each place, and which calls come there."""

Passed = Callable[[str], None]
WHILE_S = 0.003
"""It stays there so long before it dies: who was answered too early has the time to say so."""

HEADER, PAGE = 24, 4096
"""Bytes of a frame's header and of its page: what SQLite writes into its log, in turns."""


def arm(place: str, nth: int, last_word: Callable[[], None]) -> None:
    """Die when this process comes to `place` for the n-th time."""
    mutex, count = threading.RLock(), 0

    def passed(here: str) -> None:
        nonlocal count
        if here != place:
            return
        with mutex:
            count += 1
            if count == nth:
                last_word()
                time.sleep(WHILE_S)
                os.kill(os.getpid(), signal.SIGKILL)

    _watch_commits(passed)
    _watch_calls(passed)
    if place.startswith("in COMMIT"):
        _watch_writes(passed)


def _watch_commits(passed: Passed) -> None:
    begin, apply, inside = applier.Applier.begin, applier.apply, applier.Applier._apply
    release = LocalLog.release

    def at_begin(self: applier.Applier) -> tuple[int, int]:
        passed("lock taken, before BEGIN")
        return begin(self)

    def at_apply(tx: Any, entry: Entry) -> Any:
        found = kinds(entry)
        if "append" in found:
            passed("BEGIN, nothing written")
        outcomes = apply(tx, entry)
        if "append" in found:
            passed("written, before COMMIT")
        for kind in found:
            passed(f"{kind}: before COMMIT")
        return outcomes

    def behind_commit(self: applier.Applier, entry: Entry) -> Any:
        outcomes = inside(self, entry)
        for kind in kinds(entry):
            passed(f"{kind}: synced, before the answer")
            if kind == "append":
                passed("synced, before the answer")
        return outcomes

    def at_release(self: LocalLog) -> None:
        if self._lock is not None and self._lock.owned(self):
            passed("answered, before the lock is free")
        release(self)

    applier.Applier.begin = at_begin  # type: ignore[method-assign]
    applier.apply = at_apply
    applier.Applier._apply = behind_commit  # type: ignore[method-assign]
    LocalLog.release = at_release  # type: ignore[method-assign]


def kinds(entry: Entry) -> set[str]:
    """What an entry does, as far as places are about it."""
    found = set()
    for command in entry.commands:
        if isinstance(command, Scavenge):
            found.add("scavenge")
        if isinstance(command, AppendEvents):
            found.update(map(_kind, command.appends))
    return found


def _kind(part: StreamAppend) -> str:
    if part.stream.startswith("imported-"):
        return "import"
    return "life" if part.stream == "s" or part.stream.startswith("$store-") else "append"


def _watch_calls(passed: Passed) -> None:
    store, put, follow = engine.Writer.store, backup._put, pages.follow
    scavenge = runtime.StoreRuntime.scavenge

    def stored(self: engine.Writer, batch: engine.Batch) -> None:
        store(self, batch)
        passed("import: between two batches")

    def copying(steps: pages.Steps, on_progress: pages.Progress | None) -> None:
        def told(done: int, total: int) -> None:
            passed("backup: copying")
            if on_progress is not None:
                on_progress(done, total)

        follow(steps, told)

    def in_place(part: Any, target: Any) -> None:
        put(part, target)
        passed("backup: in place")

    def swept(self: runtime.StoreRuntime, timeout_s: float, _: object, *more: Any) -> Any:
        return scavenge(self, timeout_s, lambda *_: passed("scavenge: between two steps"), *more)

    reconcile.hook = passed
    runtime.StoreRuntime.scavenge = swept  # type: ignore[method-assign]
    engine.Writer.store = stored  # type: ignore[method-assign]
    backup.backup.follow = copying
    backup._put = in_place


_kept: list[object] = []
"""Functions that C code calls must not be freed."""


def _watch_writes(passed: Passed) -> None:
    vfs = apsw.VFS("watched", "unix")
    name = next(name for name in ("pwrite64", "pwrite") if vfs.xGetSystemCall(name))
    kind = ctypes.CFUNCTYPE(
        ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64
    )
    real = kind(vfs.xGetSystemCall(name))
    commits: dict[int, bool] = {}

    def pwrite(descriptor: int, content: int, size: int, offset: int) -> int:
        written: int = real(descriptor, content, size, offset)
        path = _path(descriptor)
        if path.endswith("-wal") and size == HEADER:
            commits[descriptor] = ctypes.string_at(content, 8)[4:] != bytes(4)
        elif path.endswith("-wal") and size == PAGE:
            last = commits.get(descriptor)
            passed(f"in COMMIT: log {'written, not synced' if last else 'half written'}")
        elif path.endswith(".db"):
            passed("in COMMIT: checkpoint half done")
        return written

    replacement = kind(pwrite)
    vfs.xSetSystemCall(name, ctypes.cast(replacement, ctypes.c_void_p).value)
    _kept.extend((vfs, real, replacement))


def _path(descriptor: int) -> str:
    """The file of a descriptor if it is a store's in its place, else ""."""
    with suppress(OSError):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if "/stores/" in path and "/stores/." not in path:
            return path
    return ""


def checkpoint_often(every: int) -> None:
    """Let the log be written back after this many pages, and not after 4,000."""
    real = files.open_writer

    def opened(*args: Any, **named: Any) -> Any:
        connection = real(*args, **named)
        connection.execute(f"PRAGMA wal_autocheckpoint={every}").fetchall()
        return connection

    files.open_writer = opened
