"""Scavenge: reclaim hidden events in small logged steps, and keep what is left verifiable.

Positions and versions of what goes are never used again; digests of appends that lose events stay.
What persistent subscriptions still owe is kept.
"""

from typing import Any

from pyesdb.machine.append import payload_rows
from pyesdb.machine.state import Stream, stored_digest
from pyesdb.machine.transaction import Tx
from pyesdb.model.commands import Scavenge, encoded_bytes, events_digest
from pyesdb.model.encoding import decode_json, is_json
from pyesdb.model.events import Record
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.outcomes import Done

_STREAMS = 100
_ROWS = 16
"""Events in memory at once: each may have a megabyte."""


def step(tx: Tx, command: Scavenge) -> Done:
    """Reclaim up to `limit` events; the answer is (events, bytes, id to go on behind or None)."""
    tx.flush()
    streams = tx.all("streams_to_sweep", command.after, _STREAMS)
    tx.load_streams([name for _, name in streams])
    keep_from = _owed(tx)
    events = size = 0
    after = command.after
    for id_, name in streams:
        if events >= command.limit:
            return Done([events, size, after])
        stream = tx.stream(name)
        if stream is None:
            continue
        swept, freed, complete = _sweep(tx, name, stream, keep_from, command.limit - events)
        events += swept
        size += freed
        if not complete:
            return Done([events, size, after])
        after = id_
    return Done([events, size, after if len(streams) == _STREAMS else None])


def _owed(tx: Tx) -> int:
    """Events from this position on are kept for subscriptions."""
    cursor = tx.all("subscription_cursors")[0][0]
    owed = tx.all("owed_positions")[0][0]
    return min(
        POSITION_MAX if cursor is None else cursor + 1, POSITION_MAX if owed is None else owed
    )


def _sweep(tx: Tx, name: str, stream: Stream, keep_from: int, limit: int) -> tuple[int, int, bool]:
    rows = tx.all("places_to_sweep", stream.id, stream.swept, limit)
    rows = [row for row in rows if row[0] < stream.first]
    complete = len(rows) < limit
    rows = [row for row in rows if row[1] < keep_from]
    if not rows:
        return 0, 0, True
    cut = rows[-1][0] + 1
    _keep_digests(tx, stream, rows, cut)
    freed = 0
    for start in range(0, len(rows), _ROWS):
        count = min(_ROWS, len(rows) - start)
        part = tx.all("events_to_sweep", stream.id, rows[start][0], count)
        freed += sum(_drop(tx, row) for row in part)
    stream.swept = min(cut if cut <= stream.last else stream.last + 1, stream.first)
    if stream.swept > stream.last:  # as the file says it: no last event is left
        stream.last_id, stream.last_position = b"", -1
    tx.touch(name, stream)
    tx.state.events -= len(rows)
    tx.state.bytes = max(0, tx.state.bytes - freed)
    tx.flush()
    return len(rows), freed, complete


def _keep_digests(tx: Tx, stream: Stream, rows: list[tuple[Any, ...]], cut: int) -> None:
    first = stream.swept
    for row in rows:
        if row[2] is not None:
            _prune(tx, stream, first, row, kept=None)
            first = row[0] + 1
    if first == cut:
        return
    # the append that is cut: its events from `cut` on
    kept = tx.all("events_to_sweep", stream.id, cut, _left(tx, stream, cut))
    records = [_record(row) for row in kept]
    version, position, created = kept[0][0], kept[0][1], kept[0][10]
    digest = events_digest(records)
    left = stored_digest(digest, stream.id, version, position, created, len(kept))
    _prune(tx, stream, first, kept[-1], kept=left)


def _left(tx: Tx, stream: Stream, cut: int) -> int:
    """How many events from a version on belong to its append."""
    count, following = 0, cut
    while rows := tx.all("places_to_sweep", stream.id, following, 1000):
        for version, _, digest in rows:
            count += 1
            following = version + 1
            if digest is not None:
                return count
    return count


def _prune(
    tx: Tx, stream: Stream, first: int, last: tuple[Any, ...], *, kept: bytes | None
) -> None:
    known = tx.all("pruned_at", last[1])
    if known:
        first = known[0][0]
    tx.run("set_pruned", last[1], stream.id, first, last[0], last[2], kept)


def _record(row: tuple[Any, ...]) -> Record:
    tags = tuple(decode_json(row[9], "tags")) if row[9] else ()
    return row[3], row[4], row[5], row[6], row[7], row[8], tags


def _drop(tx: Tx, row: tuple[Any, ...]) -> int:
    position, record = row[1], _record(row)
    for tag in record[6]:
        tx.run("drop_event_tag", tag, position)
    if tx.settings.indexed_payload and (record[3] is None or is_json(record[3])):
        for index_row in payload_rows(tx.settings.indexed_payload, record[4], position):
            tx.run("drop_event_payload", *index_row)
    tx.run("drop_event", position)
    return encoded_bytes(record)
