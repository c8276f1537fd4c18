"""What a projection needs of a database that holds read models, and which one a target means.

psycopg and SQLAlchemy are optional: nothing here imports them. An object of theirs can only be
passed by a program that has imported them already.
"""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import pyesdb

IN_USE = "the connection has an open transaction: commit or roll it back"

Target = Any
"""A path, a sqlite3.Connection, a postgresql:// address, a psycopg connection or pool, a SQLAlchemy
engine or connection; the asynchronous ones of these in the asynchronous half."""


@dataclass(frozen=True)
class Dialect:
    """The few words in which databases differ."""

    has_table: str
    """Answers a row if the table of checkpoints is there."""
    before_table: str = ""
    """Keeps others from making the table at the same time, until the transaction ends."""


SQLITE = Dialect("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'pyesdb_checkpoint'")
POSTGRES = Dialect(
    "SELECT 1 WHERE to_regclass('pyesdb_checkpoint') IS NOT NULL",
    "SELECT pg_advisory_xact_lock(3489274010291457)",
)


class ReadModel(Protocol):
    """One connection to a database of read models.

    `begin` must not return before the transaction is one that `commit` makes durable as a whole;
    what handlers do to end it earlier must be refused, or found by `check`.
    """

    dialect: Dialect
    blocking: bool
    """Whether its calls block: the asynchronous half makes them on a thread."""

    @property
    def tx(self) -> Any:
        """What handlers get."""
        ...

    async def open(self, *, reading: bool) -> None:
        """Connect; `reading`: change nothing, and take what is missing for empty."""
        ...

    async def close(self) -> None:
        """Give back what `open` took; also after a failure. A transaction of the caller's stays."""
        ...

    async def lock(self, name: str, store: str) -> bool:
        """Become the only projector of this name and store; free when this process dies."""
        ...

    async def begin(self, stopped: Callable[[], bool], *, reading: bool = False) -> bool:
        """Start a transaction; False if it was stopped while it waited for others.

        Raises RequestError when the caller has one open on his connection: ours would be a part
        of his, and durable when he says so.
        """
        ...

    async def commit(self, stopped: Callable[[], bool]) -> bool:
        """Make it durable; False if it was stopped while it waited for others, and undone."""
        ...

    async def rollback(self) -> None:
        """Undo it, if there is one; quietly, because something else has failed already."""
        ...

    async def execute(self, statement: str, **values: Any) -> int:
        """Run a statement with :names; the number of rows that it changed."""
        ...

    async def fetch(self, statement: str, **values: Any) -> Any:
        """The first row of a statement with :names, or None."""
        ...

    def check(self) -> str:
        """What a handler has done to the transaction that it must not; empty: nothing."""
        ...

    def refused(self) -> str:
        """Why the read model refused a statement of a handler, if its driver does not say so."""
        ...


_FOR_OTHERS = {"40001", "40P01"}


def undone_for_others(error: BaseException | None) -> bool:
    """Whether PostgreSQL rolled a transaction back that would have succeeded alone.

    A deadlock or a serialization failure: nothing of it is kept, and it may be begun again. A
    connection that broke is none: its commit may have arrived.
    """
    while error is not None:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state in _FOR_OTHERS:
            return True
        error = error.__cause__
    return False


def read_model(target: Target, *, is_async: bool) -> ReadModel:
    """The read model that a target means; raises RequestError."""
    if isinstance(target, str) and "://" in target:
        return _address(target, is_async=is_async)
    if isinstance(target, str | os.PathLike):
        from pyesdb.projections.sqlite import SqliteModel

        return SqliteModel(_path(target))
    if isinstance(target, sqlite3.Connection):
        from pyesdb.projections.sqlite import SqliteModel

        if is_async:
            raise pyesdb.RequestError(
                "the asynchronous half works in SQLite on a thread of its own: pass the path, "
                "not a connection"
            )
        return SqliteModel(target)
    return _foreign(target, is_async=is_async)


def _path(target: "str | os.PathLike[Any]") -> str:
    path: object = os.fspath(target)
    if not isinstance(path, str) or not path or path == ":memory:" or "\0" in path:
        raise pyesdb.RequestError(
            f"the read model must be a file, not {path!r}: for one in memory pass a connection"
        )
    return path


def _address(target: str, *, is_async: bool) -> ReadModel:
    scheme = target.partition("://")[0]
    if scheme not in {"postgresql", "postgres"}:
        raise pyesdb.RequestError(
            f"{scheme}:// is no read model: pass a path, a postgresql:// address, or "
            "sqlalchemy.create_engine(...)"
        )
    from pyesdb.projections.postgres import PostgresModel, driver

    driver()
    return PostgresModel(target, is_async=is_async)


_SYNC = {"psycopg": ("Connection", "ConnectionPool"), "sqlalchemy": ("Engine", "Connection")}
_ASYNC = {
    "psycopg": ("AsyncConnection", "AsyncConnectionPool"),
    "sqlalchemy": ("AsyncEngine", "AsyncConnection"),
}


def _foreign(target: Target, *, is_async: bool) -> ReadModel:
    kinds = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(target).__mro__}
    for library, package in (
        ("psycopg", "psycopg"), ("psycopg_pool", "psycopg"), ("sqlalchemy", "sqlalchemy"),
    ):  # fmt: skip
        if any((library, name) in kinds for name in (_ASYNC if is_async else _SYNC)[package]):
            return _made(package, target, is_async=is_async)
        if any((library, name) in kinds for name in (_SYNC if is_async else _ASYNC)[package]):
            half = "AsyncProjection" if not is_async else "Projection"
            raise pyesdb.RequestError(
                f"{type(target).__name__} belongs to the other half: use it with {half}"
            )
    raise pyesdb.RequestError(
        f"{type(target).__name__} is no read model: pass a path, a connection of sqlite3 or "
        "psycopg, a psycopg pool, or an engine of SQLAlchemy"
    )


def _made(package: str, target: Target, *, is_async: bool) -> ReadModel:
    if package == "psycopg":
        from pyesdb.projections.postgres import PostgresModel

        return PostgresModel(target, is_async=is_async)
    from pyesdb.projections.alchemy import AlchemyModel

    return AlchemyModel(target, is_async=is_async)
