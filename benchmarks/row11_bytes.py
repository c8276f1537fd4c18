"""Bytes: what one event of 256 bytes makes the disk write, and what it takes there for good.

Written is what the disk of the scratch directory counts (Linux: sectors of its block device),
from one sync of everything to the next: logs, tables, indexes, checkpoints and the journal of the
file system, whoever writes them; so other programs should be quiet. SQLite moves its log into the
file each 4000 pages: a round writes enough for that, and goes to streams all over the store, as
after a year of use.
"""

import asyncio
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bare, ours, prepared
from benchmarks.peers import eventsourcing_sqlite, umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Case, alternate
from benchmarks.sides import Missing, Opener, open_all
from benchmarks.work import BODIES, EVENTS_PER_STREAM, stream_name

TITLE = "Bytes"
ALONE, MANY, FILE = "written, alone", "written, 64 writers", "on disk"
UNIT = "bytes/event"
WRITERS = {ALONE: 1, MANY: 64}
CALLS = {ALONE: 1000, MANY: 100}
"""Of each writer in a round, times `plan.effort`."""
FEWER = 20
"""Times fewer for UmaDB: it has no log that must fill, and writes much."""
TAG = " tagged"
"""Behind the name of who gives each event three tags."""
_PLACES = {
    "pyesdb": ours.embedded,
    "pyesdb tagged": ours.embedded_tagged,
    "umadb": umadb.server,
    "umadb tagged": umadb.server_tagged,
    "apsw": bare.store_tables,
    "eventsourcing": eventsourcing_sqlite.recorder,
}
_KEPT = ("pyesdb", "pyesdb tagged", "umadb", "umadb tagged")
"""Those whose filled store can be opened again."""
_POSTGRES = ("eventsourcing pg", "message-db")
_SHARED = "not measured: it shares its files with PostgreSQL's own tables and log"
_CHECKPOINTS = (
    "not measured: PostgreSQL writes whole pages after a checkpoint, of which there is one in "
    "minutes, so that the figure would be that of the moment"
)


class Scattered:
    """Callers that append to any stream of a filled store, each a number of times."""

    def __init__(self, side: Any, events: int, callers: int) -> None:
        self._side, self._streams, self._callers = side, events // EVENTS_PER_STREAM, callers
        self._versions: dict[int, int] = {}
        self._chance = random.Random(events)

    def _pick(self) -> tuple[str, int]:
        number = self._chance.randrange(self._streams)
        version = self._versions.get(number, EVENTS_PER_STREAM)
        self._versions[number] = version + 1
        return stream_name(number), version

    def append(self, calls: int) -> None:
        """So many appends by each caller; returns when all are answered."""
        if isinstance(self._side, ours.OursAsync):
            self._side.runner.run(self._tasks(calls))
            return
        with ThreadPoolExecutor(self._callers) as pool:
            list(pool.map(self._call, [calls] * self._callers))

    def _call(self, calls: int) -> None:
        for number in range(calls):
            self._side.append(*self._pick(), BODIES[number % 1000 :][:1])

    async def _tasks(self, calls: int) -> None:
        await asyncio.gather(*(self._task(calls) for _ in range(self._callers)))

    async def _task(self, calls: int) -> None:
        for number in range(calls):
            await self._side.append_async(*self._pick(), BODIES[number % 1000 :][:1])


def _written(folder: Path) -> int:
    """Bytes that the disk of a folder has written, with all that waited for it."""
    os.sync()
    device = folder.stat().st_dev
    status = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    try:
        return int(status.read_text().split()[6]) * 512
    except OSError as error:
        raise Missing(
            f"the disk of the scratch directory does not say what it writes: {error}"
        ) from error


def _per_event(callers: Scattered, writers: int, calls: int, folder: Path) -> float:
    before = _written(folder)
    callers.append(calls)
    return (_written(folder) - before) / (writers * calls)


def _kept(plan: Plan, who: str, opener: Callable[[Path], Any] | None = None) -> Opener:
    name = who if who.endswith(TAG) else f"{who} plain"
    return prepared.opener_of(plan.prepared, name, _PLACES[who], plan.events, opener=opener)


def _fresh(plan: Plan, who: str) -> Opener:
    def opened(folder: Path) -> AbstractContextManager[Any]:
        return prepared.full(_PLACES[who](folder), plan.events)

    return opened


def _openers(plan: Plan) -> dict[str, dict[str, Opener]]:
    alone = {who: _kept(plan, who) for who in _KEPT}
    alone |= {who: _fresh(plan, who) for who in ("apsw", "eventsourcing")}
    tasks = {"": ours.embedded_async, TAG: ours.embedded_async_tagged}
    many = {f"pyesdb tasks{tag}": _kept(plan, f"pyesdb{tag}", tasks[tag]) for tag in tasks}
    for who in ("pyesdb", "umadb"):
        many |= {f"{who} threads{tag}": _kept(plan, f"{who}{tag}") for tag in tasks}
    return {ALONE: alone, MANY: many}


def _case(plan: Plan, name: str, openers: dict[str, Opener]) -> Case:
    with ExitStack() as stack:
        opened, absent = open_all(stack, openers, plan.folder / name.replace(" ", "-"))
        absent |= dict.fromkeys(_POSTGRES, _CHECKPOINTS)
        measures: dict[str, Callable[[], float]] = {}
        for who, side in opened.items():
            writers = WRITERS[name]
            fewer = FEWER if who.startswith("umadb") else 1
            calls = max(1, int(CALLS[name] * plan.effort / fewer))
            callers = Scattered(side, plan.events, writers)
            measures[who] = partial(_per_event, callers, writers, calls, plan.folder)
        return alternate(Case(name, UNIT, absent=absent), measures, plan.rounds)


def _files(plan: Plan) -> Case:
    """What the files of a closed store take, when it was filled and nothing else was done."""
    case = Case(FILE, UNIT, absent=dict.fromkeys(_POSTGRES, _SHARED))
    for who, opener in _PLACES.items():
        name = who if who.endswith(TAG) else f"{who} plain"
        try:
            _, size = prepared.filled(
                plan.prepared, name, opener, plan.events, prepared.many_streams
            )
        except Missing as error:
            case.absent[who] = str(error)
        else:
            case.samples[who] = [size / plan.events]
    return case


def run(plan: Plan) -> list[Case]:
    """Bytes per event; less is better."""
    return [
        _files(plan),
        *(_case(plan, name, openers) for name, openers in _openers(plan).items()),
    ]
