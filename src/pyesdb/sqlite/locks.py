"""Lock files: who may write to a store now, across processes (POSIX record locks, fcntl(2)).

A lock file has two bytes. Byte 1 is the lock; byte 0 is the gate in front of it: who waits holds
the gate, and who wants to go on writing must pass the gate first, so a busy process cannot starve
the others. The kernel frees both when a process dies. Record locks belong to the process: one
`LockFile` per path and process, and nobody else may open (and close) the file.
"""

import errno
import fcntl
import os
import struct
import sys
import threading
import time
from pathlib import Path

from pyesdb.model.errors import PyesdbError
from pyesdb.sqlite import files

_GATE, _LOCK = 0, 1
_LOOK_S = 0.05
"""How long a thread sleeps that waits for another thread of its own process."""


class LockFile:
    """One lock file: opened when first needed, closed when its store rests.

    Calls raise the library's errors when it cannot be opened.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self.writable = writable
        self._fd = -1
        self._closed = False
        self._owner: object = None
        # `with` on the lock itself: a signal can leave a Condition's own `with` half-way
        self._mutex = threading.Lock()
        self._free = threading.Condition(self._mutex)
        self._opening = threading.Lock()

    def _open(self) -> int:
        with self._opening:
            if self._closed:
                raise OSError(errno.EBADF, "the lock file was closed")
            if self._fd < 0:
                flags = os.O_RDWR | os.O_CREAT if self.writable else os.O_RDONLY
                with files.typed_errors(self.path):
                    self._fd = os.open(self.path, flags | os.O_CLOEXEC, 0o600)
            return self._fd

    def _lock(self, byte: int, kind: int) -> bool:
        while True:
            descriptor = self._fd
            try:
                fcntl.lockf(self._open() if descriptor < 0 else descriptor, kind, 1, byte)
            except PyesdbError:  # it cannot be opened; some of ours are an OSError as well
                raise
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    return False
                if error.errno == errno.EBADF:  # closed at this moment
                    raise
                if error.errno != errno.EDEADLK:
                    raise files.translate(error, self.path) from error
                # The kernel sees processes, not stores: two that wait for each other's *different*
                # stores look like a deadlock to it, and are none.
                time.sleep(0.001)
            else:
                return True

    def try_acquire(self, owner: object) -> bool:
        """Take the lock for `owner` if nobody holds it and nobody waits for it.

        An exception raised in here by a signal may leave it taken or not; `release(owner)` mends
        both.
        """
        with self._mutex:
            if self._owner is not None:
                return False
            self._owner = owner
        if self._lock(_GATE, fcntl.LOCK_EX | fcntl.LOCK_NB):
            try:
                if self._lock(_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    return True
            finally:
                self._lock(_GATE, fcntl.LOCK_UN)
        self._disown()
        return False

    def acquire(self, owner: object) -> None:
        """Wait for the lock, in the order of arrival. Never on an event loop or a main thread."""
        with self._mutex:
            while self._owner is not None:
                self._free.wait(_LOOK_S)
            self._owner = owner
        try:
            self._lock(_GATE, fcntl.LOCK_EX)
            self._lock(_LOCK, fcntl.LOCK_EX)
            self._lock(_GATE, fcntl.LOCK_UN)
        except BaseException:
            self.release(owner)
            raise

    def in_place(self) -> bool:
        """Whether the file that is locked is still the one at its path."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        own = os.fstat(self._fd)
        return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)

    def owned(self, owner: object) -> bool:
        """Whether `owner` has the lock."""
        return self._owner is owner

    def release(self, owner: object) -> None:
        """Give the lock back (and the gate, if a signal came between); harmless for others."""
        if self._owner is owner:
            try:
                if self._fd >= 0:
                    fcntl.lockf(self._fd, fcntl.LOCK_UN, 2, _GATE)
            except (OSError, ValueError):  # closed at this moment: nothing is held any more
                if not self._closed:
                    raise
            self._disown()

    def rest(self) -> None:
        """Close the descriptor unless somebody here has the lock or asks for it.

        Whoever has it, or waits for another process, is the owner: closing takes no lock away.
        """
        with self._mutex:
            if self._owner is None:
                self._shut()

    def let_go(self, owner: object) -> None:
        """`release`, then `rest`."""
        self.release(owner)
        self.rest()

    def _disown(self) -> None:
        with self._mutex:
            self._owner = None
            self._free.notify_all()

    def try_shared(self) -> bool:
        """Take the lock together with other sharers (the database's own lock file)."""
        return self._lock(_LOCK, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def holder(self) -> int | None:
        """The pid that holds the lock, if another process does (F_GETLK)."""
        linux = sys.platform.startswith("linux")
        layout = "hhqqi4x" if linux else "qqihh"
        values = (fcntl.F_WRLCK, os.SEEK_SET, _LOCK, 1, 0)
        if not linux:
            values = (_LOCK, 1, 0, fcntl.F_WRLCK, os.SEEK_SET)
        with self._mutex:  # not closed meanwhile
            found = fcntl.fcntl(self._open(), fcntl.F_GETLK, struct.pack(layout, *values))
        answer = struct.unpack(layout, found)
        kind, pid = (answer[0], answer[4]) if linux else (answer[3], answer[2])
        return None if kind == fcntl.F_UNLCK else pid

    def read(self) -> bytes:
        """The content of the file: who holds it, for people."""
        return os.pread(self._open(), 4096, 0)

    def write(self, content: bytes) -> None:
        """Replace the content of the file."""
        os.ftruncate(self._open(), 0)
        os.pwrite(self._open(), content, 0)

    def close(self) -> None:
        """Give everything back, for ever."""
        self._closed = True
        self._shut()

    def _shut(self) -> None:
        descriptor, self._fd = self._fd, -1  # first: its number may be another file's at once
        if descriptor >= 0:
            os.close(descriptor)


def command_of(pid: int) -> str:
    """The command line of a process, as far as the system tells."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (OSError, UnicodeDecodeError):
        return "unknown"
