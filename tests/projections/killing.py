"""Projectors in processes to be killed, a producer beside them, and what must always hold."""

from __future__ import annotations

import os
import random
import select
import signal
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


class Child:
    """A projector in a process of its own, forked from one that has imported everything.

    The other one does not reap it before the next `start`: so its id is its own, dead or alive.
    """

    def __init__(self, data: Path, target: str) -> None:
        root = str(Path(__file__).parents[2])
        given = environment()
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.projections.child", str(data), target],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**given, "PYTHONPATH": f"{given['PYTHONPATH']}{os.pathsep}{root}"},
        )  # fmt: skip
        self._pid = 0
        self.over = True

    def fileno(self) -> int:
        assert self._parent.stdout is not None
        return self._parent.stdout.fileno()

    def start(self, verb: str, hold: int) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stderr is not None
        self._parent.stdin.write(f"{verb} {hold}\n".encode())
        self._parent.stdin.flush()
        self._pid = int(self._parent.stderr.readline())
        self.over = False

    def said(self, most: int = 1) -> str:
        """What it writes next; "" at its end."""
        text = "" if self.over else os.read(self.fileno(), most).decode()
        self.over = text.endswith("#") or not text
        return text.removesuffix("#")

    def kill(self) -> None:
        """End it, and pass over what it said."""
        if not self.over:
            os.kill(self._pid, signal.SIGKILL)
        while not self.over:
            self.said(1000)

    def close(self) -> None:
        self._parent.communicate()


class Scene:
    """A store that is written to, and a read model that others project it into."""

    def __init__(self, folder: Path, target: str, chance: random.Random) -> None:
        self.data = folder / "data"
        self.target = target
        self.chance = chance
        self.db = pyesdb.open(self.data, durability="os")
        self.store = self.db.create_store("s", exist_ok=True)
        self._counted: list[tuple[int, str, int]] = []
        self._resting: list[Child] = []
        self._drawn = random.Random("events")

    def append(self, count: int) -> None:
        """So many events, with others that nobody projects in between."""
        for _ in range(count):
            kind = "Counted" if self._drawn.random() < 0.8 else "Other"
            stream = f"s-{self._drawn.randrange(STREAMS)}"
            self.store.append(stream, NewEvent(kind, {"n": self._drawn.randrange(100)}))

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
    def child(self, verb: str, hold: int = 0) -> Iterator[Child]:
        """A process that projects; killed at the end."""
        child = self._resting.pop() if self._resting else Child(self.data, self.target)
        child.start(verb, hold)
        try:
            yield child
        finally:
            child.kill()
            self._resting.append(child)

    def kill_after(self, child: Child, handled: int) -> str:
        """Kill it when it has handled so many events, or ended; what it wrote until then."""
        said = ""
        while said.count(".") < handled and (piece := child.said()):
            said += piece
        child.kill()
        return said

    def kill_one_of(self, children: list[Child], handled: int) -> None:
        """Kill whoever handles an event when they have handled so many, or has ended."""
        while True:
            ready = select.select(children, [], [])[0]
            piece = ready[0].said()
            handled -= piece == "."
            if not piece or handled <= 0:
                ready[0].kill()
                children.remove(ready[0])
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
        for child in self._resting:
            child.close()
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
