"""The history of a store against what was written with it: digests, numbers, order, states.

Events are read by position, in pages that end where an append ends, each in one read transaction:
so a scavenge that runs meanwhile is seen before or behind a page, never inside one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pyesdb.machine.append import payload_rows
from pyesdb.machine.state import Settings, State, decode_state, stored_digest
from pyesdb.model.commands import encoded_bytes, events_digest
from pyesdb.model.encoding import decode_json, is_json
from pyesdb.model.errors import PyesdbError
from pyesdb.model.events import Record
from pyesdb.sqlite import files
from pyesdb.sqlite.statements import statement
from pyesdb.store.findings import COPY, REINDEX, RESTORE, Findings, Pulse
from pyesdb.store.readers import Reader

Row = tuple[Any, ...]
_BYTES = 4 << 20
_ROWS = 2000
_ROWS_MAX = 20_000
POSITION, STREAM, VERSION, TYPE, ID, CREATED, TIME = range(7)
CONTENT, DATA, METADATA, TAGS, DIGEST, ENTRY = range(7, 13)


class Tally:
    """What was counted on the way."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.marks: dict[int, bytes] = {}
        """Chains at multiples of 1000, from the entries that say them."""
        self.complete = True
        """False when a part could not be read: then nothing is compared with the counters."""


def array_bytes(count: int) -> int:
    """What msgpack puts in front of an array: counted with each append, and never given back."""
    return 1 if count < 16 else 3 if count < 1 << 16 else 5


def indexed_paths(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths of the setting indexed_payload, as the machine knows them."""
    raw = meta.get("settings")
    return msgspec.msgpack.decode(raw, type=Settings).indexed_payload if raw else ()


class History:
    """One walk along all events up to a position."""

    def __init__(
        self, reader: Reader, found: Findings, until: int, clock: int, begins: int = 0
    ) -> None:
        self.reader = reader
        self.found = found
        self.until = until
        self.clock = clock
        self.tally = Tally()
        self.paths: tuple[str, ...] = ()
        self._created = 0
        self._state = State()
        self._after = begins  # a store's first position is the one behind it
        self._broken = False  # the events in front of the next page could not be read

    def run(self, pulse: Pulse) -> Tally:
        """Walk; `pulse` is called with the positions done, page by page."""
        while self._after < self.until:
            before = self._after
            self._page()
            pulse(self._after - before)
        return self.tally

    # -- pages

    def _page(self) -> None:
        with self.reader.moment():
            rows, damaged_behind = self._rows()
            if rows:
                self._check(rows)
                self._after = rows[-1][POSITION]
                self._broken = False
            if damaged_behind is not None:
                self._skip(damaged_behind)
            elif not rows:
                self._gap(self._after, self.until + 1, 0)
                self._after = self.until

    def _rows(self) -> tuple[list[Row], int | None]:
        """The next rows up to the end of an append, and behind which position one is damaged."""
        rows: list[Row] = []
        size = 0
        cursor = self.reader.connection.cursor()
        try:
            for row in cursor.execute(statement("verify_events"), (self._after, self.until)):
                rows.append(row)
                size += len(row[DATA]) + len(row[METADATA]) + len(row[TAGS])
                full = size >= _BYTES or len(rows) >= _ROWS
                if (full and row[DIGEST] is not None) or len(rows) >= _ROWS_MAX:
                    break
        except files.FAILURES:
            behind = rows[-1][POSITION] if rows else self._after
            while rows and rows[-1][DIGEST] is None:
                rows.pop()
            return rows, behind
        finally:
            cursor.close()
        return rows, None

    def _skip(self, start: int) -> None:
        """Go on behind what cannot be read: seek with doubled steps, then halve back."""
        step = 1
        while start + step < self.until and not self._readable(start + step):
            step *= 2
        low, high = start + step // 2, min(start + step, self.until)
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._readable(middle) else (middle, high)
        self.tally.complete = False
        self._broken = True
        self._after = high
        where = f"position {start + 1}" if high <= start + 1 else f"positions {start + 1}-{high}"
        self.found.add("unreadable events", where, "the events cannot all be read", RESTORE)

    def _readable(self, after: int) -> bool:
        cursor = self.reader.connection.cursor()
        try:
            cursor.execute(statement("verify_events"), (after, self.until)).fetchone()
        except files.FAILURES:
            return False
        finally:
            cursor.close()
        return True

    # -- one page

    def _check(self, rows: list[Row]) -> None:
        first, last = self._after, rows[-1][POSITION]
        pruned = {row[0]: row[1:] for row in self._ask("verify_pruned_of", first, last)}
        payloads: list[tuple[str, str, int]] = []
        self.paths = indexed_paths(dict(self._ask("meta")))
        previous, partial = first, self._broken
        for group in _appends(rows):
            lost = self._append(group, pruned.get(group[-1][POSITION]), partial=partial)
            if not partial:
                self._gap(previous, group[0][POSITION], lost)
            previous, partial = group[-1][POSITION], False
            for row in group:
                self._order(row)
                payloads += self._payloads(row)
        self.tally.events += len(rows)
        self._places(first, last)
        self._indexed(first, last, payloads)

    def _ask(self, name: str, *args: Any) -> list[Row]:
        """Rows of a question; what cannot be read is a finding, and no rows."""
        try:
            return self.reader.all(name, *args)
        except files.FAILURES as error:
            self.tally.complete = False
            self.found.add(
                f"unreadable: {name}",
                f"positions {self._after + 1}-{self.until}",
                f"{_ASKED.get(name, 'a table')} cannot be read there ({error})",
                RESTORE,
            )
            return []

    def _append(self, group: list[Row], pruned: Row | None, *, partial: bool) -> int:
        """Check one append; the answer is how many events it lost at its front to a scavenge."""
        digest, whole = group[-1][DIGEST], len(group)
        wanted = digest
        if pruned is not None:
            first, end, recorded, wanted = pruned
            whole = end - first + 1
            if recorded != digest:
                what = "the digest differs from the one kept by a scavenge"
                self.found.add("pruned", self._place(group), what, RESTORE)
        records = self._records(group)
        self.tally.bytes += sum(map(encoded_bytes, records)) + array_bytes(whole)
        if partial:
            return 0
        if digest is None:
            what = "the end of this append is missing"
            self.found.add("no digest", self._place(group), what, RESTORE)
        elif not _one_append(group) or wanted != _digest_of(group, records):
            what = "the events are not what was appended: their digest differs"
            self.found.add("digest", self._place(group), what, RESTORE)
        return whole - len(group)

    def _place(self, group: list[Row]) -> str:
        first, last = group[0], group[-1]
        return (
            f"stream {self.reader.stream_name(first[STREAM])}, "
            f"version {first[VERSION]}-{last[VERSION]}, "
            f"position {first[POSITION]}-{last[POSITION]}"
        )

    def _records(self, group: list[Row]) -> list[Record]:
        records: list[Record] = []
        for row in group:
            if row[TYPE] is None:
                self.found.add(
                    "type", f"position {row[POSITION]}", "the name of its type is missing", RESTORE
                )
            records.append(
                (row[TYPE] or "", row[ID], row[TIME], row[CONTENT], row[DATA], row[METADATA],
                 self._tags(row))
            )  # fmt: skip
        return records

    def _tags(self, row: Row) -> tuple[str, ...]:
        try:
            return tuple(decode_json(row[TAGS], "tags")) if row[TAGS] else ()
        except (PyesdbError, TypeError):
            self.found.add("tags", f"position {row[POSITION]}", "its tags are no list", RESTORE)
            return ()

    def _gap(self, before: int, behind: int, lost: int) -> None:
        """Positions that have no event must be those that a scavenge recorded."""
        missing = behind - before - 1
        if missing == lost:
            return
        gone = self._ask("verify_gone", before, behind)
        if gone and gone[0][0] != missing - lost:
            self.found.add(
                "missing events",
                f"positions {before + 1}-{behind - 1}",
                f"{missing - lost - gone[0][0]} events are missing that no scavenge reclaimed",
                RESTORE,
            )

    def _order(self, row: Row) -> None:
        position, created, entry = row[POSITION], row[CREATED], row[ENTRY]
        if not self._created <= created <= self.clock:
            self.found.add("created", f"position {position}", "`created` is not in order", RESTORE)
        self._created = max(self._created, min(created, self.clock))
        if entry is None:
            return
        try:
            state = decode_state(entry)
        except msgspec.MsgspecError as error:
            self.found.add("entry", f"position {position}", f"its state: {error}", RESTORE)
            return
        before = self._state
        if (
            state.position != position
            or state.clock != created
            or state.seq <= before.seq
            or state.commands <= before.commands
            or state.streams < before.streams
        ):
            self.found.add(
                "entry",
                f"position {position}, entry {state.seq}",
                f"the state of the entry does not follow that of entry {before.seq}",
                RESTORE,
            )
        if state.seq % 1000 == 0:
            self.tally.marks[state.seq] = state.chain
        self._state = state

    # -- what must lead to the events

    def _places(self, first: int, last: int) -> None:
        for position, stream, version, name, swept, before in self._ask(
            "verify_streams_of", first, last
        ):
            where = f"stream {name!r}, version {version}, position {position}"
            if name is None:
                what = f"the row of its stream {stream} is missing"
            elif version < swept:
                what = f"every version below {swept} was reclaimed, this one is there"
            elif before is None:
                what = f"version {version - 1} is missing in front of it"
            else:
                what = f"version {version - 1} stands behind it, at position {before}"
            self.found.add("versions", where, what, RESTORE)

    def _indexed(self, first: int, last: int, payloads: list[tuple[str, str, int]]) -> None:
        for name in ("verify_not_by_stream", "verify_not_by_type"):
            for (position,) in self._ask(name, first, last):
                index = name.removeprefix("verify_not_")
                self.found.add(
                    f"index event_{index}", f"position {position}, index event_{index}",
                    "the event is not in the index", COPY,
                )  # fmt: skip
        for position, tag in self._ask("verify_not_by_tag", first, last):
            self.found.add(
                "index event_tag", f"position {position}, index event_tag",
                f"the event is not found by its tag {tag!r}", COPY,
            )  # fmt: skip
        if payloads:
            there = {key for row in payloads for key in self._ask("verify_payload_row", *row)}
            for path, _, position in sorted(set(payloads) - there):
                self.found.add(
                    "index event_payload", f"position {position}, index event_payload",
                    f"the event is not found by its {path!r}", REINDEX,
                )  # fmt: skip

    def _payloads(self, row: Row) -> list[tuple[str, str, int]]:
        if not self.paths or not (row[CONTENT] is None or is_json(row[CONTENT])):
            return []
        return payload_rows(self.paths, row[DATA], row[POSITION])


_ASKED = {
    "verify_streams_of": "the index event_by_stream or the table stream",
    "verify_not_by_stream": "the index event_by_stream",
    "verify_not_by_type": "the index event_by_type",
    "verify_not_by_tag": "the table tag or event_tag",
    "verify_pruned_of": "the table pruned",
    "verify_gone": "the table pruned",
    "verify_payload_row": "the table event_payload",
    "meta": "the table meta",
}


def _appends(rows: list[Row]) -> Iterator[list[Row]]:
    """The events of each append: up to the one with a digest."""
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if row[DIGEST] is not None:
            yield group
            group = []
    if group:
        yield group


def _one_append(group: list[Row]) -> bool:
    """Whether the events stand one behind the other in one stream and at one moment."""
    first = group[0]
    return all(
        row[STREAM] == first[STREAM]
        and row[CREATED] == first[CREATED]
        and row[VERSION] == first[VERSION] + offset
        and row[POSITION] == first[POSITION] + offset
        for offset, row in enumerate(group)
    )


def _digest_of(group: list[Row], records: list[Record]) -> bytes:
    head = group[0]
    content = events_digest(records)
    return stored_digest(
        content, head[STREAM], head[VERSION], head[POSITION], head[CREATED], len(group)
    )
