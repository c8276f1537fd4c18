"""A store that nobody has used makes room: the default store, which every open makes.

Else no backup of it could be restored under its own id: whoever restores opens the database first.
Under the store's lock its file is looked at, then StoreRemoved and what comes in its place are one
append to the catalog, then it is sealed and moved to the trash, like every store that is removed.

What must never happen here: a store that somebody has written to loses its place.
"""

import time
from collections.abc import Sequence
from typing import Protocol

from pyesdb.model.errors import (
    Corrupt,
    PyesdbError,
    StoreAlreadyExists,
    WrongExpectedVersion,
)
from pyesdb.model.results import StoreStats
from pyesdb.node import catalog as c
from pyesdb.node import reconcile
from pyesdb.sqlite import files, swap
from pyesdb.store import queries
from pyesdb.store.readers import Reader
from pyesdb.store.runtime import StoreRuntime
from pyesdb.telemetry.clock import now_us
from pyesdb.telemetry.log import logger

_PATIENCE_S = 0.002
_UNUSED = StoreStats(events=0, streams=0, bytes=0, position=0, snapshots=0, subscriptions=0)


class Node(reconcile.Node, Protocol):
    """What is needed of the node."""

    system: StoreRuntime
    exclusive: bool

    def runtime(self, store_id: str) -> StoreRuntime:
        """The running store of an id."""
        ...

    def known(self) -> list[StoreRuntime]:
        """The stores of this process."""
        ...

    def expire_trash(self) -> None:
        """Erase what has been in the trash for its time."""
        ...

    def start_duties(self) -> None:
        """Do by itself what must be done now and then."""
        ...


def taken(store_id: str, default: str) -> StoreAlreadyExists:
    """The error of an id that a store has; it names a way that there is."""
    if store_id == default:
        return StoreAlreadyExists(
            f"store {store_id!r} is the default store and has been used or set up, so it is not "
            "replaced: give another id, which PYESDB_STORE_ID can make the default one"
        )
    return StoreAlreadyExists(f"store {store_id!r} exists: give another id, or remove it first")


def used(node: Node, record: c.Record) -> bool:
    """Whether anything was ever stored in a store: an event, a stream, a subscription, a cursor.

    Or whether it was set up by somebody: a freeze, a setting, a template. One whose file was lost
    is not used any more. Raises StoreAlreadyExists when it is damaged.
    """
    path, keys = node.layout.file(record.store_id), node.keys.of(record.store_id)
    if not path.exists() and not swap.wait(path):
        return False
    if record.frozen or record.settings or record.template is not None:
        return True
    try:
        reader = Reader(path, read_only=False, keys=keys)
        try:
            with files.typed_errors(path):
                identity = files.identity_of(reader.connection)
                return identity.get("incarnation") != record.incarnation or _anything(reader)
        finally:
            reader.connection.close()
    except Corrupt as error:
        raise StoreAlreadyExists(
            f"store {record.store_id!r} exists and is damaged ({error}): close the database in all "
            f"processes, move {path.parent} away and keep it, then call again"
        ) from error


def _anything(reader: Reader) -> bool:
    return queries.stats(reader) != _UNUSED or bool(reader.all("any_tracked")[0][0])


def replace(
    node: Node, record: c.Record, changes: Sequence[c.Change], timeout_s: float
) -> int | None:
    """Remove a store that nobody has used, and note `changes`, of which one makes another one.

    Returns the position of the last event of its stream; None: it was used. Raises
    WrongExpectedVersion: the catalog says something else by now, and nothing has happened.
    """
    replacing = _Replacing(node, record, changes)
    deadline = time.monotonic() + timeout_s
    try:
        if node.exclusive and node.layout.file(record.store_id).exists():
            runtime = node.runtime(record.store_id)  # no lock file is used: its lane stands still
            while not runtime.outbox.alone(replacing.do):
                if time.monotonic() >= deadline:
                    raise runtime.outbox.late("the store is in use all the time: call again")
                time.sleep(_PATIENCE_S)
        else:
            reconcile.locked(node, record.store_id, deadline, replacing.do)
    finally:
        if replacing.position is not None:
            _forget(node, record)
    if replacing.error is not None:
        raise replacing.error
    if replacing.position is not None:
        removed(node, replacing.keep_s)
    return replacing.position


def removed(node: Node, keep_s: float) -> None:
    """What is owed to the trash behind a removal."""
    if not keep_s:
        node.expire_trash()
    node.start_duties()


def _forget(node: Node, record: c.Record) -> None:
    for runtime in node.known():
        if (runtime.store_id, runtime.incarnation) == (record.store_id, record.incarnation):
            node.forget(record.store_id)


class _Replacing:
    """What happens while nobody writes to the store."""

    def __init__(self, node: Node, record: c.Record, changes: Sequence[c.Change]) -> None:
        self._node = node
        self._record = record
        self._changes = changes
        self.position: int | None = None
        self.error: WrongExpectedVersion | None = None
        self.keep_s = 0.0

    def do(self) -> None:
        node, record = self._node, self._record
        folder = node.layout.folder(record.store_id)
        with files.typed_errors(folder):
            swap.settle(folder)  # else a store between two places would count as lost
        if used(node, record):  # again: what is committed by now is seen, and nothing more comes
            return
        self.keep_s = node.config_of(record).trash_keep
        data: dict[str, object] = {
            "incarnation": record.incarnation,
            "purge": False,  # whoever writes to it behind a crash at this moment finds it there
            "trash_until": now_us() + round(self.keep_s * 1e6),
        }
        removal = c.store_stream(record.store_id), record.version, c.REMOVED, data
        try:
            self.position = c.append_together(node.system, [removal, *self._changes])
        except WrongExpectedVersion as error:
            self.error = error
            return
        reconcile.hook("noted its replacement")
        try:
            with files.typed_errors(folder):
                reconcile.to_trash(node, record)
        except PyesdbError as error:  # whoever finishes what comes in its place tries it again
            logger.warning("store %s is not in the trash yet: %s", record.store_id, error)
