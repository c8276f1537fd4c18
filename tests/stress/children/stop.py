"""Holds a store: stops itself (SIGSTOP), or dies (SIGKILL), inside a commit of store "contested".

stop.py DIRECTORY SIGNAL, and the number of this process.
"""

import os
import signal
import sys

import pyesdb
from pyesdb.store.applier import Applier

directory, name, _ = sys.argv[1:]
deliver = Applier.deliver
armed: list[bool] = []


def stopping(self: Applier, entries: object) -> None:
    if armed:
        armed.clear()
        print("holding", flush=True)
        os.kill(os.getpid(), getattr(signal, name))
    deliver(self, entries)  # type: ignore[arg-type]


Applier.deliver = stopping  # type: ignore[assignment,method-assign]

with pyesdb.open(directory) as db:
    store = db.store("contested")
    store.append("held", pyesdb.NewEvent("Before"))
    print("ready", flush=True)
    sys.stdin.readline()
    armed.append(True)
    held = store.append("held", pyesdb.NewEvent("Held"), timeout=60)
    print(held.version, flush=True)
