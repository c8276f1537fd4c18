"""Drafts: stores that come with content are made whole aside, before the catalog knows of them.

    drafts/<name>/store.db   being filled; later moved to stores/<id> (reconcile)
    drafts/<name>.lock       held by the process that fills it, as long as it lives

    stores/.<id>.<incarnation>.new/   an empty store being made under its store's lock (reconcile)

A draft is swept when its owner is dead and no StoreCreated waits for it. The lock comes first, then
the look at the catalog: an owner cannot note its draft any more once its lock is taken.

What must never happen here: a draft deleted whose owner lives, or that the catalog waits for.
"""

import os
import re
import shutil
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from pyesdb.model.errors import AccessDenied, PyesdbError, Unavailable
from pyesdb.model.keys import Key
from pyesdb.node import reconcile
from pyesdb.node.catalog import CREATED, Catalog
from pyesdb.node.keyring import Keyring
from pyesdb.node.layout import Layout
from pyesdb.sqlite import files, rekeying
from pyesdb.sqlite.locks import LockFile
from pyesdb.telemetry.log import logger

_TRIES = 10
_LOCK = ".lock"
_NAME = re.compile("[0-9a-f]{32}")
_EMPTY = re.compile(r"\.(.+)\.([0-9]+)\.new")

_mine: set[Path] = set()
"""Drafts of this process: its lock files keep out other processes, and not itself."""
_mutex = threading.Lock()


class Node(Protocol):
    """What is needed of the node."""

    layout: Layout
    catalog: Catalog

    @property
    def keys(self) -> Keyring:
        """The keys of the stores."""
        ...


class Draft:
    """A directory that becomes a store's."""

    def __init__(self, layout: Layout, lock: LockFile) -> None:
        self.name = lock.path.name.removesuffix(_LOCK)
        self.lock = lock
        self.folder = layout.draft(self.name)
        self.file = self.folder / "store.db"

    def sync(self) -> None:
        """All of it is on the disk."""
        with files.typed_errors(self.folder):
            files.sync(self.file)
            files.sync(self.folder)
            files.sync(self.folder.parent)


def encrypt(node: Node, draft: Draft, store_id: str, key: Key | None) -> dict[str, Any]:
    """Give a draft (under `key`, or plain) the key that its id demands; StoreCreated says so.

    Raises AccessDenied: what was encrypted does not become a plain store.
    """
    wanted = node.keys.for_new(store_id)
    if wanted is None and key is None:
        return {}
    if wanted is None:
        raise without_key(store_id)
    if key not in node.keys.offered(store_id):
        rekeying.rewrite_draft(draft.file, lambda: [key] if key else [], wanted)
    return {"encrypted": True}


def without_key(store_id: str) -> AccessDenied:
    """The error of encrypted content that was to become a plain store."""
    return AccessDenied(
        f"the content of store {store_id!r} is encrypted, and no key was given for {store_id!r}: "
        'open the database with config={"encryption": {...}} that has one'
    )


@contextmanager
def making(node: Node) -> Generator[Draft]:
    """A draft for the length of a block; what is left of it then is deleted."""
    sweep(node)
    draft = _begin(node.layout)
    try:
        yield draft
    finally:
        _end(node, draft)


def _begin(layout: Layout) -> Draft:
    for _ in range(_TRIES):
        path = layout.drafts / f"{uuid4().hex}{_LOCK}"
        with _mutex:
            _mine.add(path)
        lock: LockFile | None = None
        try:
            with files.typed_errors(path):
                lock = LockFile(path)
                draft = Draft(layout, lock)
                if lock.try_acquire(lock) and lock.in_place():
                    draft.folder.mkdir(mode=0o700)
                    return draft
        except BaseException:
            _let_go(path, lock)
            raise
        _let_go(path, lock)  # a sweep was between its creation and its lock
    raise Unavailable(f"{layout.drafts}: no draft could be locked: try again")


def _let_go(path: Path, lock: LockFile | None) -> None:
    if lock is not None:
        lock.close()
    with _mutex:
        _mine.discard(path)


def _end(node: Node, draft: Draft) -> None:
    try:
        if draft.name not in _awaited(node):
            shutil.rmtree(draft.folder, ignore_errors=True)
        draft.lock.path.unlink(missing_ok=True)
    except (PyesdbError, OSError) as error:  # the next sweep does it
        logger.warning("draft %s is left over: %s", draft.folder, error)
    finally:
        _let_go(draft.lock.path, draft.lock)


def _awaited(node: Node) -> set[str]:
    """Drafts that the catalog waits for."""
    return {record.draft for record in node.catalog.records().values() if record.last == CREATED}


def sweep(node: Node) -> None:
    """Delete the drafts that dead processes have left."""
    with files.typed_errors(node.layout.drafts):
        names = {name.removesuffix(_LOCK) for name in os.listdir(node.layout.drafts)}
        for name in filter(_NAME.fullmatch, sorted(names)):
            path = node.layout.drafts / f"{name}{_LOCK}"
            with _mutex:
                own = path in _mine
            if not own:
                _sweep(node, path, name)


def _sweep(node: Node, path: Path, name: str) -> None:
    lock = LockFile(path)
    try:
        if lock.try_acquire(lock) and name not in _awaited(node):
            shutil.rmtree(node.layout.draft(name), ignore_errors=True)
            path.unlink(missing_ok=True)
    finally:
        lock.close()


def sweep_empty(node: reconcile.Node) -> None:
    """Delete what a crash has left of empty stores in the making that nobody will make."""
    with files.typed_errors(node.layout.stores):
        names = os.listdir(node.layout.stores)
    for found in filter(None, map(_EMPTY.fullmatch, names)):
        sweep_one = partial(_sweep_empty, node, node.layout.stores / found[0], *found.groups())
        try:
            reconcile.locked(node, found[1], time.monotonic(), sweep_one)
        except PyesdbError as error:  # another process may be making it; else the next open does it
            logger.info("%s is not swept: %s", found[0], error)


def _sweep_empty(node: reconcile.Node, place: Path, store_id: str, incarnation: str) -> None:
    """Under the store's lock, so nobody makes it now; what the catalog waits for stays."""
    record = node.record(store_id)
    if record is None or (record.last, record.incarnation) != (CREATED, int(incarnation)):
        shutil.rmtree(place, ignore_errors=True)
