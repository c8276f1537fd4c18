"""What only the asynchronous half promises of followers: starts, cancellation, the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.store.follow import Follow
from pyesdb.store.head import AsyncWaiter, Head
from tests.contract.tools import new_events, one, positions

SOON_S = 30.0


def run(data_dir: Path, body: Callable[[Any], Awaitable[None]]) -> None:
    """Run `body(store)` in a loop of its own."""

    async def main() -> None:
        async with await pyesdb.open_async(data_dir, durability="os") as db:
            await body(db.store())

    asyncio.run(main())


def test_it_starts_when_it_is_entered_or_first_stepped(data_dir: Path) -> None:
    async def body(store: Any) -> None:
        await store.append("a", new_events(2))
        entered, stepped = store.follow(after="end"), store.follow(after="end")
        for follower in (entered, stepped):
            for name in ("position", "cursor", "caught_up", "lag"):
                with pytest.raises(RuntimeError, match="async with"):
                    getattr(follower, name)
        await store.append("a", one())
        async with entered:
            assert entered.position == 3
            await store.append("a", one())
            assert await stepped.get(0) is None
            await store.append("a", one())
            assert (await anext(entered)).position == 4
            assert (await anext(stepped)).position == 5

    run(data_dir, body)


def test_errors_come_when_it_starts(data_dir: Path) -> None:
    async def body(store: Any) -> None:
        follower = store.follow(after=-1)
        with pytest.raises(pyesdb.RequestError):
            await anext(follower)
        with pytest.raises(pyesdb.RequestError):
            async with store.follow(after="start"):
                pass

    run(data_dir, body)


def test_a_cancelled_wait_loses_nothing(data_dir: Path) -> None:
    async def body(store: Any) -> None:
        async with store.follow() as follower:
            for number in range(5):
                waiting = asyncio.create_task(follower.get())
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await store.append("a", one(data=number))
                event = await follower.get(SOON_S)
                assert event.position == number + 1

    run(data_dir, body)


def test_a_commit_between_the_look_and_the_wait_is_not_missed(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(store: Any) -> None:
        with pyesdb.open(data_dir) as beside:
            async with store.follow() as follower:
                assert await follower.get(0) is None
                head = store._handle.runtime().head

                def add(waiter: Any) -> None:
                    beside.store().append("a", one())
                    Head.add(head, waiter)

                async def wait(_: AsyncWaiter, timeout_s: float | None) -> bool:
                    raise AssertionError(timeout_s)

                monkeypatch.setattr(head, "add", add)
                monkeypatch.setattr(AsyncWaiter, "wait", wait)
                event = await follower.get(SOON_S)
                assert event is not None
                monkeypatch.undo()

    run(data_dir, body)


def test_a_step_that_is_cancelled_while_it_reads_loses_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    fetch = Follow.fetch

    def slow(follow: Follow) -> Any:
        begun.set()
        assert go_on.wait(SOON_S)
        return fetch(follow)

    async def body(store: Any) -> None:
        await store.append("a", new_events(3))
        async with store.follow() as follower:
            monkeypatch.setattr(Follow, "fetch", slow)
            waiting = asyncio.create_task(anext(follower))
            await asyncio.to_thread(begun.wait, SOON_S)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            go_on.set()
            assert positions([await anext(follower) for _ in range(3)]) == [1, 2, 3]
            assert await follower.get(0) is None

    run(data_dir, body)


def test_an_error_of_a_read_that_was_cancelled_is_not_left_over(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    fetch = Follow.fetch

    def fails(_: Follow) -> None:
        begun.set()
        assert go_on.wait(SOON_S)
        raise pyesdb.Unavailable("not now")

    async def body(store: Any) -> None:
        await store.append("a", one())
        async with store.follow() as follower:
            monkeypatch.setattr(Follow, "fetch", fails)
            waiting = asyncio.create_task(anext(follower))
            await asyncio.to_thread(begun.wait, SOON_S)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            go_on.set()
            with pytest.raises(pyesdb.Unavailable):
                await anext(follower)
            monkeypatch.setattr(Follow, "fetch", fetch)
            assert (await anext(follower)).position == 1

    run(data_dir, body)


def test_every_task_of_the_loop_is_cancelled_while_it_reads(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the one that the follower made: its thread reads on, and nobody waits for it."""
    begun, go_on = threading.Event(), threading.Event()
    fetch = Follow.fetch

    def slow(follow: Follow) -> Any:
        found = fetch(follow)
        begun.set()
        assert go_on.wait(SOON_S)
        return found

    async def body(store: Any) -> None:
        await store.append("a", new_events(200))
        async with store.follow() as follower:
            assert positions([await anext(follower) for _ in range(64)])[-1] == 64
            monkeypatch.setattr(Follow, "fetch", slow)
            waiting = asyncio.create_task(anext(follower))
            await asyncio.to_thread(begun.wait, SOON_S)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            monkeypatch.undo()
            found = []
            while len(found) < 136:
                try:
                    found.append(await follower.get(SOON_S))
                except asyncio.CancelledError:
                    continue
            go_on.set()
            assert positions(found) == list(range(65, 201))

    run(data_dir, body)


def test_stop_ends_a_wait_from_the_loop_and_from_a_thread(data_dir: Path) -> None:
    async def body(store: Any) -> None:
        for stop in (
            lambda follower: asyncio.get_running_loop().call_soon(follower.stop),
            lambda follower: threading.Thread(target=follower.stop).start(),
        ):
            async with store.follow() as follower:
                waiting = asyncio.create_task(follower.get())
                await asyncio.sleep(0)
                stop(follower)
                assert await waiting is None
                assert [event async for event in follower] == []

    run(data_dir, body)


def test_stopped_before_it_started(data_dir: Path) -> None:
    async def body(store: Any) -> None:
        await store.append("a", one())
        follower = store.follow()
        follower.stop()
        assert [event async for event in follower] == []
        assert await follower.get() is None

    run(data_dir, body)


def test_another_loop_is_refused(data_dir: Path) -> None:
    async def body(store: Any) -> None:
        follower = store.follow()
        async with follower:

            def elsewhere() -> None:
                with pytest.raises(pyesdb.WrongEventLoop):
                    asyncio.run(follower.get(0))

            await asyncio.to_thread(elsewhere)

    run(data_dir, body)


def test_many_tasks_follow_in_one_loop(data_dir: Path) -> None:
    async def read(follower: Any, count: int) -> list[int]:
        return positions([await anext(follower) for _ in range(count)])

    async def body(store: Any) -> None:
        readers = [asyncio.create_task(read(store.follow(), 60)) for _ in range(50)]
        for number in range(20):
            await store.append(f"s-{number}", new_events(3))
        assert [await reader for reader in readers] == [list(range(1, 61))] * 50

    run(data_dir, body)
