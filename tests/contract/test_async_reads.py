"""API "Read", asynchronous half: when a read starts, and what is awaited."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import StreamState, select
from pyesdb.embedded.aioevents import Loop
from pyesdb.node import tuning
from pyesdb.store.reads import Read
from tests.contract.tools import new_events, one

Body = Callable[[Any, Any], Coroutine[Any, Any, None]]


@pytest.fixture
def play(data_dir: Path) -> Callable[[Body], None]:
    """Run a coroutine with an open database and a store in a loop of its own."""

    def run(body: Body) -> None:
        async def main() -> None:
            async with pyesdb.open_async(data_dir, durability="os") as db:
                await body(db, await db.create_store("a", exist_ok=True))

        asyncio.run(main())

    return run


def test_open_async_can_be_awaited_or_entered(data_dir: Path) -> None:
    async def main() -> None:
        db = await pyesdb.open_async(data_dir, durability="os")
        assert (await db.store().append("s", one())).version == 0
        await db.close()
        await db.close()
        async with pyesdb.open_async(data_dir) as entered:
            assert (await entered.store().append("s", one())).version == 1
        with pytest.raises(pyesdb.DatabaseClosed):
            await entered.store().version("s")

    asyncio.run(main())


def test_errors_of_opening_come_when_awaited(data_dir: Path) -> None:
    async def main() -> None:
        with pytest.raises(pyesdb.DatabaseNotFound):
            await pyesdb.open_async(data_dir, create=False)
        with pytest.raises(pyesdb.InvalidTarget):
            async with pyesdb.open_async("postgres://x"):
                pass

    asyncio.run(main())


def test_an_awaited_database_may_be_entered(data_dir: Path) -> None:
    async def main() -> None:
        async with await pyesdb.open_async(data_dir, durability="os") as db:
            await db.store().append("s", one())

    asyncio.run(main())


PLAIN = {"Database": ["store"], "Store": ["read", "read_all", "streams", "follow"]}
PLAIN["Database"].append("audit")


@pytest.mark.parametrize("kind", PLAIN)
def test_what_is_never_awaited_is_no_coroutine_and_the_rest_is(kind: str) -> None:
    twin = getattr(pyesdb, f"Async{kind}")
    for name, member in vars(getattr(pyesdb, kind)).items():
        if name.startswith("_") or not callable(member):
            continue
        awaited = inspect.iscoroutinefunction(getattr(twin, name))
        assert awaited is (name not in PLAIN[kind]), name


def test_a_read_starts_when_entered(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", new_events(2))
        read = store.read("s")
        await store.append("s", one())
        async with read as events:
            await store.append("s", one())
            assert events.version == 2
            assert [e.version async for e in events] == [0, 1, 2]

    play(body)


def test_a_read_that_is_not_entered_starts_at_its_first_step(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", one())
        read = store.read_all()
        await store.append("s", one())
        seen = 0
        async for _ in read:
            await store.append("s", one())
            seen += 1
        assert seen == 2
        assert read.head == 2

    play(body)


@pytest.mark.parametrize("name", ["version", "head"])
def test_version_and_head_before_the_start_raise_runtime_error(play: Any, name: str) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", one())
        read = store.read("s")
        with pytest.raises(RuntimeError):
            getattr(read, name)
        async with read:
            assert getattr(read, name) in (0, 1)

    play(body)


def test_a_missing_stream_raises_when_started_not_when_called(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        read = store.read("later")
        with pytest.raises(pyesdb.StreamNotFound):
            await anext(read)
        with pytest.raises(pyesdb.StreamNotFound):
            async with store.read("later"):
                pass
        late = store.read("later")
        await store.append("later", one())
        assert len(await late.to_list()) == 1

    play(body)


def test_to_list_and_first_start_the_read(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", new_events(3))
        assert [e.version for e in await store.read("s").to_list()] == [0, 1, 2]
        assert (await store.read("s", backwards=True).first()).version == 2
        assert await store.read("never", missing_ok=True).first() is None

    play(body)


def test_missing_ok_gives_no_stream_once_started(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        async with store.read("never", missing_ok=True) as events:
            assert events.version is StreamState.NO_STREAM
            assert await events.to_list() == []

    play(body)


def test_streams_and_audit_are_async_iterators(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        for name in ("b", "a"):
            await store.append(name, one())
        assert [name async for name in store.streams()] == ["a", "b"]
        assert "StoreCreated" in [e.type async for e in db.audit()]

    play(body)


def test_a_read_can_be_left_in_the_middle(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", new_events(5000))
        for _ in range(50):
            async with store.read("s") as events:
                async for event in events:
                    if event.version == 3:
                        break
        events = store.read("s")
        await anext(events)
        await events.close()
        assert [e async for e in events] == []

    play(body)


def test_loaded_is_awaited_and_its_events_are_iterated(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", new_events(4))
        await store.record_snapshot("A", "s", 1, {"x": 1})
        loaded = await store.load("s", source="A")
        assert (loaded.snapshot.version, loaded.version) == (1, 3)
        assert [e.version async for e in loaded.events] == [2, 3]

    play(body)


def test_many_tasks_append_and_read_at_once(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        async def work(n: int) -> list[int]:
            results = [await store.append(f"s{n}", one()) for _ in range(10)]
            assert [e.version async for e in store.read(f"s{n}")] == list(range(10))
            return [r.position for r in results]

        positions = await asyncio.gather(*(work(n) for n in range(32)))
        assert sorted(p for some in positions for p in some) == list(range(1, 321))

    play(body)


def test_64_tasks_with_one_expected_version_have_one_winner(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", one())

        async def work() -> bool:
            try:
                await store.append("s", one("Won"), expected=0)
            except pyesdb.WrongExpectedVersion:
                return False
            return True

        assert sum(await asyncio.gather(*(work() for _ in range(64)))) == 1
        assert await store.version("s") == 1

    play(body)


def test_one_command_id_from_many_tasks_is_stored_once(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        command, event = uuid4(), one()
        calls = [store.append("s", event, command_id=command) for _ in range(24)]
        results = await asyncio.gather(*calls)
        assert {result.position for result in results} == {1}
        assert sum(not result.duplicate for result in results) == 1

    play(body)


def test_one_command_id_with_many_contents_has_one_success(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        command = uuid4()
        calls = [store.append(f"s{n}", one(), command_id=command) for n in range(24)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        won = [r for r in results if isinstance(r, pyesdb.AppendResult)]
        assert len([r for r in results if isinstance(r, pyesdb.CommandMismatch)]) == 23
        assert [name async for name in store.streams()] == [r.stream for r in won]

    play(body)


def test_32_tasks_creating_one_store_have_one_winner(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        async def work() -> bool:
            try:
                await db.create_store("contested")
            except pyesdb.StoreAlreadyExists:
                return False
            return True

        assert sum(await asyncio.gather(*(work() for _ in range(32)))) == 1
        assert len(await db.list_stores(prefix="contested")) == 1

    play(body)


def test_the_loop_goes_on_while_calls_wait(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticker = asyncio.create_task(tick())
        with pytest.raises(pyesdb.DeadlineExceeded):
            await store.read_all(at_least=10**9, timeout=0.2).to_list()
        ticker.cancel()
        assert ticks > 10

    play(body)


def test_a_read_of_one_page_takes_one_trip_to_the_pool(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips: list[Any] = []
    real = Loop.run

    async def run(self: Loop, executor: Any, function: Any) -> Any:
        trips.append(function)
        return await real(self, executor, function)

    async def body(db: Any, store: Any) -> None:
        await store.append("s", new_events(3))
        monkeypatch.setattr(Loop, "run", run)
        assert len(await store.read("s").to_list()) == 3
        assert [e.version async for e in store.read("s")] == [0, 1, 2]
        assert len(trips) == 2

    play(body)


def test_to_list_gives_what_is_left_over_many_pages(play: Any) -> None:
    async def body(db: Any, store: Any) -> None:
        await store.append("s", new_events(3000))
        events = store.read("s")
        assert [(await anext(events)).version for _ in range(3)] == [0, 1, 2]
        assert [e.version for e in await events.to_list()] == list(range(3, 3000))
        assert await events.to_list() == []

    play(body)


@pytest.mark.parametrize("entered", [False, True])
def test_others_come_in_between_the_pieces_of_a_scan(
    play: Any, monkeypatch: pytest.MonkeyPatch, entered: bool
) -> None:
    answered = threading.Event()
    real, waited = Read.piece, list[bool]()

    def piece(read: Read) -> Any:
        if threading.current_thread().name.startswith("alone"):
            waited.append(answered.wait(5))
        return real(read)

    async def body(db: Any, store: Any) -> None:
        await store.append("s", new_events(2000))
        whole, db._core.node.pool = db._core.node.pool, ThreadPoolExecutor(1, "alone")

        async def other() -> None:
            await store.version("s")
            answered.set()

        async def scan() -> list[Any]:
            read = store.read_all(select=select.payload({"no": 1}))
            if entered:
                async with read as events:
                    return await events.to_list()
            return await read.to_list()

        found, _ = await asyncio.gather(scan(), other())
        assert found == []
        assert len(waited) > 1
        assert all(waited)
        db._core.node.pool.shutdown()
        db._core.node.pool = whole

    monkeypatch.setattr(Read, "piece", piece)
    play(body)


def test_calls_go_on_while_stores_are_scavenged(play: Any) -> None:
    answered, waited = threading.Event(), list[bool]()

    async def body(db: Any, store: Any) -> None:
        stores = [await db.create_store(f"s{n}") for n in range(3)]
        for each in stores:
            await each.append("s", one())
            await each.delete_stream("s")

        async def other() -> None:
            await store.version("s")
            answered.set()

        def progress(done: int, total: int) -> None:
            waited.append(answered.wait(5))

        swept = [each.scavenge(on_progress=progress) for each in stores]
        *results, _ = await asyncio.gather(*swept, other())
        assert [result.events for result in results] == [1, 1, 1]
        assert all(waited)

    play(body)


def test_calls_go_on_while_stores_are_updated(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, waited = threading.Event(), list[bool]()
    real = tuning.update_store

    def update(*args: Any) -> Any:  # it may take minutes: it indexes what is stored
        waited.append(answered.wait(5))
        return real(*args)

    async def body(db: Any, store: Any) -> None:
        monkeypatch.setattr(tuning, "update_store", update)

        async def other() -> None:
            await store.version("s")
            answered.set()

        updates = [db.update_store("a", indexed_payload=[f"p{n}"]) for n in range(3)]
        await asyncio.gather(*updates, other())
        assert waited == [True] * 3

    play(body)
