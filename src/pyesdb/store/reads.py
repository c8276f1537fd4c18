"""Reads: pages straight from SQLite, an end that is fixed with the first page, bounded memory."""

from collections.abc import Callable
from typing import Any, Protocol

from pyesdb.machine.state import ACTIVE, DELETED
from pyesdb.model.encoding import decode_json
from pyesdb.model.errors import (
    InvalidEvent,
    PyesdbError,
    StreamDeleted,
    StreamNotFound,
    StreamTombstoned,
)
from pyesdb.model.events import Origin, RecordedEvent
from pyesdb.model.selectors import Selector
from pyesdb.model.versions import StreamState, StreamVersion, version_of
from pyesdb.store.pages import BYTES, Page, bytes_of, fetch, fetch_at
from pyesdb.store.plans import Plan
from pyesdb.store.readers import Names, Reader
from pyesdb.store.repeating import Repeating

Row = tuple[Any, ...]
Until = Callable[[Reader], int | None] | None
"""The question for the last position of a read as of a moment."""

_FIRST, _MOST = 64, 1024
SPAN = 200_000
"""Positions of one statement that may find nothing there: it cannot be stopped, and others wait."""


class Source(Protocol):
    """What a read needs of its store."""

    @property
    def origin(self) -> Origin:
        """What its events share."""
        ...

    @property
    def names(self) -> Names:
        """Its dictionaries of stream and type names."""
        ...

    def ask(self, question: Callable[[Reader], Any]) -> Any:
        """Answer a question on a read connection."""
        ...


def build(
    reader: Reader, source: Source, rows: list[Row], stream: str | None = None
) -> list[RecordedEvent]:
    """Events of rows; names come from the store's dictionaries.

    `stream`: the name of the stream of all of them; then their second column may be anything.
    """
    origin, names = source.origin, source.names
    for _ in range(2):
        streams, types = names.streams, names.types
        try:
            if stream is not None:
                return [
                    RecordedEvent(origin, stream, v, p, types[t], d, ct, i, c, tm, m, tg)
                    for p, _, v, t, i, c, tm, ct, d, m, tg in rows
                ]
            return [
                RecordedEvent(origin, streams[s], v, p, types[t], d, ct, i, c, tm, m, tg)
                for p, s, v, t, i, c, tm, ct, d, m, tg in rows
            ]
        except KeyError:
            streams_of: set[int] = set() if stream is not None else {row[1] for row in rows}
            names.learn(reader, streams_of, {row[3] for row in rows})
    from pyesdb.model.errors import Corrupt

    raise Corrupt(f"an event of store {source.origin.store!r} has a stream or type without name")


class Read(Repeating):
    """A read under way: `next_page` until it is empty."""

    _head: int
    _page = _FIRST
    _last = 0
    _filtered = False
    _version: StreamVersion = StreamState.NO_STREAM

    def __init__(self, source: Source, limit: int | None, *, backwards: bool) -> None:
        self._source = source
        self._left = limit
        self._backwards = backwards
        self.over: bool = limit == 0
        """Whether there is no further page."""

    @property
    def version(self) -> StreamVersion:
        """The stream's last version when the read started (NO_STREAM: a read of all)."""
        return self._version

    @property
    def head(self) -> int:
        """The position up to which the read has looked."""
        if self._left is None or self._backwards or (self.over and self._left > 0):
            return self._head
        return self._last

    def open(self) -> list[RecordedEvent]:
        """Fix the end, and return the first page; raises what is wrong with the stream."""
        page = self.begin()
        return page if page or self.over else self.next_page()

    def next_page(self) -> list[RecordedEvent]:
        """The next page; empty at the end. One short read transaction for each piece scanned."""
        events: list[RecordedEvent] = []
        while not events and not self.over:
            events = self.piece()
        return events

    def begin(self) -> list[RecordedEvent]:
        """Fix the end, and return the first piece; empty though not `over`: nothing selected."""
        events = self._source.ask(self._first)
        self._as_asked = None
        return events

    def piece(self) -> list[RecordedEvent]:
        """The next piece, after `begin` and while not `over`; it may be empty, too."""
        events = self._source.ask(self._next)
        self._as_asked = None
        return events

    def _open(self, reader: Reader) -> list[RecordedEvent]:
        self._start(reader)
        return [] if self.over else self._fetch(reader)

    def _fetch(self, reader: Reader) -> list[RecordedEvent]:
        wanted = self._page
        if self._left is not None and not self._filtered:
            wanted = min(wanted, self._left)
        page = self._rows(reader, wanted)
        events = self._kept(self._built(reader, page.rows))
        self._grow(page.size)
        if self._left is not None:
            events = events[: self._left]
            self._left -= len(events)
            self.over = self.over or self._left == 0
        if events:
            self._last = events[-1].position
        return events

    def _grow(self, size: int) -> None:
        """The next page's size: larger, as long as it stays within the bytes."""
        if size * 2 < BYTES:
            self._page = min(_MOST, self._page * 4)
        elif size > BYTES:
            self._page = max(8, self._page // 4)

    def _built(self, reader: Reader, rows: list[Row]) -> list[RecordedEvent]:
        return build(reader, self._source, rows)

    def _kept(self, events: list[RecordedEvent]) -> list[RecordedEvent]:
        return events

    def _start(self, reader: Reader) -> None:
        """Set `version`, `_head` and the range."""

    def _rows(self, reader: Reader, wanted: int) -> Page:
        """The next rows; sets `over` when there are no more."""
        raise AssertionError(reader, wanted)


class StreamRead(Read):
    """A read of one stream, by version."""

    def __init__(
        self,
        source: Source,
        stream: str,
        first: int | None,
        last: int | None,
        until: Until,
        limit: int | None,
        *,
        backwards: bool,
        missing_ok: bool,
    ) -> None:
        self._source = source  # not by super(): a short read is made as often as it is read
        self._left = limit
        self._backwards = backwards
        self.over = limit == 0
        self._stream = stream
        self._low = first or 0
        self._high = last
        self._until = until
        self._missing_ok = missing_ok

    def _open(self, reader: Reader) -> list[RecordedEvent]:
        if self._high is None and self._until is None:
            if self._backwards:
                if self._left is not None and 0 < self._left <= _FIRST:
                    return self._newest(reader, self._left)
            elif self._left is None:
                return self._whole(reader)
        return super()._open(reader)

    def _built(self, reader: Reader, rows: list[Row]) -> list[RecordedEvent]:
        return build(reader, self._source, rows, self._stream)

    def _whole(self, reader: Reader) -> list[RecordedEvent]:
        """Start, and the first page in the same statement: it reaches the end of most streams."""
        rows = reader.all("stream_from", self._stream, self._low, _FIRST)
        if not rows:  # hidden, missing, or nothing so far
            return super()._open(reader)
        last = rows[-1][2]
        if len(rows) < _FIRST:
            self._head, self._version = rows[0][1], last
            self.over = True
            return build(reader, self._source, rows, self._stream)
        self._start(reader)  # the read is as of now; versions up to `last` can only be hidden since
        if self.over:
            return []
        self._grow(bytes_of(rows))
        rows = [row for row in rows if row[2] >= self._low]
        self._low = max(self._low, last + 1)
        self.over = self._low > (self._high or 0)
        return build(reader, self._source, rows, self._stream)

    def _newest(self, reader: Reader, wanted: int) -> list[RecordedEvent]:
        """Start, and the newest events, all in one statement."""
        rows = reader.all("stream_to", self._stream, self._low, wanted)
        if not rows:
            return super()._open(reader)
        self._head, self._version = rows[0][1:3]
        self.over = True
        return build(reader, self._source, rows, self._stream)

    def _start(self, reader: Reader) -> None:
        found = reader.all("stream_at", self._stream)
        if not found:  # the head first: what comes behind it is not hidden from a condition
            self._head = int(reader.all("head")[0][0])
            found = reader.all("stream_at", self._stream)
        if found:
            self._head = int(found[0][6])
        until = None if self._until is None else self._until(reader)
        if until is not None:  # what came since is not hidden from a condition
            self._head = min(until, self._head)
        self._version = version_of(-1)
        if not found or found[0][1] != ACTIVE:
            if not self._missing_ok:
                raise missing(self._stream, found[0][1] if found else None)
            self.over = True
            return
        self._id, _, visible, swept, last, _, _ = found[0]
        last = swept - 1 if last is None else last
        self._version = last
        self._low = max(self._low, visible)
        self._position = self._head
        if self._high is None or self._high >= last:
            self._high = last
        else:  # a read up to a version has looked as far as the next one
            following = reader.all("version_behind", self._id, self._high + 1)
            if following:
                self._head = min(self._head, following[0][1] - 1)
        self.over = self.over or self._low > self._high
        if self._page > self._high - self._low + 1 > 0:
            self._page = self._high - self._low + 1

    def _rows(self, reader: Reader, wanted: int) -> Page:
        name = "stream_backwards" if self._backwards else "stream_forwards"
        page = fetch(reader, name, self._id, self._low, self._high, self._position, wanted)
        rows = page.rows
        if rows and self._backwards:
            self._high = rows[-1][2] - 1
        elif rows:
            self._low = rows[-1][2] + 1
        self.over = (len(rows) < wanted and not page.cut) or self._low > (self._high or 0)
        return page


def missing(stream: str, state: int | None) -> PyesdbError:
    """Why a stream cannot be read."""
    if state is None:
        return StreamNotFound(f"there is no stream {stream!r}: check the name, or missing_ok=True")
    if state == DELETED:
        return StreamDeleted(f"stream {stream!r} was deleted; an append brings it back")
    return StreamTombstoned(f"stream {stream!r} was tombstoned: use another name")


class AllRead(Read):
    """A read of all events, or of those that a selector means, by position."""

    def __init__(
        self,
        source: Source,
        after: int,
        before: int | None,
        until: Until,
        selector: Selector | None,
        limit: int | None,
        *,
        backwards: bool,
        system: bool,
    ) -> None:
        super().__init__(source, limit, backwards=backwards)
        self._low = after
        self._last = after
        self._high = 0
        self._before = before
        self._until = until
        self._selector = selector
        self._system = system
        self._hide = False
        self._plan: Plan | None = None
        self.reach = 0
        """The last position of the store when the read began, however far it goes itself."""

    @property
    def scanned_to(self) -> int:
        """The last position examined, selected or not (of a read forwards)."""
        return self._head if self.over else self._low

    def _start(self, reader: Reader) -> None:
        self._head = self.reach = int(reader.all("head")[0][0])
        until = None if self._until is None else self._until(reader)
        if self._before is not None:
            self._head = min(self._head, max(0, self._before - 1))
        if until is not None:
            self._head = min(self._head, until)
        self._high = self._head + 1
        self._hide = not self._system and bool(reader.all("system_streams"))
        if self._selector is not None:
            self._plan = self._planned(reader, self._selector)
            self.over = self.over or not self._plan.walks
        self._filtered = self._filtered or self._hide
        self.over = self.over or self._low >= self._head

    def _planned(self, reader: Reader, selector: Selector) -> Plan:
        plan = Plan(reader, selector)
        self._filtered = self._filtered or plan.residual
        return plan

    def _found(self, reader: Reader, plan: Plan, wanted: int) -> tuple[list[int], int | None]:
        """The next positions, and where the search stopped without having reached its end.

        Planned anew when an index may have gone under the walk.
        """
        low, high = self._low, self._high
        if plan.sparse and self._backwards:
            low = max(low, high - SPAN - 1)
        elif plan.sparse:
            high = min(high, low + SPAN + 1)
        found = plan.positions(reader, low, high, wanted, backwards=self._backwards)
        while self._selector is not None and plan.stale(reader):
            plan = self._plan = self._planned(reader, self._selector)
            found = plan.positions(reader, low, high, wanted, backwards=self._backwards)
        if len(found) == wanted or (low, high) == (self._low, self._high):
            return found, None
        return found, low + 1 if self._backwards else high - 1

    def _rows(self, reader: Reader, wanted: int) -> Page:
        if self._plan is None:
            name = "all_backwards" if self._backwards else "all_forwards"
            page = fetch(reader, name, self._low, self._high, wanted)
            count = len(page.rows)
            last = page.rows[-1][0] if count else 0
        else:
            found, stop = self._found(reader, self._plan, wanted)
            page, count = fetch_at(reader, found)
            last = found[count - 1] if found else 0
            if stop is not None and count == len(found):
                last, count = stop, wanted
            page.rows.sort(key=_position, reverse=self._backwards)
        if self._backwards:
            self._high = last
        else:
            self._low = last
        self.over = (count < wanted and not page.cut) or self._high - self._low <= 1
        return page

    def _kept(self, events: list[RecordedEvent]) -> list[RecordedEvent]:
        if self._hide:
            events = [e for e in events if e.stream[0] != "$" or e.stream == "$events"]
        if self._plan is not None and self._plan.residual and self._selector is not None:
            events = [event for event in events if _matches(self._selector, event)]
        return events


def _position(row: Row) -> int:
    return row[0]


def _matches(selector: Selector, event: RecordedEvent) -> bool:
    def document() -> Any:
        try:
            return decode_json(event.data, "data")
        except InvalidEvent:
            return None

    return selector.matches(event.stream, event.type, event.tags, document)
