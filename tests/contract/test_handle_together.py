"""API "Toolkit": many decide about one stream at once; nothing is lost, nothing decided twice."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import Append, NewEvent, select
from tests.contract.other import other
from tests.contract.shop import SEATS, Seats, Sold, SoldOut, next_seat, seat_types
from tests.contract.tools import one

WORKERS, EACH = 8, 15
ALL = list(range(100))
HALL = select.event_type("Sold") & select.tags("hall")


def in_hall(seats: Seats) -> NewEvent:
    return NewEvent("Sold", next_seat(seats), tags=["hall"])


def sell(store: Any, target: Any, decide: Any = next_seat) -> tuple[int, int]:
    """Sell seats until there are none; how many this one sold, and its retries."""
    mine = retries = 0
    while True:
        try:
            handled = store.handle(SEATS, target, decide, retries=1000)
        except SoldOut:
            return mine, retries
        assert handled.result.count == 1
        mine, retries = mine + 1, retries + handled.retries


@pytest.mark.parametrize("target", ["s", HALL], ids=["stream", "selector"])
def test_threads_sell_each_seat_once(db: Any, own_store: Any, target: Any) -> None:
    typed = db.store(own_store.id, types=seat_types())
    decide = next_seat if target == "s" else in_hall
    with ThreadPoolExecutor(WORKERS) as pool:
        counts = list(pool.map(lambda _: sell(typed, target, decide), range(WORKERS)))
    assert [event.body.seat for event in typed.read_all()] == ALL
    assert sum(mine for mine, _ in counts) == 100


def test_tasks_sell_each_seat_once_and_count_their_retries(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store(types=seat_types())
            tries = 0

            async def decide(seats: Seats) -> Sold:
                nonlocal tries
                tries += 1
                await asyncio.sleep(0)
                return next_seat(seats)

            async def work() -> int:
                retries = 0
                for _ in range(EACH):
                    try:
                        handled = await store.handle(SEATS, "s", decide, retries=1000)
                    except SoldOut:
                        return retries
                    retries += handled.retries
                return retries

            retries = sum(await asyncio.gather(*[work() for _ in range(6)]))
            seats = [event.body.seat async for event in store.read("s")]
            assert seats == list(range(6 * EACH))
            assert retries == tries - 6 * EACH > 0

    asyncio.run(main())


def test_processes_sell_each_seat_once(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("a")
        store = db.store("a", types=seat_types())
        with (
            other(data_dir, "tests.contract.test_handle_together") as first,
            other(data_dir, "tests.contract.test_handle_together") as second,
            ThreadPoolExecutor(2) as pool,
        ):
            said = "sell(db.store('a', types=seat_types()), 's')[0]"
            theirs = [pool.submit(say, said) for say in (first, second)]
            mine, _ = sell(store, "s")
            total = mine + sum(int(count.result()) for count in theirs)
        assert total == 100
        assert [event.body.seat for event in store.read("s")] == ALL


# --- what only the asynchronous half promises


def test_decide_may_be_a_coroutine_function_or_an_async_generator(data_dir: Path) -> None:
    async def decide(seats: Seats) -> list[Append]:
        return [Append("s", NewEvent("Sold", {"seat": 0}))]

    async def one_by_one(seats: Seats) -> Any:
        for n in (1, 2):
            await asyncio.sleep(0)
            yield NewEvent("Sold", {"seat": n})

    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            assert (await store.handle(SEATS, "s", decide)).state == Seats([0])
            assert (await store.handle(SEATS, "s", one_by_one)).state == Seats([0, 1, 2])

    asyncio.run(main())


def test_the_synchronous_half_refuses_an_asynchronous_decide(data_dir: Path) -> None:
    async def decide(seats: Seats) -> None: ...

    async def one_by_one(seats: Seats) -> Any:
        yield one()

    with pyesdb.open(data_dir, durability="os") as db:
        for function in (decide, one_by_one):
            with pytest.raises(pyesdb.RequestError, match=r"AsyncStore\.handle"):
                db.store().handle(SEATS, "s", function)


@pytest.mark.parametrize("steps", range(0, 40, 3))
def test_cancelled_anywhere_it_has_stored_all_or_nothing(data_dir: Path, steps: int) -> None:
    async def decide(seats: Seats) -> list[NewEvent]:
        await asyncio.sleep(0)
        return [NewEvent("Sold", {"seat": 0}), NewEvent("Sold", {"seat": 1})]

    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("t", one())
            task = asyncio.create_task(store.handle(SEATS, "s", decide, snapshot_every=1))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.done()
            await store.append("t", one())
            count = len(await store.read("s", missing_ok=True).to_list())
            assert count in (0, 2)
            if not task.cancelled():
                assert task.result().state == Seats([0, 1])
            handled = await store.handle(SEATS, "s", lambda seats: None)
            assert len(handled.state.sold) == count

    asyncio.run(main())


def test_cancelled_while_it_decides_nothing_is_stored(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store, deciding = db.store(), asyncio.Event()

            async def decide(seats: Seats) -> NewEvent:
                deciding.set()
                await asyncio.Event().wait()
                return one()

            task = asyncio.create_task(store.handle(SEATS, "s", decide))
            await deciding.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not await store.exists("s")

    asyncio.run(main())


def test_the_loop_goes_on_while_a_long_stream_is_folded(data_dir: Path) -> None:
    async def main() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            store = db.store()
            await store.append("s", [NewEvent("Sold", {"seat": n}) for n in range(5000)])
            turns: list[int] = []
            folded = 0

            def count(state: int, event: Any) -> int:
                nonlocal folded
                folded += 1
                return state + 1

            async def watch() -> None:
                while True:
                    turns.append(folded)
                    await asyncio.sleep(0)

            watching = asyncio.create_task(watch())
            decider = pyesdb.Decider(initial=int, evolve=count)
            handled = await store.handle(decider, "s", lambda state: None)
            watching.cancel()
            assert handled.state == 5000
            steps = [after - before for before, after in pairwise(turns)]
            assert max(steps) <= 1024, "at most a page at a time"

    asyncio.run(main())
