"""`AsyncStore`: the asynchronous face of one store.

Commands are queued from the event loop and awaited; reads run in the node's small pool. A read
starts when it is entered or first stepped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from pyesdb.embedded.aiodecisions import AsyncHandling
from pyesdb.embedded.aioevents import AsyncEvents, AsyncLoaded
from pyesdb.embedded.aiofollow import AsyncFollower
from pyesdb.embedded.aiosubscriptions import AsyncSubscribing
from pyesdb.model.durations import Duration
from pyesdb.model.names import check_label, check_stream
from pyesdb.model.results import (
    AppendManyResult,
    AppendResult,
    ScavengeResult,
    Snapshot,
    StoreInfo,
    StoreStats,
    StreamInfo,
    VerifyResult,
)
from pyesdb.model.selectors import AppendCondition, Selector
from pyesdb.model.versions import Cursor, ExpectedVersion, StreamState, StreamVersion, Token
from pyesdb.store import queries, writes
from pyesdb.store.deadlines import POLL_S
from pyesdb.store.reads import Read
from pyesdb.store.writes import UNCHANGED, Append

T = TypeVar("T")


class AsyncStore(AsyncSubscribing, AsyncHandling):
    """One event store, for asyncio; made by `AsyncDatabase.store` and `create_store`.

    The methods mean what those of `Store` mean.
    """

    async def append(
        self,
        stream: str | None,
        events: Any,
        *,
        expected: ExpectedVersion = StreamState.ANY,
        condition: AppendCondition | None = None,
        command_id: UUID | None = None,
        tracking: tuple[str, int] | None = None,
        timeout: Duration | None = None,
    ) -> AppendResult:
        """See `Store.append`. Cancelled while queued: nothing is stored."""
        command = writes.append(
            stream, events, expected, condition, command_id, tracking, self._calls.types
        )
        return self._calls.appended(command, await self._submit(command, timeout))

    async def append_many(
        self,
        appends: Iterable[Append],
        *,
        condition: AppendCondition | None = None,
        command_id: UUID | None = None,
        tracking: tuple[str, int] | None = None,
        timeout: Duration | None = None,
    ) -> AppendManyResult:
        """See `Store.append_many`."""
        command = writes.append_many(appends, condition, command_id, tracking, self._calls.types)
        return self._calls.appended(command, await self._submit(command, timeout))

    async def outcome(
        self, command_id: UUID
    ) -> AppendResult | AppendManyResult | Literal["not applied"] | None:
        """See `Store.outcome`."""
        await self._bind()
        return await self._ask(self._calls.outcome(command_id))

    async def tracked(self, source: str) -> int | None:
        """See `Store.tracked`."""
        source = check_label(source, "source")
        return await self._ask(lambda reader: queries.tracked(reader, source))

    def read(
        self,
        stream: str,
        *,
        from_version: int | None = None,
        to_version: int | None = None,
        as_of: int | datetime | None = None,
        limit: int | None = None,
        backwards: bool = False,
        missing_ok: bool = False,
        consistency: Literal["local", "linearizable"] = "local",
        at_least: Token | int | None = None,
        timeout: Duration | None = None,
    ) -> AsyncEvents:
        """See `Store.read`; not awaited, and started when entered or first stepped."""
        return self._events(
            lambda: self._calls.stream_read(
                stream,
                from_version,
                to_version,
                as_of,
                limit,
                backwards=backwards,
                missing_ok=missing_ok,
            ),
            (consistency, at_least, timeout),
        )

    def read_all(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        as_of: int | datetime | None = None,
        select: Selector | None = None,
        limit: int | None = None,
        backwards: bool = False,
        system: bool = False,
        consistency: Literal["local", "linearizable"] = "local",
        at_least: Token | int | None = None,
        timeout: Duration | None = None,
    ) -> AsyncEvents:
        """See `Store.read_all`; not awaited, and started when entered or first stepped."""
        return self._events(
            lambda: self._calls.all_read(
                after, before, as_of, select, limit, backwards=backwards, system=system
            ),
            (consistency, at_least, timeout),
        )

    def _events(self, make: Callable[[], Read], waiting: tuple[Any, Any, Any]) -> AsyncEvents:
        return AsyncEvents(make, self._in_pool, lambda: self._wait(*waiting))

    async def _wait(self, consistency: Any, at_least: Any, timeout: Any) -> None:
        """On the event loop: a pool thread that waits would be missing elsewhere."""
        await self._bind(timeout)
        wait = self._calls.wait(consistency, at_least, timeout)
        if wait is None:
            return
        reached, limit = wait
        end = asyncio.get_running_loop().time() + limit
        while not await self._in_pool(reached):
            if asyncio.get_running_loop().time() >= end:
                raise self._calls.not_reached(at_least)
            await asyncio.sleep(POLL_S)

    async def version(self, stream: str) -> StreamVersion:
        """See `Store.version`."""
        stream = check_stream(stream)
        return await self._ask(lambda reader: queries.version(reader, stream))

    async def exists(self, stream: str) -> bool:
        """See `Store.exists`."""
        return await self.version(stream) is not StreamState.NO_STREAM

    def streams(
        self,
        *,
        prefix: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        system: bool = False,
    ) -> AsyncIterator[str]:
        """See `Store.streams`; not awaited."""
        return self._streams(prefix, after, limit, system=system)

    async def _streams(
        self, prefix: str | None, after: str | None, limit: int | None, *, system: bool
    ) -> AsyncIterator[str]:
        await self._bind()
        pages = self._calls.stream_pages(prefix, after, limit, system=system)
        behind, left = after or "", limit
        more = left != 0
        while more:
            names, behind = await self._ask(pages(behind))
            for name in names if left is None else names[:left]:
                yield name
            if left is not None:
                left = max(0, left - len(names))
            more = bool(behind) and left != 0

    async def stream_info(self, stream: str) -> StreamInfo:
        """See `Store.stream_info`."""
        stream = check_stream(stream)
        return await self._ask(lambda reader: queries.stream_info(reader, stream))

    async def delete_stream(
        self,
        stream: str,
        *,
        expected: ExpectedVersion = StreamState.ANY,
        timeout: Duration | None = None,
    ) -> StreamInfo:
        """See `Store.delete_stream`."""
        await self._submit(writes.delete(stream, expected, tombstone=False), timeout)
        return await self.stream_info(stream)

    async def tombstone_stream(
        self,
        stream: str,
        *,
        expected: ExpectedVersion = StreamState.ANY,
        timeout: Duration | None = None,
    ) -> StreamInfo:
        """See `Store.tombstone_stream`."""
        await self._submit(writes.delete(stream, expected, tombstone=True), timeout)
        return await self.stream_info(stream)

    async def truncate_stream(
        self, stream: str, *, before_version: int, timeout: Duration | None = None
    ) -> StreamInfo:
        """See `Store.truncate_stream`."""
        await self._submit(writes.truncate(stream, before_version), timeout)
        return await self.stream_info(stream)

    async def set_stream_metadata(
        self,
        stream: str,
        *,
        max_age: Duration | None = UNCHANGED,
        max_count: int | None = UNCHANGED,
        custom: Mapping[str, Any] | None = UNCHANGED,
    ) -> StreamInfo:
        """See `Store.set_stream_metadata`."""
        await self._submit(writes.stream_metadata(stream, max_age, max_count, custom))
        self._handle.runtime().ages = True
        return await self.stream_info(stream)

    async def scavenge(
        self, *, on_progress: Callable[[int, int], None] | None = None
    ) -> ScavengeResult:
        """See `Store.scavenge`; `on_progress` is called on another thread, cancelling ends it."""
        self._handle.node.writable()
        return await self._apart(lambda ended: self._calls.scavenge(on_progress, ended))

    async def record_snapshot(
        self,
        source: str,
        stream: str,
        version: int,
        data: Any,
        metadata: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """See `Store.record_snapshot`."""
        command = writes.snapshot(source, stream, version, data, metadata)
        outcome = await self._submit(command)
        return self._calls.snapshotted(command, outcome)

    async def read_snapshot(self, source: str, stream: str, version: int | None = None) -> Snapshot:
        """See `Store.read_snapshot`."""
        return await self._ask(self._calls.snapshot(source, stream, version))

    async def list_snapshots(
        self, source: str | None = None, stream: str | None = None
    ) -> list[Snapshot]:
        """See `Store.list_snapshots`."""
        return await self._ask(self._calls.snapshots(source, stream))

    async def delete_snapshot(self, source: str, stream: str, version: int | None = None) -> None:
        """See `Store.delete_snapshot`."""
        await self._submit(writes.snapshot_deletion(source, stream, version))

    async def load(
        self, stream: str, *, source: str | None = None, to_version: int | None = None
    ) -> AsyncLoaded:
        """See `Store.load`; the events are started already."""
        newest = self._calls.newest_snapshot(stream, source, to_version)
        snapshot = await self._ask(newest)
        while True:
            behind = None if snapshot is None else snapshot.version + 1
            events = self.read(stream, from_version=behind, to_version=to_version, missing_ok=True)
            await events.__aenter__()
            now = None if snapshot is None else await self._ask(newest)
            if now == snapshot:
                return AsyncLoaded(snapshot, events)
            snapshot = now  # as in `Store.load`

    def follow(
        self,
        select: Selector | None = None,
        *,
        after: int | Cursor | Literal["end"] = 0,
        system: bool = False,
    ) -> AsyncFollower:
        """See `Store.follow`; not awaited, and started when entered or first stepped."""
        return AsyncFollower(
            lambda: self._calls.follow(select, after, system=system),
            self._in_pool,
            self._loop,
            self._handle.check_open,
        )

    async def stats(self) -> StoreStats:
        """See `Store.stats`."""
        return await self._ask(queries.stats)

    async def verify(
        self, *, on_progress: Callable[[int, int], None] | None = None
    ) -> VerifyResult:
        """See `Store.verify`; `on_progress` is called on another thread, cancelling ends it."""
        return await self._apart(lambda ended: self._calls.verify(on_progress, ended))

    async def info(self) -> StoreInfo:
        """See `Store.info`."""
        return await self._in_pool(self._calls.info)
