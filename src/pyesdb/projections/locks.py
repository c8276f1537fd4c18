"""One projector at a time in a SQLite read model: a file beside it, a byte of it for each.

A byte is locked with the record locks of the operating system, so it is free as soon as its holder
is dead. Those locks belong to a process, and closing any descriptor of the file drops all of them:
therefore a process has one descriptor for each file, closed when its last lock goes, and what it
holds itself is looked up in `_open`. A forked child holds nothing. The file is never removed: a
process could be about to lock it.
"""

import fcntl
import hashlib
import os
import threading
from contextlib import suppress

SUFFIX = "-pyesdb"
_OFFSETS = 1 << 62

_mutex = threading.Lock()
_open: dict[str, tuple[int, set[int]]] = {}


def number(*words: str) -> int:
    """A number below 2**62 that stands for some words, the same in every process."""
    text = "\0".join(words).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") % _OFFSETS


class FileLock:
    """The right to run one projection in one file."""

    def __init__(self, database: str, key: int) -> None:
        self._database = os.path.realpath(database)
        self._path = self._database + SUFFIX
        self._key = key
        self._taken = False

    def take(self) -> bool:
        """Take it if nobody has it."""
        with _mutex:
            descriptor, held = _open.get(self._path) or (self._descriptor(), set[int]())
            try:
                if self._key in held or not _locked(descriptor, self._key):
                    return False
                held.add(self._key)
                _open[self._path] = descriptor, held
                self._taken = True
                return True
            finally:
                if not held:
                    os.close(descriptor)

    def _descriptor(self) -> int:
        """Whoever may write the database may lock it, too."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # no database yet, or a file of somebody else's
            os.fchmod(descriptor, os.stat(self._database).st_mode & 0o666)
        return descriptor

    def free(self) -> None:
        """Give it back; nothing to do in a fork of the process that took it."""
        with _mutex:
            descriptor, held = _open.get(self._path, (-1, set[int]()))
            taken, self._taken = self._taken, False
            if not taken or self._key not in held:
                return
            held.remove(self._key)
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, self._key)
            if not held:
                del _open[self._path]
                os.close(descriptor)


def _locked(descriptor: int, key: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, key)
    except BlockingIOError:
        return False
    except PermissionError:  # what POSIX also allows for "somebody has it"
        return False
    return True


def _forget() -> None:
    """In a forked child: the locks are its parent's."""
    global _mutex
    _mutex = threading.Lock()
    for descriptor, _ in _open.values():
        os.close(descriptor)
    _open.clear()


os.register_at_fork(after_in_child=_forget)
