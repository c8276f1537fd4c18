"""What only the asynchronous half of consuming promises: tasks, cancellation, a free loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import select
from pyesdb.model.commands import Claim
from pyesdb.store.head import AsyncWaiter
from pyesdb.store.runtime import StoreRuntime
from tests.contract.tools import one

SOON_S = 30.0


@asynccontextmanager
async def store_with_six(folder: Path) -> AsyncIterator[Any]:
    async with pyesdb.open_async(folder / "data", durability="os") as db:
        store = db.store()
        for number in range(6):
            await store.append("ab"[number % 2], one(data=number))
        await store.save_subscription("sub", select.everything)
        yield store


def run(folder: Path, test: Callable[[Any], Awaitable[None]]) -> None:
    async def main() -> None:
        async with store_with_six(folder) as store:
            await asyncio.wait_for(test(store), 60)

    asyncio.run(main())


async def taken(consumer: Any, count: int) -> list[int]:
    found = [await consumer.get(SOON_S) for _ in range(count)]
    return [event.position for event in found]


def test_a_consumer_starts_when_it_is_entered_or_first_stepped(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        missing = store.consume("none")
        with pytest.raises(pyesdb.SubscriptionNotFound):
            await missing.get(0)
        with pytest.raises(pyesdb.SubscriptionNotFound):
            async with store.consume("none"):
                pass
        early = store.consume("sub")
        early.stop()
        assert await early.get() is None
        with pytest.raises(pyesdb.RequestError, match="not started"):
            store.consume("sub").ack([])

    run(tmp_path, test)


def test_iterating_handling_and_coroutine_handlers(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        handled: list[int] = []
        async with store.consume("sub") as consumer:
            async for event in consumer:
                async with consumer.handling(event) as same:
                    assert same is event
                    handled.append(event.position)
                if event.position == 4:
                    break

        async def handler(event: Any) -> None:
            await asyncio.sleep(0)
            handled.append(event.position)
            if event.position == 6:
                other.stop()

        other = store.consume("sub")
        await other.run(handler)
        assert handled == [1, 2, 3, 4, 5, 6]
        assert (await store.subscription_info("sub")).in_flight == 0

    run(tmp_path, test)


@pytest.mark.parametrize("workers", [2, 4])
def test_worker_tasks_overlap_but_not_in_one_stream(tmp_path: Path, workers: int) -> None:
    async def test(store: Any) -> None:
        under_way: set[str] = set()
        most = 0
        order: dict[str, list[int]] = {}

        async def handler(event: Any) -> None:
            nonlocal most
            assert event.stream not in under_way
            under_way.add(event.stream)
            most = max(most, len(under_way))
            for _ in range(5):
                await asyncio.sleep(0)
            order.setdefault(event.stream, []).append(event.version)
            under_way.remove(event.stream)
            if sum(map(len, order.values())) == 6:
                consumer.stop()

        consumer = store.consume("sub")
        await consumer.run(handler, workers=workers)
        assert order == {"a": [0, 1, 2], "b": [0, 1, 2]}
        assert most == 2

    run(tmp_path, test)


def test_a_failing_coroutine_is_nacked(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        await store.update_subscription("sub", max_retries=0)

        async def handler(event: Any) -> None:
            if event.position == 6:
                consumer.stop()
            if event.position == 1:
                raise ValueError("bad")

        async with store.consume("sub", window=1) as consumer:
            await consumer.run(handler)
        assert [parked.reason async for parked in store.parked("sub")] == ["ValueError: bad"]

    run(tmp_path, test)


def test_a_cancelled_get_loses_nothing(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        got: list[int] = []
        async with store.consume("sub", window=3) as consumer:
            for turns in range(40):
                task = asyncio.ensure_future(consumer.get())
                for _ in range(turns):
                    await asyncio.sleep(0)
                if turns % 3 == 0:
                    await asyncio.sleep(0.001)
                task.cancel()
                event = (await asyncio.gather(task, return_exceptions=True))[0]
                if isinstance(event, pyesdb.DeliveredEvent):
                    got.append(event.position)
                    consumer.ack(event)
            while (event := await consumer.get(0)) is not None:
                got.append(event.position)
                consumer.ack(event)
            await consumer.flush()
            assert got == [1, 2, 3, 4, 5, 6]
            assert (await store.subscription_info("sub")).in_flight == 0

    run(tmp_path, test)


def test_a_claim_that_was_stored_while_its_task_was_cancelled_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = StoreRuntime.submit_async
    cancelled: list[Any] = []

    async def submit_async(self: Any, command: Any, *args: Any) -> Any:
        outcome = await real(self, command, *args)
        if isinstance(command, Claim) and not cancelled:
            cancelled.append(command)
            raise asyncio.CancelledError
        return outcome

    async def test(store: Any) -> None:
        await store.update_subscription("sub", ack_timeout=3600)
        async with store.consume("sub") as consumer:
            monkeypatch.setattr(StoreRuntime, "submit_async", submit_async)
            with pytest.raises(asyncio.CancelledError):
                await consumer.get()
            assert (await store.subscription_info("sub")).in_flight == 6
            waits: list[Any] = []
            monkeypatch.setattr(AsyncWaiter, "wait", lambda *of: waits.append(of))
            assert await taken(consumer, 6) == [1, 2, 3, 4, 5, 6]
            assert waits == []  # they are there, and are given at once
            monkeypatch.undo()

    run(tmp_path, test)


def test_a_task_cancelled_while_handling_settles_nothing(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        started = asyncio.Event()

        async def handler(event: Any) -> None:
            started.set()
            await asyncio.sleep(3600)

        task = asyncio.ensure_future(store.consume("sub").run(handler, workers=2))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await store.subscription_info("sub")).in_flight == 0
        async with store.consume("sub") as consumer:
            event = await consumer.get(0)
            assert (event.position, event.attempt) == (1, 1)

    run(tmp_path, test)


def test_tasks_share_a_consumer_and_wait_for_each_other(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        async with store.consume("sub", window=2) as consumer:
            held = [await consumer.get(), await consumer.get()]
            waiting = asyncio.ensure_future(consumer.get())
            await asyncio.sleep(0.01)
            with pytest.raises(pyesdb.WindowFull):
                await consumer.get()
            assert not waiting.done()
            consumer.ack(held)
            assert (await waiting).position == 3

    run(tmp_path, test)


def test_a_waiting_task_is_woken_by_an_append_and_by_stop(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        await store.reset_subscription("sub", after="end")
        async with store.consume("sub") as consumer:
            waiting = [asyncio.ensure_future(consumer.get()) for _ in range(3)]
            await asyncio.sleep(0.01)
            await store.append("c", one(data=7))
            done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert [task.result().position for task in done] == [7]
            consumer.stop()
            assert [await task for task in left] == [None, None]

    run(tmp_path, test)


def test_many_waiting_consumers_do_not_stop_the_loop(tmp_path: Path) -> None:
    """Each of a hundred tasks waits; the loop answers meanwhile, and each gets its event."""

    async def test(store: Any) -> None:
        async def wait(number: int) -> str:
            await store.save_subscription(f"sub-{number}", select.stream(f"s-{number}"))
            async with store.consume(f"sub-{number}") as consumer:
                event = await consumer.get()
                consumer.ack(event)
                return str(event.stream)

        tasks = [asyncio.ensure_future(wait(number)) for number in range(100)]
        await asyncio.sleep(0.05)
        for number in range(100):
            await store.append(f"s-{number}", one(data=number))
        assert await asyncio.gather(*tasks) == [f"s-{number}" for number in range(100)]
        assert all(info.in_flight == 0 for info in await store.subscriptions())

    run(tmp_path, test)
