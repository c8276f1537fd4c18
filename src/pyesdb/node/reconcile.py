"""Reconcile: make the disk what the catalog says, for one store id at a time.

Level-triggered and idempotent: it looks at the catalog and at the disk, never at what was called.
It is the only path on which a store comes to life or goes, after a crash or without one.

    StoreCreated            make the file (a copy of the template, renamed into place), StoreReady
    StoreCreated, draft     identify the draft, move it into place, StoreReady; StoreCreateFailed if
                            it is lost
    StoreReady              the file must be there; a missing one is a failure, never made anew
    StoreRemoved            seal the file, move the directory to the trash
    StoreRemoved, purge     the same, then StoreErased
    StoreRecovered          unseal the file, move the directory back
    StoreErased             delete it, in the trash or on its way there

What must never happen here: a file made for a store that was ready before, a directory moved that
is not sealed, data deleted before StoreErased is durable.
"""

import _thread
import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pyesdb.model.config import StoreConfig
from pyesdb.model.errors import Corrupt, PyesdbError, StoreFailed, WrongExpectedVersion
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.keys import Key
from pyesdb.node import alone
from pyesdb.node import catalog as c
from pyesdb.node.keyring import Keyring
from pyesdb.node.layout import Layout
from pyesdb.sqlite import files, swap
from pyesdb.sqlite.cipher import Keys
from pyesdb.sqlite.locks import LockFile
from pyesdb.store.adopting import adopt
from pyesdb.store.applier import Applier, CommitInDoubtError, Control, MovedError
from pyesdb.telemetry.log import logger

_PATIENCE_S = 0.002


class Node(Protocol):
    """What reconcile needs of the node."""

    layout: Layout
    database: str
    catalog: c.Catalog

    def record(self, store_id: str) -> c.Record | None:
        """What the catalog says now."""
        ...

    def note(self, record: c.Record, kind: str, data: dict[str, object]) -> None:
        """Append an event to the store's stream, behind `record`."""
        ...

    def erased(self, incarnation: int) -> bool:
        """Whether the catalog says that a history was erased."""
        ...

    @property
    def keys(self) -> Keyring:
        """The keys of the stores."""
        ...

    def lock_file(self, store_id: str) -> LockFile:
        """The store's lock file."""
        ...

    def forget(self, store_id: str) -> None:
        """Close what this process has open of a store that is going."""
        ...

    def control_of(self, record: c.Record) -> Control:
        """What a store's own log must say."""
        ...

    def config_of(self, record: c.Record) -> StoreConfig:
        """The effective settings of a store."""
        ...

    def late(self, lock: LockFile) -> PyesdbError:
        """The error of a deadline that passed while another process held a store."""
        ...


def hook(step: str) -> None:
    """A place between two steps; crash tests replace this function to die there."""


def reconcile(node: Node, store_id: str, deadline: float) -> None:
    """Bring one store id to rest; `deadline` (monotonic) bounds the wait for its lock file."""
    for _ in range(4):
        record = node.record(store_id)
        moving = swap.pending(node.layout.folder(store_id))
        if record is None or (at_rest(node, record) and not moving):
            return
        if record.last in (c.REMOVED, c.ERASED):
            node.forget(store_id)
        done = locked(node, store_id, deadline, lambda: _step(node, store_id))
        if done is not None:
            try:
                node.note(done[0], done[1], _data(*done))
                hook(f"noted {done[1]}")
            except WrongExpectedVersion:
                continue  # another process was faster: look again


def _data(record: c.Record, kind: str) -> dict[str, object]:
    data: dict[str, object] = {"incarnation": record.incarnation}
    if kind == c.CREATE_FAILED:
        data["reason"] = f"its content (draft {record.draft}) was lost before it was in place"
    return data


def at_rest(node: Node, record: c.Record) -> bool:
    """Whether the disk is what the catalog says."""
    if record.last == c.REMOVED:
        return not record.purge and not node.layout.folder(record.store_id).exists()
    if record.last == c.ERASED:
        trashed = node.layout.trashed(record.store_id, record.incarnation)
        return not trashed.exists() and not node.layout.folder(record.store_id).exists()
    if record.last == c.RECOVERED:
        if not node.layout.folder(record.store_id).exists():
            return not _trashed(node, record).exists()
        places = (record.store_id, record.trashed_as)  # one that it replaces may lie in its place
        return not any(node.layout.trashed(id_, record.incarnation).exists() for id_ in places)
    return record.last != c.CREATED


def _trashed(node: Node, record: c.Record) -> Path:
    """Where an incarnation lies in the trash; under an older id, if a recovery was cut short."""
    layout, incarnation = node.layout, record.incarnation
    place = layout.trashed(record.store_id, incarnation)
    return place if place.exists() else next(layout.trash.glob(f"*.{incarnation}"), place)


def locked(
    node: Node, store_id: str, deadline: float, action: Callable[[], tuple[c.Record, str] | None]
) -> tuple[c.Record, str] | None:
    """Do something while no process writes to the store."""
    lock = node.lock_file(store_id)
    owner = object()
    try:
        while not lock.try_acquire(owner):
            if time.monotonic() >= deadline:
                raise node.late(lock)
            time.sleep(_PATIENCE_S)
        done = action()
        lock.let_go(owner)
    except BaseException:
        # one C call, so no signal can come between; and on a thread that signals leave alone
        try:
            _thread.start_new_thread(lock.let_go, (owner,))
        except RuntimeError:  # none can be had, as when the main thread has ended
            lock.let_go(owner)
        raise
    return done


def _step(node: Node, store_id: str) -> tuple[c.Record, str] | None:
    """Under the lock: what the catalog says now, done; returns what to note in the catalog."""
    record = node.record(store_id)
    if record is None:
        return None
    layout = node.layout
    with files.typed_errors(layout.folder(store_id)):
        swap.settle(layout.folder(store_id))
        match record.last:
            case c.CREATED:
                return record, c.READY if _make(node, record) else c.CREATE_FAILED
            case c.REMOVED:
                to_trash(node, record)
                return (record, c.ERASED) if record.purge else None
            case c.RECOVERED:
                _from_trash(node, record)
            case c.ERASED:
                _wipe(node, record)
            case _:
                pass
    return None


def _make(node: Node, record: c.Record) -> bool:
    """A complete file of this incarnation, or none: built aside, renamed into place.

    False: it was to be made of a draft, and that is lost.
    """
    layout, store_id = node.layout, record.store_id
    folder = layout.folder(store_id)
    key = node.keys.promised(store_id) if record.encrypted else None
    if folder.exists():
        found = alone.incarnation_of(layout.file(store_id), node.keys.of(store_id))
        if found == record.incarnation:
            files.sync(layout.stores)  # whoever put it there may have died before this
            return True
        _clear(node, store_id, found)
    control = node.control_of(record)
    if record.draft:
        return _place_draft(node, record, control)
    make_file(layout, _identity(node, record), control, key)
    return True


def _identity(node: Node, record: c.Record) -> dict[str, int | str]:
    """What a store's file says of whose it is: enough to make the catalog anew (rebuilding)."""
    return {
        "database": node.database,
        "store": record.store_id,
        "incarnation": record.incarnation,
        "created": record.created,
    }


def _place_draft(node: Node, record: c.Record, control: Control) -> bool:
    """Write into a draft who it is, and move it into place; it may happen twice."""
    layout, draft = node.layout, node.layout.draft(record.draft)
    path = draft / "store.db"
    if not path.exists():
        return False
    keys = node.keys.of(record.store_id)
    adopt(path, _identity(node, record), frozen=control.frozen, keys=keys)
    alone.commit_into(path, alone.configured(control), keys)
    hook("draft identified")
    files.sync(path)
    files.sync(draft)
    os.rename(draft, layout.folder(record.store_id))
    hook("draft in place")
    files.sync(layout.stores)
    files.sync(layout.drafts)
    return True


def make_file(
    layout: Layout, identity: dict[str, int | str], control: Control, key: Key | None = None
) -> None:
    """A store's directory with its file, complete and durable, under the store's lock."""
    folder = layout.folder(str(identity["store"]))
    draft = layout.stores / f".{folder.name}.{identity['incarnation']}.new"
    with _given_up_on_error(draft, folder):
        _fill(draft, identity, control, key)
        hook("file made")
        files.sync(draft / "store.db")
        files.sync(draft)
        os.rename(draft, folder)
    hook("file in place")
    files.sync(layout.stores)


def _fill(draft: Path, identity: dict[str, int | str], control: Control, key: Key | None) -> None:
    try:
        draft.mkdir(mode=0o700)
    except FileExistsError:  # of one who died
        shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
    path = draft / "store.db"
    applier = Applier(path, "os", alone.nobody_waits)
    try:
        connection = files.draft(path, identity, key)
        applier.adopt(connection)
        alone.commit(applier, alone.configured(control))
        files.settle(connection)
    finally:
        applier.close()


@contextmanager
def _given_up_on_error(draft: Path, folder: Path) -> Generator[None]:
    """Leave nothing of a draft behind; its errors are those of the store: users know no draft."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)  # on a full disk each try would leave less room
        shown = error
        if isinstance(error, CommitInDoubtError):  # in a file that is given up nothing is stored
            shown = error.error
        elif isinstance(error, files.FAILURES) and not isinstance(error, PyesdbError):
            shown = files.translate(error, folder)
        if isinstance(shown, PyesdbError):
            shown.args = (str(shown).replace(str(draft), str(folder)),)
        if shown is not error:
            raise shown from error
        raise


def to_trash(node: Node, record: c.Record) -> None:
    """Under the lock: seal the file, then move its directory; nobody can write to it meanwhile."""
    layout, store_id = node.layout, record.store_id
    folder, target = layout.folder(store_id), layout.trashed(store_id, record.incarnation)
    if not folder.exists():
        return
    keys = node.keys.of(store_id)
    if alone.incarnation_of(layout.file(store_id), keys) not in (record.incarnation, None):
        _set_aside(layout, store_id)
        return
    try:
        _seal(node, record, layout.file(store_id), keys, sealed=True)
    except (PyesdbError, MovedError) as error:
        logger.warning("store %s goes to the trash unsealed: %r", store_id, error)
    hook("sealed")
    if target.exists():  # nothing is deleted that the catalog does not call erased
        os.rename(target, layout.trash / f"{target.name}.{uuid7_bytes().hex()}")
    os.rename(folder, target)
    hook("in the trash")
    files.sync(layout.stores)
    files.sync(layout.trash)


def _seal(node: Node, record: c.Record, path: Path, keys: Keys | None, *, sealed: bool) -> None:
    """Whether anything is accepted behind this; a log that was never synced may be cut short."""
    durability = node.config_of(record).durability
    alone.commit_into(path, alone.seal(sealed=sealed), keys, durability=durability)


def _from_trash(node: Node, record: c.Record) -> None:
    """Unseal the file, then move its directory back: whoever finds it there may write to it."""
    layout, folder = node.layout, node.layout.folder(record.store_id)
    source = _trashed(node, record)
    keys = node.keys.of(record.store_id, record.trashed_as)
    if folder.exists():
        found = alone.incarnation_of(layout.file(record.store_id), keys)
        if found in (record.incarnation, None):
            files.sync(layout.stores)  # whoever put it there may have died before this
            return
        _clear(node, record.store_id, found)
    if source.exists():
        try:
            _seal(node, record, source / "store.db", keys, sealed=False)
        except (Corrupt, MovedError) as error:  # in its place it is a failed store, and says why
            logger.warning("store %s comes back as it is: %r", record.store_id, error)
        hook("unsealed")
        os.rename(source, folder)
        hook("out of the trash")
        files.sync(layout.trash)
        files.sync(layout.stores)


def erase(node: Node, record: c.Record, deadline: float) -> None:
    """Erase what is in the trash: first for the catalog, then on the disk."""
    node.note(record, c.ERASED, {"incarnation": record.incarnation})
    hook("noted StoreErased")
    locked(node, record.store_id, deadline, lambda: _wipe(node, record))


def _wipe(node: Node, erased: c.Record) -> None:
    """Under the lock: delete what was erased; its way to the trash may have been cut short."""
    now = node.record(erased.store_id)
    with files.typed_errors(node.layout.trash):
        if now is not None and now.incarnation == erased.incarnation:
            to_trash(node, erased)
        _delete(node.layout, _trashed(node, erased))


def sweep(node: Node) -> None:
    """Delete what the catalog calls erased, and a crash left in the trash."""
    with files.typed_errors(node.layout.trash):
        for name in os.listdir(node.layout.trash):
            incarnation = name.rpartition(".")[2]
            if incarnation.isdecimal() and node.erased(int(incarnation)):
                _delete(node.layout, node.layout.trash / name)


def _delete(layout: Layout, place: Path) -> None:
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        return  # another process may be faster
    files.sync(layout.trash)


def _clear(node: Node, store_id: str, incarnation: int | None) -> None:
    """Make room for a store: what lies there may have been replaced by it, and not moved yet."""
    for removed in node.catalog.trash(store_id):
        if removed.incarnation == incarnation:
            return to_trash(node, removed)
    return _set_aside(node.layout, store_id)


def _set_aside(layout: Layout, store_id: str) -> None:
    """A directory of another history is never opened or overwritten."""
    aside = layout.trash / f"{store_id}.unknown.{uuid7_bytes().hex()}"
    logger.warning("%s belongs to another history: moved to %s", layout.folder(store_id), aside)
    os.rename(layout.folder(store_id), aside)
    files.sync(layout.stores)


def check_present(node: Node, record: c.Record) -> None:
    """The file of a ready store; raises StoreFailed instead of ever making it anew."""
    path = node.layout.file(record.store_id)
    if not path.exists() and not swap.wait(path):
        raise StoreFailed(
            f"store {record.store_id!r}: {path} is missing: restore it from a backup "
            "(a store that was ready is never made anew)"
        )
