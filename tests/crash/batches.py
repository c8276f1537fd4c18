"""Appends batches to two streams and prints each acknowledged one, until it is killed.

batches.py DIRECTORY PLACE: "any" (killed by the parent), "before" or "behind" the COMMIT of the
batch after the third.
"""

import os
import signal
import sys
from typing import Any

import pyesdb
from pyesdb import NewEvent
from pyesdb.store import applier

SIZE = 40
directory, place = sys.argv[1:]
armed: list[bool] = []
real_apply, real_inside = applier.apply, applier.Applier._apply


def apply(tx: Any, entry: Any) -> Any:
    outcomes = real_apply(tx, entry)
    if armed and place == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    return outcomes


def inside(self: applier.Applier, entry: Any) -> Any:
    outcomes = real_inside(self, entry)
    if armed and place == "behind":
        os.kill(os.getpid(), signal.SIGKILL)
    return outcomes


applier.apply = apply
applier.Applier._apply = inside  # type: ignore[method-assign]

with pyesdb.open(directory) as db:
    store = db.store()
    batch = 0
    while True:
        batch += 1
        if batch == 4:
            armed.append(True)
        events = [NewEvent("E", {"batch": batch, "n": n}) for n in range(SIZE)]
        store.append_many([pyesdb.Append("a", events[:10]), pyesdb.Append("b", events[10:])])
        print(batch, flush=True)
