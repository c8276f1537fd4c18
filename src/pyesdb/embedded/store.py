"""`Store`: the synchronous face of one store."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pyesdb.embedded.calls import Calls
from pyesdb.embedded.decisions import Handling
from pyesdb.embedded.events import Events, Loaded
from pyesdb.embedded.follow import Follower
from pyesdb.embedded.subscriptions import Subscribing
from pyesdb.embedded.typed import Types
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
from pyesdb.node.handle import StoreHandle
from pyesdb.store import queries, writes
from pyesdb.store.deadlines import POLL_S
from pyesdb.store.writes import UNCHANGED, Append


class Store(Subscribing, Handling):
    """One event store. Safe to use from any thread; made by `Database.store` and `create_store`."""

    def __init__(self, handle: StoreHandle, types: Types | None = None) -> None:
        self.id: str = handle.store_id
        self._handle = handle
        self._calls = Calls(handle, types)

    def __repr__(self) -> str:
        return f"<Store {self.id!r}>"

    # -- appending

    def append(
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
        """Append one NewEvent or an iterable of them to a stream, all or nothing, durably.

        On a store that was opened with `types`, objects of registered classes are events, too.
        `stream` None: events of no stream. `expected`: the version the stream must have, or a
        StreamState. `condition`: no matching event may exist (DCB). `command_id`: makes repeats
        safe for 15 minutes. `tracking`: (source, position) that must increase, for ever.
        Raises WrongExpectedVersion, ConditionFailed, TrackingConflict, LimitExceeded, InvalidEvent,
        DeadlineExceeded (nothing stored), OutcomeUnknown.
        """
        command = writes.append(
            stream, events, expected, condition, command_id, tracking, self._calls.types
        )
        return self._calls.appended(command, self._handle.submit(command, timeout))

    def append_many(
        self,
        appends: Iterable[Append],
        *,
        condition: AppendCondition | None = None,
        command_id: UUID | None = None,
        tracking: tuple[str, int] | None = None,
        timeout: Duration | None = None,
    ) -> AppendManyResult:
        """Append to several streams in one transaction; each stream at most once.

        Raises what `append` raises; then nothing is stored in any of the streams.
        """
        command = writes.append_many(appends, condition, command_id, tracking, self._calls.types)
        return self._calls.appended(command, self._handle.submit(command, timeout))

    def outcome(
        self, command_id: UUID
    ) -> AppendResult | AppendManyResult | Literal["not applied"] | None:
        """What became of an append: its result, "not applied" if it was refused, None if unknown.

        None: nothing is recorded; it may still arrive until 120 s after the call, or its record is
        older than the setting `dedup_window`.
        """
        return self._handle.ask(self._calls.outcome(command_id))

    def tracked(self, source: str) -> int | None:
        """The position recorded by `append(tracking=(source, position))`."""
        source = check_label(source, "source")
        return self._handle.ask(lambda reader: queries.tracked(reader, source))

    # -- reading

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
    ) -> Events:
        """Events of a stream, versions `from_version` to `to_version` inclusive.

        `as_of`: as it was at a position or moment. Raises StreamNotFound, StreamDeleted,
        StreamTombstoned (`missing_ok`: empty instead).
        """
        if consistency != "local" or at_least is not None or timeout is not None:
            self._wait(consistency, at_least, timeout)
        read = self._calls.stream_read(
            stream,
            from_version,
            to_version,
            as_of,
            limit,
            backwards=backwards,
            missing_ok=missing_ok,
        )
        return Events(read)

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
    ) -> Events:
        """Events of the store in order of position: `after` < position < `before`."""
        if consistency != "local" or at_least is not None or timeout is not None:
            self._wait(consistency, at_least, timeout)
        read = self._calls.all_read(
            after, before, as_of, select, limit, backwards=backwards, system=system
        )
        return Events(read)

    def _wait(self, consistency: Any, at_least: Any, timeout: Any) -> None:
        wait = self._calls.wait(consistency, at_least, timeout)
        if wait is None:
            return
        reached, limit = wait
        end = time.monotonic() + limit
        while not reached():
            if time.monotonic() >= end:
                raise self._calls.not_reached(at_least)
            time.sleep(POLL_S)

    def version(self, stream: str) -> StreamVersion:
        """A stream's last version; NO_STREAM if it is missing, deleted or tombstoned."""
        stream = check_stream(stream)
        return self._handle.ask(lambda reader: queries.version(reader, stream))

    def exists(self, stream: str) -> bool:
        """Whether `read(stream)` would not raise."""
        return self.version(stream) is not StreamState.NO_STREAM

    def streams(
        self,
        *,
        prefix: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        system: bool = False,
    ) -> Iterator[str]:
        """Names of the streams that exist, in order of code points."""
        pages = self._calls.stream_pages(prefix, after, limit, system=system)
        return self._streams(pages, after or "", limit)

    def _streams(self, pages: Any, behind: str, left: int | None) -> Iterator[str]:
        more = left != 0
        while more:
            names, behind = self._handle.ask(pages(behind))
            yield from names if left is None else names[:left]
            if left is not None:
                left = max(0, left - len(names))
            more = bool(behind) and left != 0

    def stream_info(self, stream: str) -> StreamInfo:
        """A stream's versions, state and retention, deleted or not; raises StreamNotFound."""
        stream = check_stream(stream)
        return self._handle.ask(lambda reader: queries.stream_info(reader, stream))

    # -- deleting and retention

    def delete_stream(
        self,
        stream: str,
        *,
        expected: ExpectedVersion = StreamState.ANY,
        timeout: Duration | None = None,
    ) -> StreamInfo:
        """Hide all events of a stream; an append brings it back, and numbering continues."""
        self._handle.submit(writes.delete(stream, expected, tombstone=False), timeout)
        return self.stream_info(stream)

    def tombstone_stream(
        self,
        stream: str,
        *,
        expected: ExpectedVersion = StreamState.ANY,
        timeout: Duration | None = None,
    ) -> StreamInfo:
        """Hide all events of a stream for ever: its name can never be used again."""
        self._handle.submit(writes.delete(stream, expected, tombstone=True), timeout)
        return self.stream_info(stream)

    def truncate_stream(
        self, stream: str, *, before_version: int, timeout: Duration | None = None
    ) -> StreamInfo:
        """Hide the events below a version, at most all there are."""
        self._handle.submit(writes.truncate(stream, before_version), timeout)
        return self.stream_info(stream)

    def set_stream_metadata(
        self,
        stream: str,
        *,
        max_age: Duration | None = UNCHANGED,
        max_count: int | None = UNCHANGED,
        custom: Mapping[str, Any] | None = UNCHANGED,
    ) -> StreamInfo:
        """Change a stream's retention and custom metadata: omitted stays, None clears.

        `max_age` in seconds or a timedelta, by `created`; `max_count` in events.
        """
        self._handle.submit(writes.stream_metadata(stream, max_age, max_count, custom))
        self._handle.runtime().ages = True
        return self.stream_info(stream)

    def scavenge(self, *, on_progress: Callable[[int, int], None] | None = None) -> ScavengeResult:
        """Reclaim the space of hidden events, online, in small steps; progress is (done, total)."""
        self._handle.node.writable()
        return self._calls.scavenge(on_progress)

    # -- snapshots

    def record_snapshot(
        self,
        source: str,
        stream: str,
        version: int,
        data: Any,
        metadata: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Keep the state of a stream at a version; raises SnapshotConflict, StreamNotFound."""
        command = writes.snapshot(source, stream, version, data, metadata)
        outcome = self._handle.submit(command)
        return self._calls.snapshotted(command, outcome)

    def read_snapshot(self, source: str, stream: str, version: int | None = None) -> Snapshot:
        """The snapshot at a version, or the newest; raises SnapshotNotFound."""
        return self._handle.ask(self._calls.snapshot(source, stream, version))

    def list_snapshots(
        self, source: str | None = None, stream: str | None = None
    ) -> list[Snapshot]:
        """Snapshots by stream, source and version."""
        return self._handle.ask(self._calls.snapshots(source, stream))

    def delete_snapshot(self, source: str, stream: str, version: int | None = None) -> None:
        """Forget one snapshot, or all of a source and stream; raises SnapshotNotFound."""
        self._handle.submit(writes.snapshot_deletion(source, stream, version))

    def load(
        self, stream: str, *, source: str | None = None, to_version: int | None = None
    ) -> Loaded:
        """The newest snapshot of `source` and the events after it; without source, all events.

        A missing stream is empty with version NO_STREAM: a new aggregate is no error. A snapshot
        is left out when events right behind it are hidden: retention must not make a gap.
        """
        newest = self._calls.newest_snapshot(stream, source, to_version)
        snapshot = self._handle.ask(newest)
        while True:
            behind = None if snapshot is None else snapshot.version + 1
            events = self.read(stream, from_version=behind, to_version=to_version, missing_ok=True)
            now = None if snapshot is None else self._handle.ask(newest)
            if now == snapshot:
                return Loaded(snapshot, events)
            snapshot = now  # deleted or cut in between: these events are not behind that snapshot

    # -- following

    def follow(
        self,
        select: Selector | None = None,
        *,
        after: int | Cursor | Literal["end"] = 0,
        system: bool = False,
    ) -> Follower:
        """Events after position `after`: stored ones, then those that come, in one iterator.

        `after`: a position, the `cursor` of an earlier follower, or "end": what comes from now on.
        Raises HistoryChanged for a cursor of another history of the store.
        """
        return Follower(self._calls.follow(select, after, system=system), self._handle.check_open)

    def stats(self) -> StoreStats:
        """The figures of this store, in the same time whatever its size."""
        return self._handle.ask(queries.stats)

    def verify(self, *, on_progress: Callable[[int, int], None] | None = None) -> VerifyResult:
        """Whether the file says what was written: pages, history, counters, indexes; online.

        It only reads. Damage is in the result, never raised; progress is (done, total) steps.
        """
        return self._calls.verify(on_progress)

    def info(self) -> StoreInfo:
        """This store's status, settings, incarnation."""
        return self._calls.info()
