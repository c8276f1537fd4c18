"""Commands: every change to a store, as it enters the log. One closed union of frozen structs.

A command has an `id` (16 bytes, made once by the caller, kept in every retry), a `digest` (16 bytes
over its content, not over id and expiry) and `expires` (microseconds of log time).
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from pyesdb.model.events import Record
from pyesdb.model.selectors import Clause, Selector

_encode = msgspec.msgpack.Encoder().encode
AT_END = -1
"""As the position behind which a subscription starts: the end, when the command is applied."""


def digest_of(value: Any) -> bytes:
    """16 bytes over the msgpack form of a value (BLAKE2b, RFC 7693)."""
    return blake2b(_encode(value), digest_size=16).digest()


class Base(msgspec.Struct, frozen=True, tag_field="command"):
    """What every command carries."""

    id: bytes
    digest: bytes
    expires: int


class StreamAppend(msgspec.Struct, frozen=True, array_like=True):
    """Events for one stream. `expected` is a version or a code of model.versions."""

    stream: str
    expected: int
    events: list[Record]
    digest: bytes
    size: int


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """A DCB condition: no event that matches may stand behind position `after`."""

    clauses: tuple[Clause, ...]
    after: int


class AppendEvents(Base, frozen=True, tag="append"):
    """Append to one or more streams, all or nothing."""

    appends: tuple[StreamAppend, ...]
    condition: Condition | None = None
    tracking: tuple[str, int] | None = None
    many: bool = False


class DeleteStream(Base, frozen=True, tag="delete_stream"):
    """Hide all events of a stream; an append brings it back. Or, tombstone: for ever."""

    stream: str
    expected: int
    tombstone: bool = False


class TruncateStream(Base, frozen=True, tag="truncate_stream"):
    """Hide the events below a version."""

    stream: str
    before: int


class SetStreamMetadata(Base, frozen=True, tag="set_stream_metadata"):
    """Change what is given: `changes` holds max_age (us), max_count, custom (JSON) or None."""

    stream: str
    changes: dict[str, int | bytes | None]


class RecordSnapshot(Base, frozen=True, tag="record_snapshot"):
    """Keep a snapshot of a stream at a version."""

    source: str
    stream: str
    version: int
    data: bytes
    content_type: str
    metadata: bytes


class DeleteSnapshot(Base, frozen=True, tag="delete_snapshot"):
    """Forget one snapshot, or all of a source and stream (version None)."""

    source: str
    stream: str
    version: int | None


class Expire(Base, frozen=True, tag="expire"):
    """Hide what max_age says, for up to `limit` streams with an id above `after`.

    `now` is the proposer's own clock: the cut-off is never ahead of it, nor of the log's clock.
    """

    now: int
    after: int
    limit: int


class Scavenge(Base, frozen=True, tag="scavenge"):
    """Reclaim up to `limit` hidden events, of streams with an id above `after`."""

    after: int
    limit: int


class Configure(Base, frozen=True, tag="configure"):
    """Settings that can change an outcome, resolved; `revision` must increase."""

    revision: int
    settings: dict[str, Any]


class Freeze(Base, frozen=True, tag="freeze"):
    """Refuse changes (`frozen`), or allow them again."""

    frozen: bool


class Seal(Base, frozen=True, tag="seal"):
    """Nothing is accepted behind this entry: the store is being removed. Unsealing recovers it."""

    sealed: bool


class RaiseMachine(Base, frozen=True, tag="raise_machine"):
    """From the next command on, this version of the machine decides."""

    version: int


class Barrier(Base, frozen=True, tag="barrier"):
    """Does nothing: proves that everything before it is applied."""


class SaveSubscription(Base, frozen=True, tag="save_subscription"):
    """Create a persistent subscription behind `after` (AT_END: what is the end by then).

    `settings` in the machine's units. `exist_ok`: one of that name stays as it is.
    """

    name: str
    clauses: tuple[Clause, ...]
    after: int
    settings: dict[str, Any]
    exist_ok: bool = False


class UpdateSubscription(Base, frozen=True, tag="update_subscription"):
    """Change settings of a subscription, those in `changes`."""

    name: str
    changes: dict[str, Any]


class RemoveSubscription(Base, frozen=True, tag="remove_subscription"):
    """Forget a subscription and everything in flight or parked."""

    name: str


class ResetSubscription(Base, frozen=True, tag="reset_subscription"):
    """Start again behind a position; what was in flight or parked is forgotten."""

    name: str
    after: int


class Nack(msgspec.Struct, frozen=True, array_like=True):
    """One event given back: action is retry, park, skip, or return (it was not handed out, and no
    attempt counts); `due` is the delay in microseconds.
    """

    position: int
    action: str
    reason: str
    due: int


class Claim(Base, frozen=True, tag="claim"):
    """A consumer says what became of events that it holds, and asks for up to `limit` others.

    `positions`: what it selected between the cursor and `scanned_to`. `subscription` and `epoch`
    name the subscription since it was made or reset. `together`: events whose consumer was lost
    need not come alone.
    """

    subscription: int
    epoch: int
    consumer: bytes
    cursor: int
    scanned_to: int
    positions: tuple[int, ...]
    limit: int
    together: bool = False
    acks: tuple[int, ...] = ()
    nacks: tuple[Nack, ...] = ()


class Settle(Base, frozen=True, tag="settle"):
    """What a consumer did with events that it holds."""

    subscription: int
    epoch: int
    consumer: bytes
    acks: tuple[int, ...] = ()
    nacks: tuple[Nack, ...] = ()


class Gone(Base, frozen=True, tag="gone"):
    """A consumer left (`well`: nothing counted) or was lost: its events become due at once."""

    subscription: int
    consumer: bytes
    well: bool


class Tick(Base, frozen=True, tag="tick"):
    """Leases that have run out by the log's clock become due, counted as attempts."""

    subscription: int


class Unpark(Base, frozen=True, tag="unpark"):
    """Parked events are tried again (`replay`) or dropped: those at `positions`, or (None) the next
    `limit` behind `after`.
    """

    name: str
    replay: bool
    positions: tuple[int, ...] | None
    after: int
    limit: int


Command = (
    AppendEvents
    | DeleteStream
    | TruncateStream
    | SetStreamMetadata
    | RecordSnapshot
    | DeleteSnapshot
    | Expire
    | Scavenge
    | Configure
    | Freeze
    | Seal
    | RaiseMachine
    | Barrier
    | SaveSubscription
    | UpdateSubscription
    | RemoveSubscription
    | ResetSubscription
    | Claim
    | Settle
    | Gone
    | Tick
    | Unpark
)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a store's log: commands that are applied in one transaction."""

    seq: int
    time: int
    commands: list[Command]


_entry_encoder = msgspec.msgpack.Encoder()
_entry_decoder = msgspec.msgpack.Decoder(Entry)


def encode_entry(entry: Entry) -> bytes:
    """The entry as bytes, the same for the same entry."""
    return _entry_encoder.encode(entry)


def decode_entry(data: bytes) -> Entry:
    """The entry of bytes; raises msgspec.MsgspecError."""
    return _entry_decoder.decode(data)


def stream_append(stream: str, expected: int, events: list[Record]) -> StreamAppend:
    """Events of one stream with their digest and size as encoded."""
    encoded = _encode(events)
    digest = blake2b(encoded, digest_size=16).digest()
    return StreamAppend(stream, expected, events, digest, len(encoded))


def events_digest(events: list[Record]) -> bytes:
    """The digest that `stream_append` gives: what `verify` recomputes from stored events."""
    return digest_of(events)


def encoded_bytes(record: Record) -> int:
    """What an event adds to the size of its append."""
    return len(_encode(record))


def append_events(
    id: bytes,  # noqa: A002
    appends: Iterable[StreamAppend],
    condition: Condition | None = None,
    tracking: tuple[str, int] | None = None,
    *,
    many: bool = False,
) -> AppendEvents:
    """An append command with its content digest."""
    appends = tuple(appends)
    content = [(a.stream, a.expected, a.digest) for a in appends]
    digest = blake2b(_encode((content, condition, tracking, many)), digest_size=16).digest()
    return AppendEvents(id, digest, 0, appends, condition, tracking, many)


def with_digest(kind: type[Any], id: bytes, *args: Any, **fields: Any) -> Any:  # noqa: A002
    """A command of `kind` with its content digest."""
    command = kind(b"", b"", 0, *args, **fields)
    return msgspec.structs.replace(command, id=id, digest=digest_of(command))


def condition_of(selector: Selector, after: int | None) -> Condition:
    """The command's form of an append condition."""
    return Condition(selector.clauses, after or 0)


def weight(command: Command) -> tuple[int, int]:
    """Events of a command, and about how many bytes it has: for queues and groups."""
    if isinstance(command, AppendEvents):
        events, size = 0, 100
        for part in command.appends:
            events += len(part.events)
            size += part.size
        return events, size
    if isinstance(command, RecordSnapshot):
        return 0, 100 + len(command.data) + len(command.metadata)
    if isinstance(command, (Claim, Settle)):
        return _claim_weight(command)
    return 0, 200


def _claim_weight(command: Claim | Settle) -> tuple[int, int]:
    """A delivery is a row as an event is one."""
    rows = len(command.acks) + len(command.nacks)
    if isinstance(command, Claim):
        rows += len(command.positions)
    return rows, 200 + 10 * rows + sum(len(nack.reason) for nack in command.nacks)
