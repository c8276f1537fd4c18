"""The directory that a measurement works in, and those that killed ones have left.

Whoever measures holds a lock (flock(2)) on the directory itself; the kernel frees it when the
process dies. flock, not a record lock: two threads of one process do not take each other's.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyesdb.model.errors import Unavailable
from pyesdb.sqlite.files import typed_errors

PREFIX = ".pyesdb-bench-"
"""Names that begin with .pyesdb belong to the package: they may stand in a database's directory."""

_TRIES = 100
_NO_LOCK = -1


@contextmanager
def scratch(place: Path) -> Generator[Path]:
    """A new directory inside `place` for the length of a block."""
    with typed_errors(place):
        made, lock = _make(place)
        try:
            yield made
        finally:
            try:
                shutil.rmtree(made)
            finally:
                if lock != _NO_LOCK:
                    os.close(lock)


def sweep(place: Path) -> None:
    """Delete the scratch directories inside `place` that no living process holds."""
    for found in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # held, somebody else's, gone, or a file system without locks
            lock = _locked(found)
            try:
                shutil.rmtree(found)
            finally:
                os.close(lock)


def _make(place: Path) -> tuple[Path, int]:
    for _ in range(_TRIES):
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        try:
            return made, _locked(made)
        except (FileNotFoundError, BlockingIOError):
            continue  # a sweep came between its creation and its lock, and deletes it
        except OSError:
            return made, _NO_LOCK  # not on this file system: nobody sweeps here, either
    raise Unavailable(f"{place}: no scratch directory could be locked: try again")


def _locked(folder: Path) -> int:
    """A descriptor that holds the lock of a directory; raises OSError when another has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), os.stat(folder)):
            raise FileNotFoundError(f"{folder} was replaced")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
