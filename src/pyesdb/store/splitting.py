"""Selected events of a store, copied into a new file by the machine itself.

The new file's log is run by the clock of the source: the time of each entry is the `created` of its
events. So ids, order, `created` and `time` stay, and versions and positions are numbered anew.

What must never happen here: an event that its stream hides (deleted, truncated, expired) comes to
light in the copy; the order of events changes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import astuple, replace

from pyesdb.model.commands import (
    Command,
    Entry,
    SetStreamMetadata,
    append_events,
    stream_append,
    with_digest,
)
from pyesdb.model.errors import Internal
from pyesdb.model.events import Origin, Record, RecordedEvent
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.limits import EXPIRES_US
from pyesdb.model.outcomes import Outcome, Refused
from pyesdb.model.selectors import Selector
from pyesdb.sqlite import files
from pyesdb.sqlite.cipher import Keys
from pyesdb.sqlite.statements import statement
from pyesdb.store.applier import Applier
from pyesdb.store.readers import Names, Reader
from pyesdb.store.reads import AllRead

T = TypeVar("T")
_APPEND_EVENTS = 1000
_APPEND_BYTES = 1 << 20
_BATCH_ENTRIES = 2000
_BATCH_BYTES = 4 << 20


class Moment:
    """One moment of a store as a source of reads: everything is asked of one connection."""

    def __init__(self, reader: Reader, origin: Origin) -> None:
        self.reader = reader
        self.origin = origin
        self.names = Names()

    def ask(self, question: Any) -> Any:
        """Answer a question."""
        return question(self.reader)


def split(
    source: Moment,
    selector: Selector,
    until: int | None,
    target: Path,
    keys: Keys | None = None,
) -> None:
    """Make a file of the visible events that are selected, up to a position.

    Retention and custom metadata of their streams come along; snapshots, subscriptions and
    tracked positions do not: they speak of other versions and positions.
    """
    building = _Building(target, keys)
    try:
        read = AllRead(
            source, 0, None, lambda _: until, selector, None, backwards=False, system=True
        )
        firsts: dict[str, int] = {}
        page = read.open()
        while page:
            new = list({event.stream for event in page} - firsts.keys())
            firsts.update(source.reader.find("first_visible", new))  # type: ignore[arg-type]
            building.add([event for event in page if event.version >= firsts[event.stream]])
            page = read.next_page()
        building.describe(source.reader)
        building.commit()
    finally:
        building.close()
    _forget_commands(target, keys)


def _forget_commands(path: Path, keys: Keys | None) -> None:
    """Nobody knows the ids of the commands that built the copy."""
    with files.typed_errors(path):
        connection = files.open_writer(path, durability="os", keys=keys)
        try:
            connection.execute(statement("forget_commands")).fetchall()
        finally:
            connection.close()


class _Building:
    """The file being built: events are gathered to appends, entries and transactions."""

    def __init__(self, path: Path, keys: Keys | None) -> None:
        self._applier = Applier(path, "os", _nobody_waits, keys=keys)
        self._seq: int = self._applier.begin()[0]
        self._time: int = 0
        self._applier.rollback()
        self._entries: list[Entry] = []
        self._size = 0
        self._run: list[Record] = []
        self._run_bytes = 0
        self._stream: str = ""
        self._last: dict[str, int] = {}

    def add(self, events: Iterable[RecordedEvent]) -> None:
        """Take the next events, in order."""
        for event in events:
            created = event._created  # pyright: ignore[reportPrivateUsage]
            full = len(self._run) >= _APPEND_EVENTS or self._run_bytes >= _APPEND_BYTES
            if event.stream != self._stream or created != self._time or full:
                self._end_append()
                self._stream, self._time = event.stream, created
            self._run.append(_record(event))
            self._run_bytes += len(event.data)

    def _end_append(self) -> None:
        if not self._run:
            return
        last = self._last.get(self._stream, -1)
        self._last[self._stream] = last + len(self._run)
        part = stream_append(self._stream, last, self._run)
        self._propose(append_events(uuid7_bytes(), [part]), part.size)
        self._run, self._run_bytes = [], 0

    def _propose(self, command: Command, size: int) -> None:
        self._seq += 1
        stamped = replace(command, expires=self._time + EXPIRES_US)
        self._entries.append(Entry(self._seq, self._time, [stamped]))
        self._size += size
        if len(self._entries) >= _BATCH_ENTRIES or self._size >= _BATCH_BYTES:
            self._deliver()

    def _deliver(self) -> None:
        outcomes = self._applier.deliver_together(self._entries) if self._entries else []
        self._entries, self._size = [], 0
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                raise Internal(f"an event could not be copied: {outcome.message}")

    def describe(self, reader: Reader) -> None:
        """Give the streams the retention and the custom metadata that they have in the source."""
        self._end_append()
        for name, max_age, max_count, custom in reader.all("described_streams"):
            if name in self._last:
                changes = {"max_age": max_age, "max_count": max_count, "custom": custom}
                self._propose(with_digest(SetStreamMetadata, uuid7_bytes(), name, changes), 200)

    def commit(self) -> None:
        """Write what is gathered."""
        self._end_append()
        self._deliver()

    def close(self) -> None:
        """Let go of the file."""
        self._applier.close()


def _record(event: RecordedEvent) -> Record:
    _, _, _, _, kind, data, content_type, id_, _, time, metadata, _ = astuple(event)
    return kind, id_, time, content_type, data, metadata, event.tags


def _nobody_waits(entry: Entry, outcomes: list[Outcome]) -> None:
    """What is committed here has no caller."""
