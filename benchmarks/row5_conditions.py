"""Appends with a condition: nothing may have been written meanwhile that the decision depends on.

Each writer has customers of its own and decides about their orders, in a small store and in a large
one; `after` is where its last append went, so that no condition fails. That one can fail is tried
first: who ignores conditions is not measured.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, cast

from benchmarks import ours, prepared
from benchmarks.peers import eventsourcing_postgres, umadb
from benchmarks.plan import SMALL, Plan
from benchmarks.rounds import Case, alternate
from benchmarks.row2_concurrent import Tasks, Threads
from benchmarks.sides import Conditional, Opener, Refused, Writer, open_all
from benchmarks.work import BODIES, EVENTS_PER_STREAM, Body, stream_name

TITLE = "Appends with a condition"
ALONE, MANY = "1 writer, conditional", "64 writers, conditional"
ORDERS = 10
"""Of a customer, as `work.tags` has it."""
SECONDS = 0.5
"""Of a round at most, or the small store would not stay small."""
Fillers = dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]]
"""What fills a store, and what then opens it."""
FILLERS: dict[str, Fillers] = {
    ALONE: {
        "pyesdb": (ours.embedded_tagged, ours.embedded_tagged),
        "umadb": (umadb.server_tagged, umadb.server_tagged),
    },
    MANY: {
        "pyesdb threads": (ours.embedded_tagged, ours.embedded_tagged),
        "pyesdb tasks": (ours.embedded_tagged, ours.embedded_async_tagged),
        "umadb threads": (umadb.server_tagged, umadb.server_tagged),
    },
}
WRITERS = {ALONE: 1, MANY: 64}


class Deciding:
    """Makes decisions of the appends of `row2_concurrent`; each writer has its own customers."""

    def __init__(self, side: Conditional, events: int, writers: int) -> None:
        self._side = side
        self._writers = writers
        self._turns = events // EVENTS_PER_STREAM // ORDERS // writers
        self._after = [side.append_if(stream_name(0), 0, BODIES[0], 1 << 40)] * writers
        try:
            side.append_if(stream_name(0), 0, BODIES[0], 0)
        except Refused:
            return
        raise ValueError("an append was accepted though its condition did not hold")

    def _order(self, stream: str, version: int) -> tuple[int, str]:
        writer = int(stream[-12:], 16)
        turn, order = divmod(version, ORDERS)
        customer = writer + self._writers * (turn % self._turns)
        return writer, stream_name(customer * ORDERS + order)

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One decision."""
        writer, order = self._order(stream, version)
        self._after[writer] = self._side.append_if(order, version, bodies[0], self._after[writer])


class DecidingAsync(Deciding):
    """The same for tasks."""

    def __init__(self, side: ours.OursAsync, events: int, writers: int) -> None:
        super().__init__(side, events, writers)
        self.runner = side.runner
        self._async = side

    async def append_async(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One decision."""
        writer, order = self._order(stream, version)
        self._after[writer] = await self._async.append_if_async(
            order, version, bodies[0], self._after[writer]
        )


def _group(side: Any, events: int, writers: int) -> Threads | Tasks:
    if isinstance(side, ours.OursAsync):
        return Tasks(cast("ours.OursAsync", DecidingAsync(side, events, writers)), writers)
    return Threads(cast("Writer", Deciding(side, events, writers)), writers)


def _openers(plan: Plan, case: str, events: int) -> dict[str, Opener]:
    small = events == SMALL
    place = plan.folder / f"small-{WRITERS[case]}" if small else plan.prepared
    found: dict[str, Opener] = {}
    for who, (filler, opener) in FILLERS[case].items():
        # One caller and, in the next case, many threads use the same large store; tasks, which
        # write at the same time as threads, would fail each other's conditions.
        name = who.removesuffix(" threads")
        found[f"{who} 10k" if small else who] = prepared.opener_of(
            place, f"{name} tagged", filler, events, opener=opener
        )
    return found


def _filling(opener: Callable[[Path], Any], events: int) -> Opener:
    """For who is not kept for other rows: filled when it is opened."""

    def opened(folder: Path) -> AbstractContextManager[Any]:
        return prepared.full(opener(folder), events)

    return opened


def run(plan: Plan) -> list[Case]:
    """Appends per second; `10k` are those into the small store."""
    with ExitStack() as stack:
        postgres = {
            f"eventsourcing pg{suffix}": _filling(eventsourcing_postgres.tagged, events)
            for suffix, events in (("", plan.events), (" 10k", SMALL))
        }
        shared, missing = open_all(stack, postgres, plan.folder)
        return [_case(plan, name, shared, missing) for name in FILLERS]


def _case(plan: Plan, name: str, shared: dict[str, Writer], missing: dict[str, str]) -> Case:
    writers = WRITERS[name]
    openers = _openers(plan, name, SMALL) | _openers(plan, name, plan.events)
    with ExitStack() as stack:
        opened, absent = open_all(stack, openers, plan.folder / str(writers))
        groups: dict[str, Threads | Tasks] = {}
        for who, side in (opened | shared).items():
            size = SMALL if who.endswith(" 10k") else plan.events
            try:
                groups[who] = _group(side, size, writers)
            except Exception as error:  # noqa: BLE001  (whatever it is, it belongs in the report)
                absent[who] = f"failed: {type(error).__name__}: {error}"
        seconds = min(plan.seconds, SECONDS)
        measures = {who: lambda group=group: group.rate(seconds) for who, group in groups.items()}
        case = Case(name, "appends/s", absent=absent | missing)
        return alternate(case, measures, plan.rounds)
