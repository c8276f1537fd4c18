"""Bytes: what one event of 256 bytes makes the disk write, and what it takes there for good.

Written is what Linux counts for the process that writes (`write_bytes` in /proc/PID/io): every page
of a file that it makes dirty, so 4 KiB for each page of a log, of a table and of an index, as often
as it is synced and written again. The log and the checkpoints are in it; the file system's own
journal is not, for nobody. SQLite moves its log into the file each 4000 pages: a round writes
enough for that, and goes to streams all over the store, as after a year of use.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

from benchmarks import bare, ours, prepared
from benchmarks.peers import eventsourcing_sqlite, umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Case, alternate
from benchmarks.row2_concurrent import Tasks, Threads
from benchmarks.sides import Missing, Opener, open_all
from benchmarks.work import EVENTS_PER_STREAM, Body, stream_name

TITLE = "Bytes"
ALONE, MANY, FILE = "written, alone", "written, 64 writers", "on disk"
UNIT = "bytes/event"
WRITERS = {ALONE: 1, MANY: 64}
CALLS = {ALONE: 1500, MANY: 150}
"""Of each writer in a round, times `plan.effort`."""
FEWER = 10
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
_POSTGRES = (
    "not measured: PostgreSQL writes whole pages after a checkpoint, of which there is one in "
    "minutes, so that the figure would be that of the moment"
)


class Scattered:
    """Turns the appends of `row2_concurrent` into appends to any stream of a filled store."""

    def __init__(self, side: Any, events: int) -> None:
        self._side, self._streams = side, events // EVENTS_PER_STREAM
        self._versions: dict[int, int] = {}
        self._chance = random.Random(events)
        self.runner = getattr(side, "runner", None)

    def _pick(self) -> tuple[str, int]:
        number = self._chance.randrange(self._streams)
        version = self._versions.get(number, EVENTS_PER_STREAM)
        self._versions[number] = version + 1
        return stream_name(number), version

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One append."""
        self._side.append(*self._pick(), bodies)

    async def append_async(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One append."""
        await self._side.append_async(*self._pick(), bodies)


def _written(pid: int | None) -> int:
    """Bytes that a process has made the disk write, with those of its children that ended."""
    lines = Path(f"/proc/{pid or 'self'}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def _per_event(group: Threads | Tasks, calls: int, pid: int | None) -> float:
    before = _written(pid)
    count = group.count(calls)
    written = _written(pid) - before
    if not written:
        raise ValueError("nothing was written: is the scratch directory on a disk? See --scratch")
    return written / count


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
        absent |= dict.fromkeys(("eventsourcing pg", "message-db"), _POSTGRES)
        measures: dict[str, Callable[[], float]] = {}
        for who, side in opened.items():
            kind = Tasks if isinstance(side, ours.OursAsync) else Threads
            group = kind(cast("Any", Scattered(side, plan.events)), WRITERS[name])
            pid = getattr(side, "pid", None)
            calls = CALLS[name] * plan.effort // (FEWER if who.startswith("umadb") else 1)
            measures[who] = partial(_per_event, group, calls, pid)
        return alternate(Case(name, UNIT, absent=absent), measures, plan.rounds)


def _files(plan: Plan) -> Case:
    """What the files of a closed store take, when it was filled and nothing else was done."""
    case = Case(
        FILE, UNIT, absent=dict.fromkeys(("eventsourcing pg", "message-db"), "not measured")
    )
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
