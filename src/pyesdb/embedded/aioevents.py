"""`AsyncEvents` and `AsyncLoaded`: what reads return, asynchronous; and the loop they belong to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from pyesdb.model.errors import WrongEventLoop
from pyesdb.model.events import RecordedEvent
from pyesdb.model.results import Snapshot
from pyesdb.model.versions import StreamVersion
from pyesdb.store.reads import Read

T = TypeVar("T")


async def on_thread(loop: asyncio.AbstractEventLoop, executor: Any, function: Callable[[], T]) -> T:
    """Run a blocking function on a thread of `executor`, or of the loop's own.

    When the main thread has ended, no executor takes anything any more: then it runs here.
    """
    try:
        running = loop.run_in_executor(executor, function)
    except RuntimeError:
        return function()
    return await running


class Loop:
    """The event loop that a database's async handles belong to, and its way into the pool."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def check(self) -> asyncio.AbstractEventLoop:
        """The running loop; raises WrongEventLoop in another one than the first."""
        running = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = running
        elif self._loop is not running:
            raise WrongEventLoop(
                "this handle belongs to another event loop: open the database in each loop"
            )
        return running

    async def run(self, executor: Any, function: Callable[[], T]) -> T:
        """Run a blocking function in the pool."""
        return await on_thread(self.check(), executor, function)


class AsyncEvents(AsyncIterator[RecordedEvent]):
    """Events of a read, page by page; the read starts when it is entered or first stepped."""

    def __init__(
        self,
        make: Callable[[], Read],
        in_pool: Callable[..., Any],
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        self._make = make
        self._ready = ready
        self._in_pool = in_pool
        self._read: Read | None = None
        self._page: list[RecordedEvent] = []
        self._next = 0
        self._closed = False
        self._coming: asyncio.Future[list[RecordedEvent]] | None = None

    async def _start(self) -> None:
        if self._read is None and not self._closed:
            await self._ready()
            read, self._page = await self._in_pool(self._open)
            self._read = read

    def _open(self) -> tuple[Read, list[RecordedEvent]]:
        read = self._make()
        return read, read.begin()

    def _started(self) -> Read:
        if self._read is None:
            raise RuntimeError("the read has not started: enter it with `async with`, or step it")
        return self._read

    @property
    def version(self) -> StreamVersion:
        """The stream's last version when the read started; RuntimeError before."""
        return self._started().version

    @property
    def head(self) -> int:
        """The position for `after=` of a condition; RuntimeError before the read started."""
        return self._started().head

    async def to_list(self) -> list[RecordedEvent]:
        """The events that are left, in memory."""
        found = self._page[self._next :]
        while await self._turn():
            found += self._page
        return found

    async def first(self) -> RecordedEvent | None:
        """The next event, or None; the read is over afterwards."""
        found = await anext(self, None)
        await self.close()
        return found

    async def close(self) -> None:
        """End the read."""
        self._closed = True
        self._page, self._next = [], 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RecordedEvent:
        number = self._next
        if number >= len(self._page):
            if not await self._turn():
                raise StopAsyncIteration
            number = 0
        self._next = number + 1
        return self._page[number]

    async def _turn(self) -> bool:
        """Have the next page; whether there is one."""
        if self._read is None:
            await self._start()
        else:
            self._page = []
        self._next = 0
        read = self._read
        while not (self._page or self._closed) and read is not None and self._goes_on(read):
            self._page = await self._fetch(read)
        return bool(self._page)

    def _goes_on(self, read: Read) -> bool:
        """Whether there is more to fetch: most streams are one page, and ask nobody."""
        return not read.over or self._coming is not None

    async def _fetch(self, read: Read) -> list[RecordedEvent]:
        """The next piece, in one trip to the pool, so others come in between; it may be empty.

        One whose caller was cancelled is kept for the next one.
        """
        coming = self._coming
        if coming is None:
            coming = self._coming = asyncio.ensure_future(self._in_pool(read.piece))
        try:
            piece = await asyncio.shield(coming)
        except BaseException:
            if coming.done() and (coming.cancelled() or coming.exception() is not None):
                self._coming = None
            raise
        self._coming = None
        return piece

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()


class AsyncLoaded:
    """A snapshot (or None), the events after it, and the stream's version for `expected=`."""

    def __init__(self, snapshot: Snapshot | None, events: AsyncEvents) -> None:
        self.snapshot = snapshot
        self.events = events
        self.version: StreamVersion = events.version
