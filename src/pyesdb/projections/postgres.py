"""PostgreSQL through psycopg 3: an address, the caller's connection, or a pool; of either half.

One projector at a time: an advisory lock of the session, which PostgreSQL gives back when the
connection ends, however that happens. A pooler that hands a session to others (transaction pooling)
defeats it; then the checkpoint's owner keeps effects single, and the loser gets ProjectionBusy.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import pyesdb
from pyesdb.projections import locks
from pyesdb.projections.blocking import entered, left, settled
from pyesdb.projections.readmodel import IN_USE, POSTGRES

HINT = "a handler must not end the transaction, nor go on in one where a statement has failed"
IN_TRANSACTION = 2
"""libpq's number of a transaction in which no statement has failed."""

SCHEMA = "SELECT current_schema()"
TRY_LOCK = "SELECT pg_try_advisory_lock(:key)"
UNLOCK = "SELECT pg_advisory_unlock(:key)"


def driver() -> ModuleType:
    """The module psycopg; raises RequestError."""
    try:
        import psycopg
    except ImportError as error:
        raise pyesdb.RequestError(
            "read models in PostgreSQL need psycopg 3: pip install 'pyesdb[postgres]'"
        ) from error
    return psycopg


def lock_key(schema: object, name: str, store: str) -> int:
    """The number of the lock: schemas of one database are read models of their own."""
    return locks.number(str(schema), name, store)


def _spelled(statement: str) -> str:
    """The statement with psycopg's placeholders."""
    return re.sub(r":(\w+)", r"%(\1)s", statement)


class PostgresModel:
    """See `ReadModel`."""

    dialect = POSTGRES

    def __init__(self, target: Any, *, is_async: bool) -> None:
        self.blocking = not is_async
        self._target = target
        self._holder: Any = None
        self._connection: Any = None
        self._transaction: Any = None
        self._key: int | None = None

    @property
    def tx(self) -> Any:
        """The connection."""
        return self._connection

    async def open(self, *, reading: bool) -> None:
        """See `ReadModel.open`."""
        psycopg = driver()
        holder: Any = None
        if isinstance(self._target, str):
            kind = psycopg.Connection if self.blocking else psycopg.AsyncConnection
            holder = await settled(kind.connect(self._target, autocommit=True))
        elif hasattr(self._target, "getconn"):
            holder = self._target.connection()
        if holder is not None:
            self._connection = await entered(holder)
            self._holder = holder
            return
        given: Any = self._target
        if given.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            raise pyesdb.RequestError(IN_USE)
        self._connection = given

    async def close(self) -> None:
        """See `ReadModel.close`."""
        if self._transaction is not None:  # an interrupt came between two steps
            await self.rollback()
        if self._key is not None:
            with suppress(driver().Error):  # a connection that is gone has no lock any more
                await self._alone(UNLOCK, key=self._key)
        self._key = None
        holder, self._holder, self._connection = self._holder, None, None
        if holder is not None:
            await left(holder)

    async def _alone(self, statement: str, **values: Any) -> Any:
        """Outside `begin`, a connection without autocommit opens a transaction by itself."""
        idle = self._connection.info.transaction_status == driver().pq.TransactionStatus.IDLE
        row = await self.fetch(statement, **values)
        if idle and not self._connection.autocommit:
            await settled(self._connection.commit())
        return row

    async def lock(self, name: str, store: str) -> bool:
        """See `ReadModel.lock`."""
        schema = await self._alone(SCHEMA)
        key = lock_key(schema[0], name, store)
        row = await self._alone(TRY_LOCK, key=key)
        self._key = key if row[0] else None
        return bool(row[0])

    async def begin(self, stopped: Callable[[], bool], *, reading: bool = False) -> bool:
        """See `ReadModel.begin`."""
        del stopped, reading  # nothing is waited for here
        self._transaction = self._connection.transaction()
        try:
            entry = await entered(self._transaction)
        except BaseException:
            self._transaction = None  # it has undone itself
            raise
        if entry.savepoint_name:  # psycopg makes a savepoint of it in the caller's
            await self.rollback()
            raise pyesdb.RequestError(IN_USE)
        return True

    async def commit(self, stopped: Callable[[], bool]) -> bool:
        """See `ReadModel.commit`."""
        del stopped
        transaction, self._transaction = self._transaction, None
        await left(transaction)
        return True

    async def rollback(self) -> None:
        """See `ReadModel.rollback`."""
        transaction, self._transaction = self._transaction, None
        if transaction is None:  # its commit has failed: it is undone
            return
        with suppress(driver().Error):
            await left(transaction, driver().Rollback())

    async def execute(self, statement: str, **values: Any) -> int:
        """See `ReadModel.execute`."""
        cursor = self._connection.cursor()
        await settled(cursor.execute(_spelled(statement), values))
        return int(cursor.rowcount)

    async def fetch(self, statement: str, **values: Any) -> Any:
        """See `ReadModel.fetch`."""
        cursor = self._connection.cursor(row_factory=driver().rows.tuple_row)
        await settled(cursor.execute(_spelled(statement), values))
        return await settled(cursor.fetchone())

    def check(self) -> str:
        """A transaction where a statement failed would be rolled back by its COMMIT, in silence."""
        status = driver().pq.TransactionStatus
        return "" if self._connection.info.transaction_status == status.INTRANS else HINT

    def refused(self) -> str:
        """See `ReadModel.refused`."""
        return ""
