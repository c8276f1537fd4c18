"""A measurement on a disk: where it is made, what is opened, whose turn it is.

What must never happen here: something that is left behind, or a database of the user that is
touched.
"""

import asyncio
import gc
import os
import platform
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyesdb
from pyesdb.operations.bench.callers import WARM_UP, Appending, Tasks, Threads, turns
from pyesdb.operations.bench.findings import ALONE, SYNC, TASKS, Bench, Measured, ratio
from pyesdb.operations.bench.scratch import scratch, sweep
from pyesdb.operations.bench.sides import (
    Creating,
    LimitWriter,
    Reads,
    StoreWriter,
    TaskWriter,
    fill,
)
from pyesdb.operations.bench.surroundings import Disk, Others, cores, cpu, disk, system
from pyesdb.operations.surroundings import kind_of_file_system
from pyesdb.sqlite.bare import bare_reader, bare_writer

ROUNDS = 5
SECONDS_MOST = 600
SPACE = 64 << 20
SPACE_PER_S = 400 << 20
"""What a fast disk takes in a second of each case, generously."""

SPACE_LEFT, SPACE_PER_EVENT = 16 << 20, 1 << 10
"""What stays free in any case, and what an event takes for which room is looked for again."""

EVENTS_PER_S, EVENTS_LEAST, EVENTS_MOST = 20_000, 1_000, 200_000
STORES_PER_S, STORES_LEAST, STORES_MOST = 10, 2, 100

_BARE_1 = "SQLite alone: append"


def measure(
    directory: str | os.PathLike[str],
    *,
    seconds: float,
    on_progress: Callable[[int, int], None] | None = None,
) -> Bench:
    """Measure for `seconds` per case in a temporary directory inside `directory`, and remove it.

    Everything is durable (fsync), whatever the environment says. Progress is (done, total) turns.
    What killed measurements have left in there is removed, too. Raises InvalidTarget for what is no
    directory, AccessDenied, and DiskFull when there is less space than it may need: before anything
    is written, and again before each turn, when somebody else has taken it.
    """
    if not 0 < seconds <= SECONDS_MOST:
        raise pyesdb.RequestError(
            f"seconds must be more than 0 and at most {SECONDS_MOST}, not {seconds}"
        )
    place = _place(directory)
    sweep(place)  # first: it may be what takes the space
    _look_for_space(place, SPACE + SPACE_PER_S * seconds, "nothing was written")
    others = Others()
    with scratch(place) as folder, ExitStack() as stack:
        cases = _opened(stack, folder, seconds)
        _take_turns(cases, folder, seconds, on_progress)
    return Bench(
        tuple(_measured(cases)),
        ROUNDS,
        seconds,
        str(place),
        kind_of_file_system(place),
        others.cores(),
        {
            "cpu": cpu(),
            "cores": cores(),
            "system": system(),
            "python": platform.python_version(),
            "pyesdb": pyesdb.__version__,
        },
    )


def _place(directory: str | os.PathLike[str]) -> Path:
    place = Path(os.path.realpath(os.fspath(directory)))
    if not place.is_dir():
        raise pyesdb.InvalidTarget(
            f"{os.fspath(directory)} is no directory: name one on the disk that is to be measured"
        )
    return place


def _look_for_space(place: Path, wanted: float, done: str = "all of it was removed again") -> None:
    free = shutil.disk_usage(place).free
    if free < wanted:
        raise pyesdb.DiskFull(
            f"{free >> 20:,} MiB are free at {place}, and it may take {int(wanted) >> 20:,} MiB: "
            f"{done}; free some space, or measure for fewer seconds"
        )


@dataclass
class _Case:
    """A case, with how it is measured and what was found so far."""

    name: str
    unit: str
    rate: Callable[[float], float]
    limit: str | None = None
    samples: list[float] = field(default_factory=list[float])
    wall: float = 0.0
    worked: float = 0.0


def _opened(stack: ExitStack, folder: Path, seconds: float) -> list[_Case]:
    """Everything that is measured, open and filled; a store of its own for each case."""
    opened = _Opened(stack, folder)
    cases = [
        _Case(SYNC, "syncs/s", Appending(opened.disk(), 1).rate),
        _Case(_BARE_1, "appends/s", Appending(opened.limit(), 1).rate),
        _Case(ALONE, "appends/s", Appending(opened.writer(), 1).rate, _BARE_1),
        _Case("append, 16 threads", "appends/s", Threads(opened.writer(), 16).rate, _BARE_1),
        _Case("append, 64 threads", "appends/s", Threads(opened.writer(), 64).rate, _BARE_1),
        _Case(TASKS, "appends/s", Tasks(opened.tasks(), 64).rate, _BARE_1),
    ]
    for size in (100, 1000):
        bare = f"SQLite alone: append of {size}"
        cases += [
            _Case(bare, "events/s", Appending(opened.limit(), size).rate),
            _Case(f"append of {size}", "events/s", Appending(opened.writer(), size).rate, bare),
        ]
    reads = opened.reads(_so_many(seconds * EVENTS_PER_S, EVENTS_LEAST, EVENTS_MOST))
    many = Creating(folder / "many", _so_many(seconds * STORES_PER_S, STORES_LEAST, STORES_MOST))
    bare_all, bare_replay = "SQLite alone: read all", "SQLite alone: read a stream of 10"
    return [
        *cases,
        _Case(bare_all, "events/s", reads.all_bare),
        _Case("read_all", "events/s", reads.all, bare_all),
        _Case(bare_replay, "streams/s", reads.replay_bare),
        _Case("read a stream of 10", "streams/s", reads.replay, bare_replay),
        _Case("create_store", "stores/s", many.rate, SYNC),
    ]


def _so_many(wanted: float, least: int, most: int) -> int:
    """A number of things, round enough for streams of ten."""
    return min(most, max(least, int(wanted) // 10 * 10))


class _Opened:
    """Opens what is measured below one folder, and closes all of it with the stack."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self._config = {"durability": "fsync"}
        self._count = 0
        self._db = stack.enter_context(pyesdb.open(folder / "threads", config=self._config))

    def _name(self) -> str:
        self._count += 1
        return f"bench-{self._count}"

    def disk(self) -> Disk:
        """The disk alone."""
        return self._stack.enter_context(disk(self._folder))

    def limit(self) -> LimitWriter:
        """A new file of its own."""
        path = self._folder / f"{self._name()}.db"
        return LimitWriter(self._stack.enter_context(bare_writer(path)))

    def writer(self) -> StoreWriter:
        """A new store."""
        return StoreWriter(self._db.create_store(self._name()))

    def tasks(self) -> TaskWriter:
        """A new store of a database of its own, opened from asyncio."""
        runner = self._stack.enter_context(asyncio.Runner())
        context = _opened_async(self._folder / "tasks", self._config)
        store = runner.run(context.__aenter__())
        self._stack.callback(lambda: runner.run(context.__aexit__(None, None, None)))
        return TaskWriter(runner, store)

    def reads(self, events: int) -> Reads:
        """A filled store, and its file."""
        name = self._name()
        store = self._db.create_store(name)
        _look_for_space(self._folder, SPACE_LEFT + SPACE_PER_EVENT * events)
        fill(store, events)
        path = self._db.get_store_config(name).data_dir
        bare = self._stack.enter_context(bare_reader(Path(path) / "store.db"))
        return Reads(store, bare, events, max(1, events // 50))


@asynccontextmanager
async def _opened_async(
    directory: Path, config: dict[str, str]
) -> AsyncGenerator[pyesdb.AsyncStore]:
    async with pyesdb.open_async(directory, config=config) as database:
        yield await database.create_store("bench")


def _take_turns(
    cases: list[_Case],
    folder: Path,
    seconds: float,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """`seconds` of each case, in as many rounds; a failure is raised."""
    by_name = {case.name: case for case in cases}
    total = len(cases) * (ROUNDS + WARM_UP)
    share = SPACE_PER_S * seconds / ROUNDS / len(cases)
    for done, (number, name) in enumerate(turns(list(by_name), ROUNDS)):
        if done % len(cases) == 0:
            gc.collect()  # once a round: what one case has left is not paid by one case alone
        case = by_name[name]
        _look_for_space(folder, SPACE_LEFT + share)
        start, worked = time.perf_counter(), time.process_time()
        sample = case.rate(seconds / ROUNDS)
        if number >= 0:
            case.samples.append(sample)
            case.wall += time.perf_counter() - start
            case.worked += time.process_time() - worked
        if on_progress is not None:
            on_progress(done + 1, total)


def _measured(cases: list[_Case]) -> Generator[Measured]:
    samples = {case.name: case.samples for case in cases}
    for case in cases:
        yield Measured(
            case.name,
            case.unit,
            tuple(case.samples),
            min(1.0, case.worked / case.wall),
            case.limit,
            ratio(case.samples, samples[case.limit]) if case.limit else None,
        )
