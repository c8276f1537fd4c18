"""Where events come from: a file of lines, a file of CloudEvents, another store.

A supply gives events in order, each with a position that increases: it is what the target tracks.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

import pyesdb
from pyesdb.transfer import form
from pyesdb.transfer.errors import InvalidExport, TruncatedExport
from pyesdb.transfer.files import Lines
from pyesdb.transfer.visible import visible

_TOO_OLD = "it was written by a newer version of pyesdb: update this one"


class Arrival(NamedTuple):
    """An event, where it goes, its position in the supply, and at least its size in bytes."""

    position: int
    stream: str | None
    event: pyesdb.NewEvent
    size: int


class Known(NamedTuple):
    """An event that an earlier run has stored."""

    position: int
    stream: str
    id: UUID


class Supply(Protocol):
    """What the engine needs of a source of events.

    `source`: the name to track by default. `after`: everything up to this position is left out on
    purpose. `known`: the last event that was passed over because it is stored; `skipped` of them.
    """

    source: str
    after: int
    known: Known | None
    skipped: int

    def events(self, behind: int, source: str) -> Iterator[Arrival]:
        """The events behind a position."""
        ...

    def progress(self) -> tuple[int, int]:
        """Done and total; total is 0 when it is not known."""
        ...


class _File:
    """What both kinds of files share."""

    def __init__(self, lines: Lines, first: bytes) -> None:
        self.lines = lines
        self.first = first
        self.source = f"lines:{blake2b(first, digest_size=12).hexdigest()}"
        self.after = 0
        self.known: Known | None = None
        self.skipped = 0

    def progress(self) -> tuple[int, int]:
        return self.lines.done(), self.lines.size

    def _stream(self, name: str | None) -> str | None:
        try:
            return form.stream_of(name)
        except pyesdb.RequestError as error:
            raise self.lines.invalid(str(error)) from error

    def _numbered(self) -> Iterator[bytes]:
        """Lines that are not blank, the first one too."""
        yield self.first
        for line in self.lines:
            if not line.isspace():
                yield line

    def _broken(self, error: Exception) -> InvalidExport:
        if not self.lines.ended:
            return self.lines.truncated("its last line is not whole")
        return self.lines.invalid(str(error))

    def _pass(self, stream: str | None, id_: UUID) -> None:
        self.skipped += 1
        self.known = Known(self.lines.number, stream or form.EVENTS, id_)


class JsonLines(_File):
    """Lines without header, as `pyesdb read --json` prints them; positions are line numbers."""

    def events(self, behind: int, source: str) -> Iterator[Arrival]:
        """The events behind a line number."""
        for raw in self._numbered():
            line = self._line(raw)
            stream = self._stream(line.stream)
            id_ = line.id or uuid5(NAMESPACE_URL, f"{source}\n{self.lines.number}\n{raw.decode()}")
            if self.lines.number <= behind:
                self._pass(stream, id_)
                continue
            yield Arrival(self.lines.number, stream, self._event(line, id_), len(raw))

    def _line(self, raw: bytes) -> form.Line:
        try:
            raw.decode()  # data is taken over without being looked at
            return form.decode_line(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._broken(error) from None

    def _event(self, line: form.Line, id_: UUID) -> pyesdb.NewEvent:
        try:
            return form.event_of(line, id_)
        except pyesdb.RequestError as error:
            raise self.lines.invalid(str(error)) from error


class ExportFile(JsonLines):
    """An export with header and trailer; positions are those of the store it comes from."""

    def __init__(self, lines: Lines, first: bytes, *, allow_partial: bool) -> None:
        super().__init__(lines, first)
        self._allow_partial = allow_partial
        try:
            self.header = form.decode_header(first)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._broken(error) from None
        if self.header.pyesdb_export != form.VERSION:
            raise lines.invalid(_TOO_OLD)
        self.source = self.header.source
        self.after = self.header.after

    def check(self) -> None:
        """Read to the end: raises InvalidExport if it was changed; a cut-off file passes."""
        try:
            for _ in self._lines():
                pass
        except TruncatedExport:
            pass

    def events(self, behind: int, source: str) -> Iterator[Arrival]:
        """The events behind a position; at the end the trailer is compared."""
        try:
            yield from self._events(behind)
        except TruncatedExport:
            if not self._allow_partial:
                raise

    def _events(self, behind: int) -> Iterator[Arrival]:
        last = self.after
        for raw in self._lines():
            line = self._line(raw)
            last = self._position(line, last)
            if line.id is None:
                raise self.lines.invalid("an export has the id of every event")
            stream = self._stream(line.stream)
            if last <= behind:
                self._pass(stream, line.id)
                continue
            yield Arrival(last, stream, self._event(line, line.id), len(raw))

    def _lines(self) -> Iterator[bytes]:
        """The lines of the events; then the trailer is compared with them."""
        digest = blake2b(self.first, digest_size=32)
        for count, raw in enumerate(self.lines):
            if raw.startswith(form.TRAILER_KEY):
                self._check_trailer(raw, count, digest.hexdigest())
                return
            digest.update(raw)
            yield raw
        raise self.lines.truncated("its last line, which says that it is whole, is missing")

    def _position(self, line: form.Line, last: int) -> int:
        position = line.position
        if position is None or not last < position <= self.header.head:
            raise self.lines.invalid(
                f"position {position} is not between {last} and {self.header.head}: "
                "lines were moved, or come from another export"
            )
        return position

    def _check_trailer(self, raw: bytes, count: int, digest: str) -> None:
        try:
            found = form.decode_trailer(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._broken(error) from None
        if (found.pyesdb_export_end, found.blake2b) != (count, digest):
            raise self.lines.invalid(
                f"the file was changed after it was written: it has {count:,} events, "
                f"{found.pyesdb_export_end:,} were written, or their digest differs: export it "
                "again"
            )
        if next(self.lines, None) is not None:
            raise self.lines.invalid("there is more behind the end of the export")


class CloudEvents(_File):
    """One CloudEvent on each line; positions are line numbers; `subject` is the stream."""

    def events(self, behind: int, source: str) -> Iterator[Arrival]:
        """The events behind a line number."""
        for raw in self._numbered():
            document = self._document(raw)
            try:
                event = pyesdb.NewEvent.from_cloudevent(document)
            except pyesdb.RequestError as error:
                raise self.lines.invalid(str(error)) from error
            stream = self._subject(document)
            if self.lines.number <= behind:
                self._pass(stream, event.id)
                continue
            yield Arrival(self.lines.number, stream, event, len(raw) + len(event.data))

    def _document(self, raw: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(raw, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._broken(error) from None

    def _subject(self, document: dict[str, Any]) -> str | None:
        subject = document.get("subject")
        if subject is not None and not isinstance(subject, str):
            raise self.lines.invalid("subject must be a string: it is the stream")
        return self._stream(subject)


class StoreSupply:
    """The events of another store; positions are its own."""

    def __init__(
        self,
        store: pyesdb.Store,
        select: pyesdb.Selector | None,
        after: int,
        before: int | None,
    ) -> None:
        self._store = store
        self._select = select
        self._before = before
        self._done = self._head = 0
        self.source = form.source_of(store, select)[1]
        self.after = after
        self.known: Known | None = None
        self.skipped = 0

    def events(self, behind: int, source: str) -> Iterator[Arrival]:
        """The events behind a position, up to the head as it is now."""
        if behind:
            self._look_back(behind)
        found = self._store.read_all(
            after=max(behind, self.after), before=self._before, select=self._select
        )
        self._head = found.head
        for event in visible(self._store, found):
            self._done = event.position
            copy = form.copy_of(event)
            yield Arrival(event.position, form.stream_of(event.stream), copy, _size(event))

    def _look_back(self, behind: int) -> None:
        """The last event that an earlier run has stored: what is visible now was visible then."""
        before = self._store.read_all(before=behind + 1, select=self._select, backwards=True)
        with before:
            last = next(visible(self._store, before), None)
        if last is not None:
            self.known = Known(last.position, last.stream, last.id)

    def progress(self) -> tuple[int, int]:
        """Position and head."""
        return self._done, self._head


def _size(event: pyesdb.RecordedEvent) -> int:
    names = len(event.type) + sum(map(len, event.tags))
    metadata = event.metadata
    return len(event.data) + 4 * names + (len(form.encode(metadata)) if metadata else 0) + 64
