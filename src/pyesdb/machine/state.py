"""What the machine knows of a store between two entries, and the two hashes that prove it."""

from hashlib import blake2b
from struct import Struct as Layout
from typing import Any

import msgspec

MACHINE_VERSION = 1
"""The newest rules this code has. History: 1, the first."""

ACTIVE, DELETED, TOMBSTONED = 0, 1, 2


class State(msgspec.Struct, array_like=True, gc=False):
    """The last entry: its number, the log's clock (us), the chain; the head; counters."""

    seq: int = 0
    clock: int = 0
    chain: bytes = bytes(16)
    position: int = 0
    events: int = 0
    bytes: int = 0
    streams: int = 0
    commands: int = 0


class Stream(msgspec.Struct, gc=False):
    """A stream's row, with its last version and the id and position of its last event."""

    id: int
    state: int = ACTIVE
    first: int = 0
    swept: int = 0
    max_age: int | None = None
    max_count: int | None = None
    last: int = -1
    last_id: bytes = b""
    last_position: int = -1


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can change an outcome; enters through `Configure`. None and 0: no limit."""

    max_events: int | None = None
    max_bytes: int | None = None
    max_streams: int | None = None
    max_event_bytes: int = 1 << 20
    max_append_events: int = 10_000
    max_append_bytes: int = 4 << 20
    max_age: int | None = None
    max_count: int | None = None
    snapshots_keep: int = 0
    dedup_window: int = 900_000_000
    indexed_payload: tuple[str, ...] = ()


encode_state = msgspec.msgpack.Encoder().encode
_state_decoder = msgspec.msgpack.Decoder(State)
_PLACE = Layout(">qqqqq")
_ENTRY = Layout(">qq")


def decode_state(data: Any) -> State:
    """The state of its bytes; raises msgspec.MsgspecError."""
    return _state_decoder.decode(data)


def chained(chain: bytes, seq: int, time: int, parts: list[bytes]) -> bytes:
    """The chain behind an entry: equal on every replica that applied the same entries.

    `parts` are the id, digest and encoded outcome of each command.
    """
    return blake2b(b"".join((chain, _ENTRY.pack(seq, time), *parts)), digest_size=16).digest()


def stored_digest(
    content: bytes, stream: int, version: int, position: int, created: int, count: int
) -> bytes:
    """The digest of an append as stored; `version` and `position` are its first event's."""
    place = _PLACE.pack(stream, version, position, created, count)
    return blake2b(content + place, digest_size=16).digest()
