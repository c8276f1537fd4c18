"""The form of a file of events: a header, an event on each line, a trailer.

Lossless: data that is JSON stands in its line byte by byte as it was appended; any other data is
base64. What must never happen here: bytes that come back different.
"""

from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

import pyesdb

VERSION = 1
LINE_BYTES_MAX = 4 << 20
"""A line, 4 MiB: an event of 1 MiB as base64 or with every quote escaped, and its names."""
JSON = "application/json"
EVENTS = "$events"
HEADER_KEY = b'{"pyesdb_export":'
TRAILER_KEY = b'{"pyesdb_export_end":'

_NOTHING = msgspec.Raw(b"")


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: which store this comes from, and which of its events."""

    pyesdb_export: int
    store: str
    incarnation: int
    created: datetime
    select: list[Any] | None
    after: int
    head: int
    source: str


class Trailer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: how many events there are, and the BLAKE2b digest of all lines before."""

    pyesdb_export_end: int
    blake2b: str


class Line(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An event; only `stream` and `type` must be there. As `pyesdb read --json` prints it."""

    stream: str | None
    type: str
    version: int | None = None
    position: int | None = None
    id: UUID | None = None
    created: datetime | None = None
    time: datetime | None = None
    content_type: str | None = None
    tags: list[str] = msgspec.field(default_factory=list[str])
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    data: msgspec.Raw = _NOTHING
    data_base64: bytes | None = None


encode = msgspec.json.Encoder().encode
decode_line = msgspec.json.Decoder(Line).decode
decode_header = msgspec.json.Decoder(Header).decode
decode_trailer = msgspec.json.Decoder(Trailer).decode
_decode_json = msgspec.json.Decoder().decode


def source_of(store: pyesdb.Store, select: pyesdb.Selector | None) -> tuple[Header, str]:
    """The header of an export of all positions, and the name under which targets track it.

    The name means one history and one selection: store id, incarnation and the moment the store
    was created, which differs between databases that use the same ids.
    """
    info = store.info()
    chosen = selection(select)
    identity = (info.store_id, info.incarnation, info.created, chosen)
    digest = blake2b(encode(identity), digest_size=12).hexdigest()
    name = f"store:{info.store_id}@{info.incarnation}:{digest}"
    header = Header(VERSION, info.store_id, info.incarnation, info.created, chosen, 0, 0, name)
    return header, name


def selection(select: pyesdb.Selector | None) -> list[Any] | None:
    """A selector as plain values, the same for A | B and B | A; None for everything."""
    if select is None or select == pyesdb.select.everything:
        return None
    return sorted(msgspec.to_builtins(select)["clauses"], key=encode)


def line_of(event: pyesdb.RecordedEvent) -> Line:
    """An event as a line."""
    line = Line(
        event.stream,
        event.type,
        event.version,
        event.position,
        event.id,
        event.created,
        event.time,
        event.content_type,
        list(event.tags),
        dict(event.metadata),
    )
    if not _stands_as_json(event.data, event.content_type):
        line.data_base64 = event.data
        return line
    line.data = msgspec.Raw(event.data)
    if event.content_type == JSON:
        line.content_type = None
    return line


def _stands_as_json(data: bytes, content_type: str) -> bool:
    """Whether data can stand in a line as it is: JSON, no line break, no blanks around it."""
    if not content_type.startswith(JSON) or b"\n" in data or b"\r" in data:
        return False
    if not data or data[0] == 0x20 or data[-1] == 0x20 or b"\t" in data:
        return False
    try:
        _decode_json(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def event_of(line: Line, id_: UUID) -> pyesdb.NewEvent:
    """The event of a line, to be appended under `id_`; raises InvalidEvent, LimitExceeded."""
    data, content_type = bytes(line.data), line.content_type
    if line.data_base64 is None:
        data, content_type = data or b"{}", content_type or JSON
    elif data:
        raise pyesdb.InvalidEvent("an event has data or data_base64, not both")
    else:
        data = line.data_base64
    return pyesdb.NewEvent(
        line.type,
        data,
        metadata=line.metadata or None,
        tags=line.tags,
        id=id_,
        time=line.time,
        content_type=content_type,
    )


def copy_of(event: pyesdb.RecordedEvent) -> pyesdb.NewEvent:
    """A recorded event as one to be appended: id, data, metadata, tags and time are kept."""
    return pyesdb.NewEvent(
        event.type,
        event.data,
        metadata=event.metadata or None,
        tags=event.tags,
        id=event.id,
        time=event.time,
        content_type=event.content_type,
    )


@lru_cache(maxsize=65536)
def stream_of(name: str | None) -> str | None:
    """Where an event is appended; those of no stream are recorded under `$events`.

    Raises InvalidStreamName.
    """
    stream = None if name == EVENTS else name
    pyesdb.Append(stream, ())
    return stream
