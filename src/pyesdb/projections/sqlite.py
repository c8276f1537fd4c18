"""SQLite through the standard library: a path that is opened here, or the caller's connection.

Transactions are begun and ended by statements of ours. While one is open, the connection's
authorizer refuses to prepare any other BEGIN, COMMIT or ROLLBACK: `executescript`, for one, commits
first, and half of a batch would be durable without its checkpoint.

Whoever reads or writes is waited for, never an error: SQLite keeps a transaction whose COMMIT it
refuses because of a reader. With WAL no reader is in the way: a file that is opened here gets it,
the caller's connection is left as he has set it up.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pyesdb
from pyesdb.projections import locks
from pyesdb.projections.readmodel import IN_USE, SQLITE

log = logging.getLogger(__name__)

BUSY_S = 0.5
"""How long SQLite itself waits for another writer; then we look whether to stop, and go on."""
PAUSE_S = 0.01
_BEGIN, _BEGIN_READING = "BEGIN IMMEDIATE /* projection */", "BEGIN /* projection */"
_COMMIT, _ROLLBACK = "COMMIT /* projection */", "ROLLBACK /* projection */"
# The comments keep them apart in the connection's cache of statements: one that was prepared
# before would not be shown to the authorizer again.

FILE = "PRAGMA database_list"
"""Its third column is the file of the main database; to read that would need a lock."""

HINT = "a handler must not begin or end a transaction, and executescript() does"


def pause() -> None:
    """The driver has waited for the other writer as long as it was told to: perhaps not at all."""
    time.sleep(PAUSE_S)


def is_busy(error: object) -> bool:
    """Whether another connection is in the way, and not a handler's own unfinished statement."""
    code = getattr(error, "sqlite_errorcode", None)
    busy = isinstance(code, int) and code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
    return busy and "statements in progress" not in str(error)


class Readers:
    """Says once that readers are in the way: else a projection would stand still in silence."""

    def __init__(self) -> None:
        self._told = False

    def wait_told(self) -> None:
        """A reader is being waited for."""
        if not self._told:
            self._told = True
            log.warning(
                "a projection waits for a reader of its SQLite read model, which is not in WAL "
                "mode: PRAGMA journal_mode = WAL, once, or let readers end"
            )


class SqliteModel:
    """See `ReadModel`."""

    dialect = SQLITE
    blocking = True

    def __init__(self, target: str | sqlite3.Connection) -> None:
        self._target = target
        self._connection: sqlite3.Connection | None = None
        self._lock: locks.FileLock | None = None
        self._authorizing = False
        self._begun = False
        """Whether the transaction is ours, and not one of the caller's."""
        self._guarding = False
        self._refused = False
        self._is_set_up = isinstance(target, sqlite3.Connection)
        self._readers = Readers()

    @property
    def tx(self) -> sqlite3.Connection:
        """The connection."""
        if self._connection is None:
            raise RuntimeError("the read model is not open")
        return self._connection

    async def open(self, *, reading: bool) -> None:
        """See `ReadModel.open`."""
        if isinstance(self._target, sqlite3.Connection):
            self._connection = _usable(self._target)
        else:
            self._connection = _connect(self._target, reading=reading)
        if not reading:  # who only looks leaves the one of a projector on the same connection
            self._connection.set_authorizer(self._authorize)
            self._authorizing = True

    def _authorize(self, action: int, *_: object) -> int:
        if self._guarding and action == sqlite3.SQLITE_TRANSACTION:
            self._refused = True
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    async def close(self) -> None:
        """See `ReadModel.close`."""
        connection, self._connection = self._connection, None
        self._guarding = False
        if connection is not None and connection is self._target:
            if self._authorizing:
                connection.set_authorizer(None)
            if self._begun and connection.in_transaction:  # an interrupt came between two steps
                connection.execute(_ROLLBACK)
        elif connection is not None:
            connection.close()
        if self._lock is not None:
            self._lock.free()
            self._lock = None

    async def lock(self, name: str, store: str) -> bool:
        """A byte of a file beside the database; what lives in memory nobody else can reach."""
        file = (await self.fetch(FILE))[2]
        if not file:
            return True
        self._lock = locks.FileLock(file, locks.number(name, store))
        if self._lock.take():
            return True
        self._lock = None
        return False

    async def begin(self, stopped: Callable[[], bool], *, reading: bool = False) -> bool:
        """See `ReadModel.begin`. Who uses the same file, rebuilds too, is waited for."""
        if self.tx.in_transaction:
            raise pyesdb.RequestError(IN_USE)
        while True:
            self._begun = True
            try:
                if not reading and not self._is_set_up:
                    self._set_up()
                self.tx.execute(_BEGIN_READING if reading else _BEGIN)
            except sqlite3.OperationalError as error:
                self._begun = False
                if not is_busy(error):
                    raise
                if stopped():
                    return False
                pause()
            else:
                self._guarding = not reading
                self._refused = False
                return True

    def _set_up(self) -> None:
        """Readers and the writer do not block each other.

        A power cut may take the newest transactions, each with its checkpoint: they are done again.
        """
        try:
            self.tx.execute("PRAGMA journal_mode = WAL").fetchall()
            self.tx.execute("PRAGMA synchronous = NORMAL").fetchall()
        except sqlite3.DatabaseError as error:
            if not is_busy(error):
                raise _unfit(self._target, error) from error
            self._readers.wait_told()
            raise
        self._is_set_up = True

    async def commit(self, stopped: Callable[[], bool]) -> bool:
        """See `ReadModel.commit`."""
        self._guarding = False
        while True:
            try:
                self.tx.execute(_COMMIT)
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if stopped():
                    await self.rollback()
                    return False
                self._readers.wait_told()
                pause()
            else:
                self._begun = False
                return True

    async def rollback(self) -> None:
        """See `ReadModel.rollback`."""
        self._guarding = False
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            self.tx.execute(_ROLLBACK)
        self._begun = False

    async def execute(self, statement: str, **values: Any) -> int:
        """See `ReadModel.execute`."""
        return self.tx.execute(statement, values).rowcount

    async def fetch(self, statement: str, **values: Any) -> Any:
        """See `ReadModel.fetch`."""
        cursor = self.tx.cursor()
        cursor.row_factory = None  # the caller's connection may have one
        return cursor.execute(statement, values).fetchone()

    def check(self) -> str:
        """See `ReadModel.check`."""
        return HINT if self._refused or not self.tx.in_transaction else ""

    def refused(self) -> str:
        """See `ReadModel.refused`."""
        return HINT if self._refused else ""


def _usable(connection: sqlite3.Connection) -> sqlite3.Connection:
    if getattr(connection, "autocommit", None) is False:  # Python 3.12: it is never out of one
        raise pyesdb.RequestError(
            "a connection with autocommit=False is always in a transaction: open it with "
            "autocommit=True, or pass the path"
        )
    if connection.in_transaction:
        raise pyesdb.RequestError(IN_USE)
    return connection


def _connect(path: str, *, reading: bool) -> sqlite3.Connection:
    if reading and not os.path.exists(path):
        path = ":memory:"  # nothing was projected yet, and looking must not make a file
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise pyesdb.RequestError(f"the read model {path!r} cannot be opened: {error}") from error
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # is it a database?
    except BaseException as error:
        if is_busy(error):
            return connection
        connection.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise _unfit(path, error) from error
        raise
    return connection


def _unfit(path: object, error: sqlite3.Error) -> pyesdb.RequestError:
    return pyesdb.RequestError(f"{path!r} cannot be a read model: {error}")
