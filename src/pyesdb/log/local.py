"""The local log: the store's SQLite file is the log, so an entry is applied where it is proposed.

Any number of processes may write: one holds the store's lock file for one entry at a time, and
numbers its entry behind whatever the others have committed.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from pyesdb.model.commands import Barrier, Command, Entry, with_digest
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.limits import EXPIRES_US
from pyesdb.sqlite.locks import LockFile

_set = msgspec.structs.force_setattr


class LockBusyError(Exception):
    """Another process holds the store's lock file, or waits for it."""


class File(Protocol):
    """What a local log needs of the file behind it."""

    @property
    def applied(self) -> int:
        """The number of the last entry that is applied."""
        ...

    def begin(self) -> tuple[int, int]:
        """Open the transaction; returns the last entry's number and time."""
        ...

    def due(self) -> list[Command]:
        """Commands that go before all others, inside the transaction."""
        ...

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Apply entries and commit."""
        ...


class LocalLog:
    """The log of one store in this process. `lock` None: the database is held exclusively."""

    def __init__(self, file: File, lock: LockFile | None, clock: Callable[[], int]) -> None:
        self._file = file
        self._lock = lock
        self._clock = clock

    def start(self, deliver: Callable[[Sequence[Entry]], None]) -> None:
        """Deliver entries to `deliver` from now on."""
        self._deliver = deliver

    def hold(self) -> None:
        """Wait for the lock file: the next `propose` uses it. Not on a caller's thread."""
        if self._lock is not None:
            self._lock.acquire(self)

    def try_hold(self) -> bool:
        """Take the lock file if it can be had now, as `hold`; whether this has it."""
        lock = self._lock
        return lock is None or lock.owned(self) or lock.try_acquire(self)

    def holder(self) -> int | None:
        """The pid of the process that holds the lock file, if it is another one."""
        return None if self._lock is None else self._lock.holder()

    def propose(self, commands: list[Command]) -> None:
        """Make one entry of the commands, apply and commit it; raises LockBusyError."""
        try:
            if not self.try_hold():
                raise LockBusyError
            seq, clock = self._file.begin()
            time = max(clock, self._clock())
            if due := self._file.due():
                commands = [*due, *commands]
            self._deliver([Entry(seq + 1, time, _stamped(commands, time))])
        finally:
            self.release()

    def release(self) -> None:
        """Give the lock file back; harmless when it is not held."""
        if self._lock is not None:
            self._lock.release(self)

    def barrier(self) -> int:
        """Put an empty entry behind everything; returns its number."""
        self.propose([with_digest(Barrier, uuid7_bytes())])
        return self._file.applied

    def rest(self) -> None:
        """Close what is open, until the next `propose`."""
        if self._lock is not None:
            self._lock.rest()

    def close(self) -> None:
        """Nothing is proposed any more."""
        self.release()
        self.rest()


def _stamped(commands: list[Command], time: int) -> list[Command]:
    """Commands that were made now expire 120 s of log time from now; copies keep theirs."""
    expires = time + EXPIRES_US
    for command in commands:
        if not command.expires:
            _set(command, "expires", expires)
    return commands
