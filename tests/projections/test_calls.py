"""What is refused, and what belongs to one half or one kind of read model."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, projections, select
from pyesdb.projections import AsyncProjection, HandlerFailed, Projection, locks
from tests.projections.conftest import kit_of, marked
from tests.projections.kits import OFTEN, TABLE, UPSERT, WRONG, Kit


def nothing(tx: Any, event: Any) -> None:
    del tx, event


async def nothing_async(tx: Any, event: Any) -> None:
    del tx, event


def stray(tx: Any, event: Any) -> Any:
    yield tx.execute("UPDATE totals SET n = -1")


async def stray_async(tx: Any, event: Any) -> Any:
    yield tx, event


class Waiting:
    async def __call__(self, tx: Any, event: Any) -> None:
        del tx, event


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", 5, None])
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="name"):
        Projection(name)


@pytest.mark.parametrize("batch", [0, -1, 10_001, True, 1.5, "1"])
def test_batches_that_are_none(batch: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="batch"):
        Projection("p", batch=batch)


def test_a_selector_is_a_selector() -> None:
    with pytest.raises(pyesdb.InvalidSelector, match="str"):
        Projection("p", "OrderPlaced")  # type: ignore[arg-type]


def test_what_cannot_be_registered() -> None:
    made = Projection("p")
    with pytest.raises(pyesdb.RequestError, match="parentheses"):
        made.on(nothing)  # type: ignore[arg-type]
    with pytest.raises(pyesdb.InvalidSelector):
        made.on("")
    with pytest.raises(pyesdb.RequestError, match="callable"):
        made.on("A")(5)  # type: ignore[type-var]
    made.on("A")(nothing)
    with pytest.raises(pyesdb.RequestError, match="has a handler for 'A'"):
        made.on("B", "A")
    made.on()(nothing)
    with pytest.raises(pyesdb.RequestError, match="other events"):
        made.on()
    for register in (made.on("C"), made.setup, made.reset):
        for waiting in (nothing_async, functools.partial(nothing_async), Waiting()):
            with pytest.raises(pyesdb.RequestError, match="AsyncProjection"):
                register(waiting)


@pytest.mark.parametrize("half", [Projection, AsyncProjection])
def test_generator_functions_are_refused(half: Any) -> None:
    """Called, they do nothing: every event would be passed over, and the checkpoint at the head."""
    made = half("p")
    for register in (made.on("C"), made.setup, made.reset):
        for function in (stray, stray_async, functools.partial(stray)):
            with pytest.raises(pyesdb.RequestError, match="yield"):
                register(function)


def test_decorators_give_the_function_back() -> None:
    made = Projection("p")
    assert made.on("A")(nothing) is nothing
    assert made.setup(nothing) is nothing
    assert made.reset(nothing) is nothing


def test_without_handler_there_is_nothing_to_run(lite: Kit) -> None:
    with pytest.raises(pyesdb.RequestError, match="no handler"):
        Projection("p").run(lite.store, lite.target)
    assert not lite.file.exists()


def test_a_rebuild_needs_a_reset(lite: Kit) -> None:
    made = Projection("p")
    made.on("A")(nothing)
    with pytest.raises(pyesdb.RequestError, match="reset"):
        made.rebuild(lite.store, lite.target)
    assert not lite.file.exists()


@pytest.mark.parametrize(
    "target", ["", ":memory:", "a\0b", "sqlite:///x.db", "mysql://h/d", b"x.db", 5, None, object()]
)
def test_what_is_no_read_model(lite: Kit, target: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="read model"):
        lite.projection().catch_up(lite.store, target)


def test_what_is_no_store(lite: Kit) -> None:
    with pytest.raises(pyesdb.RequestError, match="AsyncProjection"):
        lite.projection().catch_up("s", lite.target)  # type: ignore[arg-type]
    made = AsyncProjection("p")
    made.on("A")(nothing)
    with pytest.raises(pyesdb.RequestError, match="Store there is Projection"):
        asyncio.run(made.catch_up(lite.store, lite.target))  # type: ignore[arg-type]


def test_read_models_of_the_other_half(lite: Kit) -> None:
    import sqlalchemy
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine("sqlite+aiosqlite:///x.db")
    with pytest.raises(pyesdb.RequestError, match="AsyncProjection"):
        lite.projection().catch_up(lite.store, engine)

    async def other_half() -> None:
        async with await pyesdb.open_async(lite.folder / "data") as db:
            made = AsyncProjection("p")
            made.on("A")(nothing)
            with pytest.raises(pyesdb.RequestError, match="with Projection"):
                await made.catch_up(db.store("s"), sqlalchemy.create_engine("sqlite:///x.db"))
            connection = sqlite3.connect(lite.file)
            with pytest.raises(pyesdb.RequestError, match="pass the path"):
                await made.catch_up(db.store("s"), connection)
            connection.close()
        await engine.dispose()

    asyncio.run(other_half())


def test_databases_that_are_not_supported(lite: Kit) -> None:
    class Engine:
        __module__ = "sqlalchemy.engine.base"

        class dialect:  # noqa: N801
            name = "oracle"

    with pytest.raises(pyesdb.RequestError, match="not oracle"):
        lite.projection().catch_up(lite.store, Engine())


def test_sqlite_has_transactions_on_an_engine_without(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """They are begun by statements, whatever the driver thinks."""
    kit = kit_of("alchemy-sqlite", tmp_path, request)
    kit.target = kit.target.execution_options(isolation_level="AUTOCOMMIT")
    failing = kit.projection()
    failing.on("Broken")(kit.handler(WRONG, lambda _: {}))
    kit.append("a", 1)
    kit.append("a", 0, type="Broken")
    with pytest.raises(HandlerFailed):
        kit.catch_up(failing)
    assert kit.totals() == {}
    assert kit.catch_up(kit.projection()).position == 2
    assert kit.totals() == {"a": (1, 1)}
    kit.close()


@pytest.mark.parametrize("kind", ["alchemy-postgres", "async-alchemy-postgres"])
def test_postgres_without_transactions_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    kit = kit_of(kind, tmp_path, request)
    kit.target = kit.target.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(pyesdb.RequestError, match="AUTOCOMMIT"):
        kit.catch_up(kit.projection())
    kit.close()


def test_files_that_cannot_be_a_read_model(lite: Kit, tmp_path: Path) -> None:
    lite.append("a", 1)
    (tmp_path / "text").write_text("no database at all, " * 100)
    for path in (tmp_path, tmp_path / "missing" / "x.db", tmp_path / "text"):
        with pytest.raises(pyesdb.RequestError, match="read model"):
            lite.projection().catch_up(lite.store, path)
    assert (tmp_path / "text").read_text().startswith("no database")


def test_a_connection_in_a_transaction_is_refused(lite: Kit) -> None:
    connection = sqlite3.connect(lite.file)
    connection.execute("CREATE TABLE mine (n)")
    connection.execute("INSERT INTO mine VALUES (1)")
    with pytest.raises(pyesdb.RequestError, match="open transaction"):
        lite.projection().catch_up(lite.store, connection)
    connection.commit()
    lite.projection().catch_up(lite.store, connection)
    assert connection.execute("SELECT count(*) FROM mine").fetchone() == (1,)
    connection.execute("BEGIN")  # ours again
    connection.rollback()
    connection.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="autocommit= came with Python 3.12")
def test_connections_of_each_way_to_commit(lite: Kit) -> None:
    lite.append("a", 1)
    never = sqlite3.connect(lite.file, autocommit=False)
    with pytest.raises(pyesdb.RequestError, match="autocommit"):
        lite.projection().catch_up(lite.store, never)
    never.close()
    always = sqlite3.connect(lite.file, autocommit=True)
    lite.projection().catch_up(lite.store, always)
    always.close()
    assert lite.totals() == {"a": (1, 1)}


def test_a_read_model_in_memory_is_the_callers_connection(lite: Kit) -> None:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    lite.append("a", 1, 2)
    assert lite.projection().catch_up(lite.store, connection).position == 2
    assert tuple(connection.execute("SELECT n, c FROM totals").fetchone()) == (3, 2)
    connection.close()


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK", "END", "BEGIN"])
def test_sqlite_refuses_what_ends_the_transaction(lite: Kit, statement: str) -> None:
    """Also when the same words were prepared before, on the caller's connection."""
    connection = sqlite3.connect(lite.file, isolation_level=None)
    for words in ("BEGIN", "COMMIT", "BEGIN", "ROLLBACK", "BEGIN", "END"):
        connection.execute(words)
    made = lite.projection()
    made.on("Ending")(lambda tx, _: tx.execute(statement))
    lite.append("a", 1)
    lite.append("a", 0, type="Ending")
    for target in (connection, lite.file):
        with pytest.raises(HandlerFailed, match="must not begin or end"):
            made.catch_up(lite.store, target)
    connection.close()
    assert lite.totals() == {}


def test_executescript_commits_and_is_refused(lite: Kit) -> None:
    made = lite.projection()
    made.on("Script")(lambda tx, _: tx.executescript("UPDATE totals SET n = 0;"))
    lite.append("a", 1)
    lite.append("a", 0, type="Script")
    with pytest.raises(HandlerFailed, match="executescript"):
        made.catch_up(lite.store, lite.target)
    assert lite.totals() == {}


def test_a_hook_that_ends_the_transaction_is_refused(lite: Kit) -> None:
    made = lite.projection()
    lite.append("a", 1)
    made.catch_up(lite.store, lite.target)
    made.reset(lambda tx: tx.execute("DELETE FROM totals").connection.commit())
    with pytest.raises((pyesdb.RequestError, sqlite3.DatabaseError)):
        made.rebuild(lite.store, lite.target)
    assert lite.totals() == {"a": (1, 1)}


def test_savepoints_are_the_handlers_own(lite: Kit) -> None:
    made = lite.projection()

    def undoing(tx: sqlite3.Connection, _: object) -> None:
        tx.execute("SAVEPOINT mine")
        tx.execute("DELETE FROM totals")
        tx.execute("ROLLBACK TO mine")
        tx.execute("RELEASE mine")

    made.on("Undoing")(undoing)
    lite.append("a", 1)
    lite.append("a", 0, type="Undoing")
    assert made.catch_up(lite.store, lite.target).position == 2
    assert lite.totals() == {"a": (1, 1)}


def test_a_database_that_another_one_writes_is_waited_for(lite: Kit) -> None:
    """No "database is locked", however long it takes."""
    lite.append("a", 1)
    made = lite.projection()
    made.catch_up(lite.store, lite.target)
    lite.append("a", 2)
    writer = sqlite3.connect(lite.file, isolation_level=None)
    impatient = sqlite3.connect(lite.file, timeout=0, check_same_thread=False)
    writer.execute("BEGIN IMMEDIATE")
    with lite.running(made.projector(lite.store, impatient)) as future:
        with pytest.raises(TimeoutError):
            future.result(0.2)
        writer.execute("COMMIT")
        lite.until(lambda: lite.totals() == {"a": (3, 2)}, future)
    future.result()
    writer.execute("BEGIN IMMEDIATE")  # and who waits can be stopped
    lite.append("a", 3)
    with lite.running(made.projector(lite.store, impatient)) as future:
        pass
    assert future.result() is None
    writer.close()
    impatient.close()
    assert lite.totals() == {"a": (3, 2)}


def test_plain_and_asynchronous_functions_are_not_mixed_up(lite: Kit) -> None:
    lite.append("a", 1)

    async def tried() -> None:
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(f"sqlite+aiosqlite:///{lite.file}")
        async with await pyesdb.open_async(lite.folder / "data") as db:
            for handler, target, match in (
                (nothing, engine, "async def"),
                (nothing_async, lite.file, "plain `def`"),
            ):
                made = AsyncProjection("p")
                made.on("Counted")(handler)
                with pytest.raises(HandlerFailed, match=match):
                    await made.catch_up(db.store("s"), target)
        await engine.dispose()

    asyncio.run(tried())


@pytest.mark.parametrize("function", [stray, stray_async, nothing_async])
def test_an_answer_that_was_never_run_passes_over_nothing(lite: Kit, function: Any) -> None:
    """Behind a wrapper nobody sees what a function is."""
    lite.append("a", 1)
    lite.append("a", 0, type="Other")
    made = lite.projection()

    def wrapped(tx: Any, event: Any) -> Any:
        return function(tx, event)

    made.on("Other")(wrapped)
    with pytest.raises(HandlerFailed, match=r"yield|plain `def`"):
        made.catch_up(lite.store, lite.target)

    async def tried() -> None:
        async with await pyesdb.open_async(lite.folder / "data") as db:
            other = AsyncProjection("p")
            other.on("Other")(wrapped)
            with pytest.raises(HandlerFailed, match=r"yield|plain `def`"):
                await other.catch_up(db.store("s"), lite.file)

    asyncio.run(tried())
    assert lite.checkpoint() == [0, 0]
    assert lite.totals() == {}
    hooked = lite.projection()
    hooked.setup(lambda tx: function(tx, None))
    with pytest.raises(pyesdb.RequestError, match=r"yield|plain `def`"):
        hooked.catch_up(lite.store, lite.target)


def test_ctrl_c_keeps_nothing_of_the_transaction_and_gives_the_lock_back(lite: Kit) -> None:
    made = lite.projection()

    def interrupted(tx: Any, event: Any) -> None:
        raise KeyboardInterrupt

    made.on("Other")(interrupted)
    lite.append("a", 1)
    lite.append("a", 0, type="Other")
    with pytest.raises(KeyboardInterrupt):
        made.catch_up(lite.store, lite.target)
    assert lite.totals() == {}
    assert lite.projection().catch_up(lite.store, lite.target).position == 2
    assert lite.totals() == {"a": (1, 1)}


def test_one_starts_while_another_goes_on(lite: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the other one has projected meanwhile is not taken for another history."""
    lite.append("a", 1)
    lite.projection().catch_up(lite.store, lite.target)
    take, first = locks.FileLock.take, [True]

    def taken(self: locks.FileLock) -> bool:
        if first and first.pop():
            lite.append("a", 2)
            lite.projection().catch_up(lite.store, lite.target)
        return take(self)

    monkeypatch.setattr(locks.FileLock, "take", taken)
    assert lite.projection().catch_up(lite.store, lite.target).position == 2
    assert lite.totals() == {"a": (3, 2)}


ASYNC_DRIVERS = [marked(kind, OFTEN) for kind in ("async-psycopg", "async-alchemy-sqlite")]


@pytest.mark.parametrize("kind", ASYNC_DRIVERS)
def test_a_task_cancelled_in_a_handler_keeps_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    kit = kit_of(kind, tmp_path, request)
    kit.append("a", 1)
    kit.append("a", 0, type="Waiting")
    made = kit.projection()
    entered = threading.Event()

    async def waiting(tx: Any, event: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    made.on("Waiting")(waiting)

    async def cancelled() -> None:
        task = asyncio.create_task(made.catch_up(kit.store, kit.target))
        await asyncio.to_thread(entered.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    kit.call(cancelled)
    assert kit.totals() == {}
    assert kit.catch_up(kit.projection()).position == 2
    assert kit.totals() == {"a": (1, 1)}
    kit.close()


@pytest.mark.parametrize("moment", ["waiting", "in the thread"])
def test_a_cancelled_task_loses_and_doubles_nothing(lite: Kit, moment: str) -> None:
    lite.append("a", 1)
    entered, go_on = threading.Event(), threading.Event()

    async def cancelled() -> None:
        async with await pyesdb.open_async(lite.folder / "data") as db:
            made = AsyncProjection("totals")
            made.setup(lambda tx: tx.execute(TABLE))

            def counted(tx: sqlite3.Connection, event: Any) -> None:
                if moment != "waiting":
                    entered.set()
                    assert go_on.wait(60)
                values = {"stream": event.stream, "store": event.store, "n": event.json()["n"]}
                tx.execute(UPSERT, values)

            made.on("Counted")(counted)
            task = asyncio.create_task(made.run(db.store("s"), lite.file))
            if moment == "waiting":
                await asyncio.to_thread(lite.until, lambda: bool(lite.totals_or_none()))
            else:
                assert await asyncio.to_thread(entered.wait, 60)
            task.cancel()
            await asyncio.sleep(0)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await made.catch_up(db.store("s"), lite.file)).position == 1

    asyncio.run(cancelled())
    assert lite.totals() == {"a": (1, 1)}


def test_nothing_of_the_loop_is_blocked_by_sqlite(lite: Kit) -> None:
    """A handler that waits for the loop would never end if it ran on it."""
    lite.append("a", 1)

    async def turned() -> None:
        async with await pyesdb.open_async(lite.folder / "data") as db:
            turning = threading.Event()
            asyncio.get_running_loop().call_later(0.01, turning.set)
            made = AsyncProjection("p")
            made.on("Counted")(lambda *_: turning.wait(30) or pytest.fail("the loop stood still"))
            await made.catch_up(db.store("s"), lite.file)

    asyncio.run(turned())


def test_optional_drivers_are_imported_by_nobody_else(lite: Kit) -> None:
    code = (
        "import sys, pyesdb.projections as p\n"
        "assert not {'asyncio', 'psycopg', 'sqlalchemy'} & set(sys.modules), sorted(sys.modules)\n"
        "p.AsyncProjection\n"
        "assert not {'psycopg', 'sqlalchemy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="Projektion"):
        _ = projections.Projektion  # type: ignore[attr-defined]


def test_without_psycopg_the_address_says_what_to_install(
    lite: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(pyesdb.RequestError, match=r"pyesdb\[postgres\]"):
        lite.projection().catch_up(lite.store, "postgresql://nobody@/nothing")


def test_what_others_see_between_two_commits_is_whole(lite: Kit) -> None:
    """At every commit the rows are what the checkpoint says: neither is ahead of the other."""
    lite.append("a", 1)
    lite.projection().catch_up(lite.store, lite.target)
    lite.append("a", *range(2, 30))
    lite.append("a", 0, 0, type="Other")
    commits: list[tuple[int, int]] = []

    def looked(statement: str) -> None:
        if statement.startswith("COMMIT"):
            commits.append((lite.checkpoint()[0], lite.totals()["a"][1]))

    connection = sqlite3.connect(lite.file)
    connection.set_trace_callback(looked)
    lite.projection(batch=10).catch_up(lite.store, connection)
    connection.close()
    commits.append((lite.checkpoint()[0], lite.totals()["a"][1]))
    assert commits == [(1, 1), (1, 1), (11, 11), (21, 21), (31, 29)]


# -- histories


def test_a_copy_under_the_same_id_is_another_history(lite: Kit, tmp_path: Path) -> None:
    """In another database, where the store may even have the same incarnation."""
    made = lite.projection()
    lite.append("a", 1)
    made.catch_up(lite.store, lite.target)
    lite.db.backup_store("s", tmp_path / "backup")
    with pyesdb.open(tmp_path / "elsewhere", durability="os") as db:
        store = db.restore_backup(tmp_path / "backup")
        store.append("a", NewEvent("Counted", {"n": 5}))
        with pytest.raises(pyesdb.HistoryChanged):
            made.catch_up(store, lite.target)
        assert made.rebuild(store, lite.target).position == 2
    assert lite.totals() == {"a": (6, 2)}


def test_two_databases_with_the_same_ids_are_told_apart(tmp_path: Path) -> None:
    made = Projection("p")
    made.on("A")(nothing)
    for name in ("one", "two"):
        with pyesdb.open(tmp_path / name, durability="os") as db:
            db.store().append("a", NewEvent("A"))
            if name == "one":
                made.catch_up(db.store(), tmp_path / "p.db")
                continue
            with pytest.raises(pyesdb.HistoryChanged, match="another history"):
                made.catch_up(db.store(), tmp_path / "p.db")


def test_a_store_that_has_lost_events_is_noticed(lite: Kit) -> None:
    made = lite.projection()
    lite.append("a", 1, 2)
    made.catch_up(lite.store, lite.target)
    lite.change("UPDATE pyesdb_checkpoint SET position = 3")
    with pytest.raises(pyesdb.HistoryChanged, match="ends at 2"):
        made.catch_up(lite.store, lite.target)


# -- the lock of SQLite read models


def test_a_lock_is_free_when_its_process_is_dead(tmp_path: Path) -> None:
    file = str(tmp_path / "x.db")
    code = (
        "import sys; from pyesdb.projections import locks\n"
        "held = locks.FileLock(sys.argv[1], 7)\n"
        "print(held.take(), flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "True\n"
        ours, another = locks.FileLock(file, 7), locks.FileLock(file, 8)
        assert not ours.take()
        assert another.take()
        assert not ours.take()
        child.kill()
        child.wait()
    assert ours.take()
    another.free()
    ours.free()


def test_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    file = str(tmp_path / "x.db")
    first, second = locks.FileLock(file, 7), locks.FileLock(file, 7)
    assert first.take()
    assert not second.take()
    second.free()  # it has nothing: the first one keeps its own
    assert not second.take()
    first.free()
    assert second.take()
    second.free()
    assert os.path.exists(file + locks.SUFFIX)


def test_a_forked_child_holds_nothing_and_frees_nothing(tmp_path: Path) -> None:
    file = str(tmp_path / "x.db")
    code = (
        "import os, sys; from pyesdb.projections import locks\n"
        "held = locks.FileLock(sys.argv[1], 7)\n"
        "assert held.take()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    refused = not locks.FileLock(sys.argv[1], 7).take()\n"
        "    held.free()\n"
        "    refused = refused and not locks.FileLock(sys.argv[1], 7).take()\n"
        "    os._exit(0 if refused else 1)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code, file], check=True)


def test_without_the_lock_effects_are_still_single(
    lite: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of locks is gone, or lies where locks do nothing."""
    monkeypatch.setattr(locks.FileLock, "take", lambda _: True)
    lite.append("a", 1)
    first, second = lite.projection(), lite.projection()
    with lite.running(first.projector(lite.store, lite.target)) as loser:
        lite.until(lambda: lite.status(first).position == 1, loser)
        owner = lite.status(first).owner
        with lite.running(second.projector(lite.store, lite.target)) as winner:
            lite.until(lambda: lite.status(first).owner != owner, winner)
            lite.append("a", 2)
            with pytest.raises(pyesdb.ProjectionBusy):
                loser.result(60)
            lite.until(lambda: lite.status(first).position == 2, winner)
    winner.result()
    assert lite.totals() == {"a": (3, 2)}


def test_many_stores_run_into_one_file_at_once(lite: Kit) -> None:
    """Writers of one SQLite file wait for each other; nobody meets a locked database."""
    made = lite.projection()
    stores = [lite.db.create_store(f"store-{n}") for n in range(5)]
    with contextlib.ExitStack() as stack:
        futures = [
            stack.enter_context(lite.running(made.projector(store, lite.target)))
            for store in stores
        ]
        for n in range(20):
            for store in stores:
                store.append(store.id, NewEvent("Counted", {"n": n}))
        lite.until(lambda: all(not made.status(s, lite.target).lag for s in stores))
    assert [future.result() for future in futures] == [None] * 5
    assert lite.totals() == {store.id: (190, 20) for store in stores}


def test_select_none_means_the_types_with_handlers(lite: Kit) -> None:
    seen: list[str] = []
    made = Projection("p")
    made.on("A", "B")(lambda _, event: seen.append(event.type))
    for kind in ("A", "C", "B", "A"):
        lite.append("s", 0, type=kind)
    made.catch_up(lite.store, lite.target)
    assert seen == ["A", "B", "A"]
    assert made.selector() == select.event_type("A", "B")


def test_handlers_get_events_as_they_are_read(lite: Kit) -> None:
    seen: list[pyesdb.RecordedEvent] = []
    made = Projection("p", select.tags("x"))
    made.on("A")(lambda _, event: seen.append(event))
    lite.store.append("s", NewEvent("A", {"n": 1}, tags=["x", "y"], metadata={"m": 2}))
    lite.store.append("s", NewEvent("A", {"n": 2}, tags=["y"]))
    made.catch_up(lite.store, lite.target)
    assert seen == lite.store.read("s", to_version=0).to_list()


def test_large_events_make_small_batches(lite: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyesdb.projections import engine

    monkeypatch.setattr(engine, "BATCH_BYTES", 1000)
    steps: list[int] = []
    lite.append("a", *range(100))  # 9 or 10 bytes each
    lite.projection().catch_up(
        lite.store, lite.target, on_progress=lambda done, _: steps.append(done)
    )
    assert len(steps) == 1
    big = NewEvent("Counted", {"n": 1, "more": "x" * 600})
    lite.store.append("b", [big])
    lite.store.append("c", [NewEvent("Counted", {"n": 1, "more": "x" * 600}) for _ in range(3)])
    lite.projection().catch_up(
        lite.store, lite.target, on_progress=lambda done, _: steps.append(done)
    )
    assert steps == [100, 102, 104]
