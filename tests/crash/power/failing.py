"""Two processes, one behind the other, on a disk of which one fsync fails as it does on Linux.

failing.py BASE RECORD killed|goes-on|after NUMBER: in the first two the fsync of a commit fails;
"after" is the process that follows the killed one. Prints what was acknowledged. At the operation
of this number, or in the end, the power goes: the disk is in RECORD.
"""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path

import pyesdb
from pyesdb import Append, NewEvent
from tests.crash.power import vfs
from tests.crash.power.disk import Disk, Folder
from tests.crash.power.system import watch

LOG = "orders/store.db-wal"
MANY, ROUNDS = 60, 10
BEFORE = MANY * ROUNDS
"""So many events are there when the log is empty."""


def closed(folder: Folder) -> None:
    """Whoever had files open is dead."""
    for node in folder.now.values():
        if isinstance(node, Folder):
            closed(node)
        else:
            node.handles = 0


def append(store: pyesdb.Store, text: str) -> None:
    position = store.append("s", NewEvent("Said", {"text": text})).position
    print(position, text, flush=True)


def append_to_many(store: pyesdb.Store, text: str) -> None:
    """A commit that changes pages all over the file."""
    event = NewEvent("Said", {"text": text})
    store.append_many([Append(f"s{n}", [event]) for n in range(MANY)])


def begin(data: str) -> None:
    """A store whose log is empty."""
    with pyesdb.open(data) as db:
        store = db.create_store("orders")
        for n in range(ROUNDS):
            append_to_many(store, f"round {n}")


def main(base: str, record: str, how: str, number: str) -> None:
    disk = Disk(Path(base))
    if how == "after":
        disk = pickle.loads(Path(record).read_bytes())["disk"]
        closed(disk.root)
    cut = vfs.Cut("any", int(number), os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "")
    kept = watch(disk, cut)
    if how != "after":
        begin(f"{base}/data")
    store = pyesdb.open(f"{base}/data").store("orders")
    for n in range(3):
        append(store, f"{how} {n}")
    if how != "after":
        cut.failing, cut.kills = LOG, how == "killed"
        with suppress(pyesdb.Unavailable):  # it says that nothing was stored
            append_to_many(store, "the fsync fails")
        append(store, "behind it")
    vfs.end("at rest")
    del kept


if __name__ == "__main__":
    main(*sys.argv[1:])
