"""What leads to events and what speaks of them: indexes, dictionaries, snapshots, deliveries.

Each table is walked once in the order of its key, a page at a time. A page that cannot be read ends
the walk of that table, which is a finding; the other tables are walked all the same.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pyesdb.machine.append import payload_rows
from pyesdb.machine.state import ACTIVE, DELETED, TOMBSTONED
from pyesdb.machine.subscriptions import decode_clauses, decode_rules
from pyesdb.model.encoding import decode_json, is_json
from pyesdb.model.errors import PyesdbError
from pyesdb.model.outcomes import Appended, decode_outcome
from pyesdb.sqlite import files
from pyesdb.sqlite.statements import statement
from pyesdb.store.findings import (
    COPY,
    FORGET,
    REINDEX,
    RESTORE,
    SUBSCRIPTION,
    Findings,
    Pulse,
)
from pyesdb.store.history import indexed_paths
from pyesdb.store.readers import Reader

Row = tuple[Any, ...]
_ROWS = 2000
_BYTES = 4 << 20
_TABLES = (
    "sqlite_schema", "meta", "state", "mark", "stream", "type", "tag", "pruned", "command",
    "tracking", "snapshot", "subscription", "delivery",
)  # fmt: skip
"""Tables that SQLite's own check walks: those of events are walked here, a page at a time."""


class References:
    """Walks along everything that is not an event, up to the bounds of the first question."""

    def __init__(self, reader: Reader, found: Findings, pulse: Pulse, until: int) -> None:
        self.reader = reader
        self.found = found
        self.pulse = pulse
        self.until = until
        self.complete = True

    def _walk(
        self, name: str, key: tuple[Any, ...], bounds: tuple[int, ...], check: Callable[[Row], None]
    ) -> int:
        """Ask page by page, from a key on; the columns in front are the key. How many rows."""
        count, width = 0, len(key)
        while True:
            try:
                rows = self.reader.all(name, *key, *bounds, _ROWS)
            except files.FAILURES as error:
                self._unreadable(name, error)
                return count
            for row in rows:
                check(row)
            count += len(rows)
            self.pulse(len(rows))
            if len(rows) < _ROWS or rows[-1][:width] <= key:
                return count
            key = rows[-1][:width]

    def _unreadable(self, name: str, error: BaseException) -> None:
        self.complete = False
        what = name.removeprefix("verify_")
        self.found.add(
            f"unreadable: {what}",
            f"while walking {what}",
            f"a page cannot be read ({error}); what is behind it was not examined",
            RESTORE,
        )

    # -- SQLite's own structure

    def structure(self) -> None:
        """What SQLite says of the tables that do not grow with the events, and their indexes."""
        for table in _TABLES:
            try:
                found = self.reader.execute(f"PRAGMA integrity_check({table})").fetchall()
            except files.FAILURES as error:
                self._unreadable(table, error)
                continue
            for (message,) in found:
                if message != "ok":
                    self.found.add(f"table {table}", f"table {table}", str(message), RESTORE)
            self.pulse(0)

    # -- indexes of events

    def indexes(self) -> None:
        """Every row of an index of events leads to an event that says the same."""
        self._walk("verify_by_stream", (0, -1), (self.until,), self._by_stream)
        self._walk("verify_by_type", (0, 0), (self.until,), self._by_type)
        self._walk("verify_by_tag", (0, 0), (self.until,), self._by_tag)
        self._by_payload()

    def _by_stream(self, row: Row) -> None:
        if row[3] is None:
            name = self.reader.stream_name(row[0])
            place = f"index event_by_stream, stream {name}, version {row[1]}, position {row[2]}"
            self.found.add("index event_by_stream", place, "no such event is there", COPY)

    def _by_type(self, row: Row) -> None:
        if row[2] is None:
            place = f"index event_by_type, type {row[0]}, position {row[1]}"
            self.found.add("index event_by_type", place, "no such event is there", COPY)

    def _by_tag(self, row: Row) -> None:
        if not row[2]:
            place = f"index event_tag, tag {row[0]}, position {row[1]}"
            self.found.add("index event_tag", place, "no event with this tag is there", COPY)

    def _by_payload(self) -> None:
        key: Row = ("", "", 0)
        while key:
            try:
                with self.reader.moment():
                    paths = indexed_paths(dict(self.reader.all("meta")))
                    rows = self._payload_page(key)
            except files.FAILURES as error:
                self._unreadable("event_payload", error)
                return
            for row in rows:
                if not _has_payload(paths, row):
                    self.found.add(
                        "index event_payload", f"index event_payload, {row[0]}, position {row[2]}",
                        "no event with this value is there", REINDEX,
                    )  # fmt: skip
            self.pulse(len(rows))
            key = rows[-1][:3] if rows else ()

    def _payload_page(self, key: Row) -> list[Row]:
        rows: list[Row] = []
        size = 0
        cursor = self.reader.connection.cursor()
        try:
            for row in cursor.execute(statement("verify_by_payload"), (*key, self.until)):
                rows.append(row)
                size += len(row[4] or b"")
                if size >= _BYTES or len(rows) >= _ROWS:
                    break
        finally:
            cursor.close()
        return rows

    # -- dictionaries and what else there is

    def streams(self, last: int, clock: int) -> int:
        """The rows of streams, and how many there are."""

        def check(row: Row) -> None:
            id_, name, created, touched, state, first, swept, version = row
            end = swept - 1 if version is None else version
            right = (
                state in (ACTIVE, DELETED, TOMBSTONED)
                and 0 <= swept <= first <= end + 1
                and (state == ACTIVE or first == end + 1)
                and created <= min(touched, clock)
            )
            if not right:
                what = "its numbers contradict each other or its events"
                self.found.add("stream", f"stream {name!r} (row {id_})", what, RESTORE)

        return self._walk("verify_streams", (0,), (last,), check)

    def pruned(self) -> None:
        """What scavenges kept of the appends that lost events."""

        def check(row: Row) -> None:
            position, stream, first, last, gone, name, swept, version, left = row
            if gone:
                right = name is not None and last < swept and left == 0
            else:
                right = name is not None and version == last and left == last - swept + 1
            if not right or first > last:
                place = f"pruned append at position {position} (stream {name!r}, row {stream})"
                self.found.add("pruned", place, "it contradicts the stream or its events", RESTORE)

        self._walk("verify_pruned", (0,), (self.until,), check)

    def marks(self, known: dict[int, bytes], last: int) -> None:
        """The chain at multiples of 1000 entries."""
        seen: set[int] = set()

        def check(row: Row) -> None:
            seq, chain = row
            seen.add(seq)
            if seq % 1000 or (seq in known and known[seq] != chain):
                self.found.add(
                    "mark", f"mark {seq}", "the chain differs from that of the entry", RESTORE
                )

        self._walk("verify_marks", (0,), (), check)
        for seq in range(1000, last + 1, 1000):
            if self.complete and seq not in seen:
                self.found.add("mark", f"mark {seq}", "it is missing", RESTORE)

    def snapshots(self) -> None:
        """Snapshots stand in streams that are there, not beyond their end."""

        def check(row: Row) -> None:
            _, source, stream, version, metadata, state, last = row
            if state != ACTIVE or version > last or not _decodes(metadata):
                what = "its stream or its version is not there, or its metadata is no JSON"
                place = f"snapshot of {stream!r} by {source!r} at version {version}"
                self.found.add("snapshot", place, what, FORGET)

        self._walk("verify_snapshots", (0,), (), check)

    def subscriptions(self) -> None:
        """Subscriptions can be read, and what they owe is there."""

        def check(row: Row) -> None:
            _, name, clauses, settings = row
            try:
                decode_clauses(clauses)
                decode_rules(settings)
            except msgspec.MsgspecError as error:
                self.found.add(
                    "subscription", f"subscription {name!r}", f"it cannot be read: {error}", RESTORE
                )

        def owed(row: Row) -> None:
            place = f"subscription row {row[0]}, position {row[1]}"
            what = "it owes an event that is not there, or belongs to no subscription"
            self.found.add("delivery", place, what, SUBSCRIPTION)

        self._walk("verify_subscriptions", (0,), (), check)
        self._walk("verify_deliveries", (0, 0), (), owed)

    def commands(self) -> int:
        """Recorded outcomes can be read; the last position that one of them stored."""
        last = 0

        def check(row: Row) -> None:
            nonlocal last
            try:
                outcome = decode_outcome(row[3])
                if isinstance(outcome, Appended):
                    last = max(last, *(result[3] for result in outcome.results), 0)
            except msgspec.MsgspecError as error:
                what = f"its recorded outcome cannot be read: {error}"
                self.found.add("command", f"command {row[0].hex()}", what, RESTORE)

        self._walk("verify_commands", (b"", b""), (), check)
        return last


def _has_payload(paths: tuple[str, ...], row: Row) -> bool:
    path, value, position, content, data = row
    if path not in paths or data is None or not (content is None or is_json(content)):
        return False
    return (path, value, position) in payload_rows((path,), data, position)


def _decodes(metadata: bytes) -> bool:
    try:
        return not metadata or isinstance(decode_json(metadata, "metadata"), dict)
    except PyesdbError:
        return False
