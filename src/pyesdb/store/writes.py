"""From the arguments of a call to its command, in the caller and outside every lock."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from uuid import UUID

from pyesdb.model import commands as c
from pyesdb.model import encoding, limits
from pyesdb.model.checks import check_int, check_uuid
from pyesdb.model.durations import seconds
from pyesdb.model.errors import (
    InvalidConfig,
    InvalidEvent,
    LimitExceeded,
    RequestError,
)
from pyesdb.model.events import NewEvent, new_events
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.kinds import kind_of, listed
from pyesdb.model.names import EVENTS, check_label, check_stream, check_target
from pyesdb.model.selectors import AppendCondition
from pyesdb.model.versions import ANY, ExpectedVersion, StreamState, expected_code


class Types(Protocol):
    """Makes new events of registered objects."""

    def new_events(self, events: object, stream: object, command_id: object) -> list[NewEvent]:
        """New events of NewEvents and objects; raises InvalidEvent."""
        ...


class Append:
    """One stream's part of an append_many: events for `stream`, at version `expected`.

    Objects of registered types become events when it is appended: the store knows the types.
    """

    __slots__ = ("_part", "events", "expected", "stream")
    stream: str | None
    events: list[Any]
    expected: ExpectedVersion

    def __init__(
        self, stream: str | None, events: Any, *, expected: ExpectedVersion = StreamState.ANY
    ) -> None:
        self.events = [events] if isinstance(events, NewEvent) else list(listed(events))
        objects = {cls for cls in set(map(type, self.events)) if kind_of(cls)}
        # what is wrong with the rest is said here, whatever the types say later
        known = [event for event in self.events if type(event) not in objects]
        part = part_of(stream, known, expected)
        self._part = None if objects else part
        self.stream = stream
        self.expected = expected

    def part(self, types: Types | None, command_id: object) -> c.StreamAppend:
        """What the command carries of it; raises InvalidEvent for objects that nobody knows."""
        if types is not None:
            events = types.new_events(self.events, self.stream, command_id)
            return part_of(self.stream, events, self.expected)
        return self._part or part_of(self.stream, self.events, self.expected)

    def __repr__(self) -> str:
        return f"Append({self.stream!r}, <{len(self.events)} events>)"


def part_of(stream: object, events: object, expected: object) -> c.StreamAppend:
    """One stream's part of an append, within the limits of one call."""
    code = expected_code(expected)
    if stream is None:
        if code != ANY:
            raise RequestError("events of no stream (stream=None) take expected=ANY only")
        name = EVENTS
    else:
        name = check_target(stream)
    records = new_events(events)
    if len(records) > limits.APPEND_EVENTS_MAX:
        raise over(
            "events in one append", "max_append_events", limits.APPEND_EVENTS_MAX, len(records)
        )
    part = c.stream_append(name, code, records)
    if part.size > limits.APPEND_BYTES_MAX:
        raise over("bytes in one append", "max_append_bytes", limits.APPEND_BYTES_MAX, part.size)
    return part


def over(what: str, setting: str, limit: int, value: int) -> LimitExceeded:
    """The error of a call that is too large."""
    return LimitExceeded(
        f"{what}: {value:,} is more than {setting} = {limit:,}; split the call; nothing was stored",
        limit=limit,
        value=value,
        setting=setting,
    )


def append(
    stream: object,
    events: object,
    expected: object,
    condition: object,
    command_id: object,
    tracking: object,
    types: Types | None = None,
) -> c.AppendEvents:
    """The command of an append to one stream."""
    if types is not None:
        events = types.new_events(events, stream, command_id)
    part = part_of(stream, events, expected)
    return c.append_events(
        uuid7_bytes() if command_id is None else check_uuid(command_id, "command_id").bytes,
        (part,),
        None if condition is None else _condition(condition),
        None if tracking is None else _tracking(tracking),
    )


def append_many(
    appends: object,
    condition: object,
    command_id: object,
    tracking: object,
    types: Types | None = None,
) -> c.AppendEvents:
    """The command of an append to several streams."""
    parts = tuple([append.part(types, command_id) for append in _appends_of(appends)])
    _check_many(parts)
    return c.append_events(
        uuid7_bytes() if command_id is None else check_uuid(command_id, "command_id").bytes,
        parts,
        None if condition is None else _condition(condition),
        None if tracking is None else _tracking(tracking),
        many=True,
    )


def _appends_of(appends: object) -> list[Append]:
    """The parts of an append_many."""
    if isinstance(appends, (Append, str, bytes, Mapping)) or not isinstance(appends, Iterable):
        name = type(appends).__name__  # pyright: ignore[reportUnknownArgumentType]
        raise InvalidEvent(f"append_many takes an iterable of Append, not {name}")
    found: list[Append] = []
    for item in appends:
        if not isinstance(item, Append):
            raise InvalidEvent(f"append_many takes Append objects, not {type(item).__name__}")
        found.append(item)
    return found


def _check_many(parts: tuple[c.StreamAppend, ...]) -> None:
    seen: set[str] = set()
    for part in parts:
        if part.stream in seen:
            raise RequestError(
                f"stream {part.stream!r} appears twice in one append_many: merge them"
            )
        seen.add(part.stream)
    events = sum(len(part.events) for part in parts)
    if events > limits.APPEND_EVENTS_MAX:
        raise over("events in one append", "max_append_events", limits.APPEND_EVENTS_MAX, events)
    size = sum(part.size for part in parts)
    if size > limits.APPEND_BYTES_MAX:
        raise over("bytes in one append", "max_append_bytes", limits.APPEND_BYTES_MAX, size)
    if len(parts) > limits.APPEND_EVENTS_MAX:
        raise over(
            "streams in one append", "max_append_events", limits.APPEND_EVENTS_MAX, len(parts)
        )


def _condition(condition: object) -> c.Condition:
    if not isinstance(condition, AppendCondition):
        raise RequestError(f"condition must be an AppendCondition, not {type(condition).__name__}")
    return c.condition_of(condition.fail_if_events_match, condition.after)


def _tracking(tracking: object) -> tuple[str, int]:
    if not isinstance(tracking, tuple) or len(tracking) != 2:  # pyright: ignore[reportUnknownArgumentType]
        raise RequestError(f"tracking must be (source, position), not {tracking!r:.60}")
    pair: tuple[Any, Any] = tracking  # pyright: ignore[reportUnknownVariableType]
    return check_label(pair[0], "tracking source"), check_int(pair[1], "tracking position")


def delete(stream: object, expected: object, *, tombstone: bool) -> c.DeleteStream:
    """The command of delete_stream and tombstone_stream."""
    code = expected_code(expected)
    return c.with_digest(c.DeleteStream, uuid7_bytes(), check_target(stream), code, tombstone)


def truncate(stream: object, before_version: object) -> c.TruncateStream:
    """The command of truncate_stream."""
    before = check_int(before_version, "before_version")
    return c.with_digest(c.TruncateStream, uuid7_bytes(), _kept(stream), before)


def _kept(stream: object) -> str:
    """A stream whose retention users may set: theirs, and the one of events without stream."""
    return EVENTS if stream == EVENTS else check_target(stream)


UNCHANGED: Any = type("Unchanged", (), {"__repr__": lambda self: "unchanged"})()  # type: ignore[misc]


def stream_metadata(
    stream: object, max_age: object, max_count: object, custom: object
) -> c.SetStreamMetadata:
    """The command of set_stream_metadata; None clears, UNCHANGED leaves."""
    changes: dict[str, int | bytes | None] = {}
    if max_age is not UNCHANGED:
        age = None if max_age is None else round(seconds(max_age, "max_age") * 1e6)
        changes["max_age"] = age
    if max_count is not UNCHANGED:
        if max_count is not None and (type(max_count) is not int or not 0 < max_count < 1 << 63):
            raise InvalidConfig(f"max_count must be an int of at least 1, not {max_count!r:.60}")
        changes["max_count"] = max_count
    if custom is not UNCHANGED:
        changes["custom"] = None if custom is None else _custom(custom)
    return c.with_digest(c.SetStreamMetadata, uuid7_bytes(), _kept(stream), changes)


def _custom(custom: object) -> bytes:
    encoded = encoding.encode_metadata(custom, "custom metadata")
    if len(encoded) > limits.EVENT_BYTES_MAX:
        raise over("bytes of custom", "max_event_bytes", limits.EVENT_BYTES_MAX, len(encoded))
    return encoded


def snapshot(
    source: object, stream: object, version: object, data: object, metadata: object
) -> c.RecordSnapshot:
    """The command of record_snapshot."""
    encoded, kind = encoding.encode_data(data, None, "snapshot data")
    meta = encoding.encode_metadata(metadata)
    if len(encoded) + len(meta) > limits.APPEND_BYTES_MAX:
        size = len(encoded) + len(meta)
        raise over("bytes of a snapshot", "max_append_bytes", limits.APPEND_BYTES_MAX, size)
    return c.with_digest(
        c.RecordSnapshot,
        uuid7_bytes(),
        check_label(source, "source"),
        check_target(stream),
        check_int(version, "version"),
        encoded,
        kind,
        meta,
    )


def snapshot_deletion(source: object, stream: object, version: object) -> c.DeleteSnapshot:
    """The command of delete_snapshot."""
    return c.with_digest(
        c.DeleteSnapshot,
        uuid7_bytes(),
        check_label(source, "source"),
        check_stream(stream),
        None if version is None else check_int(version, "version"),
    )


def command_id_of(command: c.Command) -> UUID:
    """The id of a command as users see it."""
    return UUID(bytes=command.id)
