"""Growth: what a store of many events costs more than one of ten thousand.

Every size is opened at once and measured in rounds that alternate, so that noise hits all of them.
The work is counted, not timed, and each case that writes has a small store of its own: else the
small one would not stay small. Writes go to streams that exist, chosen by chance, as do reads.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import ours, prepared
from benchmarks.plan import SMALL, Plan
from benchmarks.rounds import Case, alternate
from benchmarks.sides import Opener, open_all
from benchmarks.work import BODIES, EVENTS_PER_STREAM, stream_name

TITLE = "Growth"
SINGLE, BATCHES, TASKS = "append of 1 event", "append of 100 events", "64 tasks"
SLICES, REPLAY = "read 2000 events of all", "replay 10 events"
LARGEST, ONE_STREAM = 10_000_000, "pyesdb stream"
LONGEST = 1_000_000
"""Events of the store that is one stream."""
BATCH, SLICE, CALLERS = 100, 2000, 64


def name_of(events: int) -> str:
    """The contestant that is a store of so many events."""
    return f"pyesdb {events // 1_000_000}M" if events >= 1_000_000 else f"pyesdb {events // 1000}k"


class Aged:
    """One store with its events; `streams` is 1 for all events in one stream."""

    def __init__(self, side: Any, events: int, streams: int) -> None:
        self._side, self._store = side, side.store
        self._events, self._streams = events, streams
        self._chance = random.Random(events + streams)

    def _names(self, count: int) -> list[str]:
        if self._streams == 1:
            return [prepared.ONE_STREAM] * count
        return [stream_name(self._chance.randrange(self._streams)) for _ in range(count)]

    def append(self, calls: int, size: int) -> float:
        """Events per second of one caller."""
        append, names = self._side.append, self._names(calls)
        start = time.perf_counter()
        for number, name in enumerate(names):
            append(name, 0, BODIES[number % 900 : number % 900 + size])
        return calls * size / (time.perf_counter() - start)

    def tasks(self, calls: int) -> float:
        """Appends per second of 64 tasks that each make so many."""
        return self._side.runner.run(self._tasks(calls))

    async def _tasks(self, calls: int) -> float:
        names = [self._names(calls) for _ in range(CALLERS)]
        start = time.perf_counter()
        await asyncio.gather(*map(self._task, names))
        return CALLERS * calls / (time.perf_counter() - start)

    async def _task(self, names: list[str]) -> None:
        append = self._side.append_async
        for number, name in enumerate(names):
            await append(name, 0, BODIES[number % 900 : number % 900 + 1])

    def slices(self, count: int) -> float:
        """Events per second of reads that begin anywhere."""
        starts = [self._chance.randrange(self._events - SLICE + 1) for _ in range(count)]
        start = time.perf_counter()
        found = sum(self._count(self._store.read_all(after=at, limit=SLICE)) for at in starts)
        elapsed = time.perf_counter() - start
        if found != count * SLICE:
            raise ValueError(f"read {found} events, expected {count * SLICE}")
        return found / elapsed

    def replays(self, count: int) -> float:
        """Streams per second; of one stream: ten events from any version on."""
        reads: list[Callable[[], Iterator[Any]]]
        if self._streams == 1:
            last = self._events - EVENTS_PER_STREAM + 1
            reads = [
                partial(
                    self._store.read,
                    prepared.ONE_STREAM,
                    from_version=self._chance.randrange(last),
                    limit=EVENTS_PER_STREAM,
                )
                for _ in range(count)
            ]
        else:
            # The limit is for a row that is measured again: some streams are longer by then.
            reads = [
                partial(self._store.read, name, limit=EVENTS_PER_STREAM)
                for name in self._names(count)
            ]
        start = time.perf_counter()
        found = sum(self._count(read()) for read in reads)
        elapsed = time.perf_counter() - start
        if found != count * EVENTS_PER_STREAM:
            raise ValueError(f"replayed {found} events of {count} streams")
        return count / elapsed

    @staticmethod
    def _count(events: Iterator[Any]) -> int:
        return sum(1 for event in events if event.data)


def _openers(plan: Plan, small: Path, opener: Callable[[Path], Any]) -> dict[str, Opener]:
    found = {
        name_of(size): prepared.opener_of(
            small if size == SMALL else plan.prepared,
            "pyesdb plain",
            ours.embedded,
            size,
            opener=opener,
        )
        for size in plan.sizes
    }
    found[ONE_STREAM] = prepared.opener_of(
        plan.prepared, "pyesdb stream", ours.embedded, LONGEST, prepared.one_stream, opener
    )
    return found


def _aged(plan: Plan, opened: dict[str, Any]) -> dict[str, Aged]:
    sizes = {name_of(size): (size, size // EVENTS_PER_STREAM) for size in plan.sizes}
    sizes[ONE_STREAM] = (LONGEST, 1)
    return {name: Aged(side, *sizes[name]) for name, side in opened.items()}


def _into_memory(folder: Path) -> None:
    """Read every file once while it is closed: the small store is in memory, and so are the others.

    What is asked is what a store of many events costs more, not how fast the disk reads.
    """
    for path in folder.rglob("*.db"):
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


def _case(
    plan: Plan, name: str, unit: str, opener: Callable[[Path], Any], work: Callable[[Aged], float]
) -> Case:
    place = plan.folder / name.replace(" ", "-")
    _into_memory(plan.prepared)
    with ExitStack() as stack:
        opened, absent = open_all(stack, _openers(plan, place / "small", opener), place)
        if LARGEST not in plan.sizes:
            absent[name_of(LARGEST)] = f"a {plan.size} run ends at {max(plan.sizes):,} events"
        measures = {who: partial(work, aged) for who, aged in _aged(plan, opened).items()}
        return alternate(Case(name, unit, absent=absent), measures, plan.rounds)


def run(plan: Plan) -> list[Case]:
    """Rates by size. Reads come first: the writes make some streams longer."""
    plain, tasks = ours.embedded, ours.embedded_async
    slices, replays, singles, batches, calls = (
        max(1, int(count * plan.effort)) for count in (30, 1000, 500, 20, 15)
    )
    return [
        _case(plan, SLICES, "events/s", plain, lambda aged: aged.slices(slices)),
        _case(plan, REPLAY, "streams/s", plain, lambda aged: aged.replays(replays)),
        _case(plan, SINGLE, "appends/s", plain, lambda aged: aged.append(singles, 1)),
        _case(plan, BATCHES, "events/s", plain, lambda aged: aged.append(batches, BATCH)),
        _case(plan, TASKS, "appends/s", tasks, lambda aged: aged.tasks(calls)),
    ]
