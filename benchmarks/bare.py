"""The limit: bare apsw with the tables of a store, and the disk itself.

Same file format as a store (page checksums, WAL, synchronous=FULL), same work in the caller (an id
and the JSON of each event), no checks, no group commit, no errors, no other process.
"""

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import apsw
import apsw.sqlite_extra

from benchmarks.sides import looked_at
from benchmarks.work import Body, encode, kind
from pyesdb.operations.bench.surroundings import Disk, disk

__all__ = ["BATCH_TABLES", "STORE_TABLES", "Bare", "Disk", "batch_tables", "disk", "store_tables"]

COLUMNS = 13
CHUNK = 64
_EVENT = """
CREATE TABLE event (
    position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT NULL,
    type INTEGER NOT NULL, id BLOB NOT NULL, created INTEGER NOT NULL, time INTEGER,
    content_type TEXT, data BLOB NOT NULL, metadata BLOB NOT NULL, tags BLOB NOT NULL,
    digest BLOB, entry BLOB
) STRICT;
CREATE UNIQUE INDEX event_by_stream ON event (stream, version);
"""
STORE_TABLES = f"""{_EVENT}
CREATE INDEX event_by_type ON event (type);
CREATE TABLE command (
    id BLOB NOT NULL, digest BLOB NOT NULL, time INTEGER NOT NULL, outcome BLOB NOT NULL,
    PRIMARY KEY (id, digest)
) STRICT, WITHOUT ROWID;
"""
BATCH_TABLES = f"{_EVENT} CREATE INDEX event_by_type ON event (type, position);"
_FIELDS = (
    "SELECT position, stream, version, type, id, created, time, content_type, data, metadata, tags"
    " FROM event"
)


def _insert(rows: int) -> str:
    row = f"({', '.join('?' * COLUMNS)})"
    return f"INSERT INTO event VALUES {', '.join([row] * rows)}"


_RECORD = "INSERT INTO command VALUES (?, ?, ?, ?)"
_INSERT = [_insert(rows) for rows in range(CHUNK + 1)]


class Bare:
    """One connection; a transaction per append, as few statements as possible.

    `records`: with a row for the call itself, as a store writes it to recognise repeated calls.
    """

    def __init__(self, connection: apsw.Connection, *, records: bool) -> None:
        self._execute = connection.execute
        self._records = records
        self._position = 0
        self._streams: dict[str, int] = {}
        self._types: dict[str, int] = {}

    def _rows(self, stream: str, version: int, bodies: Sequence[Body]) -> list[tuple[object, ...]]:
        number = self._streams.setdefault(stream, len(self._streams) + 1)
        now = time.time_ns() // 1000
        rows: list[tuple[object, ...]] = []
        for body in bodies:
            self._position += 1
            name = kind(version)
            kind_id = self._types.setdefault(name, len(self._types) + 1)
            event_id, data = uuid.uuid4().bytes, encode(body)
            row = (self._position, number, version, kind_id, event_id, now, None, None, data)
            rows.append((*row, b"", b"", None, None))
            version += 1
        return rows

    def _write(self, rows: list[tuple[object, ...]]) -> None:
        execute = self._execute
        execute("BEGIN IMMEDIATE")
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            execute(_INSERT[len(part)], tuple(chain.from_iterable(part)))
        if self._records:
            now = time.time_ns() // 1000
            call = now.to_bytes(8) + os.urandom(8)
            execute(_RECORD, (call, call, now, b"outcome of 20 bytes."))
        execute("COMMIT")

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One transaction."""
        self._write(self._rows(stream, version, bodies))

    def fill(self, batch: Sequence[tuple[str, int, Sequence[Body]]]) -> None:
        """One transaction for all."""
        self._write([row for append in batch for row in self._rows(*append)])

    def scan(self) -> tuple[int, int]:
        """One statement over the whole table."""
        rows = self._execute(f"{_FIELDS} ORDER BY position")
        return looked_at(row[8] for row in rows)

    def scan_backwards(self) -> tuple[int, int]:
        """As scan, newest first."""
        rows = self._execute(f"{_FIELDS} ORDER BY position DESC")
        return looked_at(row[8] for row in rows)

    def replay(self, stream: str) -> tuple[int, int]:
        """One statement by stream number."""
        rows = self._execute(
            f"{_FIELDS} WHERE stream = ? ORDER BY version", (self._streams[stream],)
        )
        return looked_at(row[8] for row in rows.fetchall())


def _connect(path: Path, tables: str) -> apsw.Connection:
    with apsw.Connection(":memory:") as memory:
        default = apsw.vfs_names()[0]
        apsw.sqlite_extra.load(memory, "cksumvfs")
        apsw.set_default_vfs(default)
    connection = apsw.Connection(str(path), vfs="cksmvfs", statementcachesize=100)
    connection.reserve_bytes(reserve=8)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)  # or each bind plans anew
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=4000",
        "cache_size=-2000",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute(tables).fetchall()
    return connection


@contextmanager
def store_tables(folder: Path) -> Iterator[Bare]:
    """Bare apsw with the tables that an append to a store touches."""
    connection = _connect(folder / "bare.db", STORE_TABLES)
    yield Bare(connection, records=True)
    connection.close()


@contextmanager
def batch_tables(folder: Path) -> Iterator[Bare]:
    """Bare apsw with an events table, unique (stream, version) and index (type, position)."""
    connection = _connect(folder / "bare.db", BATCH_TABLES)
    yield Bare(connection, records=False)
    connection.close()
