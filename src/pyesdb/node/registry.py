"""The nodes of this process: opens of one directory share one, counted by reference.

What must never happen here: two nodes for one directory that both write, or a node of the parent
used after fork.
"""

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pyesdb.config.keys import KeySource
from pyesdb.model.errors import DatabaseClosed, DatabaseLocked, Forked
from pyesdb.node.engine import Node
from pyesdb.node.layout import locked_by
from pyesdb.store.desk import last_words

_registry: dict[tuple[int, int, bool], Node] = {}
_registry_lock = threading.RLock()


def open_node(
    base: Path,
    *,
    create: bool,
    read_only: bool,
    exclusive: bool,
    keys: KeySource | None = None,
) -> Node:
    """The node of a directory: the one that is open in this process, or a new one."""
    with _registry_lock:
        found = _find(base, read_only=read_only)
        if found is not None:
            if exclusive and not found.exclusive:
                raise _locked_here(found)
            found.keys.add(keys)
            found.users += 1
            return found
        twin = _find(base, read_only=not read_only)
        if twin is not None and exclusive:
            raise _locked_here(twin)
        if twin is not None and not read_only:
            twin.beside_writer(there=True)
        try:
            node = Node(
                base, create=create, read_only=read_only, exclusive=exclusive, twin=twin, keys=keys
            )
        except BaseException:
            if twin is not None and not read_only:
                twin.beside_writer(there=False)
            raise
        _registry[_key(base, read_only=read_only)] = node
        node.users = 1
        return node


@contextmanager
def closed_here(base: Path) -> Generator[None]:
    """Nobody in this process has a directory open, or opens one meanwhile.

    Raises DatabaseLocked: a second open and close of its lock file would drop the node's lock.
    """
    with _registry_lock:
        found = _find(base, read_only=False) or _find(base, read_only=True)
        if found is not None:
            raise _locked_here(found)
        yield


def open_memory(keys: KeySource | None = None) -> Node:
    """A node in a private temporary directory, erased at close and at exit."""
    base = Path(tempfile.mkdtemp(prefix="pyesdb-memory-"))
    with _registry_lock:
        node = Node(base, create=True, read_only=False, exclusive=True, keys=keys)
        node.temporary = True
        _registry[_key(base, read_only=False)] = node
        node.users = 1
        return node


def release(node: Node, keys: KeySource | None = None) -> None:
    """One handle less, and the `keys` it was opened with; the last one closes the node."""
    if isinstance(node.ended, Forked):
        return  # it is the parent's
    with _registry_lock:
        node.leaving += 1
        alone = node.leaving >= node.users
    try:
        if alone:  # not under the lock: it may take seconds, and others open and close meanwhile
            last_words([runtime.desks for runtime in node.known()])
    finally:
        _release(node, keys)


def _release(node: Node, keys: KeySource | None) -> None:
    with _registry_lock:
        node.leaving -= 1
        node.users -= 1
        node.keys.drop(keys)
        if node.users > 0:
            for runtime in node.known():  # who waits through the handle that closes learns it
                runtime.desks.leave()
                runtime.ring()
            return
        places = [place for place, found in _registry.items() if found is node]
        for place in places:
            del _registry[place]
        lock = node.database_lock
        alone = not any(other.database_lock is lock for other in _registry.values())
        node.shut(DatabaseClosed(), unlock=alone)
        for device, inode, read_only in places:
            reading = _registry.get((device, inode, True))
            if reading is not None and not read_only:
                reading.beside_writer(there=False)
    if node.temporary:
        shutil.rmtree(node.base, ignore_errors=True)


def _key(base: Path, *, read_only: bool) -> tuple[int, int, bool]:
    found = base.stat()
    return found.st_dev, found.st_ino, read_only


def _find(base: Path, *, read_only: bool) -> Node | None:
    try:
        return _registry.get(_key(base, read_only=read_only))
    except OSError:
        return None


def _locked_here(node: Node) -> DatabaseLocked:
    if node.database_lock is None:
        return DatabaseLocked("the database is open in this process", pid=os.getpid())
    return locked_by(node.base, node.database_lock)


def _after_fork() -> None:
    global _registry_lock
    _registry_lock = threading.RLock()
    for node in _registry.values():
        node.abandon()
    _registry.clear()


os.register_at_fork(after_in_child=_after_fork)


def forget_temporary() -> None:
    """At exit: erase what ":memory:" databases left."""
    for node in list(_registry.values()):
        if node.temporary and not isinstance(node.ended, Forked):
            shutil.rmtree(node.base, ignore_errors=True)


atexit.register(forget_temporary)
