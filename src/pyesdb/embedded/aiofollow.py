"""`AsyncFollower`: a store's events as they come, asynchronous."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from pyesdb.embedded.aioevents import Loop
from pyesdb.model.durations import Duration, wait_s
from pyesdb.model.events import RecordedEvent
from pyesdb.model.versions import Cursor
from pyesdb.store.follow import Follow, Piece
from pyesdb.store.head import AsyncWaiter


class AsyncFollower(AsyncIterator[RecordedEvent]):
    """See `Follower`. It starts, and fixes what "end" means, when entered or first stepped."""

    def __init__(
        self,
        make: Callable[[], Follow],
        in_pool: Callable[..., Awaitable[Any]],
        loop: Loop,
        check_open: Callable[[], None],
    ) -> None:
        self._make = make
        self._in_pool = in_pool
        self._loop = loop
        self._check_open = check_open
        self._started: tuple[Follow, AsyncWaiter] | None = None
        self._filling: asyncio.Future[Piece] | None = None
        self._stopped = False

    @property
    def _follow(self) -> Follow:
        if self._started is None:
            raise RuntimeError(
                "the follower has not started: enter it with `async with`, or step it"
            )
        return self._started[0]

    @property
    def position(self) -> int:
        """See `Follower.position`; RuntimeError before it started."""
        return self._follow.position

    @property
    def cursor(self) -> Cursor:
        """See `Follower.cursor`; RuntimeError before it started."""
        return self._follow.cursor

    @property
    def caught_up(self) -> bool:
        """See `Follower.caught_up`; RuntimeError before it started."""
        return self._follow.caught_up

    @property
    def lag(self) -> int:
        """See `Follower.lag`; RuntimeError before it started."""
        return self._follow.lag

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RecordedEvent:
        event = await self._get(None)
        if event is None:
            raise StopAsyncIteration
        return event

    async def get(self, timeout: Duration | None = None) -> RecordedEvent | None:
        """See `Follower.get`. Cancelled: nothing is lost, the next call gives it."""
        limit = wait_s(timeout)
        return await self._get(None if limit is None else self._loop.check().time() + limit)

    async def _get(self, end: float | None) -> RecordedEvent | None:
        if self._stopped:
            return None
        follow, waiter = self._started or await self._start()
        return follow.take() or await self._wait_for_one(follow, waiter, end)

    async def _start(self) -> tuple[Follow, AsyncWaiter]:
        loop = self._loop.check()
        follow = await self._in_pool(self._make)
        if self._started is None:  # of two that started it the first one counts
            self._started = follow, AsyncWaiter(loop)
        return self._started

    async def _wait_for_one(
        self, follow: Follow, waiter: AsyncWaiter, end: float | None
    ) -> RecordedEvent | None:
        loop = self._loop.check()
        enough: int | None = None  # where the store ended when the time was up
        while not self._stopped:
            self._check_open()
            follow.check()
            if follow.behind or self._filling is not None:
                await self._fill(follow)
                event = follow.take()
                if event is not None:
                    return event
            if end is not None and loop.time() >= end:
                if enough is None:
                    enough = int(await self._in_pool(follow.look))
                if follow.scanned >= enough:
                    return None
            elif not follow.behind:
                await self._wait(follow, waiter, None if end is None else end - loop.time())
        return None

    async def _fill(self, follow: Follow) -> None:
        """Have the next piece; one whose caller was cancelled is waited for by the next one."""
        filling = self._filling
        if filling is None:
            filling = self._filling = asyncio.ensure_future(self._in_pool(follow.fetch))
            filling.add_done_callback(_seen)
        try:
            piece = await asyncio.shield(filling)
        except BaseException:
            lost = filling.done() and (filling.cancelled() or filling.exception() is not None)
            if lost and self._filling is filling:
                follow.again()
                self._filling = None
            raise
        if self._filling is filling:  # of two that waited for it one has it
            follow.put(piece)
            self._filling = None

    async def _wait(self, follow: Follow, waiter: AsyncWaiter, timeout_s: float | None) -> None:
        head = follow.runtime.head
        try:
            head.add(waiter)
            if not (self._stopped or follow.behind or follow.runtime.ended is not None):
                await waiter.wait(timeout_s)
        finally:
            head.discard(waiter)

    def stop(self) -> None:
        """See `Follower.stop`."""
        self._stopped = True
        if self._started is not None:
            self._started[1].wake()

    async def __aenter__(self) -> Self:
        if self._started is None:
            await self._start()
        return self

    async def __aexit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()


def _seen(filling: asyncio.Future[Piece]) -> None:
    """Nobody may be left to look at its error: the cursor stays, and the next call meets it."""
    if not filling.cancelled():
        filling.exception()
