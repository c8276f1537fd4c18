"""However many compete, one wins: creating a store, appending behind one version."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyesdb
from pyesdb import NewEvent
from tests.stress.tools import children

CREATORS = 32
WRITERS = 64
PROCESSES = 4


def test_32_threads_create_one_store_once(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, ThreadPoolExecutor(CREATORS) as pool:

        def create(n: int) -> bool:
            try:
                db.create_store("contested").append("s", NewEvent("Won", n))
            except pyesdb.StoreAlreadyExists:
                return False
            return True

        assert sum(pool.map(create, range(CREATORS))) == 1
        assert db.store("contested").version("s") == 0
        assert [e.type for e in db.audit(store_id="contested")] == ["StoreCreated", "StoreReady"]


def test_32_tasks_create_one_store_once(data_dir: Path) -> None:
    async def run() -> None:
        async with await pyesdb.open_async(data_dir, durability="os") as db:

            async def create(n: int) -> bool:
                try:
                    store = await db.create_store("contested")
                except pyesdb.StoreAlreadyExists:
                    return False
                await store.append("s", NewEvent("Won", n))
                return True

            assert sum(await asyncio.gather(*map(create, range(CREATORS)))) == 1
            assert await db.store("contested").version("s") == 0

    asyncio.run(run())


def test_4_processes_create_one_store_once(data_dir: Path) -> None:
    with children(PROCESSES, "create", data_dir) as started:
        for child in started:
            child.go()
        said = sorted(child.report() for child in started)
    assert said == ["exists"] * (PROCESSES - 1) + ["won"]
    with pyesdb.open(data_dir) as db:
        assert db.store("contested").version("s") == 0
        assert [e.type for e in db.audit(store_id="contested")] == ["StoreCreated", "StoreReady"]


def test_64_threads_with_one_expected_version_store_one_event(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, ThreadPoolExecutor(WRITERS) as pool:
        store = db.store()
        store.append("s", NewEvent("First"))

        def write(n: int) -> bool:
            try:
                store.append("s", NewEvent("Won", n), expected=0)
            except pyesdb.WrongExpectedVersion as error:
                return error.actual != 1
            return True

        assert sum(pool.map(write, range(WRITERS))) == 1
        assert [e.version for e in store.read("s")] == [0, 1]


def test_64_tasks_with_one_expected_version_store_one_event(data_dir: Path) -> None:
    async def run() -> None:
        async with await pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", NewEvent("First"))

            async def write(n: int) -> bool:
                try:
                    await store.append("s", NewEvent("Won", n), expected=0)
                except pyesdb.WrongExpectedVersion as error:
                    return error.actual != 1
                return True

            assert sum(await asyncio.gather(*map(write, range(WRITERS)))) == 1
            assert await store.version("s") == 1

    asyncio.run(run())
