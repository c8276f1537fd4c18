"""The file of `$system`: made once, by the first open of a directory; and whether it is whole.

What must never happen here: a new catalog beside stores that an old one knew.
"""

import _thread
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from pyesdb.model.errors import Corrupt, StoreFailed
from pyesdb.model.names import SYSTEM
from pyesdb.model.results import VerifyResult
from pyesdb.node import reconcile
from pyesdb.node.layout import MARKER, REBUILD
from pyesdb.store.applier import Control
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.verify import unreadable, verify

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
            raise lost(path)
        control, key = Control(1, {}, frozen=False), node.keys.for_new(SYSTEM)
        identity: dict[str, int | str] = {
            "database": node.database,
            "store": SYSTEM,
            "incarnation": 0,
        }
        reconcile.make_file(node.layout, identity, control, key)
    finally:
        # one C call, so no signal can come between; and on a thread that signals leave alone
        try:
            _thread.start_new_thread(lock.release, (owner,))
        except RuntimeError:  # none can be had, as when the main thread has ended
            lock.release(owner)


def lost(path: Path) -> StoreFailed:
    """The error of a catalog that is not there, or not its own one."""
    return StoreFailed(
        f"the catalog, {path}, is missing or was replaced, or {MARKER} is that of another "
        f"database: put its own file back, or {REBUILD}"
    )


class Node(Protocol):
    """What `verify_system` needs of the node."""

    system: StoreRuntime
    database: str


def verify_system(node: Node, on_progress: Callable[[int, int], None] | None) -> VerifyResult:
    """Verify the file of the catalog; what to do about it is not what helps another store."""
    system = node.system
    identity = {"database": node.database, "store": SYSTEM, "incarnation": 0}

    def told(done: int, total: int) -> None:
        if system.ended is not None:
            raise system.ended
        if on_progress is not None:
            on_progress(done, total)

    try:
        found = system.ask(lambda reader: verify(reader, system.path, identity, told))
    except Corrupt as error:
        found = unreadable(system.path, error, told)
    problems = [msgspec.structs.replace(problem, advice=REBUILD) for problem in found.problems]
    return msgspec.structs.replace(found, problems=tuple(problems))
