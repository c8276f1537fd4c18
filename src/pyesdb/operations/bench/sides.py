"""What is measured: a store as its users call it, and the same work with nothing in between."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyesdb
from pyesdb.model.ids import uuid7_bytes
from pyesdb.operations.bench.work import (
    BODIES,
    EVENT_BYTES,
    EVENTS_PER_STREAM,
    Body,
    encode,
    kind,
    picks,
    stream_name,
)
from pyesdb.sqlite.bare import BareReader, BareWriter

BATCH = 100
"""Streams that are filled by one call."""


def new_events(version: int, bodies: Sequence[Body]) -> list[pyesdb.NewEvent]:
    """Events of a stream from `version` on."""
    return [pyesdb.NewEvent(kind(version + n), body) for n, body in enumerate(bodies)]


class StoreWriter:
    """Appends without an expectation, from any thread."""

    def __init__(self, store: pyesdb.Store) -> None:
        self._store = store

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One call."""
        self._store.append(stream, new_events(version, bodies))


class TaskWriter:
    """The same from tasks of the loop of a runner."""

    def __init__(self, runner: asyncio.Runner, store: pyesdb.AsyncStore) -> None:
        self.runner = runner
        self._store = store

    async def append_async(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One call."""
        await self._store.append(stream, new_events(version, bodies))


class LimitWriter:
    """The same events, with ids and JSON made here as a store makes them, and one transaction."""

    def __init__(self, bare: BareWriter) -> None:
        self._append = bare.append

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One transaction."""
        rows = [(kind(version + n), uuid7_bytes(), encode(body)) for n, body in enumerate(bodies)]
        self._append(stream, version, rows)


def fill(store: pyesdb.Store, events: int) -> None:
    """Streams of ten events each, a hundred streams in a call."""
    streams = events // EVENTS_PER_STREAM
    for start in range(0, streams, BATCH):
        store.append_many(
            [
                pyesdb.Append(stream_name(n), new_events(0, BODIES[n % 990 :][:EVENTS_PER_STREAM]))
                for n in range(start, min(start + BATCH, streams))
            ]
        )


class Reads:
    """Whole reads and replays of a filled store, by its users' calls and beneath them.

    What is read is looked at: a wrong count is an error, not a figure.
    """

    def __init__(self, store: pyesdb.Store, bare: BareReader, events: int, replays: int) -> None:
        self._store = store
        self._bare = bare
        self._events = events
        self._names = [stream_name(n) for n in picks(events // EVENTS_PER_STREAM, replays)]
        self._numbers = [bare.number(name) for name in self._names]

    def all(self, _: float) -> float:
        """Events per second of read_all."""
        return self._whole(lambda: (event.data for event in self._store.read_all()))

    def all_bare(self, _: float) -> float:
        """The same beneath."""
        return self._whole(self._bare.scan)

    def replay(self, _: float) -> float:
        """Streams per second of reads from the first event."""
        return self._streams(
            lambda: ([event.data for event in self._store.read(name)] for name in self._names)
        )

    def replay_bare(self, _: float) -> float:
        """The same beneath."""
        return self._streams(lambda: map(self._bare.replay, self._numbers))

    def _whole(self, read: Callable[[], Iterable[bytes]]) -> float:
        start = time.perf_counter()
        found = sum(map(len, read()))
        elapsed = time.perf_counter() - start
        _expect(found, self._events * EVENT_BYTES)
        return self._events / elapsed

    def _streams(self, read: Callable[[], Iterable[Sequence[bytes]]]) -> float:
        start = time.perf_counter()
        found = sum(map(len, read()))
        elapsed = time.perf_counter() - start
        _expect(found, len(self._names) * EVENTS_PER_STREAM)
        return len(self._names) / elapsed


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise pyesdb.Internal(f"what was read back is not what was written: {found}, not {wanted}")


class Creating:
    """Stores that are made one after the other, each durable before the next."""

    def __init__(self, directory: Path, count: int) -> None:
        self._directory = directory
        self._count = count
        self._made = 0

    def rate(self, _: float) -> float:
        """Stores per second; each round makes `count` more."""
        names = [f"store-{n:06}" for n in range(self._made, self._made + self._count)]
        self._made += self._count
        with pyesdb.open(self._directory, config={"durability": "fsync"}) as db:
            start = time.perf_counter()
            for name in names:
                db.create_store(name)
            return self._count / (time.perf_counter() - start)
