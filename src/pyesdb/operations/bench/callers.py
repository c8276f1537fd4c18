"""Who calls while it is measured: one caller, threads, tasks; and whose turn it is.

What must never happen here: a caller whose failure does not reach the one who measures, or a thread
that goes on after it.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from pyesdb.operations.bench.work import BODIES, Body, stream_name

WARM_UP = 1


class Writer(Protocol):
    """Appends; returns when the events are durable."""

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """Append to the end of a stream; `version` is that of the first event, from 0."""
        ...


class AsyncWriter(Protocol):
    """The same from tasks of a loop, which its runner runs."""

    @property
    def runner(self) -> asyncio.Runner:
        """What runs the loop."""
        ...

    async def append_async(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """Append to the end of a stream."""
        ...


def turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Everyone once per round, each round beginning with another one.

    A first round has the number -1: it warms up and is not counted.
    """
    for number in range(-WARM_UP, rounds):
        shift = number % max(len(names), 1)
        for name in [*names[shift:], *names[:shift]]:
            yield number, name


class Appending:
    """One caller that appends batches of a size to one stream after the other."""

    STREAMS = 1000

    def __init__(self, writer: Writer, size: int) -> None:
        self._append = writer.append
        self._bodies: Sequence[Sequence[Body]] = [
            (BODIES[start:] + BODIES[:start])[:size] for start in range(0, 1000, 10)
        ]
        self._size = size
        self._calls = 0

    def rate(self, seconds: float) -> float:
        """Events per second over about `seconds`."""
        append, bodies, size = self._append, self._bodies, self._size
        calls = first = self._calls
        names = [stream_name(number) for number in range(self.STREAMS)]
        start = now = time.perf_counter()
        while now - start < seconds:
            turn, stream = divmod(calls, self.STREAMS)
            append(names[stream], turn * size, bodies[calls % len(bodies)])
            calls += 1
            now = time.perf_counter()
        self._calls = calls
        return (calls - first) * size / (now - start)


class Threads:
    """Threads that each append to a stream of their own until told to stop, at least once."""

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
            try:
                ready.wait()
                while True:
                    append(stream, version, BODIES[version % 1000 : version % 1000 + 1])
                    version += 1
                    if stop.is_set():
                        break
            except BaseException as error:  # noqa: BLE001  (raised by rate, in the caller)
                failures.append(error)
            self._next[number] = version

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(self._next))]
        try:
            for thread in threads:
                thread.start()
            ready.wait()
            start = time.perf_counter()
            time.sleep(seconds)
        except BaseException:  # Ctrl-C: who is not at work yet waits for one who does not come
            ready.abort()
            raise
        finally:
            stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        elapsed = time.perf_counter() - start
        if failures:
            raise failures[0]
        return (sum(self._next) - before) / elapsed


class Tasks:
    """The same with tasks of one event loop."""

    def __init__(self, writer: AsyncWriter, count: int) -> None:
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
        while True:
            await append(stream, version, BODIES[version % 1000 : version % 1000 + 1])
            version += 1
            if time.perf_counter() >= end:
                break
        self._next[number] = version
