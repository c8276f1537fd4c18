"""`AsyncDatabase`: the asynchronous face of a database, and `open_async`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

from pyesdb.embedded.aio import AsyncStore
from pyesdb.embedded.aioevents import Loop, on_thread
from pyesdb.embedded.database import Core
from pyesdb.embedded.target import default_store, open_target
from pyesdb.embedded.typed import resolved
from pyesdb.model.checks import check_bool, check_int, check_progress
from pyesdb.model.config import StoreConfig, StoreSettings
from pyesdb.model.durations import Duration
from pyesdb.model.errors import RequestError, Unavailable
from pyesdb.model.events import RecordedEvent
from pyesdb.model.names import check_store_id
from pyesdb.model.results import BackupInfo, StoreInfo, StoreStats, StoreStatus, TrashedStore
from pyesdb.model.selectors import Selector
from pyesdb.node import backup, lifecycle, listing, tuning

if TYPE_CHECKING:
    from pyesdb.types.registry import EventTypes

T = TypeVar("T")


@contextmanager
def _watched(
    on_progress: Callable[[int, int], None] | None,
) -> Generator[Callable[[int, int], None]]:
    """A progress function that ends the work when nobody waits for it any more."""
    check_progress(on_progress)
    ended = threading.Event()

    def told(done: int, total: int) -> None:
        if ended.is_set():
            raise Unavailable("the call was cancelled: call it again")
        if on_progress is not None:
            on_progress(done, total)

    try:
        yield told
    finally:
        ended.set()


class AsyncDatabase:
    """Many event stores in one directory, for asyncio; made by `open_async`.

    The methods mean what those of `Database` mean.
    """

    def __init__(self, core: Core, loop: Loop) -> None:
        self._core = core
        self._loop = loop

    def __repr__(self) -> str:
        return f"<AsyncDatabase {self._core.node.base if self._core.open else 'closed'}>"

    async def _in_pool(self, function: Callable[[], T]) -> T:
        return await self._loop.run(self._core.node.pool, function)

    async def _apart(self, function: Callable[[], T]) -> T:
        """Long work, on a thread that is not one of the few in the pool."""
        return await self._loop.run(None, function)

    def store(
        self, store_id: str | None = None, *, types: "EventTypes | None" = None
    ) -> AsyncStore:
        """See `Database.store`; not awaited."""
        return AsyncStore(self._core.handle(store_id, self), self._loop, resolved(types))

    async def create_store(
        self,
        store_id: str,
        *,
        exist_ok: bool = False,
        template: str | None = None,
        **settings: Unpack[StoreSettings],
    ) -> AsyncStore:
        """See `Database.create_store`."""
        check_bool(exist_ok, "exist_ok")
        core = self._core
        await self._in_pool(
            lambda: core.create_store(store_id, settings, exist_ok=exist_ok, template=template)
        )
        return self.store(store_id)

    async def remove_store(
        self, store_id: str, *, missing_ok: bool = False, purge: bool = False
    ) -> None:
        """See `Database.remove_store`."""
        check_bool(missing_ok, "missing_ok")
        check_bool(purge, "purge")
        core = self._core
        await self._in_pool(
            lambda: lifecycle.remove_store(
                core.node, store_id, default=core.default, missing_ok=missing_ok, purge=purge
            )
        )

    async def recover_store(self, store_id: str, *, as_: str | None = None) -> AsyncStore:
        """See `Database.recover_store`."""
        core = self._core
        return self.store(await self._in_pool(lambda: core.recover_store(store_id, as_)))

    async def trash(self) -> list[TrashedStore]:
        """See `Database.trash`."""
        return await self._in_pool(lambda: listing.trash(self._core.node))

    async def list_stores(
        self,
        *,
        prefix: str | None = None,
        tags: Iterable[str] | None = None,
        system: bool = False,
    ) -> dict[str, StoreInfo]:
        """See `Database.list_stores`."""
        core = self._core
        return await self._in_pool(
            lambda: listing.list_stores(core.node, prefix, tags, system=system)
        )

    async def get_store_status(self, store_id: str) -> StoreStatus:
        """See `Database.get_store_status`."""
        return await self._in_pool(lambda: listing.info(self._core.node, store_id).status)

    async def get_store_config(self, store_id: str) -> StoreConfig:
        """See `Database.get_store_config`."""
        return await self._in_pool(lambda: listing.config(self._core.node, store_id))

    async def update_store(self, store_id: str, **settings: Unpack[StoreSettings]) -> StoreConfig:
        """See `Database.update_store`."""
        node = self._core.node  # apart: it may index what is stored
        return await self._apart(lambda: tuning.update_store(node, store_id, settings))

    async def freeze_store(self, store_id: str) -> None:
        """See `Database.freeze_store`."""
        node = self._core.node
        await self._in_pool(lambda: tuning.set_frozen(node, store_id, frozen=True))

    async def thaw_store(self, store_id: str) -> None:
        """See `Database.thaw_store`."""
        node = self._core.node
        await self._in_pool(lambda: tuning.set_frozen(node, store_id, frozen=False))

    async def save_template(self, name: str, **settings: Unpack[StoreSettings]) -> None:
        """See `Database.save_template`."""
        node = self._core.node
        await self._apart(lambda: tuning.save_template(node, name, settings))

    async def templates(self) -> dict[str, StoreSettings]:
        """See `Database.templates`."""
        return await self._in_pool(lambda: listing.templates(self._core.node))

    async def remove_template(self, name: str) -> None:
        """See `Database.remove_template`."""
        node = self._core.node
        await self._in_pool(lambda: tuning.remove_template(node, name))

    async def backup_store(
        self,
        store_id: str,
        path: str | PathLike[str],
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> BackupInfo:
        """See `Database.backup_store`; `on_progress` is called on another thread.

        Cancelling ends it, and leaves no file.
        """
        node = self._core.node
        with _watched(on_progress) as told:
            return await self._apart(lambda: backup.backup_store(node, store_id, path, told))

    async def store_stats(self, store_id: str) -> StoreStats:
        """See `Database.store_stats`."""
        return await self.store(store_id).stats()

    async def restore_backup(
        self,
        path: str | PathLike[str],
        *,
        as_: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> AsyncStore:
        """See `Database.restore_backup`; `on_progress` is called on another thread.

        Cancelling ends it before the store appears, or has come too late.
        """
        core = self._core
        with _watched(on_progress) as told:
            made = await self._apart(lambda: core.restore_backup(path, as_, told))
        return self.store(made)

    async def copy_store(
        self,
        source: str,
        target: str,
        *,
        select: Selector | None = None,
        as_of: int | datetime | None = None,
    ) -> AsyncStore:
        """See `Database.copy_store`."""
        core = self._core
        await self._apart(lambda: core.copy_store(source, target, select, as_of))
        return self.store(target)

    def audit(self, *, after: int = 0, store_id: str | None = None) -> AsyncIterator[RecordedEvent]:
        """See `Database.audit`; not awaited."""
        check_int(after, "after")
        return self._audit(after, None if store_id is None else check_store_id(store_id))

    async def _audit(self, after: int, store_id: str | None) -> AsyncIterator[RecordedEvent]:
        pages = listing.audit(self._core.node, after, store_id)
        while page := await self._in_pool(lambda: next(pages, None)):
            for event in page:
                yield event

    async def close(self) -> None:
        """See `Database.close`."""
        await on_thread(asyncio.get_running_loop(), None, self._core.close)

    async def __aenter__(self) -> Self:
        _ = self._core.node
        return self

    async def __aexit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None:
            core.warn_if_open()


class Opening:
    """An open under way: await it, or enter it with `async with`."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments
        self._entered = False
        self._database: AsyncDatabase | None = None

    def __await__(self) -> Generator[Any, Any, AsyncDatabase]:
        return self._open().__await__()

    async def _open(self) -> AsyncDatabase:
        loop = Loop()
        running = loop.check()
        made: Future[Core] = Future()
        try:
            await on_thread(running, None, lambda: made.set_result(self._core()))
        except BaseException:  # cancelled, it may be: nobody has it who could close it
            if made.done():
                threading.Thread(target=_close, args=(made,), name="pyesdb-unwanted").start()
            else:
                made.add_done_callback(_close)  # on the thread that opens it
            raise
        return AsyncDatabase(made.result(), loop)

    def _core(self) -> Core:
        default = default_store()
        core = Core(open_target(**self._arguments), default)
        try:
            core.start()
        except BaseException:
            core.close()
            raise
        return core

    async def __aenter__(self) -> AsyncDatabase:
        if self._entered:  # one `async with` could close only the last of two databases
            raise RequestError(
                "this open_async() is entered already: use the database of its `async with`, or "
                "call open_async() again"
            )
        self._entered = True
        try:
            self._database = await self._open()
        except BaseException:
            self._entered = False
            raise
        return self._database

    async def __aexit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        database, self._database, self._entered = self._database, None, False
        if database is not None:
            await database.close()


def _close(made: "Future[Core]") -> None:
    made.result().close()


def open_async(
    target: str | PathLike[str] | None = None,
    *,
    create: bool = True,
    read_only: bool = False,
    exclusive: bool = False,
    durability: Literal["fsync", "os"] = "fsync",
    timeout: Duration = 15.0,
    config: Mapping[str, Any] | str | PathLike[str] | None = None,
) -> Opening:
    """Open a database for asyncio: enter the result with `async with`, or await it.

    Parameters and errors are those of `open`.
    """
    return Opening(
        {
            "target": target,
            "create": create,
            "read_only": read_only,
            "exclusive": exclusive,
            "durability": durability,
            "timeout": timeout,
            "config": config,
        }
    )
