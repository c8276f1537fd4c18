"""A projector in a process of its own, made to be killed.

child.py DATA TARGET: for each line "VERB HOLD" that it reads, it forks a process that projects
store "s" of DATA into TARGET, a path or an address, and tells its id on stderr. That process writes
a dot for every event that a handler has handled, before the commit, and "b" each time that another
projector was at work. VERB is `run`, which never ends, or `rebuild`, which then writes "!". In the
handler of the HOLDth event (0: none) it waits to be killed. When it is dead, there is a "#".
"""

import os
import signal
import sys
import time
from typing import Any

import pyesdb
from pyesdb.projections import Projection

STATEMENTS = {
    "TABLE": "CREATE TABLE IF NOT EXISTS totals "
    "(stream TEXT PRIMARY KEY, store TEXT, n BIGINT, c BIGINT)",
    "UPSERT": "INSERT INTO totals (stream, store, n, c) VALUES ({0}, {0}, {0}, 1) "
    "ON CONFLICT (stream) DO UPDATE SET n = totals.n + excluded.n, c = totals.c + 1",
}


def projection(target: str, hold: int = 0) -> Projection:
    """What is projected; other processes project the same."""
    mark = "%s" if "://" in target else "?"
    made = Projection("totals", batch=20)
    left = hold
    upsert = STATEMENTS["UPSERT"].format(mark)

    @made.setup
    def table(tx: Any) -> None:
        tx.execute(STATEMENTS["TABLE"])

    @made.reset
    def clear(tx: Any) -> None:
        tx.execute("DELETE FROM totals")

    @made.on("Counted")
    def counted(tx: Any, event: pyesdb.RecordedEvent) -> None:
        tx.execute(upsert, (event.stream, event.store, event.json()["n"]))
        os.write(1, b".")
        nonlocal left
        left -= 1
        if left == 0:
            signal.pause()

    return made


def project(data: str, target: str, verb: str, hold: int) -> None:
    """Project until killed, or rebuild."""
    made = projection(target, hold)
    with pyesdb.open(data, create=False) as db:
        while True:
            try:
                getattr(made, verb)(db.store("s"), target)
            except pyesdb.ProjectionBusy:
                os.write(1, b"b")
                time.sleep(0.005)
            else:
                os.write(1, b"!")
                return


def main(data: str, target: str) -> None:
    """A fork for each line."""
    if "://" in target:
        import psycopg  # noqa: F401  (before the forks)
    dead = 0
    for line in sys.stdin:
        if dead:
            os.waitpid(dead, 0)
        verb, hold = line.split()
        dead = os.fork()
        if not dead:
            project(data, target, verb, int(hold))
            os._exit(0)
        os.write(2, f"{dead}\n".encode())
        os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
        os.write(1, b"#")


if __name__ == "__main__":
    main(*sys.argv[1:])
