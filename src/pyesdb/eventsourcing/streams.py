"""Aggregates as streams: which stream, which version, and what of an event stands where.

An aggregate is the stream named by its id. The library counts versions from 1 (or 0, where an
aggregate class says so), a stream from 0: the difference is the *base* of the stream, and each
event says its own `originator_version` in its metadata. A base is looked up when it is not known;
it may change only when a stream was deleted and its name is used anew, which is noticed.

What must never happen here: an event stored behind another version than the one before its own.
"""

from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

import msgspec
from eventsourcing.persistence import DataError, IntegrityError, Notification, StoredEvent, Tracking

from pyesdb import (
    Append,
    ExpectedVersion,
    NewEvent,
    RecordedEvent,
    Store,
    StreamState,
    WrongExpectedVersion,
)

OriginatorIdType = Literal["uuid", "text"]

VERSION = "originator_version"
"""The key of an event's metadata."""

FIRST = 1
"""How the library numbers the first event of an aggregate, if its class says nothing else."""

_BASES_MAX = 50_000
"""How many streams' bases are kept (8 MB): beyond it all are forgotten, and looked up again."""


def content_type(state: bytes) -> str | None:
    """JSON as such, so that tools can look inside; what is compressed or encrypted is bytes."""
    if state[:1] in (b"{", b"["):
        try:
            msgspec.json.decode(state, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return "application/json"
    return None


def originator_version(event: RecordedEvent) -> int:
    """The library's version of an event; what others wrote counts as if it were an aggregate."""
    found = event.metadata.get(VERSION)
    return found if type(found) is int else event.version + FIRST


def tracked(tracking: Tracking | None) -> tuple[str, int] | None:
    """A tracking record as `append` takes it."""
    if tracking is None:
        return None
    return tracking.application_name, tracking.notification_id


class Streams:
    """The aggregates of one store. Safe to use from any thread."""

    def __init__(self, store: Store, id_type: OriginatorIdType) -> None:
        self.store = store
        self._text = id_type == "text"
        self._bases: dict[str, int] = {}

    # -- names

    def stream(self, originator_id: UUID | str) -> str:
        """The stream of an aggregate; raises DataError."""
        if isinstance(originator_id, UUID) or self._text:
            return str(originator_id)
        raise DataError(
            f"originator_id must be a UUID, not {originator_id!r:.80}: set ORIGINATOR_ID_TYPE=text "
            "for an application whose aggregates have other ids"
        )

    def originator_id(self, stream: str) -> UUID | str:
        """The aggregate of a stream; raises DataError."""
        if self._text:
            return stream
        try:
            return UUID(stream)
        except ValueError:
            raise DataError(
                f"stream {stream!r:.80} of store {self.store.id!r} is not named by a UUID: set "
                "ORIGINATOR_ID_TYPE=text, or give the application a store of its own"
            ) from None

    # -- writing

    def insert(
        self, stored_events: Sequence[StoredEvent], tracking: Tracking | None = None
    ) -> list[int]:
        """Store events of any number of aggregates, and the tracking record, all or nothing.

        Returns their positions, in the order given. The events of one aggregate stand together.
        """
        if not stored_events:
            if tracking is not None:
                self.store.append(None, [], tracking=tracked(tracking))
            return []
        parts = self._parts(stored_events)
        expected = {stream: self._expected(stream, part[0]) for stream, part in parts.items()}
        tried: set[str] = set()
        while True:
            try:
                return self._append(stored_events, parts, expected, tracking)
            except WrongExpectedVersion as error:
                stream = error.stream
                if stream in tried:
                    raise
                tried.add(stream)
                before = expected[stream]
                self._relearn(stream)
                expected[stream] = self._expected(stream, parts[stream][0])
                if expected[stream] == before:
                    raise

    def _parts(self, stored_events: Sequence[StoredEvent]) -> "dict[str, Part]":
        """The events of each stream; each must go on where the one before it ended."""
        parts: dict[str, Part] = {}
        for index, event in enumerate(stored_events):
            stream, version = self.stream(event.originator_id), event.originator_version
            if type(version) is not int:
                raise DataError(f"originator_version must be an int, not {version!r:.40}")
            first, indices = parts.setdefault(stream, (version, []))
            if version != first + len(indices):
                raise IntegrityError(
                    f"version {version} of {stream!r} does not follow version "
                    f"{first + len(indices) - 1} in the same call: nothing was stored"
                )
            indices.append(index)
        return parts

    def _append(
        self,
        stored_events: Sequence[StoredEvent],
        parts: "dict[str, Part]",
        expected: dict[str, ExpectedVersion],
        tracking: Tracking | None,
    ) -> list[int]:
        source = tracked(tracking)
        if len(parts) == 1:
            ((stream, _),) = parts.items()
            events = [new_event(event) for event in stored_events]
            result = self.store.append(stream, events, expected=expected[stream], tracking=source)
            results: Iterable[tuple[int | None, int | None]] = [
                (result.first_version, result.first_position)
            ]
        else:
            many = self.store.append_many(
                [
                    Append(
                        stream,
                        [new_event(stored_events[index]) for index in indices],
                        expected=expected[stream],
                    )
                    for stream, (_, indices) in parts.items()
                ],
                tracking=source,
            )
            results = [(r.first_version, r.first_position) for r in many.results]
        positions = [0] * len(stored_events)
        for (stream, (first, indices)), (version, position) in zip(
            parts.items(), results, strict=True
        ):
            self._keep(stream, first - (version or 0))
            for offset, index in enumerate(indices):
                positions[index] = (position or 0) + offset
        return positions

    def _expected(self, stream: str, first: int) -> ExpectedVersion:
        """What the stream must be at for version `first` to come next; raises IntegrityError."""
        base = self._bases.get(stream)
        if base is None and first > FIRST:
            base = self._look(stream)
            if base is not None:
                self._keep(stream, base)
        if base is None:
            if first in (0, FIRST):
                return StreamState.NO_STREAM
            raise IntegrityError(
                f"{stream!r} has no events in store {self.store.id!r}, so version {first} cannot "
                f"be the next one: an aggregate starts with version {FIRST} or 0"
            )
        before = first - base - 1
        if before < -1:
            raise IntegrityError(f"version {first} of {stream!r} is before its first one")
        return StreamState.NO_STREAM if before < 0 else before

    # -- versions

    def base(self, stream: str) -> int | None:
        """What to add to a stream's version for the library's; None if there is no such stream."""
        base = self._bases.get(stream)
        if base is None:
            base = self._look(stream)
            if base is not None:
                self._keep(stream, base)
        return base

    def _look(self, stream: str) -> int | None:
        events = self.store.read(stream, limit=1, missing_ok=True)
        event = events.first()
        if event is not None:
            return originator_version(event) - event.version
        # all events are truncated or expired: only a class with another first version would differ
        return None if events.version is StreamState.NO_STREAM else FIRST

    def _relearn(self, stream: str) -> None:
        base = self._look(stream)
        if base is None:
            self._bases.pop(stream, None)
        else:
            self._keep(stream, base)

    def _keep(self, stream: str, base: int) -> None:
        if len(self._bases) >= _BASES_MAX:
            self._bases.clear()
        self._bases[stream] = base

    # -- reading

    def select(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None,
        lte: int | None,
        desc: bool,
        limit: int | None,
    ) -> list[StoredEvent]:
        """Events of an aggregate with `gt` < version <= `lte`; a missing one has none."""
        stream = self.stream(originator_id)
        if gt is None and lte is None:
            found = self.store.read(stream, limit=limit, backwards=desc, missing_ok=True).to_list()
            if found:
                self._keep(stream, originator_version(found[0]) - found[0].version)
        else:
            found = self._between(stream, gt, lte, desc=desc, limit=limit)
        id_ = stream if self._text else originator_id
        return [StoredEvent(id_, originator_version(e), e.type, e.data) for e in found]

    def _between(
        self, stream: str, gt: int | None, lte: int | None, *, desc: bool, limit: int | None
    ) -> list[RecordedEvent]:
        base = self.base(stream)
        if base is None:
            return []
        found = self._range(stream, base, gt, lte, desc=desc, limit=limit)
        if found:
            now: int | None = originator_version(found[0]) - found[0].version
        else:  # bases only ever fall, so without `lte` nothing can have been left out
            now = base if lte is None else self._look(stream)
        if now is not None and now != base:
            self._keep(stream, now)
            found = self._range(stream, now, gt, lte, desc=desc, limit=limit)
        return found

    def _range(
        self,
        stream: str,
        base: int,
        gt: int | None,
        lte: int | None,
        *,
        desc: bool,
        limit: int | None,
    ) -> list[RecordedEvent]:
        last = None if lte is None else lte - base
        if last is not None and last < 0:
            return []
        return self.store.read(
            stream,
            from_version=None if gt is None else max(0, gt + 1 - base),
            to_version=last,
            limit=limit,
            backwards=desc,
            missing_ok=True,
        ).to_list()

    def notification(self, event: RecordedEvent) -> Notification:
        """An event as the library's notification: its id is its position."""
        return Notification(
            self.originator_id(event.stream),
            originator_version(event),
            event.type,
            event.data,
            event.position,
        )


Part = tuple[int, list[int]]
"""Events of one stream in one call: the version of the first, and the index of each."""


def new_event(event: StoredEvent) -> NewEvent:
    """An event of the library as one of pyesdb: topic as type, state as data."""
    state = event.state
    if not isinstance(state, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DataError(f"the state of a stored event must be bytes, not {type(state).__name__}")
    return NewEvent(
        event.topic,
        state,
        metadata={VERSION: event.originator_version},
        content_type=content_type(state),
    )
