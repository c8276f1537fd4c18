"""Imports a file, and dies in it by SIGKILL; each time in a fresh fork of this process.

dying.py DIRECTORY FILE: reads lines "BATCH PLACE" and dies at that batch, "before" or "behind" its
append, or "any"where, after as many milliseconds; or goes on to the end (0). Prints "died", or what
the import answered.
"""

import os
import signal
import sys
import threading
from typing import Any

import pyesdb
from pyesdb.transfer import engine, import_events

directory, file = sys.argv[1:]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def child(batch: int, place: str) -> None:
    original = engine.Writer._append
    left = batch
    if place == "any":
        threading.Timer(batch / 1000, die).start()
        left = 0

    def append(self: engine.Writer, found: engine.Batch) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and place == "before":
            die()
        answer = original(self, found)
        if left == 0:
            die()
        return answer

    engine.Writer._append = append  # type: ignore[method-assign]
    with pyesdb.open(directory) as db:
        result = import_events(db.store(), file, source_id="flights")
    print(result.events, result.skipped, flush=True)


for line in sys.stdin:
    number, where = line.split()
    pid = os.fork()
    if pid == 0:
        child(int(number), where)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        print("died", flush=True)
