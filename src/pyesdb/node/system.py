"""The file of `$system`: made once, by the first open of a directory.

What must never happen here: a new catalog beside stores that an old one knew.
"""

import _thread
import os
import time
from pathlib import Path

from pyesdb.model.errors import StoreFailed
from pyesdb.model.names import SYSTEM
from pyesdb.node import reconcile
from pyesdb.store.applier import Control

_PATIENCE_S = 15.0


def make_system(node: reconcile.Node, path: Path) -> None:
    """Make it unless another process is faster; raises StoreFailed when it was there before."""
    lock = node.lock_file(SYSTEM)
    owner = object()
    deadline = time.monotonic() + _PATIENCE_S
    try:
        while not lock.try_acquire(owner):
            if time.monotonic() >= deadline:
                raise node.late(lock)
            time.sleep(0.002)
        if path.exists():
            return
        if any(not name.startswith(".") for name in os.listdir(node.layout.stores)):
            raise StoreFailed(f"{path} is missing, and there are stores: restore it from a backup")
        control, key = Control(1, {}, frozen=False), node.keys.for_new(SYSTEM)
        reconcile.make_file(node.layout, SYSTEM, 0, node.database, control, key)
    finally:
        # one C call, so no signal can come between; and on a thread that signals leave alone
        _thread.start_new_thread(lock.release, (owner,))
