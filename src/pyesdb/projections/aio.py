"""`AsyncProjection` and `AsyncProjector`: the asynchronous half.

Drivers that are asynchronous are awaited on the loop. SQLite blocks, so its steps, whole batches,
run on a thread of their own: handlers for it are plain functions.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import pyesdb
from pyesdb.projections.blocking import at_once, finish
from pyesdb.projections.checkpoint import History
from pyesdb.projections.declared import Declared
from pyesdb.projections.engine import Feed, OnProgress, Work
from pyesdb.projections.readmodel import Target, read_model
from pyesdb.projections.status import ProjectionStatus

T = TypeVar("T")


class _Origin:
    """A store of the asynchronous half."""

    def __init__(self, store: pyesdb.AsyncStore) -> None:
        self.id = store.id
        self._store = store

    async def history(self) -> History:
        info = await self._store.info()
        return History(info.incarnation, info.created.isoformat())

    async def head(self) -> int:
        return (await self._store.stats()).position

    @asynccontextmanager
    async def follow(self, selector: pyesdb.Selector, after: pyesdb.Cursor) -> AsyncGenerator[Feed]:
        async with self._store.follow(selector, after=after) as follower:
            yield follower


class _Thread:
    """Runs blocking steps on one thread, one after the other."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="pyesdb-projection")
        self.work: Work | None = None

    async def __call__(self, step: Coroutine[Any, Any, T]) -> T:
        """Run a step. Cancelled: it is waited for, because the next one must find it ended."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, finish, step)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if self.work is not None:
                self.work.stop()  # it may wait for another writer
            while not running.done():
                try:
                    await asyncio.wait({running})
                except asyncio.CancelledError:
                    continue
            if not running.cancelled():
                running.exception()  # nobody else looks at it
            raise

    def close(self) -> None:
        """Let the thread go."""
        self._pool.shutdown(wait=False)


class AsyncProjector:
    """See `Projector`."""

    def __init__(self, projection: "AsyncProjection", store: pyesdb.AsyncStore, to: Target) -> None:
        if not isinstance(store, pyesdb.AsyncStore):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise pyesdb.RequestError(
                f"an AsyncProjection follows an AsyncStore, not {type(store).__name__}: for a "
                "Store there is Projection"
            )
        self._projection = projection
        self._store = store
        self._to = to
        self._work: Work | None = None
        self._stopped = False

    async def run(self) -> None:
        """See `Projection.run`."""
        with self._working() as work:
            await work.run()

    async def catch_up(self, *, on_progress: OnProgress | None = None) -> ProjectionStatus:
        """See `Projection.catch_up`."""
        with self._working() as work:
            return await work.catch_up(on_progress)

    async def rebuild(self, *, on_progress: OnProgress | None = None) -> ProjectionStatus:
        """See `Projection.rebuild`."""
        with self._working() as work:
            return await work.rebuild(on_progress)

    async def status(self) -> ProjectionStatus:
        """See `Projection.status`."""
        with self._made() as work:
            return await work.status()

    def stop(self) -> None:
        """See `Projector.stop`."""
        self._stopped = True
        if self._work is not None:
            self._work.stop()

    @contextmanager
    def _made(self) -> Generator[Work]:
        model = read_model(self._to, is_async=True)
        origin = _Origin(self._store)
        if not model.blocking:
            yield Work(self._projection, origin, model, at_once)
            return
        thread = _Thread()
        try:
            thread.work = Work(self._projection, origin, model, thread)
            yield thread.work
        finally:
            thread.close()

    @contextmanager
    def _working(self) -> Generator[Work]:
        with self._made() as work:
            self._work = work
            if self._stopped:  # looked at behind the line above, as in Projector
                work.stop()
            yield work


class AsyncProjection(Declared):
    """See `Projection`: the same for an AsyncStore; its calls are awaited, `stop` is not.

    Handlers and hooks are `async def` for psycopg's AsyncConnection and AsyncConnectionPool, for a
    `postgresql://` address, and for SQLAlchemy's AsyncEngine; for the path of a SQLite file they
    are plain functions, called on a thread. A task that is cancelled ends like one that is stopped.
    """

    is_async = True

    def projector(self, store: pyesdb.AsyncStore, to: Target) -> AsyncProjector:
        """See `Projection.projector`; not awaited."""
        return AsyncProjector(self, store, to)

    async def run(self, store: pyesdb.AsyncStore, to: Target) -> None:
        """See `Projection.run`."""
        with self._running(self.projector(store, to)) as projector:
            await projector.run()

    async def catch_up(
        self, store: pyesdb.AsyncStore, to: Target, *, on_progress: OnProgress | None = None
    ) -> ProjectionStatus:
        """See `Projection.catch_up`."""
        with self._running(self.projector(store, to)) as projector:
            return await projector.catch_up(on_progress=on_progress)

    async def rebuild(
        self, store: pyesdb.AsyncStore, to: Target, *, on_progress: OnProgress | None = None
    ) -> ProjectionStatus:
        """See `Projection.rebuild`."""
        with self._running(self.projector(store, to)) as projector:
            return await projector.rebuild(on_progress=on_progress)

    async def status(self, store: pyesdb.AsyncStore, to: Target) -> ProjectionStatus:
        """See `Projection.status`."""
        return await self.projector(store, to).status()
