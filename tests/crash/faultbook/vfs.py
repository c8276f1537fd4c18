"""Faults below SQLite: the functions of its unix VFS, replaced in this process by ones that fail.

SQLite keeps a table of function pointers per file (sqlite3_io_methods) and one per VFS
(sqlite3_vfs, both in sqlite.org/c3ref). `install` puts functions of ours in front of them, so that
a fault answers with a result code, as SQLite's own would, and no Python exception is seen above. It
is below the checksum VFS and below the cipher: bytes flipped here come from the disk, for both.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from typing import Any

import apsw

FOR_EVER = 1 << 60
VFS_POINTER = 27

_CALLS: dict[str, Any] = {
    "xClose": CFUNCTYPE(c_int, c_void_p),
    "xRead": CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64),
    "xWrite": CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64),
    "xTruncate": CFUNCTYPE(c_int, c_void_p, c_int64),
    "xSync": CFUNCTYPE(c_int, c_void_p, c_int),
    "xFileSize": CFUNCTYPE(c_int, c_void_p, c_void_p),
    "xLock": CFUNCTYPE(c_int, c_void_p, c_int),
    "xUnlock": CFUNCTYPE(c_int, c_void_p, c_int),
    "xCheckReservedLock": CFUNCTYPE(c_int, c_void_p, c_void_p),
    "xFileControl": CFUNCTYPE(c_int, c_void_p, c_int, c_void_p),
    "xSectorSize": CFUNCTYPE(c_int, c_void_p),
    "xDeviceCharacteristics": CFUNCTYPE(c_int, c_void_p),
    "xShmMap": CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, c_void_p),
    "xShmLock": CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int),
    "xShmBarrier": CFUNCTYPE(None, c_void_p),
    "xShmUnmap": CFUNCTYPE(c_int, c_void_p, c_int),
    "xFetch": CFUNCTYPE(c_int, c_void_p, c_int64, c_int, c_void_p),
    "xUnfetch": CFUNCTYPE(c_int, c_void_p, c_int64, c_void_p),
}
_WATCHED = ("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xShmMap", "xShmLock")
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)


class _Methods(Structure):
    _fields_ = [("iVersion", c_int), *((name, c_void_p) for name in _CALLS)]


class _Vfs(Structure):
    _fields_ = [
        ("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int), ("pNext", c_void_p),
        ("zName", c_char_p), ("pAppData", c_void_p), ("xOpen", c_void_p),
    ]  # fmt: skip


class Fault:
    """What becomes of calls of one name on files whose path ends in `file`.

    `code` is answered, `skip` calls later and `times` times; `behind`: the real call is made first.
    `change(buffer, offset)` may change what was read; `gate` holds the call until it is opened.
    """

    def __init__(
        self,
        call: str,
        file: str,
        code: int = apsw.SQLITE_OK,
        *,
        times: int = FOR_EVER,
        skip: int = 0,
        behind: bool = False,
        change: Callable[[Any, int], None] | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.call, self.file, self.code, self.times, self.skip = call, file, code, times, skip
        self.behind, self.change, self.gate = behind, change, gate
        self.hits = 0

    def meets(self, call: str, path: str) -> bool:
        if call != self.call or not path.endswith(self.file):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.hits >= self.times:
            return False
        self.hits += 1
        return True


class Gate:
    """Holds who comes until the test lets go."""

    def __init__(self) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()

    def hold(self) -> None:
        self.entered.set()
        assert self.go_on.wait(60)


class Death(Gate):
    """Kills the process that comes."""

    def hold(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


armed: list[Fault] = []
_mutex = threading.RLock()  # a connection may be collected as garbage, and so closed, in here
_names: dict[int, str] = {}
_tables: dict[int, _Methods] = {}
_kept: list[Any] = []


@contextmanager
def faults(*these: Fault) -> Iterator[None]:
    """These faults, until the end of the block; each must have happened."""
    install()
    armed.extend(these)
    try:
        yield
    finally:
        for fault in these:
            armed.remove(fault)
    assert all(fault.hits for fault in these), [(f.call, f.file) for f in these if not f.hits]


def _met(call: str, path: str) -> Fault | None:
    with _mutex:
        return next((fault for fault in armed if fault.meets(call, path)), None)


def _watched(call: str, real: Any) -> Any:
    """A function in front of a real one."""

    def answer(file: int, *args: Any) -> int:
        path = _names.get(file, "")
        if call == "xClose":
            _names.pop(file, None)
        fault = _met(call, path) if armed else None
        if fault is None:
            return real(file, *args)
        if fault.gate is not None:
            fault.gate.hold()
        if fault.change is not None:
            code = real(file, *args)
            fault.change((ctypes.c_ubyte * args[1]).from_address(args[0]), args[2])
            return code
        if fault.behind or fault.code == apsw.SQLITE_OK or call == "xClose":
            code = real(file, *args)
            return fault.code or code
        return fault.code

    return answer


def _table(address: int) -> _Methods:
    """Our methods in front of the ones at this address."""
    if address not in _tables:
        real = _Methods.from_address(address)
        ours = _Methods()
        ctypes.memmove(ctypes.addressof(ours), address, ctypes.sizeof(_Methods))
        for call in _WATCHED:
            kind, pointer = _CALLS[call], getattr(real, call)
            if pointer:
                function = kind(_watched(call, kind(pointer)))
                _kept.append(function)
                setattr(ours, call, ctypes.cast(function, c_void_p).value)
        _tables[address] = ours
    return _tables[address]


def install() -> None:
    """Put the functions in place; once for a process, before the files it is about are opened."""
    if _kept:
        return
    pointer = c_void_p()
    with apsw.Connection(":memory:", vfs="unix") as memory:
        memory.file_control("main", VFS_POINTER, ctypes.addressof(pointer))
    assert pointer.value is not None
    vfs = ctypes.cast(pointer, POINTER(_Vfs)).contents
    assert vfs.zName == b"unix"
    real = _OPEN(vfs.xOpen)

    def opened(self: int, name: int | None, file: int, flags: int, out: int) -> int:
        path = ctypes.string_at(name).decode() if name else ""  # what follows it is SQLite's
        fault = _met("xOpen", path) if armed else None
        if fault is not None and fault.gate is not None:
            fault.gate.hold()
        if fault is not None and fault.code:
            ctypes.memset(file, 0, ctypes.sizeof(c_void_p))
            return fault.code
        code = real(self, name, file, flags, out)
        methods = c_void_p.from_address(file)
        if code == apsw.SQLITE_OK and methods.value:
            _names[file] = path
            methods.value = ctypes.addressof(_table(methods.value))
        return code

    function = _OPEN(opened)
    _kept.append(function)
    vfs.xOpen = ctypes.cast(function, c_void_p).value
