"""What is stored: every event says which call it belongs to; everything else follows from that."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID
from zlib import crc32

from pyesdb import Append, NewEvent

STORES = ("default", "side")
"""The stores that are never removed; `side` takes the imports."""

CONTESTED = ("life-a", "life-b")
"""Stores that every thread creates and removes."""

AGED = "aged"
"""A stream whose events may be hidden after a day, and never are: no child lives so long."""

IMPORTS, IMPORTED = 6, 60
"""Files that are imported, and the events in each."""

Parts = list[tuple[str | None, int]]
"""The streams of an append and how many events each gets; None: events of no stream."""


def own(process: int) -> str:
    """The store that one process alone creates and removes."""
    return f"own-{process}"


def uuid(*of: object) -> UUID:
    """Always the same for the same call."""
    return UUID(bytes=blake2b(repr(of).encode(), digest_size=16).digest())


def payload(call: str, n: int) -> dict[str, Any]:
    """The data of the n-th event of a call; now and then more than a page of it."""
    chance = crc32(f"{call}/{n}".encode())
    return {"c": call, "n": n, "x": "x" * (5000 if chance % 151 == 0 else chance % 200)}


def events(call: str, first: int, count: int, tags: Iterable[str] = ()) -> list[NewEvent]:
    """The events of a call from its `first` on."""
    return [
        NewEvent("E", payload(call, n), tags=tags, id=uuid("event", call, n))
        for n in range(first, first + count)
    ]


def appends(call: str, parts: Parts) -> list[Append]:
    """What append_many takes."""
    found, first = [], 0
    for stream, count in parts:
        found.append(Append(stream, events(call, first, count)))
        first += count
    return found


def spread(parts: Parts) -> list[tuple[str, int]]:
    """Stream and number of each event of a call, in order."""
    streams = [stream or "$events" for stream, count in parts for _ in range(count)]
    return [(stream, n) for n, stream in enumerate(streams)]


def import_call(number: int) -> str:
    """What the events of an imported file say of their call."""
    return f"import-{number}"


def import_parts() -> Parts:
    """The order of the events in each file: streams take turns, so it is many batches."""
    return [(f"imported-{turn % 3}", 5) for turn in range(IMPORTED // 5)]


def write_import(path: Path, number: int) -> None:
    """A file of lines; its positions are the line numbers."""
    call = import_call(number)
    with path.open("w") as file:
        for stream, n in spread(import_parts()):
            line = {"stream": stream, "type": "E", "data": payload(call, n)}
            file.write(json.dumps({**line, "id": str(uuid("event", call, n))}) + "\n")
