"""What a process of the laboratory does until it is killed: `python -m ... ROLE DATA OUTSIDE SEED`.

Each says what it does in its own file outside the database, a line in one write: what is written is
there when the process is killed.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb import NewEvent
from pyesdb.projections import Projection

SUBSCRIPTION = "work"
STREAMS = 40
READ_MODEL = "read-model.db"

totals = Projection("totals")


@totals.setup
def tables(tx: sqlite3.Connection) -> None:
    """A row for each stream."""
    tx.execute("CREATE TABLE IF NOT EXISTS total (stream PRIMARY KEY, events, amount, version)")


@totals.on("Counted")
def counted(tx: sqlite3.Connection, event: Any) -> None:
    """Count, and see that the events of a stream come one behind the other."""
    row = tx.execute("SELECT version FROM total WHERE stream = ?", (event.stream,)).fetchone()
    before = -1 if row is None else row[0]
    if event.version != before + 1:
        raise ValueError(f"{event.stream}@{event.version} came behind {before}")
    tx.execute(
        "INSERT INTO total VALUES (?, 1, ?, ?) ON CONFLICT DO UPDATE SET "
        "events = events + 1, amount = amount + excluded.amount, version = excluded.version",
        (event.stream, event.json()["amount"], event.version),
    )


class Said:
    """A file of lines that outlives its process."""

    def __init__(self, outside: Path, role: str) -> None:
        path = outside / f"{role}-{os.getpid()}-{time.monotonic_ns()}"
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def __call__(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


def produce(store: pyesdb.Store, outside: Path, chance: random.Random) -> None:
    """Append to any stream; `told` are the first and last position of what was acknowledged."""
    said = Said(outside, "produced")
    while True:
        events = [
            NewEvent("Counted", {"amount": chance.randrange(1000)})
            for _ in range(chance.choice([1, 1, 1, 2, 7]))
        ]
        result = store.append(f"s-{chance.randrange(STREAMS)}", events)
        said("told", result.first_position, result.position)
        time.sleep(chance.random() * 0.004)


def consume(store: pyesdb.Store, outside: Path, chance: random.Random) -> None:
    """Handle events: `began` and `ended` handling, `durable` acknowledged for certain."""
    said = Said(outside, "consumed")
    while True:
        with store.consume(SUBSCRIPTION, window=chance.choice([None, 5, 50])) as consumer:
            handle(consumer, said, chance)


def handle(consumer: pyesdb.Consumer, said: Said, chance: random.Random) -> None:
    """One life of a consumer, which leaves well."""
    acked: list[int] = []
    for event in consumer:
        said("began", event.position, event.stream, event.version, time.monotonic_ns())
        if chance.random() < 0.2:
            time.sleep(chance.random() * 0.002)
        if chance.random() < 0.05:
            consumer.nack(event, "retry", delay=chance.choice([None, 0.01]))
            continue
        said("ended", event.position, time.monotonic_ns())
        consumer.ack(event)
        acked.append(event.position)
        if chance.random() < 0.1:
            consumer.flush()
            now = time.monotonic_ns()
            for position in acked:
                said("durable", position, now)
            acked = []
        if chance.random() < 0.01:
            return


def project(store: pyesdb.Store, outside: Path, chance: random.Random) -> None:
    """Keep the read model; a second one waits for its turn."""
    said = Said(outside, "projected")
    said("works")
    while True:
        try:
            totals.run(store, outside / READ_MODEL)
        except pyesdb.ProjectionBusy:
            time.sleep(chance.random() * 0.1)
        except Exception as error:
            said("trouble", repr(error))
            raise


ROLES = {"produce": produce, "consume": consume, "project": project}


def main(role: str, data: str, outside: str, seed: str) -> None:
    """Play a role until the end."""
    with pyesdb.open(data, create=False) as database:
        ROLES[role](database.store(), Path(outside), random.Random(seed))


if __name__ == "__main__":
    main(*sys.argv[1:])
