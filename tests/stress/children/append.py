"""Appends to one stream with expected versions, from several threads, by count or by seconds.

append.py DIRECTORY STREAM THREADS "count" N | "seconds" S, and the number of this process.
Last line: what was won [(version, position, name)], and the longest call in seconds.
"""

import json
import sys
import threading
import time

import pyesdb
from pyesdb import NewEvent

directory, stream, threads, kind, amount, me = sys.argv[1:]
won: list[tuple[int, int, str]] = []
longest = [0.0]
failures: list[str] = []


def work(store: pyesdb.Store, name: str) -> None:
    version = store.version(stream)
    end = time.monotonic() + float(amount)
    wins = 0
    while wins < int(amount) if kind == "count" else time.monotonic() < end:
        began = time.monotonic()
        try:
            result = store.append(stream, NewEvent("E", name), expected=version, timeout=60)
        except pyesdb.WrongExpectedVersion as error:
            version = error.actual
        else:
            wins += 1
            version = result.version
            won.append((result.version, result.position, name))
        longest[0] = max(longest[0], time.monotonic() - began)


def guarded(store: pyesdb.Store, name: str) -> None:
    try:
        work(store, name)
    except Exception as error:  # noqa: BLE001  (reported to the test)
        failures.append(repr(error))


with pyesdb.open(directory) as db:
    contested = db.store("contested")
    contested.version(stream)
    print("ready", flush=True)
    sys.stdin.readline()
    running = [
        threading.Thread(target=guarded, args=(contested, f"{me}-{n}")) for n in range(int(threads))
    ]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
print(json.dumps({"won": won, "longest": longest[0], "failures": failures}))
