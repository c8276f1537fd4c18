"""The applier: the only caller of the machine. An entry in, one SQLite transaction, outcomes out.

What must never happen here: an answer before its COMMIT, an entry applied twice, a cache that
survives a rollback.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyesdb.machine import Tx, apply
from pyesdb.model.commands import Barrier, Command, Configure, Entry, Freeze, with_digest
from pyesdb.model.errors import DiskFull, Fault, Internal, PyesdbError, Unavailable
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.limits import EXPIRES_US
from pyesdb.model.outcomes import Outcome
from pyesdb.sqlite import files, tail
from pyesdb.sqlite.cipher import Keys
from pyesdb.store.head import Bell, Head
from pyesdb.telemetry.log import logger

Settle = Callable[[Entry, list[Outcome]], None]


class MovedError(Exception):
    """The file at the store's path is not the one that was opened: ask the catalog."""


class Control(NamedTuple):
    """What the catalog wants of a store: settings of a revision, and whether it is frozen."""

    revision: int
    settings: dict[str, Any]
    frozen: bool


class CommitInDoubtError(Exception):
    """COMMIT failed: nobody may be answered before an entry was committed behind it.

    `error` is the answer when nothing was stored.
    """

    def __init__(self, text: str, error: PyesdbError) -> None:
        super().__init__(text)
        self.error = error


class Applier:
    """One store's write connection and the machine on it. Used by one leader at a time."""

    def __init__(
        self,
        path: Path,
        durability: str,
        settle: Settle,
        incarnation: int | None = None,
        on_open: Callable[[], None] = lambda: None,
        keys: Keys | None = None,
        database: str | None = None,
        head: Head | None = None,
        elsewhere: Bell | None = None,
    ) -> None:
        self._path = path
        self._name = str(path)
        self._on_open = on_open
        self._database = database
        self._keys = keys
        self._incarnation = incarnation
        self.durability = durability
        """Changed: holds from the next entry on."""
        self.synced = True
        """Whether the COMMITs in the log were synced, as far as `durability` does not say it."""
        self.control: Control | None = None
        """What must stand in the file before the next command."""
        self._settle = settle
        self._opened_with = durability
        self._connection: files.Connection | None = None
        self._tx: Tx | None = None
        self._inode: tuple[int, int] = (0, 0)
        self._data_version = -1
        self.newest = 0
        """The number of the last entry committed here; stays when the file is closed."""
        self.head = head or Head()
        self.elsewhere = elsewhere or Bell()
        """Rings when entries of another process are noticed."""

    @property
    def open(self) -> bool:
        """Whether the file is open."""
        return self._connection is not None

    @property
    def applied(self) -> int:
        """The number of the last entry that is applied."""
        return 0 if self._tx is None else self._tx.state.seq

    def begin(self) -> tuple[int, int]:
        """Open the transaction, take notice of other processes; last entry's number and time.

        Raises MovedError, and the library's errors for a full disk or a damaged file.
        """
        connection = self._connection
        if connection is not None and (
            self._found_inode() != self._inode or self._opened_with != self.durability
        ):
            self.close()
            connection = None
        if connection is not None and connection.in_transaction:  # an error left it half-way
            self.close()
            connection = None
        if connection is None:
            connection = self._open()
        try:
            connection.execute("BEGIN IMMEDIATE")
            tx = self._tx
            if tx is None:
                tx = self._tx = self._first_tx(connection)
                self.elsewhere.ring()
            elif connection.data_version() != self._data_version:
                tx.reload()
                self.elsewhere.ring()
        except Exception as error:
            self.close()  # no transaction stays open behind an error
            if isinstance(error, files.FAILURES) and not isinstance(error, PyesdbError):
                raise files.translate(error, self._path) from error
            raise
        self.newest = tx.state.seq
        return tx.state.seq, tx.state.clock

    def _first_tx(self, connection: files.Connection) -> Tx:
        """The machine on a file just opened, which must hold the history of this store."""
        tx = Tx(connection)
        other = self._database not in (None, tx.meta.get("database"))
        if other or self._incarnation not in (None, tx.meta["incarnation"]):
            self.close()
            raise MovedError
        return tx

    def _found_inode(self) -> tuple[int, int]:
        try:
            found = os.stat(self._name)
        except FileNotFoundError:
            raise MovedError from None
        except OSError as error:
            raise files.translate(error, self._path) from error
        return found.st_dev, found.st_ino

    def _open(self) -> files.Connection:
        inode = self._found_inode()
        self._on_open()
        self._opened_with = self.durability
        self._connection = files.open_writer(
            self._path, durability=self._opened_with, keys=self._keys
        )
        try:
            self._on_open()  # it may have been found at rest meanwhile
            self._inode = inode
            if self._found_inode() != inode:
                raise MovedError
            if self.synced and self._opened_with == "fsync":
                tail.check(self._connection, self._path)
            if self._opened_with == "fsync":
                tail.write_again(self._connection, self._path)
        except BaseException:
            self.close()
            raise
        return self._connection

    def due(self) -> list[Command]:
        """Inside the transaction: commands that go before all others, as the catalog has changed.

        The freeze belongs to the revision: a process that knows an older one changes nothing.
        """
        control, tx = self.control, self._tx
        if control is None or tx is None or control.revision <= tx.meta.get("revision", 0):
            return []
        found: list[Command] = [
            with_digest(Configure, uuid7_bytes(), control.revision, control.settings)
        ]
        if control.frozen != tx.frozen:
            found.append(with_digest(Freeze, uuid7_bytes(), control.frozen))
        return found

    def adopt(self, connection: files.Connection) -> None:
        """Use a connection that is open already."""
        self._connection, self._inode = connection, self._found_inode()

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Apply entries in order; one that is applied already is ignored, a gap is a fault."""
        for entry in entries:
            connection = self._connection
            if connection is None or not connection.in_transaction:
                self.begin()
            applied = self.applied
            if entry.seq != applied + 1:
                self.rollback()
                if entry.seq <= applied:
                    continue
                raise Fault(f"{self._path}: entry {entry.seq} came behind entry {applied}")
            self._settle(entry, self._apply(entry))

    def deliver_together(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Apply entries in one transaction: for a draft, which is given up if this fails."""
        self.begin()
        connection, tx = self._connection, self._tx
        if connection is None or tx is None:
            raise Internal("the draft's file is not open")
        outcomes: list[Outcome] = []
        with files.typed_errors(self._path):
            for entry in entries:
                outcomes += apply(tx, entry)
                tx.publish()
            connection.execute("COMMIT")
            self._data_version = connection.data_version()
        return outcomes

    def _apply(self, entry: Entry) -> list[Outcome]:
        connection, tx = self._connection, self._tx
        if connection is None or tx is None:
            raise Internal("an entry came without a transaction")
        try:
            outcomes = apply(tx, entry)
        except files.FAILURES as error:
            self.rollback()
            raise files.translate(error, self._path) from error
        except BaseException:
            self.rollback()
            raise
        try:
            connection.execute("COMMIT")
        except files.FAILURES as error:
            found = files.translate(error, self._path)
            if isinstance(found, DiskFull):  # before the frame that commits was whole: no doubt
                self.rollback()
                raise found from error
            raise CommitInDoubtError(str(error), found) from error
        tx.publish()
        self.newest = entry.seq
        self._data_version = connection.data_version()
        self.head.committed(tx.state.position)
        return outcomes

    def rollback(self) -> None:
        """Back to what is committed; harmless without a transaction."""
        connection, tx = self._connection, self._tx
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if tx is not None:
                tx.reload()
        except BaseException as error:  # what was half done is not remembered
            self.close()
            if not isinstance(error, (*files.FAILURES, PyesdbError)):
                raise
            logger.warning("reopening %s after %s", self._path, error)
        if self._tx is not None:  # a leader that was interrupted behind COMMIT told nobody
            self.head.committed(self._tx.state.position)
            self.elsewhere.ring()

    def recorded(self, commands: Sequence[Command]) -> dict[bytes, Outcome | None]:
        """After trouble: commit an empty entry, then say what is recorded of these commands.

        None: nothing was stored. Raises the library's errors when even that cannot be committed.
        """
        self.close()
        seq, clock = self.begin()
        barrier = with_digest(Barrier, uuid7_bytes())
        entry = Entry(seq + 1, clock, [_copy(barrier, clock)])
        try:
            self._apply(entry)
        except CommitInDoubtError as error:
            self.close()
            raise Unavailable(f"{self._path} cannot be written: {error}") from error
        return self.look_up(commands)

    def look_up(self, commands: Sequence[Command]) -> dict[bytes, Outcome | None]:
        """What is recorded of these commands, outside a transaction."""
        if self._connection is None or self._tx is None:
            self.begin()
            self.rollback()
        if self._tx is None:
            raise Internal("the store's file is not open")
        from pyesdb.machine import records

        with files.typed_errors(self._path):
            known = records.load(self._tx, commands)
        return {command.id: records.recall(known, command) for command in commands}

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        self._tx = None  # first: it must not outlive its connection
        connection = self._connection
        if connection is not None:
            try:
                connection.close()
            except files.FAILURES as error:
                logger.warning("closing %s: %s", self._path, error)
            finally:  # interrupted, too: it may be closed, or is when nobody refers to it
                self._connection = None

    def abandon(self) -> list[object]:
        """After fork: give up the connection without touching the file; the caller keeps it."""
        found: list[object] = [self._connection, self._tx]
        self._connection = self._tx = None
        return found


def _copy(command: Barrier, clock: int) -> Barrier:
    return Barrier(command.id, command.digest, clock + EXPIRES_US)
