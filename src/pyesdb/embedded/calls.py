"""What both faces share: checked arguments to commands and reads, outcomes to results."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pyesdb.embedded.typed import TypedSource, Types
from pyesdb.model import checks
from pyesdb.model import commands as c
from pyesdb.model.durations import to_datetime, to_us
from pyesdb.model.encoding import decode_json
from pyesdb.model.errors import (
    Corrupt,
    DeadlineExceeded,
    HistoryChanged,
    RequestError,
    SnapshotNotFound,
    Unavailable,
)
from pyesdb.model.names import check_label, check_stream
from pyesdb.model.outcomes import Appended, Done, Outcome
from pyesdb.model.results import (
    AppendManyResult,
    AppendResult,
    ScavengeResult,
    Snapshot,
    StoreInfo,
    VerifyResult,
)
from pyesdb.model.selectors import Selector, check_selector
from pyesdb.model.versions import Cursor, Token
from pyesdb.node import listing
from pyesdb.node.handle import StoreHandle
from pyesdb.store import queries
from pyesdb.store.follow import Follow
from pyesdb.store.readers import Reader
from pyesdb.store.reads import AllRead, Source, StreamRead, Until
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.verify import OnProgress, unreadable, verify
from pyesdb.telemetry.log import logger

AsOf = int | datetime | None
_PAGE = 1000


def append_result(
    runtime: StoreRuntime, stream: str, outcome: Appended, index: int = 0
) -> AppendResult:
    """The user's form of one stream's part of an append."""
    _, count, version, position = outcome.results[index]
    return AppendResult(  # positional: half the time, and every append makes one
        stream,
        version if version >= 0 else None,
        position if position >= 0 else None,
        version - count + 1 if count else None,
        position - count + 1 if count else None,
        count,
        outcome.duplicate,
        Token(runtime.incarnation, runtime.applier.newest),
    )


def result_of(
    runtime: StoreRuntime, outcome: Outcome, names: list[str]
) -> AppendResult | AppendManyResult:
    """The user's form of an append's outcome."""
    if not isinstance(outcome, Appended):
        raise RequestError("this command id belongs to a call that was no append")
    found = tuple(
        append_result(runtime, name, outcome, index)
        for index, name in zip(range(len(outcome.results)), names, strict=True)
    )
    if not outcome.many:
        return found[0]
    positions = [result.position for result in found if result.count and result.position]
    return AppendManyResult(
        results=found,
        position=max(positions, default=None),
        duplicate=outcome.duplicate,
        token=Token(runtime.incarnation, runtime.applier.newest),
    )


class Calls:
    """Builds what a call needs, for one store handle."""

    def __init__(self, handle: StoreHandle, types: Types | None = None) -> None:
        self.handle = handle
        self.types = types

    def source(self) -> Source:
        """What reads read from."""
        runtime = self.handle.runtime()
        return runtime if self.types is None else TypedSource(runtime, self.types)

    def appended(self, command: c.AppendEvents, outcome: Outcome) -> Any:
        """The result of append and append_many."""
        runtime = self.handle.last()
        if isinstance(outcome, Appended) and not command.many:
            return append_result(runtime, command.appends[0].stream, outcome)
        return result_of(runtime, outcome, [part.stream for part in command.appends])

    def stream_read(
        self,
        stream: str,
        from_version: int | None,
        to_version: int | None,
        as_of: AsOf,
        limit: int | None,
        *,
        backwards: bool,
        missing_ok: bool,
    ) -> StreamRead:
        """A read of one stream, not started."""
        return StreamRead(
            self.handle.runtime() if self.types is None else self.source(),
            check_stream(stream),
            None if from_version is None else checks.check_int(from_version, "from_version"),
            None if to_version is None else checks.check_int(to_version, "to_version"),
            None if as_of is None else _until(as_of),
            None if limit is None else checks.check_int(limit, "limit"),
            backwards=backwards is True or checks.check_bool(backwards, "backwards"),
            missing_ok=missing_ok is True or checks.check_bool(missing_ok, "missing_ok"),
        )

    def all_read(
        self,
        after: int,
        before: int | None,
        as_of: AsOf,
        select: Selector | None,
        limit: int | None,
        *,
        backwards: bool,
        system: bool,
    ) -> AllRead:
        """A read of the whole store, not started."""
        return AllRead(
            self.source(),
            checks.check_int(after, "after"),
            checks.check_optional_int(before, "before"),
            _until(as_of),
            None if select is None or select == _EVERYTHING else check_selector(select),
            checks.check_optional_int(limit, "limit"),
            backwards=checks.check_bool(backwards, "backwards"),
            system=checks.check_bool(system, "system"),
        )

    def follow(
        self,
        select: Selector | None,
        after: int | Cursor | Literal["end"],
        *,
        system: bool,
    ) -> Follow:
        """Where a follower starts; "end" is the head now."""
        selector = None if select is None or select == _EVERYTHING else check_selector(select)
        checks.check_bool(system, "system")
        runtime = self.handle.runtime()
        if isinstance(after, Cursor):
            if after.incarnation != runtime.incarnation:
                raise HistoryChanged(
                    f"cursor {after} belongs to another history of store {runtime.store_id!r}: "
                    "start anew, with after=0"
                )
            position = after.position
        elif after == "end":
            position = None
        elif isinstance(after, str):
            raise RequestError(
                f'after must be a position, a Cursor or "end", not {after!r:.60}; text that '
                "str(cursor) gave: Cursor.parse(text)"
            )
        else:
            position = checks.check_int(after, "after")
        head = runtime.ask(queries.head)
        runtime.head.seen(head)
        position = head if position is None else position
        source = self.source()
        return Follow(runtime, position, selector, system=system, head=head, source=source)

    def wait(
        self, consistency: Literal["local", "linearizable"], at_least: Any, timeout: Any
    ) -> tuple[Callable[[], bool], float] | None:
        """What must be true before a read starts, and the seconds to wait for it.

        Embedded, reads are linearizable anyway.
        """
        checks.check_one_of(consistency, "consistency", ("local", "linearizable"))
        limit = self.handle.timeout(timeout)
        if at_least is None:
            return None
        if not isinstance(at_least, Token):
            checks.check_int(at_least, "at_least")
        runtime = self.handle.runtime()
        return lambda: runtime.reached(at_least), limit

    @staticmethod
    def not_reached(at_least: Any) -> DeadlineExceeded:
        """The error of a wait that was too long."""
        return DeadlineExceeded(f"{at_least} was not reached before the deadline")

    def stream_pages(
        self, prefix: str | None, after: str | None, limit: int | None, *, system: bool
    ) -> Callable[[str], Callable[[Reader], tuple[list[str], str]]]:
        """A question for each page of stream names."""
        prefix = check_stream(prefix) if prefix else ""
        checks.check_optional_int(limit, "limit")
        checks.check_bool(system, "system")
        if after is not None:
            check_stream(after)
        self.handle.runtime()
        return lambda behind: (
            lambda reader: queries.streams(reader, prefix, behind, _PAGE, system=system)
        )

    def outcome(self, command_id: UUID) -> Callable[[Reader], Any]:
        """The question of what became of a command."""
        checks.check_uuid(command_id, "command_id")
        runtime = self.handle.runtime()

        def question(reader: Reader) -> Any:
            runtime.applier.newest = max(runtime.applier.newest, queries.applied(reader))
            found, names = queries.outcome(reader, command_id)
            if found is None:
                return None
            return result_of(runtime, found, names) if names else "not applied"

        return question

    def snapshots(
        self, source: str | None, stream: str | None
    ) -> Callable[[Reader], list[Snapshot]]:
        """The question for a list of snapshots."""
        source = None if source is None else check_label(source, "source")
        stream = None if stream is None else check_stream(stream)
        return lambda reader: queries.snapshots(reader, source, stream)

    def snapshotted(self, command: c.RecordSnapshot, outcome: Outcome) -> Snapshot:
        """The snapshot that was recorded, now or by an earlier identical call."""
        created = outcome.value if isinstance(outcome, Done) else 0
        metadata: dict[str, Any] = {}
        if command.metadata:
            metadata = decode_json(command.metadata, "metadata")
        return Snapshot(
            command.source,
            command.stream,
            command.version,
            command.data,
            metadata,
            to_datetime(created),
        )

    def snapshot(
        self, source: str, stream: str, version: int | None
    ) -> Callable[[Reader], Snapshot]:
        """The question for one snapshot; it raises SnapshotNotFound."""
        check_label(source, "source")
        check_stream(stream)
        checks.check_optional_int(version, "version")

        def question(reader: Reader) -> Snapshot:
            found = queries.snapshot_at(reader, source, stream, version)
            if found is None:
                at = "" if version is None else f" at version {version}"
                raise SnapshotNotFound(f"there is no snapshot of {stream!r} by {source!r}{at}")
            return found

        return question

    def newest_snapshot(
        self, stream: str, source: str | None, to_version: int | None
    ) -> Callable[[Reader], Snapshot | None]:
        """The question for the snapshot that a load starts from.

        None where events that it lacks are hidden: continued behind such a gap, it would become a
        state that never was. Asked again after the read of those events, it speaks for them, too.
        """
        check_stream(stream)
        checks.check_optional_int(to_version, "to_version")
        if source is None:
            return lambda _: None
        check_label(source, "source")

        def question(reader: Reader) -> Snapshot | None:
            found = queries.newest_snapshot(reader, source, stream, to_version)
            if found is None or found.version == to_version:
                return found
            first = queries.visible_from(reader, stream)
            if first <= found.version + 1:
                return found
            logger.warning(
                "snapshot of %r by %r at version %d is passed over: the events from there to "
                "version %d are hidden",
                stream,
                source,
                found.version,
                first - 1,
            )
            return None

        return question

    def info(self) -> StoreInfo:
        """What the catalog says of this store."""
        self.handle.runtime()
        return listing.info(self.handle.node, self.handle.store_id)

    def scavenge(
        self, on_progress: OnProgress | None, cancelled: Callable[[], bool] = lambda: False
    ) -> ScavengeResult:
        """Reclaim what is hidden; the end of the call ends it between steps."""
        checks.check_progress(on_progress)

        def going() -> None:
            if cancelled():
                raise Unavailable("scavenge was cancelled: call it again")

        runtime = self.handle.runtime()
        return runtime.scavenge(self.handle.timeout(None), on_progress, going)

    def verify(
        self, on_progress: OnProgress | None, cancelled: Callable[[], bool] = lambda: False
    ) -> VerifyResult:
        """Verify the file; what ends the database, the store or the call ends it between pages."""
        checks.check_progress(on_progress)
        runtime = self.handle.runtime()
        # not the id: a store that was recovered under another one keeps its file as it is
        identity = {"database": self.handle.node.database, "incarnation": runtime.incarnation}

        def told(done: int, total: int) -> None:
            if runtime.ended is not None:
                raise runtime.ended
            if cancelled():
                raise Unavailable("verify was cancelled: call it again")
            if on_progress is not None:
                on_progress(done, total)

        try:
            return runtime.ask(lambda reader: verify(reader, runtime.path, identity, told))
        except Corrupt as error:
            return unreadable(runtime.path, error, told)


_EVERYTHING = Selector((c.Clause(),))


def _until(as_of: AsOf) -> Until:
    if as_of is None:
        return None
    if isinstance(as_of, datetime):
        to_us(as_of, "as_of")
    else:
        checks.check_int(as_of, "as_of")
    return lambda reader: queries.position_until(reader, as_of)
