"""Appending: every check first, then the write, after which nothing can be refused."""

from pyesdb.machine.conditions import matching_position
from pyesdb.machine.refusals import (
    deleted,
    over_limit,
    refuse,
    tombstoned,
    wrong_version,
)
from pyesdb.machine.state import ACTIVE, DELETED, TOMBSTONED, Stream, stored_digest
from pyesdb.machine.transaction import Tx
from pyesdb.model.commands import AppendEvents, Condition, StreamAppend
from pyesdb.model.encoding import decode_json, deeper_than, encode_tags, is_json, payload_value
from pyesdb.model.errors import InvalidEvent
from pyesdb.model.events import Record, record_bytes
from pyesdb.model.outcomes import Appended, Refused
from pyesdb.model.versions import ANY, EXISTS, NO_STREAM

Result = tuple[int, int, int, int]
_NESTED_MAX = 200
"""How deep JSON is decoded here: far below where any interpreter gives up."""


def append(tx: Tx, command: AppendEvents) -> Appended | Refused:
    """Decide and write an append to one or more streams, all or nothing."""
    refusal = _limits(tx, command)
    if refusal:
        return refusal
    if command.many and (refusal := _tombstones(tx, command)):
        return refusal
    earlier: list[Result] = []
    refusals: list[Refused] = []
    fresh = repeated = False
    for part in command.appends:
        found = _expectation(tx, part, tx.streams.get(part.stream))
        if isinstance(found, Refused):
            return found
        if found:
            repeated = True
            earlier.append(found[0])
            if part.expected >= NO_STREAM:
                refusals.append(wrong_version(part.stream, part.expected, _last(tx, part.stream)))
        elif part.events:
            fresh = True
        else:
            earlier.append(_write(tx, part))  # no events: only its answer
    if repeated and not fresh:
        return Appended(tuple(earlier), command.many, duplicate=True)
    if refusals:
        return refusals[0]
    if refusal := _conflict(tx, command):
        return refusal
    if command.tracking:
        tx.run("set_tracked", *command.tracking)
    return Appended(tuple([_write(tx, part) for part in command.appends]), command.many)


def _limits(tx: Tx, command: AppendEvents) -> Refused | None:
    settings = tx.settings
    count = size = 0
    for part in command.appends:
        count += len(part.events)
        size += part.size
        if part.size > settings.max_event_bytes:
            largest = max(map(record_bytes, part.events))
            if largest > settings.max_event_bytes:
                return over_limit(
                    "an event's bytes",
                    "max_event_bytes",
                    settings.max_event_bytes,
                    largest,
                    "keep large content elsewhere and store a reference",
                )
    if count > settings.max_append_events:
        limit = settings.max_append_events
        return over_limit(
            "events in one append", "max_append_events", limit, count, "split the call"
        )
    if size > settings.max_append_bytes:
        limit = settings.max_append_bytes
        return over_limit("bytes in one append", "max_append_bytes", limit, size, "split the call")
    return None


def _tombstones(tx: Tx, command: AppendEvents) -> Refused | None:
    for part in command.appends:
        stream = tx.stream(part.stream)
        if stream is not None and stream.state == TOMBSTONED:
            return tombstoned(part.stream)
    return None


def _last(tx: Tx, name: str) -> int:
    stream = tx.stream(name)
    return -1 if stream is None else stream.last


def _expectation(
    tx: Tx, part: StreamAppend, stream: Stream | None
) -> Refused | list[Result] | None:
    """A refusal, the earlier result if these very events stand there, or None: go on."""
    expected = part.expected
    if stream is None:
        return None if expected in (ANY, NO_STREAM) else wrong_version(part.stream, expected, -1)
    if stream.state == TOMBSTONED:
        return tombstoned(part.stream)
    if stream.state == DELETED:
        if expected == EXISTS:
            return deleted(part.stream)
        if expected in (ANY, NO_STREAM, stream.last):
            return None
    if expected in (ANY, EXISTS):
        if part.events and stream.last_id == part.events[-1][1]:
            return _earlier(tx, part, stream, stream.last - len(part.events) + 1)
        return None
    if expected == stream.last:
        return None
    starts = {expected + 1}
    if expected == NO_STREAM:  # its first events, those of its present life, or the last ones
        starts = {0, stream.first, stream.last - len(part.events) + 1}
    for start in sorted(starts):
        if part.events and (found := _earlier(tx, part, stream, start)):
            return found
    return wrong_version(part.stream, expected, stream.last)


def _earlier(tx: Tx, part: StreamAppend, stream: Stream, start: int) -> list[Result] | None:
    """The result of the append that stored exactly these event ids from version `start` on."""
    count = len(part.events)
    if start < 0 or start + count - 1 > stream.last:
        return None
    tx.flush()
    rows = tx.all("stored_ids", stream.id, start, start + count - 1)
    if [row[1] for row in rows] != [event[1] for event in part.events]:
        return None
    return [(stream.id, count, rows[-1][0], rows[-1][2])]


def _conflict(tx: Tx, command: AppendEvents) -> Refused | None:
    """What is judged last: the source's position, the condition, the store's quotas."""
    refusal = None
    if command.tracking:
        refusal = _tracking(tx, *command.tracking)
    if command.condition and refusal is None:
        refusal = _condition(tx, command.condition)
    if tx.has_quotas and refusal is None:
        refusal = _quotas(tx, command)
    return refusal


def _tracking(tx: Tx, source: str, position: int) -> Refused | None:
    found = tx.all("tracked", source)
    if found and position <= found[0][0]:
        return refuse(
            "tracking_conflict",
            f"source {source!r} is recorded up to {found[0][0]}, so {position} is stored already: "
            "go on behind it",
            source=source,
            position=position,
            recorded=found[0][0],
        )
    return None


def _condition(tx: Tx, condition: Condition) -> Refused | None:
    found = matching_position(tx, condition)
    if isinstance(found, Refused) or found is None:
        return found
    return refuse(
        "condition_failed",
        f"an event at position {found} matches the condition: read again and decide anew",
        position=found,
    )


def _quotas(tx: Tx, command: AppendEvents) -> Refused | None:
    settings, state = tx.settings, tx.state
    if settings.max_events is not None:
        value = state.events + sum(len(part.events) for part in command.appends)
        if value > settings.max_events:
            return over_limit(
                "events of the store",
                "max_events",
                settings.max_events,
                value,
                "scavenge or raise it",
            )
    if settings.max_bytes is not None:
        value = state.bytes + sum(part.size for part in command.appends)
        if value > settings.max_bytes:
            return over_limit(
                "bytes of the store", "max_bytes", settings.max_bytes, value, "scavenge or raise it"
            )
    if settings.max_streams is not None:
        new = sum(1 for p in command.appends if p.events and tx.stream(p.stream) is None)
        if new and state.streams + new > settings.max_streams:
            value = state.streams + new
            return over_limit(
                "streams of the store", "max_streams", settings.max_streams, value, "raise it"
            )
    return None


def _write(tx: Tx, part: StreamAppend) -> Result:
    stream = tx.streams.get(part.stream)
    if not part.events:
        return (-1, 0, -1, -1) if stream is None else _nothing(stream)
    if stream is None:
        stream = tx.add_stream(part.stream)
    state = tx.state
    version, position, created = stream.last, state.position, tx.now
    first_version, first_position = version + 1, position + 1
    id_, events, types = stream.id, tx.new_events, tx.types
    last_kind, type_id = "", 0
    for kind, event_id, time, content_type, data, metadata, tags in part.events:
        version += 1
        position += 1
        if kind != last_kind:
            last_kind, type_id = kind, types.get(kind) or tx.type_id(kind)
        encoded_tags = b""
        if tags:
            encoded_tags = encode_tags(tags)
            for tag in tags:
                tag_id = tx.tag_id(tag)
                tx.new_event_tags += (tag_id, position)
                tx.newest[tag_id] = position
        events += (
            position,
            id_,
            version,
            type_id,
            event_id,
            created,
            time,
            content_type,
            data,
            metadata,
            encoded_tags,
            None,
            None,
        )
    count = len(part.events)
    events[-2] = stored_digest(part.digest, id_, first_version, first_position, created, count)
    if tx.settings.indexed_payload:
        _index_payload(tx, part.events, first_position)
    state.position = stream.last_position = position
    state.events += count
    state.bytes += part.size
    stream.last = version
    stream.last_id = part.events[-1][1]
    keep = tx.settings.max_count if stream.max_count is None else stream.max_count
    if keep is not None or stream.state == DELETED:
        _show(tx, part.stream, stream, keep)
    return id_, count, version, position


def _nothing(stream: Stream) -> Result:
    visible = stream.state == ACTIVE
    return stream.id, 0, stream.last if visible else -1, stream.last_position if visible else -1


def _show(tx: Tx, name: str, stream: Stream, keep: int | None) -> None:
    """What is visible after an append: a deleted stream is back, and has `keep` events at most."""
    changed = stream.state == DELETED
    stream.state = ACTIVE
    if keep is not None and stream.last + 1 - keep > stream.first:
        stream.first = stream.last + 1 - keep
        changed = True
    if changed:
        tx.touch(name, stream)


def payload_rows(paths: tuple[str, ...], data: bytes, position: int) -> list[tuple[str, str, int]]:
    """The index rows of an event's JSON data; deeply nested data has none, whatever reads it."""
    if data.count(b"[") + data.count(b"{") > _NESTED_MAX and deeper_than(data, _NESTED_MAX):
        return []
    try:
        document = decode_json(data, "data")
    except InvalidEvent:
        return []  # declared as JSON by its writer, and is not: no path has a value
    values = ((path, payload_value(document, path)) for path in paths)
    return [(path, value, position) for path, value in values if value is not None]


def _index_payload(tx: Tx, events: list[Record], position: int) -> None:
    for offset, event in enumerate(events):
        if event[3] is None or is_json(event[3]):
            paths = tx.settings.indexed_payload
            for row in payload_rows(paths, event[4], position + offset):
                tx.new_payloads += row
