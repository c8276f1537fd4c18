"""Busy callers: an event loop that is never idle, and a busy thread beside those that append.

Python runs one thread at a time. Who waits for the disk gives the interpreter away and must then
ask for it back, for up to `sys.getswitchinterval()` each time; bare apsw shows what no code of ours
can change. A loop that is saturated runs callbacks of a millisecond, one behind the other.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks import bare, ours
from benchmarks.peers import umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Case, alternate
from benchmarks.row2_concurrent import Tasks, Threads
from benchmarks.sides import Opener, open_all

TITLE = "Busy callers"
TASKS, ALONE, MANY = "64 tasks", "1 thread", "16 threads"
BUSY = " busy"
"""Behind the name of who has something busy beside it."""
CALLBACK_S = 0.001
WRITERS = {TASKS: 64, ALONE: 1, MANY: 16}
OPENERS: dict[str, dict[str, Opener]] = {
    TASKS: {"pyesdb tasks": ours.embedded_async},
    ALONE: {"pyesdb": ours.embedded, "apsw": bare.store_tables, "umadb": umadb.server},
    MANY: {"pyesdb threads": ours.embedded, "umadb threads": umadb.server},
}


@contextmanager
def _busy_thread() -> Iterator[None]:
    """A thread that computes and never waits."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class SaturatedTasks(Tasks):
    """Tasks of a loop that also runs callbacks of a millisecond, without a pause."""

    async def _rate(self, seconds: float) -> float:
        loop, over = asyncio.get_running_loop(), False

        def compute() -> None:
            until = time.perf_counter() + CALLBACK_S
            while time.perf_counter() < until:
                pass
            if not over:
                loop.call_soon(compute)

        loop.call_soon(compute)
        try:
            return await super()._rate(seconds)
        finally:
            over = True


def _beside(rate: Callable[[float], float], seconds: float) -> float:
    with _busy_thread():
        return rate(seconds)


def run(plan: Plan) -> list[Case]:
    """Appends per second, each contestant alone and beside what is busy."""
    return [_case(plan, name, openers) for name, openers in OPENERS.items()]


def _case(plan: Plan, name: str, openers: dict[str, Opener]) -> Case:
    with ExitStack() as stack:
        opened, absent = open_all(stack, openers, plan.folder / name.replace(" ", "-"))
        absent |= {f"{who}{BUSY}": why for who, why in absent.items()}
        measures: dict[str, Callable[[], float]] = {}
        for who, side in opened.items():
            if isinstance(side, ours.OursAsync):
                idle = Tasks(side, WRITERS[name])
                measures[who] = partial(idle.rate, plan.seconds)
                busy = SaturatedTasks(side, WRITERS[name])
                measures[f"{who}{BUSY}"] = partial(busy.rate, plan.seconds)
            else:
                group = Threads(side, WRITERS[name])
                measures[who] = partial(group.rate, plan.seconds)
                measures[f"{who}{BUSY}"] = partial(_beside, group.rate, plan.seconds)
        return alternate(Case(name, "appends/s", absent=absent), measures, plan.rounds)
