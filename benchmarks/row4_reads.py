"""Reads: the whole store in order, newest first, and streams of ten events.

Half of the streams were written in one append each, half of them one event at a time while others
were written too, so that their events lie far apart.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import cast

from benchmarks import bare, ours
from benchmarks.peers import eventsourcing_postgres, eventsourcing_sqlite, message_db, umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Case, alternate
from benchmarks.sides import Opener, Reader, open_all
from benchmarks.work import BODIES, EVENT_BYTES, EVENTS_PER_STREAM, Body, picks, stream_name

TITLE = "Reads"
ALL, BACKWARDS = "read all", "read all backwards"
TOGETHER, APART = "replay, written together", "replay, written apart"
BATCH = 1000
OPENERS: dict[str, Opener] = {
    "pyesdb": ours.embedded,
    "apsw": bare.store_tables,
    "umadb": umadb.server,
    "eventsourcing": eventsourcing_sqlite.recorder,
    "eventsourcing pg": eventsourcing_postgres.recorder,
    "message-db": message_db.message_store,
}
Batch = list[tuple[str, int, Sequence[Body]]]


def batches(events: int, size: int = BATCH) -> Iterator[Batch]:
    """What to fill with, `size` events at a time: first the streams written together."""
    streams = events // EVENTS_PER_STREAM
    half, per_batch = streams // 2, size // EVENTS_PER_STREAM
    for start in range(0, half, per_batch):
        yield [
            (stream_name(number), 0, BODIES[number % 990 : number % 990 + EVENTS_PER_STREAM])
            for number in range(start, min(start + per_batch, half))
        ]
    for start in range(half, streams, size):
        for version in range(EVENTS_PER_STREAM):
            yield [
                (stream_name(number), version, [BODIES[number % 1000]])
                for number in range(start, min(start + size, streams))
            ]


def _fill(readers: dict[str, Reader], absent: dict[str, str], events: int) -> None:
    for name, reader in list(readers.items()):
        try:
            for batch in batches(events):
                reader.fill(batch)
        except Exception as error:  # noqa: BLE001  (whatever it is, it belongs in the report)
            absent[name] = f"failed while filling: {type(error).__name__}: {error}"
            del readers[name]


def _rate(read: Callable[[], tuple[int, int]], events: int) -> float:
    start = time.perf_counter()
    found = read()
    elapsed = time.perf_counter() - start
    if found != (events, events * EVENT_BYTES):
        raise ValueError(f"read {found} events and bytes, expected {events} events")
    return events / elapsed


def _replay_rate(reader: Reader, names: list[str]) -> float:
    start = time.perf_counter()
    found = sum(reader.replay(name)[0] for name in names)
    elapsed = time.perf_counter() - start
    if found != len(names) * EVENTS_PER_STREAM:
        raise ValueError(f"replayed {found} events of {len(names)} streams")
    return len(names) / elapsed


def run(plan: Plan) -> list[Case]:
    """Events per second of whole reads, streams per second of replays."""
    half = plan.events // EVENTS_PER_STREAM // 2
    together = [stream_name(number) for number in picks(half, plan.replays)]
    apart = [stream_name(half + number) for number in picks(half, plan.replays)]
    with ExitStack() as stack:
        opened, absent = open_all(stack, OPENERS, plan.folder)
        readers = cast("dict[str, Reader]", opened)
        _fill(readers, absent, plan.events)
        cases: list[tuple[str, str, Callable[[Reader], float]]] = [
            (ALL, "events/s", lambda reader: _rate(reader.scan, plan.events)),
            (BACKWARDS, "events/s", lambda reader: _rate(reader.scan_backwards, plan.events)),
            (TOGETHER, "streams/s", lambda reader: _replay_rate(reader, together)),
            (APART, "streams/s", lambda reader: _replay_rate(reader, apart)),
        ]
        return [
            alternate(
                Case(name, unit, absent=dict(absent)),
                {who: lambda reader=reader: measure(reader) for who, reader in readers.items()},  # noqa: B023
                plan.rounds,
            )
            for name, unit, measure in cases
        ]
