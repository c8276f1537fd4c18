"""Read models of each kind behind one interface, so that a promise is tested once for all.

A kit has a store, a target, and makes a projection that counts: events of type `Counted` add their
`n` to a total of their stream and one to its count.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb import NewEvent
from pyesdb.projections import AsyncProjection, Projection

TABLE = (
    "CREATE TABLE IF NOT EXISTS totals (stream TEXT PRIMARY KEY, store TEXT, n BIGINT, c BIGINT)"
)
UPSERT = (
    "INSERT INTO totals (stream, store, n, c) VALUES (:stream, :store, :n, 1) "
    "ON CONFLICT (stream) DO UPDATE SET n = totals.n + excluded.n, c = totals.c + 1"
)
CLEAR = "DELETE FROM totals WHERE store = :store"
WRONG = "SELECT x FROM nowhere"
WITHOUT_WAL = {"sqlite-connection", "alchemy-sqlite"}
"""Kinds whose file is as Python makes it: a commit waits for readers."""
LONGEST_S = 60.0
"""What a test waits for comes at once, or its failure is that it does not come."""

SYNC = ("sqlite", "sqlite-connection", "alchemy-sqlite", "alchemy-sqlite-connection",
        "psycopg", "psycopg-connection", "psycopg-pool",
        "alchemy-postgres", "alchemy-postgres-connection")  # fmt: skip
ASYNC = ("async-sqlite", "async-alchemy-sqlite", "async-alchemy-sqlite-connection",
         "async-psycopg", "async-psycopg-connection", "async-psycopg-pool",
         "async-alchemy-postgres")  # fmt: skip
KINDS = SYNC + ASYNC
OFTEN = {"sqlite", "alchemy-sqlite", "psycopg", "async-sqlite", "async-psycopg",
         "async-alchemy-postgres"}  # fmt: skip
"""The kinds of every run; `make slow` has the others."""


def needs_postgres(kind: str) -> bool:
    return "psycopg" in kind or "postgres" in kind


class Tx:
    """Statements with :names, on whatever a handler gets."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, tx: Any, statement: str, **values: Any) -> Any:
        if "alchemy" in self.kind:
            import sqlalchemy

            return tx.execute(sqlalchemy.text(statement), values)
        if "psycopg" in self.kind:
            for name in values:
                statement = statement.replace(f":{name}", f"%({name})s")
        return tx.execute(statement, values)


class Kit:
    """One store, one read model of a kind, and the half that it is used by."""

    def __init__(self, kind: str, folder: Path, runner: Any, postgres: Any) -> None:
        self.kind = kind
        self.folder = folder
        self.runner = runner
        self.is_async = kind.startswith("async")
        self.run_sql = Tx(kind)
        self.stack = ExitStack()
        self.schema = postgres.schema() if needs_postgres(kind) else ""
        self.url = postgres.url(self.schema) if self.schema else ""
        self.file = folder / "read-model.db"
        self.pool = ThreadPoolExecutor(8)
        self.db = self.call(
            pyesdb.open_async if self.is_async else pyesdb.open, folder / "data", durability="os"
        )
        self.store = self.call(self.db.create_store, "s")
        self.target = self.new_target()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function of the half under test, and wait for it."""
        if not self.is_async:
            return function(*args, **kwargs)

        async def called() -> Any:
            answer = function(*args, **kwargs)
            return await answer if hasattr(answer, "__await__") else answer

        return self.runner.call(called)

    def new_target(self) -> Any:
        """A way to the read model: another one of the same kind each time."""
        match self.kind.removeprefix("async-"):
            case "sqlite":
                return self.file
            case "sqlite-connection":
                made = sqlite3.connect(self.file, check_same_thread=False)
                self.stack.callback(made.close)
                return made
            case "psycopg":
                return self.url
            case kind:
                return self._foreign(kind)

    def _foreign(self, kind: str) -> Any:
        if kind.startswith("alchemy"):
            return self._engine(kind)
        import psycopg
        import psycopg_pool

        if kind == "psycopg-connection":
            cls = psycopg.AsyncConnection if self.is_async else psycopg.Connection
            made = self.call(cls.connect, self.url)
        else:
            pool = (
                psycopg_pool.AsyncConnectionPool if self.is_async else psycopg_pool.ConnectionPool
            )
            made = self.call(pool, self.url, min_size=1, max_size=4, open=False)
            self.call(made.open)
        self.stack.callback(self.call, made.close)
        return made

    def _engine(self, kind: str) -> Any:
        import sqlalchemy
        from sqlalchemy.ext import asyncio

        if kind.startswith("alchemy-sqlite"):
            url = f"sqlite{'+aiosqlite' if self.is_async else ''}:///{self.file}"
        else:
            url = self.url.replace("postgresql://", "postgresql+psycopg://")
        if self.is_async:
            made: Any = asyncio.create_async_engine(url)
        else:
            made = sqlalchemy.create_engine(url)
        if kind.startswith("alchemy-sqlite") and self.kind not in WITHOUT_WAL:
            with sqlite3.connect(self.file) as once:
                once.execute("PRAGMA journal_mode = WAL")
            once.close()
        self.stack.callback(self.call, made.dispose)
        if not kind.endswith("connection"):
            return made

        async def connected() -> Any:
            return await made.connect()

        connection = self.call(connected if self.is_async else made.connect)
        self.stack.callback(self.call, connection.close)
        return connection

    # -- projections

    @property
    def waits(self) -> bool:
        """Whether handlers are asynchronous."""
        return self.is_async and self.kind != "async-sqlite"

    def handler(self, statement: str, values: Callable[[Any], dict[str, Any]]) -> Any:
        """A handler that runs one statement, in the spelling of the kind."""

        def plain(tx: Any, event: Any) -> None:
            self.run_sql(tx, statement, **values(event))

        async def waiting(tx: Any, event: Any) -> None:
            await self.run_sql(tx, statement, **values(event))

        return waiting if self.waits else plain

    def hook(self, statement: str, *names: str) -> Any:
        """A setup or reset hook that runs one statement."""
        if names:

            def plain_store(tx: Any, store: str) -> None:
                self.run_sql(tx, statement, store=store)

            async def waiting_store(tx: Any, store: str) -> None:
                await self.run_sql(tx, statement, store=store)

            return waiting_store if self.waits else plain_store

        def plain(tx: Any) -> None:
            self.run_sql(tx, statement)

        async def waiting(tx: Any) -> None:
            await self.run_sql(tx, statement)

        return waiting if self.waits else plain

    def projection(self, name: str = "totals", *, batch: int = 500, select: Any = None) -> Any:
        made: Any = (AsyncProjection if self.is_async else Projection)(name, select, batch=batch)
        made.setup(self.hook(TABLE))
        made.reset(self.hook(CLEAR, "store"))
        made.on("Counted")(
            self.handler(
                UPSERT, lambda e: {"stream": e.stream, "store": e.store, "n": e.json()["n"]}
            )
        )
        return made

    def append(self, stream: str, *numbers: int, type: str = "Counted") -> Any:
        events = [NewEvent(type, {"n": n}) for n in numbers]
        return self.call(self.store.append, stream, events)

    def catch_up(self, projection: Any, **more: Any) -> Any:
        return self.call(projection.catch_up, self.store, self.target, **more)

    def rebuild(self, projection: Any, **more: Any) -> Any:
        return self.call(projection.rebuild, self.store, self.target, **more)

    def status(self, projection: Any) -> Any:
        """Through a connection of its own: the projector's may be in a transaction."""
        return self.call(projection.status, self.store, self.other)

    @property
    def other(self) -> Any:
        """A target that can be used beside the projector."""
        return self.new_target() if self.kind.endswith("connection") else self.target

    @contextmanager
    def running(self, projector: Any) -> Iterator[Future[None]]:
        """`run` in the background, stopped at the end."""
        if self.is_async:
            import asyncio

            future: Any = asyncio.run_coroutine_threadsafe(projector.run(), self.runner.loop)
        else:
            future = self.pool.submit(projector.run)
        try:
            yield future
        finally:
            projector.stop()
            if not future.cancelled():
                future.exception(LONGEST_S)

    # -- looking, by another way than the projection's

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        if self.schema:
            import psycopg

            with psycopg.connect(self.url) as connection:
                return connection.execute(statement).fetchall()
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def change(self, statement: str) -> None:
        """What somebody else does to the read model."""
        if self.schema:
            import psycopg

            with psycopg.connect(self.url) as connection:
                connection.execute(statement)
            return
        with sqlite3.connect(self.file) as connection:
            connection.execute(statement)
        connection.close()

    def totals(self) -> dict[str, tuple[int, int]]:
        rows = self.rows("SELECT stream, n, c FROM totals")
        return {stream: (int(n), c) for stream, n, c in rows}

    def totals_or_none(self) -> dict[str, tuple[int, int]] | None:
        """None as long as there is no table."""
        try:
            return self.totals()
        except sqlite3.OperationalError:
            return None

    def checkpoint(self) -> list[int]:
        return [row[0] for row in self.rows("SELECT position FROM pyesdb_checkpoint ORDER BY 1")]

    def until(self, done: Callable[[], bool], future: Future[None] | None = None) -> None:
        """Wait for something; what ended the projector meanwhile is raised."""
        end = time.monotonic() + LONGEST_S
        while not done():
            if future is not None and future.done():
                future.result()
                assert done()
                return
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.002)

    def close(self) -> None:
        self.stack.close()
        self.call(self.db.close)
        self.pool.shutdown()
