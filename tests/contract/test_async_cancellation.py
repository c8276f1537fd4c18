"""Asynchronous half: cancelled calls, and handles that meet another event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import select
from pyesdb.embedded.database import Core
from pyesdb.store import runtime
from pyesdb.store.reads import Read
from tests.contract.tools import new_events, one
from tests.crash.faults import Gate


def test_a_cancelled_append_is_withdrawn_or_committed_never_half(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            commands = [uuid4() for _ in range(60)]
            for steps, command in enumerate(commands):
                task = asyncio.create_task(store.append("s", [one(), one()], command_id=command))
                for _ in range(steps % 7):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert task.done()
            await store.append("end", one())
            outcomes = [await store.outcome(command) for command in commands]
            stored = [o for o in outcomes if o is not None]
            events = await store.read("s", missing_ok=True).to_list()
            assert len(events) == 2 * len(stored)
            assert [e.position async for e in store.read_all()] == list(range(1, len(events) + 2))

    asyncio.run(main())


def test_a_task_that_saw_its_result_had_it_stored(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()

            async def work(n: int) -> int:
                return (await store.append(f"s{n}", one())).position

            tasks = [asyncio.create_task(work(n)) for n in range(200)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            kept = {e.position: e.stream async for e in store.read_all()}
            for n, result in enumerate(done):
                if isinstance(result, int):
                    assert kept[result] == f"s{n}"
                else:
                    assert isinstance(result, asyncio.CancelledError)
            assert sorted(kept) == list(range(1, len(kept) + 1))

    asyncio.run(main())


def test_a_cancelled_call_may_be_asked_for_or_repeated_by_its_command_id(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store, command, event = db.store(), uuid4(), one()
            task = asyncio.create_task(store.append("s", event, command_id=command))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            result = await store.append("s", event, command_id=command)
            assert result.version == 0
            assert await store.version("s") == 0

    asyncio.run(main())


def test_cancelling_one_of_a_group_disturbs_nobody_else(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            tasks = [asyncio.create_task(store.append(f"s{n}", one())) for n in range(64)]
            tasks[0].cancel()
            tasks[17].cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            for n, result in enumerate(done):
                if n not in (0, 17):
                    assert result.version == 0

    asyncio.run(main())


def test_a_cancelled_read_leaves_the_store_usable(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", [one() for _ in range(3000)])
            for steps in range(12):
                task = asyncio.create_task(store.read("s").to_list())
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
            assert len(await store.read("s").to_list()) == 3000

    asyncio.run(main())


def test_wait_for_raises_its_timeout_and_the_store_goes_on(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", one())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.read_all(at_least=10**9).to_list(), 0.05)
            assert (await store.append("s", one())).version == 1

    asyncio.run(main())


def test_each_task_has_its_own_deadline(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("warm", one())
            gate = Gate(monkeypatch)
            held = asyncio.create_task(store.append("held", one()))
            assert await asyncio.to_thread(gate.entered.wait, 60)
            late: list[float] = []

            async def wait(timeout: float) -> None:
                with pytest.raises(pyesdb.DeadlineExceeded, match="nothing was stored"):
                    await store.append("late", one(), timeout=timeout)
                late.append(timeout)

            await asyncio.gather(*map(wait, [0.3, 0.01, 0.15]))
            assert late == [0.01, 0.15, 0.3]
            assert not held.done()
            gate.go_on.set()
            assert (await held).version == 0
            assert not await store.exists("late")
            assert (await store.append("late", one())).version == 0

    asyncio.run(main())


def test_a_handle_of_another_loop_is_a_wrong_event_loop(data_dir: Path) -> None:
    kept: dict[str, Any] = {}

    async def first() -> None:
        kept["db"] = await pyesdb.open_async(data_dir, durability="os")
        kept["store"] = kept["db"].store()
        await kept["store"].append("s", one())

    async def second() -> None:
        for call in (
            lambda: kept["store"].append("s", one()),
            lambda: kept["store"].version("s"),
            lambda: kept["store"].read("s").to_list(),
            kept["db"].list_stores,
        ):
            with pytest.raises(pyesdb.WrongEventLoop) as caught:
                await call()
            assert "open the database in each loop" in str(caught.value)
        async with pyesdb.open_async(data_dir) as own:
            assert await own.store().version("s") == 0

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(first())
        asyncio.run(second())
        loop.run_until_complete(kept["db"].close())
    finally:
        loop.close()


def test_two_loops_may_each_have_their_own_handle(data_dir: Path) -> None:
    async def count(expected: int) -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            assert (await db.store().append("s", one())).version == expected

    for n in range(3):
        asyncio.run(count(n))


@pytest.mark.parametrize("steps", range(8))
def test_closing_with_calls_in_flight_answers_each_of_them_truly(
    data_dir: Path, steps: int
) -> None:
    async def main() -> tuple[set[str], set[str]]:
        db = await pyesdb.open_async(data_dir, durability="os")
        store = db.store()
        names = [f"s{n}" for n in range(50)]
        tasks = [asyncio.create_task(store.append(name, one())) for name in names]
        for _ in range(steps):
            await asyncio.sleep(0)
        await db.close()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        answers = dict(zip(names, done, strict=True))
        stored = {n for n, r in answers.items() if isinstance(r, pyesdb.AppendResult)}
        refused = {n for n, r in answers.items() if isinstance(r, pyesdb.DatabaseClosed)}
        unknown = {n for n, r in answers.items() if isinstance(r, pyesdb.OutcomeUnknown)}
        assert stored | refused | unknown == set(names), answers
        return stored, refused

    stored, refused = asyncio.run(main())
    with pyesdb.open(data_dir) as db:
        there = set(db.store().streams())
    assert stored <= there
    assert not refused & there


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_database_whose_opening_was_cancelled_is_closed(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    real = Core.start

    def start(core: Core) -> None:
        entered.set()
        assert go_on.wait(60)
        real(core)

    async def main() -> None:
        monkeypatch.setattr(Core, "start", start)
        task = asyncio.ensure_future(_opened(data_dir))
        assert await asyncio.to_thread(entered.wait, 60)
        await _cancelled(task)
        go_on.set()

    asyncio.run(main())  # waits for its threads
    monkeypatch.undo()
    pyesdb.open(data_dir, exclusive=True).close()  # nobody in this process has it open


def test_a_database_that_was_just_open_when_it_was_cancelled_is_closed(data_dir: Path) -> None:
    async def main() -> None:
        threads = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(threads)
        task = asyncio.ensure_future(_opened(data_dir))
        await asyncio.sleep(0)
        threads.submit(int).result(60)  # the loop is held: the task has not seen that it is open
        await _cancelled(task)

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name == "pyesdb-unwanted":
            thread.join()
    pyesdb.open(data_dir, exclusive=True).close()


def test_what_is_open_is_not_opened_again_by_entering_it(data_dir: Path) -> None:
    async def main() -> None:
        opening = pyesdb.open_async(data_dir, durability="os")
        async with opening as db:
            with pytest.raises(pyesdb.RequestError, match="entered already"):
                await opening.__aenter__()
            await db.store().append("s", one())
        async with opening as again:
            assert await again.store().version("s") == 0
        failing = pyesdb.open_async(data_dir / "missing", create=False)
        for _ in range(2):
            with pytest.raises(pyesdb.DatabaseNotFound):
                await failing.__aenter__()

    asyncio.run(main())
    pyesdb.open(data_dir, exclusive=True).close()


async def _opened(data_dir: Path) -> Any:
    return await pyesdb.open_async(data_dir, durability="os")


def test_a_cancelled_scavenge_ends_at_its_next_step(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_SWEEP", 5)
    entered, go_on = threading.Event(), threading.Event()

    def held(done: int, total: int) -> None:
        entered.set()
        assert go_on.wait(60)

    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", new_events(50))
            await store.delete_stream("s")
            task = asyncio.ensure_future(store.scavenge(on_progress=held))
            assert await asyncio.to_thread(entered.wait, 60)
            await _cancelled(task)
            go_on.set()

    with pyesdb.open(data_dir, durability="os") as db:  # or closing would end it
        asyncio.run(main())  # waits for its threads
        assert db.store().stats().events == 45
        assert db.store().scavenge().events == 45


def test_a_cancelled_scan_ends_at_its_next_piece(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    real, pieces = Read.piece, list[int]()

    def piece(read: Read) -> Any:
        pieces.append(read.head)
        entered.set()
        assert go_on.wait(60)
        return real(read)

    monkeypatch.setattr(Read, "piece", piece)

    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", new_events(2000))
            for read in (store.read_all(select=select.payload({"no": 1})), store.read_all()):
                entered.clear()
                go_on.clear()
                pieces.clear()
                task = asyncio.ensure_future(read.to_list())
                assert await asyncio.to_thread(entered.wait, 60)
                await _cancelled(task)
                go_on.set()
                await store.version("s")  # with both threads of the pool free again
                await store.version("s")
                assert len(pieces) == 1

    asyncio.run(main())
