"""SQLAlchemy Core, on SQLite and PostgreSQL: an engine or the caller's connection, of either half.

Handlers get the `Connection` (`AsyncConnection`), in a transaction that only we may end: events of
the connection refuse what else would commit or roll back.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pyesdb
from pyesdb.projections import locks, postgres, sqlite
from pyesdb.projections.blocking import settled
from pyesdb.projections.readmodel import IN_USE, POSTGRES, SQLITE, Dialect

_NUMBER = "SELECT txid_current()"
_BEGIN, _COMMIT, _ROLLBACK = "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"
HINT = "a handler must not end the transaction: the projection does, with its checkpoint"


class AlchemyModel:
    """See `ReadModel`."""

    def __init__(self, target: Any, *, is_async: bool) -> None:
        self.blocking = not is_async
        self._target = target
        self._connection: Any = None
        self._below: Any = None
        """The synchronous connection of it."""
        self._transaction: Any = None
        self._file: locks.FileLock | None = None
        self._key: int | None = None
        self._guarding = False
        self._engine_begins = False
        """Whether the engine begins SQLite's transactions by itself, as SQLAlchemy advises."""
        self._readers = sqlite.Readers()
        name = target.dialect.name
        if name not in {"sqlite", "postgresql"}:
            raise pyesdb.RequestError(
                f"read models through SQLAlchemy are SQLite or PostgreSQL, not {name}"
            )
        self.dialect: Dialect = SQLITE if name == "sqlite" else POSTGRES

    @property
    def tx(self) -> Any:
        """The connection."""
        return self._connection

    async def open(self, *, reading: bool) -> None:
        """See `ReadModel.open`."""
        if hasattr(self._target, "connect"):
            self._connection = await settled(self._target.connect())
        elif self._target.in_transaction():
            raise pyesdb.RequestError(IN_USE)
        else:
            self._connection = self._target
        self._below = self._connection if self.blocking else self._connection.sync_connection
        if not reading:
            self._listen()

    def _listen(self) -> None:
        from sqlalchemy import event

        event.listen(self._below, "commit", self._refuse)
        event.listen(self._below, "rollback", self._refuse)

    def _refuse(self, _: Any) -> None:
        if self._guarding:
            raise pyesdb.RequestError(HINT)

    async def close(self) -> None:
        """See `ReadModel.close`."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        from sqlalchemy import event
        from sqlalchemy.exc import SQLAlchemyError

        self._guarding = False
        try:
            if self._transaction is not None:  # an interrupt came between two steps
                await self.rollback()
            for name in ("commit", "rollback"):
                if event.contains(self._below, name, self._refuse):
                    event.remove(self._below, name, self._refuse)
            if self._key is not None and not connection.invalidated and not connection.closed:
                theirs = connection.in_transaction()
                await settled(connection.execute(_text(postgres.UNLOCK), {"key": self._key}))
                if not theirs:
                    await settled(connection.commit())
        except SQLAlchemyError:  # a connection that is gone has no lock any more
            await settled(connection.invalidate())
        finally:
            self._key = None
            if connection is not self._target:
                await settled(connection.close())
            if self._file is not None:
                self._file.free()
                self._file = None

    async def lock(self, name: str, store: str) -> bool:
        """See `ReadModel.lock`."""
        if self.dialect is SQLITE:
            file = _file(self._below) if self.blocking else await self._connection.run_sync(_file)
            if not file:  # in memory
                return True
            lock = locks.FileLock(file, locks.number(name, store))
            self._file = lock if lock.take() else None
            return self._file is not None
        if await self.fetch(_NUMBER) != await self.fetch(_NUMBER):
            await settled(self._connection.rollback())
            raise pyesdb.RequestError(
                "with isolation_level='AUTOCOMMIT' every statement is a transaction of its own: "
                "pass an engine without it"
            )
        schema = await self.fetch(postgres.SCHEMA)
        key = postgres.lock_key(schema[0], name, store)
        row = await self.fetch(postgres.TRY_LOCK, key=key)
        await settled(self._connection.commit())
        self._key = key if row[0] else None
        return bool(row[0])

    async def begin(self, stopped: Callable[[], bool], *, reading: bool = False) -> bool:
        """See `ReadModel.begin`."""
        if self._connection.in_transaction():
            raise pyesdb.RequestError(IN_USE)
        if self.dialect is SQLITE and not reading:
            if not await self._patiently(self._begin_sqlite, stopped):
                await self.rollback()
                return False
        else:
            self._transaction = await settled(self._connection.begin())
        self._guarding = not reading
        return True

    async def _begin_sqlite(self) -> None:
        """Be its writer now: a transaction that starts by reading may be refused the first write.

        So the one that the engine has begun, and where nothing happened yet, is changed for ours.
        """
        from sqlalchemy.exc import OperationalError

        if self._transaction is None:
            self._transaction = await settled(self._connection.begin())
        try:
            await self._say(_BEGIN)
        except OperationalError as error:
            if "within a transaction" not in str(error.orig):
                raise
            self._engine_begins = True
            await self._say(_ROLLBACK)
            await self._say(_BEGIN)

    async def _patiently(
        self, step: Callable[[], Awaitable[None]], stopped: Callable[[], bool]
    ) -> bool:
        """Take a step that others may be in the way of; False if it was stopped meanwhile."""
        from sqlalchemy.exc import OperationalError

        while True:
            try:
                await step()
            except OperationalError as error:
                if not sqlite.is_busy(error.orig):
                    raise
                if stopped():
                    return False
                if step == self._commit_sqlite:
                    self._readers.wait_told()
                await _pause(blocking=self.blocking)
            else:
                return True

    async def _say(self, statement: str) -> None:
        await settled(self._connection.exec_driver_sql(statement))

    async def commit(self, stopped: Callable[[], bool]) -> bool:
        """See `ReadModel.commit`."""
        self._guarding = False
        if self.dialect is SQLITE and not await self._patiently(self._commit_sqlite, stopped):
            await self.rollback()
            return False
        await settled(self._transaction.commit())
        self._transaction = None
        return True

    async def _commit_sqlite(self) -> None:
        """By a statement, which may be repeated: SQLAlchemy commits a transaction only once."""
        await self._say(_COMMIT)
        await self._begun_again()

    async def _begun_again(self) -> None:
        """The engine also ends what it has begun."""
        if self._engine_begins:
            await self._say("BEGIN")

    async def rollback(self) -> None:
        """See `ReadModel.rollback`."""
        from sqlalchemy.exc import SQLAlchemyError

        self._guarding = False
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        ours = transaction.is_active
        try:
            if ours and self.dialect is SQLITE:  # a driver of `autocommit=True` would do nothing
                with suppress(SQLAlchemyError):  # SQLite may have rolled back by itself
                    await self._say(_ROLLBACK)
                    await self._begun_again()
            await settled(transaction.rollback())
            if not ours:  # a handler has tried to end it: it is over for SQLAlchemy alone
                await self._say(_ROLLBACK)
                await settled(self._connection.rollback())
        except SQLAlchemyError:  # its connection is gone, and the transaction with it
            await settled(self._connection.invalidate())

    async def execute(self, statement: str, **values: Any) -> int:
        """See `ReadModel.execute`."""
        return int((await settled(self._connection.execute(_text(statement), values))).rowcount)

    async def fetch(self, statement: str, **values: Any) -> Any:
        """See `ReadModel.fetch`."""
        return (await settled(self._connection.execute(_text(statement), values))).fetchone()

    def check(self) -> str:
        """Events do not see a bare COMMIT, nor a failed statement that undoes PostgreSQL's."""
        if not self._transaction.is_active:
            return HINT
        raw = self._below.connection.driver_connection
        if self.dialect is SQLITE:
            return "" if getattr(raw, "in_transaction", True) else HINT
        status = getattr(getattr(raw, "info", None), "transaction_status", postgres.IN_TRANSACTION)
        return "" if status == postgres.IN_TRANSACTION else postgres.HINT

    def refused(self) -> str:
        """See `ReadModel.refused`."""
        return ""


def _file(connection: Any) -> str:
    """The file of SQLite; asked of the driver, for an engine's own BEGIN may have to wait."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sqlite.FILE)
        return str(cursor.fetchone()[2])
    finally:
        cursor.close()


async def _pause(*, blocking: bool) -> None:
    if blocking:
        sqlite.pause()
    else:
        import asyncio

        await asyncio.sleep(sqlite.PAUSE_S)


def _text(statement: str) -> Any:
    from sqlalchemy import text

    return text(statement)
