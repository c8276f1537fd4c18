"""Writes to a store that another process removes and makes again.

rewrite.py DIRECTORY, and the number of this process. What was acknowledged goes to the file
DIRECTORY-acknowledged-NUMBER, a line each: name, incarnation, when it was called.
"""

import sys
import threading
import time

import pyesdb
from pyesdb import NewEvent

directory, me = sys.argv[1:]
done = threading.Event()
counts = {"removed": 0}


def write(db: pyesdb.Database) -> None:
    n = 0
    store = db.store("contested")
    while not done.is_set():
        n += 1
        name = f"{me}-{n}"
        called = time.monotonic_ns()
        try:
            result = store.append("s", NewEvent("E", name), timeout=60)
        except pyesdb.StoreRemoved:
            counts["removed"] += 1
            store = db.store("contested")
        except pyesdb.StoreNotFound:
            store = db.store("contested")
        else:
            print(name, result.token.incarnation, called, file=acknowledged, flush=True)


with (
    open(f"{directory}-acknowledged-{me}", "w") as acknowledged,
    pyesdb.open(directory) as database,
):
    writer = threading.Thread(target=write, args=(database,))
    database.store("contested").version("s")
    print("ready", flush=True)
    writer.start()
    sys.stdin.readline()
    done.set()
    writer.join()
    print("removed", counts["removed"], 0, file=acknowledged, flush=True)
