"""A process that imports a package, opens a new or an existing database, appends once, and ends.

Run by `row14_start`: `python -m benchmarks.start WHO DIRECTORY` prints one line of JSON, the
milliseconds of each step and the memory of the process after it. It imports nothing before that a
contestant would have to.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.durable import make_durable

BODY = {"order": "000000000001", "total": 1000, "currency": "EUR", "note": "." * 192}
"""256 bytes of JSON, without `benchmarks.work`, which would import what is to be measured."""


def _python(_directory: str) -> Iterator[str]:
    yield "import"


def _pyesdb(directory: str) -> Iterator[str]:
    import pyesdb

    yield "import"
    with pyesdb.open(directory) as database:
        store = database.store()
        yield "open"
        store.append("order-1", pyesdb.NewEvent("OrderPlaced", BODY))
        yield "append"
    yield "close"


def _sqlite3(directory: str) -> Iterator[str]:
    import sqlite3

    yield "import"
    connection = sqlite3.connect(f"{directory}/events.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS event (position INTEGER PRIMARY KEY, stream TEXT NOT NULL,"
        " type TEXT NOT NULL, data BLOB NOT NULL)"
    )
    yield "open"
    data = json.dumps(BODY)
    with connection:
        connection.execute(
            "INSERT INTO event (stream, type, data) VALUES (?, ?, ?)", ("order-1", "E", data)
        )
    yield "append"
    connection.close()
    yield "close"


def _umadb(_directory: str) -> Iterator[str]:
    import umadb

    assert umadb.Client
    yield "import"


def _eventsourcing(directory: str) -> Iterator[str]:
    from uuid import uuid4

    from eventsourcing.persistence import StoredEvent
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    yield "import"
    datastore = SQLiteDatastore(f"{directory}/events.db")
    make_durable(datastore.pool)
    recorder = SQLiteApplicationRecorder(datastore)
    recorder.create_table()
    yield "open"
    data = json.dumps(BODY).encode()
    recorder.insert_events([StoredEvent(uuid4(), 0, "OrderPlaced", data)])
    yield "append"
    datastore.close()
    yield "close"


STEPS = {
    "python": _python,
    "pyesdb": _pyesdb,
    "sqlite3": _sqlite3,
    "umadb": _umadb,
    "eventsourcing": _eventsourcing,
}


def _resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise OSError("/proc/self/status says nothing of VmRSS")


def measure(who: str, directory: str) -> dict[str, tuple[float, float]]:
    """By step: its milliseconds, and the MiB of the process after it."""
    found: dict[str, tuple[float, float]] = {}
    start = time.perf_counter()
    for step in STEPS[who](directory):
        elapsed = (time.perf_counter() - start) * 1e3
        found[step] = (elapsed, _resident_kib() / 1024)
        start = time.perf_counter()
    return found


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
