"""Questions about a store that a read connection answers."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pyesdb.machine.state import ACTIVE, State, decode_state
from pyesdb.model.durations import to_datetime, to_us
from pyesdb.model.encoding import decode_json
from pyesdb.model.errors import StreamNotFound
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.outcomes import Appended, Outcome, Refused, decode_outcome
from pyesdb.model.results import Snapshot, StoreStats, StreamInfo
from pyesdb.model.versions import StreamVersion, version_of
from pyesdb.store.readers import Reader

_STATES = ("active", "deleted", "tombstoned")
_TOP = chr(0x10FFFF) * 129  # behind every name with the prefix: names have at most 128 of them


def version(reader: Reader, stream: str) -> StreamVersion:
    """A stream's last version; NO_STREAM when it is missing, deleted or tombstoned."""
    found = reader.all("stream_at", stream)
    if not found or found[0][1] != ACTIVE:
        return version_of(-1)
    return found[0][3] - 1 if found[0][4] is None else found[0][4]


def position_until(reader: Reader, as_of: int | datetime | None) -> int | None:
    """The last position that was there at `as_of`: a position, or a moment of `created`."""
    if not isinstance(as_of, datetime):
        return as_of
    moment = to_us(as_of, "as_of")
    low, high = 0, reader.all("head")[0][0]
    while low < high:  # `created` never decreases along positions
        middle = (low + high + 1) // 2
        found = reader.all("created_at", middle)
        if not found:
            low = middle  # nothing is left up to here
        elif found[0][1] <= moment:
            low = middle
        else:
            high = min(found[0][0], middle) - 1
    return low


def streams(
    reader: Reader, prefix: str, after: str, limit: int, *, system: bool
) -> tuple[list[str], str]:
    """The next names in order of code points, and the name to go on behind ("" at the end)."""
    rows = [row[0] for row in reader.all("streams_listed", after, prefix, prefix + _TOP, limit)]
    following = rows[-1] if len(rows) == limit else ""
    names = [name for name in rows if system or name[0] != "$" or name == "$events"]
    return names, following


def stream_info(reader: Reader, stream: str) -> StreamInfo:
    """Everything about a stream, deleted or not; raises StreamNotFound."""
    found = reader.all("stream_info", stream)
    if not found:
        raise StreamNotFound(f"there is no stream {stream!r}: check the name")
    _, state, first, swept, created, touched, age, count, custom, last, updated = found[0]
    last = swept - 1 if last is None else last
    return StreamInfo(
        stream=stream,
        version=last,
        first_version=first,
        state=_STATES[state],  # type: ignore[arg-type]
        count=last - first + 1,
        created=to_datetime(created),
        updated=to_datetime(max(touched, updated or 0)),
        max_age=None if age is None else timedelta(microseconds=age),
        max_count=count,
        custom=decode_json(custom, "custom") if custom else {},
    )


def visible_from(reader: Reader, stream: str) -> int:
    """The version from which on a stream's events are visible: it only ever grows."""
    found = reader.all("visible_from", stream)
    return found[0][0] if found else 0


def last_touched(reader: Reader) -> int:
    """When the row of any stream was last written (us): made, cut, deleted, scavenged; or 0."""
    return reader.all("last_touched")[0][0]


def outcome(reader: Reader, command_id: UUID) -> tuple[Outcome | None, list[str]]:
    """What is recorded of a command id, and the names of the streams it appended to."""
    found = [decode_outcome(row[0]) for row in reader.all("outcome", command_id.bytes)]
    best = next((o for o in found if not isinstance(o, Refused)), found[0] if found else None)
    if not isinstance(best, Appended):
        return best, []
    names: dict[Any, str] = dict(reader.find("stream_names", [r[0] for r in best.results]))  # type: ignore[arg-type]
    return best, [names.get(result[0], "") for result in best.results]


def tracked(reader: Reader, source: str) -> int | None:
    """The recorded position of a source."""
    found = reader.all("tracked", source)
    return found[0][0] if found else None


def _snapshot(row: tuple[Any, ...]) -> Snapshot:
    source, stream, version_, data, metadata, created = row
    meta: dict[str, Any] = decode_json(metadata, "metadata") if metadata else {}
    return Snapshot(source, stream, version_, data, meta, to_datetime(created))


def snapshots(reader: Reader, source: str | None, stream: str | None) -> list[Snapshot]:
    """All snapshots, by stream, source and version."""
    return [_snapshot(row) for row in reader.all("all_snapshots", stream, source)]


def snapshot_at(reader: Reader, source: str, stream: str, version_: int | None) -> Snapshot | None:
    """The snapshot at a version, or the newest."""
    if version_ is None:
        return newest_snapshot(reader, source, stream, None)
    found = reader.all("snapshot_at", stream, source, version_)
    return _snapshot(found[0]) if found else None


def newest_snapshot(reader: Reader, source: str, stream: str, most: int | None) -> Snapshot | None:
    """The newest snapshot up to a version."""
    limit = POSITION_MAX if most is None else most
    found = reader.all("newest_snapshot", stream, source, limit)
    return _snapshot(found[0]) if found else None


def head(reader: Reader) -> int:
    """The last position."""
    return reader.all("head")[0][0]


def state(reader: Reader) -> State:
    """What the last entry left: its number, the head, counters. Ask it in one moment."""
    rows = reader.all("last_state") + reader.all("last_event_state")
    states = [decode_state(row[0]) for row in rows if row[0]]
    return max(states, key=lambda found: found.seq, default=State())


def applied(reader: Reader) -> int:
    """The number of the last entry."""
    with reader.moment():
        return state(reader).seq


def stats(reader: Reader) -> StoreStats:
    """The figures of a store, from counters that the machine keeps: the same time for any size.

    Snapshots and subscriptions are counted in indexes of their own, which do not grow with events.
    """
    with reader.moment():
        found = state(reader)
        snapshots_, subscriptions = reader.all("row_counts")[0]
    return StoreStats(
        events=found.events,
        streams=found.streams,
        bytes=found.bytes,
        position=found.position,
        snapshots=snapshots_,
        subscriptions=subscriptions,
    )


def free_bytes(reader: Reader) -> int:
    """Bytes of the file that are free for reuse."""
    rows: list[Any] = reader.execute("PRAGMA freelist_count").fetchall()
    return rows[0][0] * 4096


def hidden_events(reader: Reader) -> int:
    """How many events a scavenge could reclaim."""
    return reader.all("hidden_events")[0][0]


def has_retention(reader: Reader) -> bool:
    """Whether a stream has a max_age."""
    return bool(reader.all("has_retention")[0][0])
