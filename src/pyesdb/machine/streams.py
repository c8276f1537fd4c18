"""Deleting, truncating, retention of streams: visibility is stored, never computed when reading."""

from pyesdb.machine.refusals import deleted, not_found, tombstoned, wrong_version
from pyesdb.machine.state import ACTIVE, DELETED, TOMBSTONED, Stream
from pyesdb.machine.transaction import Tx
from pyesdb.model.commands import DeleteStream, Expire, SetStreamMetadata, TruncateStream
from pyesdb.model.outcomes import Done, Refused
from pyesdb.model.versions import ANY, EXISTS, NO_STREAM


def delete(tx: Tx, command: DeleteStream) -> Done | Refused:
    """Hide all events; numbering continues when the stream comes back. Tombstoned: never again."""
    stream = tx.stream(command.stream)
    if stream is None:
        if command.expected >= 0:
            return wrong_version(command.stream, command.expected, -1)
        return not_found(command.stream)
    if stream.state == TOMBSTONED:
        return tombstoned(command.stream)
    if stream.state == DELETED and not command.tombstone:
        return deleted(command.stream)
    if refusal := _expected(command, stream):
        return refusal
    stream.state = TOMBSTONED if command.tombstone else DELETED
    stream.first = stream.last + 1
    tx.touch(command.stream, stream)
    tx.run("drop_stream_snapshots", command.stream)
    return Done()


def _expected(command: DeleteStream, stream: Stream) -> Refused | None:
    expected = command.expected
    if expected == ANY or expected == stream.last:
        return None
    if expected == EXISTS:
        return None if stream.state == ACTIVE else deleted(command.stream)
    if expected == NO_STREAM and stream.state == DELETED:
        return None
    return wrong_version(command.stream, expected, stream.last)


def _usable(tx: Tx, name: str) -> Stream | Refused:
    stream = tx.stream(name)
    if stream is None:
        return not_found(name)
    if stream.state == TOMBSTONED:
        return tombstoned(name)
    if stream.state == DELETED:
        return deleted(name)
    return stream


def truncate(tx: Tx, command: TruncateStream) -> Done | Refused:
    """Hide the events below a version, at most all."""
    stream = _usable(tx, command.stream)
    if isinstance(stream, Refused):
        return stream
    if min(command.before, stream.last + 1) > stream.first:
        stream.first = min(command.before, stream.last + 1)
        tx.touch(command.stream, stream)
    return Done()


def set_metadata(tx: Tx, command: SetStreamMetadata) -> Done | Refused:
    """Change retention and custom metadata; max_count takes effect at once."""
    stream = _usable(tx, command.stream)
    if isinstance(stream, Refused):
        return stream
    changes = command.changes
    if "max_age" in changes:
        stream.max_age = changes["max_age"]  # type: ignore[assignment]
    if "max_count" in changes:
        stream.max_count = changes["max_count"]  # type: ignore[assignment]
        if stream.max_count is not None:
            stream.first = max(stream.first, stream.last + 1 - stream.max_count)
    tx.touch(command.stream, stream)
    tx.flush()
    if "custom" in changes:
        tx.run("set_stream_custom", changes["custom"], stream.id)
    return Done()


def expire(tx: Tx, command: Expire) -> Done:
    """Hide events older than max_age by `created`, for the next streams in order of id.

    The answer is the id to go on behind, or None when all are done. Neither a proposer's wrong
    clock nor the log's alone can hide anything early: the cut-off is the earlier of the two.
    """
    default = tx.settings.max_age
    tx.flush()
    question = "aged_streams" if default is None else "all_streams"
    rows = tx.all(question, command.after, command.limit)
    tx.load_streams([name for _, name in rows])
    now = min(command.now, tx.now)
    for _, name in rows:
        stream = tx.stream(name)
        age = stream and (stream.max_age if stream.max_age is not None else default)
        if stream and age is not None and stream.state == ACTIVE:
            _hide_before(tx, name, stream, now - age)
    return Done(rows[-1][0] if len(rows) == command.limit else None)


def _hide_before(tx: Tx, name: str, stream: Stream, created: int) -> None:
    low, high = stream.first, stream.last + 1
    while low < high:  # `created` never decreases along a stream
        middle = (low + high) // 2
        found = tx.all("event_created", stream.id, middle)
        if found and found[0][0] < created:
            low = found[0][1] + 1
        else:
            high = middle
    if low > stream.first:
        stream.first = low
        tx.touch(name, stream)
