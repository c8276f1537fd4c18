"""Many writers at once, one event per append: threads, and tasks of one event loop."""

import asyncio
import threading
import time
from contextlib import ExitStack

from benchmarks import ours
from benchmarks.peers import eventsourcing_postgres, message_db, umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Case, alternate
from benchmarks.sides import Opener, Writer, open_all
from benchmarks.work import BODIES, stream_name

TITLE = "Concurrent writers"
WRITERS = (16, 64, 512)
OPENERS: dict[str, Opener] = {
    "pyesdb threads": ours.embedded,
    "pyesdb tasks": ours.embedded_async,
    "umadb threads": umadb.server,
    "eventsourcing pg threads": eventsourcing_postgres.recorder,
    "message-db threads": message_db.message_store,
}


class Threads:
    """Threads that each append to a stream of their own until told to stop."""

    def __init__(self, writer: Writer, count: int) -> None:
        self._append = writer.append
        self._next = [0] * count

    def rate(self, seconds: float) -> float:
        """Appends per second of all, from the start until the last one has its last answer."""
        stop = threading.Event()
        ready = threading.Barrier(len(self._next) + 1)
        before = sum(self._next)
        failures: list[BaseException] = []

        def work(number: int) -> None:
            stream, version, append = stream_name(number), self._next[number], self._append
            ready.wait()
            try:
                while not stop.is_set():
                    append(stream, version, BODIES[version % 1000 : version % 1000 + 1])
                    version += 1
            except BaseException as error:  # noqa: BLE001  (raised by rate, in the caller)
                failures.append(error)
            self._next[number] = version

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(self._next))]
        for thread in threads:
            thread.start()
        ready.wait()
        start = time.perf_counter()
        time.sleep(seconds)
        stop.set()
        for thread in threads:
            thread.join()
        elapsed = time.perf_counter() - start
        if failures:
            raise failures[0]
        return (sum(self._next) - before) / elapsed


class Tasks:
    """The same with tasks of one event loop."""

    def __init__(self, writer: ours.OursAsync, count: int) -> None:
        self._writer = writer
        self._next = [0] * count

    def rate(self, seconds: float) -> float:
        """As for threads."""
        return self._writer.runner.run(self._rate(seconds))

    async def _rate(self, seconds: float) -> float:
        before = sum(self._next)
        start = time.perf_counter()
        end = start + seconds
        await asyncio.gather(*(self._work(number, end) for number in range(len(self._next))))
        return (sum(self._next) - before) / (time.perf_counter() - start)

    async def _work(self, number: int, end: float) -> None:
        stream, version, append = stream_name(number), self._next[number], self._writer.append_async
        while time.perf_counter() < end:
            await append(stream, version, BODIES[version % 1000 : version % 1000 + 1])
            version += 1
        self._next[number] = version


def run(plan: Plan) -> list[Case]:
    """Appends per second of 16, 64 and 512 callers that each wait for their answer."""
    return [_case(plan, count) for count in WRITERS]


def _case(plan: Plan, count: int) -> Case:
    with ExitStack() as stack:
        opened, absent = open_all(stack, OPENERS, plan.folder / str(count))
        groups = {
            name: Tasks(writer, count)
            if isinstance(writer, ours.OursAsync)
            else Threads(writer, count)
            for name, writer in opened.items()
        }
        measures = {
            name: lambda group=group: group.rate(plan.seconds) for name, group in groups.items()
        }
        case = Case(f"{count} writers", "appends/s", absent=absent)
        return alternate(case, measures, plan.rounds)
