"""Who else uses a SQLite read model is waited for: nobody meets "database is locked"."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.projections import AsyncProjection, HandlerFailed, locks
from pyesdb.projections import sqlite as lite_model
from tests.projections.conftest import kit_of
from tests.projections.kits import TABLE, UPSERT, WITHOUT_WAL, WRONG, Kit

TOLD = "waits for a reader"


@pytest.fixture(params=sorted(WITHOUT_WAL))
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    """A read model without WAL, whose driver waits for nobody."""
    import sqlalchemy

    kit = kit_of(request.param, tmp_path, request)
    kit.append("a", 1)
    kit.catch_up(kit.projection())
    if request.param == "alchemy-sqlite":
        kit.target = sqlalchemy.create_engine(
            f"sqlite:///{kit.file}", connect_args={"timeout": 0, "check_same_thread": False}
        )
        kit.stack.callback(kit.target.dispose)
    else:
        kit.target.execute("PRAGMA busy_timeout = 0")
    yield kit
    kit.close()


def reading(kit: Kit) -> sqlite3.Connection:
    """Somebody in the middle of a read."""
    reader = sqlite3.connect(kit.file, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM totals").fetchall()
    return reader


def waits(kit: Kit, caplog: pytest.LogCaptureFixture, future: Any) -> None:
    """Until the log says that it does."""
    kit.until(lambda: TOLD in caplog.text, future)
    assert not future.done()


def test_a_commit_waits_for_a_reader(plain: Kit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    counting = plain.projection()
    plain.append("a", 2)
    projector = counting.projector(plain.store, plain.target)
    with closing(reading(plain)) as reader, plain.running(projector) as future:
        waits(plain, caplog, future)
        assert reader.execute("SELECT n, c FROM totals").fetchall() == [(1, 1)]
        reader.execute("COMMIT")
        plain.until(lambda: plain.totals() == {"a": (3, 2)}, future)
        plain.append("a", 3)
        plain.until(lambda: plain.totals() == {"a": (6, 3)}, future)
    assert future.result() is None
    assert caplog.text.count(TOLD) == 1


def test_what_waits_for_a_reader_can_be_stopped(
    plain: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is kept, nothing of it is lost, and nothing is left open."""
    plain.append("a", 2)
    with closing(reading(plain)):
        with plain.running(plain.projection().projector(plain.store, plain.target)) as future:
            waits(plain, caplog, future)
        assert future.result() is None
    assert plain.totals() == {"a": (1, 1)}
    plain.change("UPDATE totals SET n = 10")
    assert plain.catch_up(plain.projection()).position == 2
    assert plain.totals() == {"a": (12, 2)}


@pytest.mark.parametrize("moment", ["at the start", "at the end"])
def test_a_rebuild_waits_for_a_reader(
    plain: Kit, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    counting = plain.projection()
    projector = counting.projector(plain.store, plain.target)
    readers: list[sqlite3.Connection] = []
    if moment == "at the start":
        readers.append(reading(plain))

    def progress(*_: int) -> None:
        if not readers:
            readers.append(reading(plain))

    class Rebuilding:
        stop = projector.stop

        def run(self) -> None:
            projector.rebuild(on_progress=progress)

    with plain.running(Rebuilding()) as future:
        waits(plain, caplog, future)
        projector.stop()
        with pytest.raises(pyesdb.Ended, match="as it was"):
            future.result(60)
    readers[0].close()
    assert plain.totals() == {"a": (1, 1)}
    assert plain.rebuild(counting).position == 1
    assert plain.totals() == {"a": (1, 1)}


def test_a_second_projector_is_told_so_while_nobody_can_read(plain: Kit) -> None:
    """As in a rebuild that is larger than SQLite's memory for pages."""
    held = locks.FileLock(str(plain.file), locks.number("totals", "s"))
    assert held.take()
    with closing(sqlite3.connect(plain.file, isolation_level=None)) as rebuilding:
        rebuilding.execute("BEGIN EXCLUSIVE")
        with pytest.raises(pyesdb.ProjectionBusy):
            plain.catch_up(plain.projection())
    held.free()
    assert plain.catch_up(plain.projection()).position == 1


def test_a_statement_that_a_handler_leaves_unfinished_is_not_waited_for(plain: Kit) -> None:
    """Nobody but the handler could end it."""
    unfinished: list[Any] = []

    def returning(tx: Any, _: object) -> None:
        values = "INSERT INTO totals VALUES ('x', 's', 1, 1), ('y', 's', 1, 1) RETURNING n"
        raw = tx if plain.kind == "sqlite-connection" else tx.connection.driver_connection
        unfinished.append(raw.execute(values))

    made = plain.projection()
    made.on("Returning")(returning)
    plain.append("a", 0, type="Returning")
    with pytest.raises(Exception, match="statements in progress"):
        plain.catch_up(made)
    unfinished.clear()
    assert plain.totals() == {"a": (1, 1)}
    assert plain.catch_up(plain.projection()).position == 2


def test_a_file_that_somebody_reads_without_wal_gets_it_behind_him(
    lite: Kit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lite_model, "BUSY_S", 0)
    lite.change(TABLE)
    lite.append("a", 1)
    with closing(reading(lite)) as reader:
        with lite.running(lite.projection().projector(lite.store, lite.target)) as future:
            waits(lite, caplog, future)
        assert future.result() is None  # stopped
        with lite.running(lite.projection().projector(lite.store, lite.target)) as future:
            reader.execute("COMMIT")
            lite.until(lambda: lite.totals() == {"a": (1, 1)}, future)
    assert lite.rows("PRAGMA journal_mode") == [("wal",)]


def _begun(engine: Any, statement: str) -> Any:
    """An engine that begins SQLite's transactions by itself, as SQLAlchemy's manual advises."""
    from sqlalchemy import event

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)

    return engine


class Always(sqlite3.Connection):
    """As with `autocommit=True`, since Python 3.12: the driver neither commits nor rolls back."""

    def commit(self) -> None:
        """Nothing."""

    def rollback(self) -> None:
        """Nothing."""


def engine_of(kit: Kit, way: str) -> Any:
    import sqlalchemy

    more: dict[str, Any] = {"timeout": 0, "isolation_level": None}
    if way == "autocommit":
        more["factory"] = Always
    engine = sqlalchemy.create_engine(f"sqlite:///{kit.file}", connect_args=more)
    kit.stack.callback(engine.dispose)
    return engine if way == "autocommit" else _begun(engine, way)


@pytest.mark.parametrize("way", ["BEGIN", "BEGIN IMMEDIATE", "autocommit"])
@pytest.mark.parametrize("plain", ["alchemy-sqlite"], indirect=True)
def test_engines_with_their_own_way_to_begin_wait_too(
    plain: Kit, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    plain.target = engine_of(plain, way)
    made = plain.projection()
    plain.append("a", 2)
    writer = sqlite3.connect(plain.file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with plain.running(made.projector(plain.store, plain.target)) as future:
        with pytest.raises(TimeoutError):
            future.result(0.1)
        writer.execute("COMMIT")
        plain.until(lambda: plain.totals() == {"a": (3, 2)}, future)
    writer.close()
    with closing(reading(plain)) as reader:
        plain.append("a", 3)
        with plain.running(made.projector(plain.store, plain.target)) as future:
            waits(plain, caplog, future)
            reader.execute("COMMIT")
            plain.until(lambda: plain.totals() == {"a": (6, 3)}, future)
    assert future.result() is None


@pytest.mark.parametrize("way", ["BEGIN", "BEGIN IMMEDIATE", "autocommit"])
@pytest.mark.parametrize("plain", ["alchemy-sqlite"], indirect=True)
def test_engines_with_their_own_way_to_begin_leave_no_transaction(plain: Kit, way: str) -> None:
    """In the pool it would keep all others from writing."""
    plain.target = engine_of(plain, way)
    failing = plain.projection()
    failing.on("Broken")(plain.handler(WRONG, lambda _: {}))
    plain.append("a", 2)
    plain.append("a", 0, type="Broken")
    with pytest.raises(HandlerFailed):
        plain.catch_up(failing)
    plain.change("UPDATE totals SET n = 10")
    assert plain.catch_up(plain.projection()).position == 3
    plain.change("UPDATE totals SET c = c + 10")
    assert plain.totals() == {"a": (12, 12)}


@pytest.mark.parametrize("driver", ["sqlite3", "aiosqlite"])
def test_a_task_cancelled_while_it_waits_for_a_reader_keeps_nothing(
    lite: Kit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    monkeypatch.setattr(lite_model, "BUSY_S", 0)
    lite.change(TABLE)
    lite.append("a", 1)

    async def cancelled() -> None:
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import create_async_engine

        url = f"sqlite+aiosqlite:///{lite.file}"
        engine = create_async_engine(url, connect_args={"timeout": 0})
        made = AsyncProjection("totals")

        def values(event: Any) -> dict[str, Any]:
            return {"stream": event.stream, "store": event.store, "n": event.json()["n"]}

        async def waiting(tx: Any, event: Any) -> None:
            await tx.execute(text(UPSERT), values(event))

        handler: Callable[..., Any] = lambda tx, event: tx.execute(UPSERT, values(event))  # noqa: E731
        made.on("Counted")(waiting if driver == "aiosqlite" else handler)
        target = engine if driver == "aiosqlite" else lite.file
        async with await pyesdb.open_async(lite.folder / "data") as db:
            with closing(reading(lite)):
                task = asyncio.create_task(made.run(db.store("s"), target))
                while TOLD not in caplog.text:
                    await asyncio.sleep(0.002)
                    assert not task.done()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert lite.totals() == {}
            assert (await made.catch_up(db.store("s"), target)).position == 1
        await engine.dispose()

    asyncio.run(cancelled())
    assert lite.totals() == {"a": (1, 1)}
