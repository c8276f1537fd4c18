"""The limit of a store: the same file, written and read with nothing in between.

For `pyesdb bench` alone. A transaction has the rows of an append (its events, the record of the
call) and nothing else is done: no queue, no checks, no digests, no notice of other processes.

What must never happen here: a store's own file that is written to.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from pyesdb.sqlite.files import Connection, create, open_reader, open_writer, typed_errors
from pyesdb.sqlite.statements import ROWS, rows, statement
from pyesdb.telemetry.clock import now_us

Row = tuple[str, bytes, bytes]
"""An event: its type, its id, its data."""

_OUTCOME = b"outcome of 20 bytes."
_EVERYTHING = (0, 1 << 62, -1)
_DATA = 8


class BareWriter:
    """One connection, one transaction per append, as few statements as possible."""

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute
        self._position = 0
        self._streams: dict[str, int] = {}
        self._types: dict[str, int] = {}

    def append(self, stream: str, version: int, events: Sequence[Row]) -> None:
        """Commit events of a stream, from `version` on; durable when it returns."""
        number = self._streams.setdefault(stream, len(self._streams) + 1)
        now = now_us()
        values: list[tuple[int | str | bytes | None, ...]] = []
        for offset, (kind, event_id, data) in enumerate(events):
            self._position += 1
            kind_id = self._types.setdefault(kind, len(self._types) + 1)
            place = (self._position, number, version + offset, kind_id, event_id, now)
            values.append((*place, None, None, data, b"", b"", None, None))
        execute = self._execute
        execute("BEGIN IMMEDIATE")
        for start in range(0, len(values), ROWS):
            part = values[start : start + ROWS]
            execute(rows("add_events", len(part)), tuple(chain.from_iterable(part)))
        call = now.to_bytes(8, "big") + os.urandom(8)
        execute(statement("add_records"), (call, call, now, _OUTCOME))
        execute("COMMIT")


@contextmanager
def bare_writer(path: Path) -> Generator[BareWriter]:
    """A new file with the tables and settings of a store's, to write into."""
    with typed_errors(path):
        create(path, {"store": "bare"})
        connection = open_writer(path, durability="fsync")
        try:
            yield BareWriter(connection)
        finally:
            connection.close()


class BareReader:
    """Rows of a store's file, fetched and nothing more; the data of each event."""

    def __init__(self, connection: Connection) -> None:
        self._execute = connection.execute

    def scan(self) -> Iterator[bytes]:
        """Every event in order: one statement over the whole table."""
        for row in self._execute(statement("all_forwards"), _EVERYTHING):
            yield row[_DATA]  # type: ignore[misc]

    def number(self, stream: str) -> int:
        """The number of a stream, by which its events are found."""
        [row] = self._execute(statement("stream_at"), (stream,)).fetchall()
        return int(row[0])  # type: ignore[arg-type]

    def replay(self, number: int) -> list[bytes]:
        """One statement by the number of a stream."""
        found = self._execute(statement("stream_forwards"), (number, 0, 1 << 62, 1 << 62, -1))
        return [row[_DATA] for row in found.fetchall()]  # type: ignore[misc]


@contextmanager
def bare_reader(path: Path) -> Generator[BareReader]:
    """The file of a store, to read from; others may go on writing."""
    with typed_errors(path):
        connection = open_reader(path)
        try:
            yield BareReader(connection)
        finally:
            connection.close()
