"""Several things of one process at once: opens, tasks, cancelled steps, forgotten names."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import pyesdb
from pyesdb import AppendCondition, NewEvent, select

LOOK = """
import sys, pyesdb
try:
    pyesdb.open(sys.argv[1]).close()
except pyesdb.DatabaseLocked:
    print("locked")
"""


def test_a_read_only_open_beside_an_exclusive_one_does_not_unlock_it(data_dir: Path) -> None:
    with pyesdb.open(data_dir, exclusive=True) as db:
        db.store().append("s", NewEvent("E"))
        with pyesdb.open(data_dir, read_only=True) as looking:
            assert looking.store().version("s") == 0
        look = [sys.executable, "-c", LOOK, str(data_dir)]
        assert subprocess.check_output(look, text=True).strip() == "locked"


def test_a_store_may_be_used_longer_than_the_name_of_its_database(data_dir: Path) -> None:
    def opened() -> pyesdb.Store:
        return pyesdb.open(data_dir).store()

    store = opened()
    assert store.append("s", NewEvent("E")).version == 0
    with pytest.warns(ResourceWarning):
        del store


def test_a_cancelled_step_skips_nothing(data_dir: Path) -> None:
    async def main() -> list[int]:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", [NewEvent("E") for _ in range(500)])
            events = store.read("s")
            seen = [(await anext(events)).version for _ in range(64)]
            step = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            step.cancel()
            await asyncio.gather(step, return_exceptions=True)
            return seen + [event.version async for event in events]

    assert asyncio.run(main()) == list(range(500))


def test_waiting_readers_do_not_keep_the_append_they_wait_for(data_dir: Path) -> None:
    async def main() -> list[int]:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            reads = [store.read_all(at_least=1).to_list() for _ in range(8)]
            waiting = [asyncio.create_task(read) for read in reads]
            await asyncio.sleep(0)
            await store.append("s", NewEvent("E"))
            return [len(events) for events in await asyncio.gather(*waiting)]

    assert asyncio.run(main()) == [1] * 8


def test_stores_are_removed_while_tasks_append(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            stores = [await db.create_store(f"s{n}") for n in range(4)]
            for store in stores:  # a handle that never met its store says that there is none
                await store.append("s", NewEvent("E"))

            async def append_for_ever(store: pyesdb.AsyncStore) -> None:
                while True:
                    await store.append("s", NewEvent("E"))

            async def write(store: pyesdb.AsyncStore) -> None:
                with pytest.raises(pyesdb.StoreRemoved):
                    await append_for_ever(store)

            writers = [asyncio.create_task(write(store)) for store in stores]
            await asyncio.sleep(0)
            await asyncio.gather(*(db.remove_store(store.id) for store in stores))
            await asyncio.gather(*writers)

    asyncio.run(main())


def test_the_head_of_a_read_that_may_find_nothing_is_safe_in_a_condition(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer comes between the questions of one read."""
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.append("other", NewEvent("E"))
        from pyesdb.store.readers import Reader

        real, once = Reader.all, iter([True])

        def all_(reader: Reader, name: str, *args: object) -> list[tuple[object, ...]]:
            found = real(reader, name, *args)
            if name in ("stream_at", "head") and next(once, False):
                store.append("cart", NewEvent("Taken"))
            return found

        monkeypatch.setattr(Reader, "all", all_)
        read = store.read("cart", missing_ok=True)
        seen = read.to_list()
        monkeypatch.undo()
        condition = AppendCondition(select.stream("cart"), after=read.head)
        if not seen:
            with pytest.raises(pyesdb.ConditionFailed):
                store.append("mine", NewEvent("E"), condition=condition)
        assert read.head <= 2


def test_names_with_the_last_code_point_are_found_by_prefix(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.append("z\U0010ffff\U0010ffffb", NewEvent("E"))
        assert list(store.streams(prefix="z")) == ["z\U0010ffff\U0010ffffb"]
        assert len(store.read_all(select=select.pattern(stream="z*")).to_list()) == 1


def test_an_old_snapshot_that_is_trimmed_at_once_is_still_answered(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("kept", snapshots_keep=1)
        store.append("s", [NewEvent("E") for _ in range(3)])
        store.record_snapshot("a", "s", 2, {"n": 2})
        assert store.record_snapshot("a", "s", 1, {"n": 1}).json() == {"n": 1}
        assert [snapshot.version for snapshot in store.list_snapshots("a", "s")] == [2]
