"""Rows of events for a page of a read, bounded in number and in bytes.

What was read says nothing of what follows: behind two thousand events of ten bytes may lie a
thousand of a megabyte. What must never happen here: a statement left open behind a page that its
bytes ended; it would hold the write-ahead log's end for as long as the reader lies idle.
"""

from itertools import islice
from typing import Any

from pyesdb.sqlite.statements import statement
from pyesdb.store.readers import Reader

Row = tuple[Any, ...]

BYTES = 4 << 20
STEP = 64
"""Rows between two looks at their bytes: a page is larger than `BYTES` by these at most. It costs
1 % of a read's instructions; a look at fewer rows costs more."""


class Page:
    """The rows of one page, the bytes of their data and metadata, and whether these ended it."""

    __slots__ = ("cut", "rows", "size")

    def __init__(self, rows: list[Row], size: int, *, cut: bool) -> None:
        self.rows = rows
        self.size = size
        self.cut = cut


def bytes_of(rows: list[Row]) -> int:
    """How many bytes of data and metadata they have."""
    return sum([len(row[8]) + len(row[9]) for row in rows])


def fetch(reader: Reader, name: str, *args: Any) -> Page:
    """The rows of a named statement, up to the bytes of a page."""
    cursor = reader.connection.cursor()
    try:
        found = cursor.execute(statement(name), args)
        rows = part = list(islice(found, STEP))  # in C, as fetchall: no Python between two rows
        size = bytes_of(part)
        while len(part) == STEP and size <= BYTES:
            part = list(islice(found, STEP))
            size += bytes_of(part)
            rows += part
        return Page(rows, size, cut=size > BYTES)
    finally:
        cursor.close()


def fetch_at(reader: Reader, positions: list[int]) -> tuple[Page, int]:
    """The events at positions, up to the bytes of a page, and how many were looked up."""
    rows: list[Row] = []
    count = size = 0
    while count < len(positions) and size <= BYTES:
        part = reader.find("events_at", positions[count : count + STEP])
        size += bytes_of(part)
        rows += part
        count += STEP
    return Page(rows, size, cut=size > BYTES), min(count, len(positions))
