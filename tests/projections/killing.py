"""Projectors in processes to be killed, a producer beside them, and what must always hold."""

from __future__ import annotations

import os
import random
import select
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb import NewEvent
from tests.stress.tools import environment

STREAMS = 5
Totals = dict[str, tuple[int, int]]


class Scene:
    """A store that is written to, and a read model that others project it into."""

    def __init__(self, folder: Path, target: str, chance: random.Random) -> None:
        self.data = folder / "data"
        self.target = target
        self.chance = chance
        self.db = pyesdb.open(self.data, durability="os")
        self.store = self.db.create_store("s", exist_ok=True)
        self._counted: list[tuple[int, str, int]] = []

    def append(self, count: int) -> None:
        """So many events, with others that nobody projects in between."""
        for _ in range(count):
            kind = "Counted" if self.chance.random() < 0.8 else "Other"
            stream = f"s-{self.chance.randrange(STREAMS)}"
            self.store.append(stream, NewEvent(kind, {"n": self.chance.randrange(100)}))

    @contextmanager
    def producing(self) -> Iterator[None]:
        """Events keep coming."""
        ended = threading.Event()

        def produce() -> None:
            while not ended.wait(0.004):  # what takes long on a busy machine must not get longer
                self.append(2)

        thread = threading.Thread(target=produce)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @contextmanager
    def child(self, verb: str, hold: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        """A process that projects; killed at the end."""
        command = [sys.executable, "-m", "tests.projections.child"]
        with subprocess.Popen(
            [*command, str(self.data), self.target, verb, str(hold)],
            stdout=subprocess.PIPE, env=self._environment(),
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    @staticmethod
    def _environment() -> dict[str, str]:
        root = str(Path(__file__).parents[2])
        given = environment()
        return {**given, "PYTHONPATH": f"{given['PYTHONPATH']}:{root}"}

    @staticmethod
    def next(process: subprocess.Popen[bytes], most: int = 1) -> str:
        """What it writes next; "" at its end."""
        assert process.stdout is not None
        return os.read(process.stdout.fileno(), most).decode()

    def kill_after(self, process: subprocess.Popen[bytes], handled: int) -> str:
        """Kill it when it has handled so many events, or ended; what it wrote until then."""
        said = ""
        while said.count(".") < handled and (piece := self.next(process)):
            said += piece
        process.kill()
        process.wait()
        return said

    def kill_one_of(self, processes: list[subprocess.Popen[bytes]], handled: int) -> None:
        """Kill whoever handles an event when they have handled so many, or has ended."""
        while True:
            ready = select.select([process.stdout for process in processes], [], [])[0]
            process = next(one for one in processes if one.stdout is ready[0])
            assert process.stdout is not None
            piece = os.read(process.stdout.fileno(), 1)
            handled -= piece == b"."
            if not piece or handled <= 0:
                process.kill()
                process.wait()
                processes.remove(process)
                return

    # -- what must hold

    def counted(self, upto: int) -> Totals:
        """What the events up to a position add up to, counted on its own."""
        known = self._counted[-1][0] if self._counted else 0
        for event in self.store.read_all(after=known):
            if event.type == "Counted":
                self._counted.append((event.position, event.stream, event.json()["n"]))
        found: Totals = {}
        for position, stream, number in self._counted:
            if position <= upto:
                n, c = found.get(stream, (0, 0))
                found[stream] = (n + number, c + 1)
        return found

    def seen(self) -> tuple[int, Totals]:
        """The checkpoint and the totals, of one moment."""
        position, rows = _snapshot(self.target)
        return position, {stream: (int(n), c) for stream, n, c in rows}

    def check(self) -> int:
        """Whatever was killed: the read model is what the checkpoint says."""
        position, totals = self.seen()
        assert totals == self.counted(position)
        return position

    def close(self) -> None:
        self.db.close()


def _snapshot(target: str) -> tuple[int, list[tuple[Any, ...]]]:
    if "://" in target:
        import psycopg

        with psycopg.connect(target) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return _rows(connection)
    connection = sqlite3.connect(target)
    try:
        connection.execute("BEGIN")
        return _rows(connection)
    finally:
        connection.close()


def _rows(connection: Any) -> tuple[int, list[tuple[Any, ...]]]:
    position = connection.execute("SELECT position FROM pyesdb_checkpoint").fetchone()
    rows = connection.execute("SELECT stream, n, c FROM totals").fetchall()
    return position[0], rows
