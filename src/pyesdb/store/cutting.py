"""A history forked: the tail of a draft's events is cut off, in one transaction.

Events up to a position stay as they are, with their versions, positions, ids and digests. What a
store keeps no history of (deleted and truncated streams, their metadata, subscriptions) stays as it
is now, as far as events are left for it. Tracked positions go: they speak of events that are gone,
and an importer that trusted them would leave a hole.

What must never happen here: an event behind the cut, or one before it lost; a digest that does not
fit the events that are left of an append; the cut content left in free pages.
"""

from pathlib import Path
from typing import Any

from pyesdb.machine import Tx
from pyesdb.machine.state import State, decode_state, encode_state, stored_digest
from pyesdb.model.commands import encoded_bytes, events_digest
from pyesdb.model.encoding import decode_json
from pyesdb.model.events import Record
from pyesdb.model.outcomes import Appended, decode_outcome
from pyesdb.sqlite import files
from pyesdb.sqlite.backup import compact
from pyesdb.sqlite.cipher import Keys
from pyesdb.store.history import array_bytes

_PAGE = 1000
_EVENTS = 64
"""Events in memory at once: each may have a megabyte."""
Row = tuple[Any, ...]


def cut(path: Path, position: int, keys: Keys | None = None) -> None:
    """Cut off every event of a draft behind `position`; nothing to do if there is none."""
    with files.typed_errors(path):
        connection = files.open_writer(path, durability="os", keys=keys)
        try:
            connection.execute("BEGIN IMMEDIATE")
            tx = Tx(connection)
            if tx.state.position <= position:
                connection.execute("ROLLBACK")
                return
            _cut(tx, position)
            connection.execute("COMMIT")
            compact(connection, path)
        finally:
            connection.close()


def _cut(tx: Tx, position: int) -> None:
    begun = _begun(tx, position)
    size = _tail_bytes(tx, begun, position)
    split = tx.all("cut_pruned", position)
    for name in ("cut_events", "cut_event_tags", "cut_event_payloads", "cut_prunings"):
        tx.run(name, position)
    left = _digest(begun) if begun else None
    if left is not None:
        tx.run("cut_digest", left, position)
        size -= array_bytes(len(begun))
    for end, stream, first, last, digest in split:  # the append that the cut goes through, or none
        last -= end - position
        tx.run("set_pruned", position, stream, first, last, left or digest, left)
        size += array_bytes(len(begun)) if begun else 0
        size -= array_bytes(last - first + 1)
    removed = _cut_streams(tx)
    for name in ("cut_types", "cut_tags", "cut_tracking"):
        tx.run(name)
    tx.run("cut_cursors", position)
    tx.run("cut_deliveries", position)
    _set_state(tx, position, size, removed)


def _begun(tx: Tx, position: int) -> list[Row]:
    """The events up to `position` of an append that goes on behind it."""
    found = tx.all("cut_event_at", position)
    if not found or found[0][2] is not None:
        return []
    stream, version = found[0][:2]
    whole = tx.all("cut_whole_before", stream, version)[0][0]
    return tx.all("cut_open_append", stream, -1 if whole is None else whole, version)


def _tail_bytes(tx: Tx, begun: list[Row], after: int) -> int:
    """What the store counts for the appends that end behind a position, but for `begun`.

    An append counts its events, and what stands in front of their array; a scavenge gives back the
    first only.
    """
    whole: dict[int, int] = dict(tx.all("cut_partial_sizes", after))  # pyright: ignore[reportAssignmentType, reportArgumentType]
    size = sum(array_bytes(length) * count for length, count in tx.all("cut_gone_sizes", after))
    length = len(begun)
    while rows := tx.all("cut_tail", after, _EVENTS):
        for row in rows:
            length += 1
            size += encoded_bytes(_record(row))
            if row[8] is not None:
                size += array_bytes(whole.get(row[0], length))
                length = 0
        after = rows[-1][0]
    return size


def _record(row: Row) -> Record:
    tags = tuple(decode_json(row[7], "tags")) if row[7] else ()
    return row[1], row[2], row[3], row[4], row[5], row[6], tags


def _digest(append: list[Row]) -> bytes:
    """The digest of what is left of an append."""
    position, (created, stream, version) = append[0][0], append[0][9:]
    content = events_digest([_record(row) for row in append])
    return stored_digest(content, stream, version, position, created, len(append))


def _cut_streams(tx: Tx) -> int:
    """Streams that began behind the cut go, others end there; returns how many went."""
    after = removed = 0
    while rows := tx.all("cut_streams", after, _PAGE):
        for id_, name, state, first, swept, max_age, max_count, touched, last in rows:
            if last < 0:
                tx.run("cut_stream", id_)
                removed += 1
            elif first > last + 1:
                first, swept = last + 1, min(swept, last + 1)
                tx.run("set_stream", touched, state, first, swept, max_age, max_count, id_)
            tx.run("cut_snapshots", name, last)
        after = rows[-1][0]
    return removed


def _set_state(tx: Tx, position: int, size: int, removed: int) -> None:
    """The log goes back to the last entry that is there whole; counters are of what is left."""
    found = tx.all("cut_state")
    state = decode_state(found[0][0]) if found else State()
    state.clock = max(state.clock, tx.all("cut_last_created")[0][0])
    state.position = position
    state.events = tx.all("cut_count")[0][0]
    state.bytes = max(0, tx.state.bytes - size)
    state.streams = tx.state.streams - removed
    tx.run("set_state", encode_state(state), position)
    tx.run("cut_marks", state.seq)
    tx.run("cut_records", state.clock)
    for id_, digest, outcome in tx.all("cut_doubtful_records", state.clock):
        decided = decode_outcome(outcome)
        if isinstance(decided, Appended) and any(r[3] > position for r in decided.results):
            tx.run("drop_record", id_, digest)
