"""Following: how soon what is appended is with who follows, and how fast what is stored is read so.

A latency is the time from before the append is called until the event is in the hands of the
follower, or of the consumer; or until it is handled, acknowledged, and the acknowledgement on disk.
So the commit of the append is in it, and stands beside it alone; a consumer's claim and its
acknowledgement are a commit each. A writer appends an event and pauses, for so long that nothing
queues.
UmaDB has no acknowledgements; what it sends is compared with what is consumed and acknowledged.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Protocol, cast

import pyesdb
from benchmarks import ours, prepared
from benchmarks.peers import umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Case, alternate
from benchmarks.sides import Opener, open_all
from benchmarks.work import BODIES, EVENT_BYTES, kind, stream_name
from pyesdb import NewEvent, select

TITLE = "Following"
SOON, LATE = "append to follower, median", "append to follower, 99 %"
GIVEN, GIVEN_LATE = "append to consumer, median", "append to consumer, 99 %"
HANDLED, HANDLED_LATE = "append to acknowledged, median", "append to acknowledged, 99 %"
FOLLOW, CONSUME = "follow what is stored", "consume and acknowledge"
COMMIT = "pyesdb append"
"""The append alone, beside what is with a follower."""
PAUSE_S, LONG_PAUSE_S = 0.001, 0.005
"""Between appends; the longer one where a consumer commits in between as well."""
LONGEST_S = 60.0
GROUP = "benchmark"
Times = tuple[float, float]
"""Median and 99th percentile, in microseconds."""


class Subscribed(Protocol):
    """Can be followed. `feed` gives the data of events behind a position, and never ends."""

    def feed(self, after: int) -> Iterator[bytes]:
        """Data of stored events, then of those that come."""
        ...

    def last(self) -> int:
        """The position of the last event."""
        ...


class Following(ours.Ours):
    """PyESDB: a follower, and a persistent subscription."""

    def feed(self, after: int) -> Iterator[bytes]:
        """Iterate over follow."""
        return (event.data for event in self.store.follow(after=after))

    def last(self) -> int:
        """The head."""
        return self.store.read_all(backwards=True, limit=1).head

    def consume(self, after: int) -> Iterator[bytes]:
        """Iterate over a consumer; each event is acknowledged."""
        store = self.store
        store.save_subscription(GROUP, select.everything, exist_ok=True)
        store.reset_subscription(GROUP, after=after)
        with store.consume(GROUP) as consumer:
            for event in consumer:
                yield event.data
                consumer.ack(event)

    def handled(self, after: int) -> Iterator[bytes]:
        """The same; an event is given when it was acknowledged for certain."""
        store = self.store
        store.save_subscription(GROUP, select.everything, exist_ok=True)
        store.reset_subscription(GROUP, after=after)
        with store.consume(GROUP) as consumer:
            for event in consumer:
                consumer.ack(event)
                consumer.flush()
                yield event.data


class UmaFollowing(umadb.Uma):
    """UmaDB's subscription."""

    def feed(self, after: int) -> Iterator[bytes]:
        """Iterate over subscribe."""
        return (found.event.data for found in self._client.subscribe(after=after or None))

    def last(self) -> int:
        """The head."""
        return self._client.head() or 0


def _percentiles(times: Sequence[float]) -> Times:
    ordered = sorted(times)
    return median(ordered) * 1e6, ordered[int(len(ordered) * 0.99)] * 1e6


def _latencies(
    side: Any, feed: Callable[[int], Iterator[bytes]], count: int, pause_s: float = PAUSE_S
) -> Times:
    """Appends of one thread, received by another one."""
    began: list[float] = []
    times: list[float] = []
    after, ready = side.last(), threading.Event()

    def receive() -> None:
        events = feed(after)
        ready.set()
        for _ in range(count):
            next(events)
            times.append(time.perf_counter() - began[len(times)])
        close = getattr(events, "close", None)
        if close is not None:
            close()

    receiving = threading.Thread(target=receive, daemon=True)
    receiving.start()
    ready.wait(LONGEST_S)
    for number in range(count):
        began.append(time.perf_counter())
        side.append(
            stream_name(number % 100), number // 100, BODIES[number % 1000 : number % 1000 + 1]
        )
        time.sleep(pause_s)
    receiving.join(LONGEST_S)
    if len(times) != count:
        raise ValueError(f"{len(times)} of {count} events came within {LONGEST_S:.0f} s")
    return _percentiles(times)


async def _latencies_async(store: Any, count: int) -> Times:
    """The same, by two tasks of one loop."""
    began: list[float] = []
    times: list[float] = []
    async with store.follow(after="end") as follower:

        async def receive() -> None:
            async for _ in follower:
                times.append(time.perf_counter() - began[len(times)])
                if len(times) == count:
                    return

        receiving = asyncio.create_task(receive())
        for number in range(count):
            began.append(time.perf_counter())
            await store.append(
                stream_name(number % 100), NewEvent(kind(number), BODIES[number % 1000])
            )
            await asyncio.sleep(PAUSE_S)
        await asyncio.wait_for(receiving, LONGEST_S)
    return _percentiles(times)


def _commits(side: Any, count: int) -> Times:
    times: list[float] = []
    for number in range(count):
        start = time.perf_counter()
        side.append(
            stream_name(number % 100), number // 100, BODIES[number % 1000 : number % 1000 + 1]
        )
        times.append(time.perf_counter() - start)
        time.sleep(PAUSE_S)
    return _percentiles(times)


def _both(
    cases: tuple[Case, Case], measures: dict[str, Callable[[], Times]], rounds: int
) -> list[Case]:
    """One measurement a round, which gives a sample of both cases."""
    first, second = cases
    kept: dict[str, list[float]] = {who: [] for who in measures}

    def measured(who: str) -> float:
        middle, late = measures[who]()
        kept[who].append(late)
        return middle

    alternate(first, {who: lambda who=who: measured(who) for who in measures}, rounds)
    second.absent |= first.absent
    for who, samples in first.samples.items():
        second.samples[who] = kept[who][-len(samples) :]
    return [first, second]


def _rate(feed: Callable[[int], Iterator[bytes]], events: int) -> float:
    """Events per second, from the first position to the last stored one."""
    start = time.perf_counter()
    found, size = feed(0), 0
    for _ in range(events):
        size += len(next(found))
    close = getattr(found, "close", None)
    if close is not None:
        close()
    elapsed = time.perf_counter() - start
    if size != events * EVENT_BYTES:
        raise ValueError(f"{size} bytes came, expected {events} events of {EVENT_BYTES}")
    return events / elapsed


@contextmanager
def _following(folder: Path) -> Iterator[Following]:
    with pyesdb.open(folder / "data") as database:
        yield Following(database.store())


@contextmanager
def _uma(folder: Path) -> Iterator[UmaFollowing]:
    with umadb.server(folder) as side:
        side.__class__ = UmaFollowing
        yield cast("UmaFollowing", side)


OPENERS: dict[str, Opener] = {"pyesdb": _following, "umadb": _uma}


def run(plan: Plan) -> list[Case]:
    """Latencies in microseconds, then events per second of who catches up."""
    return [*_soon(plan), *_fast(plan)]


def _soon(plan: Plan) -> list[Case]:
    count = max(10, int(plan.seconds / LONG_PAUSE_S))
    with ExitStack() as stack:
        tasks: dict[str, Opener] = {"pyesdb tasks": ours.embedded_async}
        opened, absent = open_all(stack, OPENERS | tasks, plan.folder / "soon")
        sides = cast("dict[str, Any]", opened)
        measures: dict[str, Callable[[], Times]] = {
            who: lambda side=side: _latencies(side, side.feed, count)
            for who, side in sides.items()
            if who != "pyesdb tasks"
        }
        mine, loop = sides["pyesdb"], sides["pyesdb tasks"]
        measures[COMMIT] = lambda: _commits(mine, count)
        measures["pyesdb tasks"] = lambda: loop.runner.run(_latencies_async(loop.store, count))
        seen = Case(SOON, "us", absent=dict(absent)), Case(LATE, "us")
        given = Case(GIVEN, "us"), Case(GIVEN_LATE, "us")
        consumed = {"pyesdb": lambda: _latencies(mine, mine.consume, count, LONG_PAUSE_S)}
        handled = Case(HANDLED, "us"), Case(HANDLED_LATE, "us")
        acked = {"pyesdb": lambda: _latencies(mine, mine.handled, count, LONG_PAUSE_S)}
        return [
            *_both(seen, measures, plan.rounds),
            *_both(given, consumed, plan.rounds),
            *_both(handled, acked, plan.rounds),
        ]


def _fast(plan: Plan) -> list[Case]:
    events = min(plan.events, 100_000)
    with ExitStack() as stack:
        openers = {
            who: prepared.opener_of(plan.prepared, f"{who} followed", opener, events)
            for who, opener in OPENERS.items()
        }
        opened, absent = open_all(stack, openers, plan.folder / "fast")
        sides = cast("dict[str, Any]", opened)
        follow: dict[str, Callable[[], float]] = {}
        consume: dict[str, Callable[[], float]] = {}
        for who, side in sides.items():
            follow[who] = consume[who] = lambda side=side: _rate(side.feed, events)
        if mine := sides.get("pyesdb"):
            consume["pyesdb"] = lambda: _rate(mine.consume, events)
        return [
            alternate(Case(FOLLOW, "events/s", absent=dict(absent)), follow, plan.rounds),
            alternate(Case(CONSUME, "events/s", absent=dict(absent)), consume, plan.rounds),
        ]
