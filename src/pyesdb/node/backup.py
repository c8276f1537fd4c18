"""Backing a store up into one file, online; and bringing a store back from one.

What must never happen here: a file under the name of a backup that is not complete and durable, a
file overwritten, a store that appears before its backup was proved.
"""

import errno
import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from uuid import uuid4

from pyesdb.machine.state import State, decode_state
from pyesdb.model.checks import check_progress
from pyesdb.model.durations import to_datetime
from pyesdb.model.errors import RequestError, StoreRemoved
from pyesdb.model.names import check_store_id
from pyesdb.model.results import BackupInfo
from pyesdb.node import reconcile
from pyesdb.node.engine import Node
from pyesdb.sqlite import archive, backup, cipher, files
from pyesdb.sqlite.backup import Frozen, Progress
from pyesdb.store.queries import applied
from pyesdb.store.runtime import StoreRuntime
from pyesdb.telemetry.clock import now_us

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)
"""What file systems answer that have no links."""


def backup_store(
    node: Node, store_id: str, path: str | PathLike[str], on_progress: Progress | None
) -> BackupInfo:
    """Write a backup of a store as it is now; others may write to it meanwhile.

    Raises StoreNotFound, RequestError (the path exists), DiskFull, Corrupt (in the store).
    """
    check_store_id(store_id)
    check_progress(on_progress)
    target = _new_path(node, path)
    part = target.with_name(f"{target.name}.{uuid4().hex}.part")
    try:
        with frozen(node, store_id) as moment:
            manifest, digest = _write(node, store_id, moment, part, on_progress)
            moment.check()
        reconcile.hook("backup written")
        _put(part, target)
    finally:
        with files.typed_errors(target):
            backup.discard(part)
    return BackupInfo(
        str(target),
        store_id,
        manifest.incarnation,
        manifest.position,
        digest.bytes,
        digest.sha256,
    )


def frozen(node: Node, store_id: str) -> Frozen:
    """A store as it is at this moment; raises StoreNotFound, StoreFailed."""
    runtime = node.runtime(store_id)
    runtime.ask(applied)  # its log, too: a copy of what is damaged would hide it
    moment = Frozen(runtime.path, read_only=node.hands_off, keys=node.keys.of(store_id))
    try:
        check_identity(moment.identity, runtime)
    except BaseException:
        moment.close()
        raise
    return moment


def check_identity(identity: Mapping[str, object], runtime: StoreRuntime) -> None:
    """Raise StoreRemoved if an opened file is not the one of this store any more."""
    if identity.get("incarnation") != runtime.incarnation:
        raise StoreRemoved(f"store {runtime.store_id!r} was removed, or replaced: call again")


def last_state(moment: Frozen) -> State:
    """The last entry of a store, its head and counters."""
    found = [row[0] for name in ("last_state", "last_event_state") if (row := moment.one(name))]
    states = [decode_state(value) for value in found if value]
    return max(states, key=lambda state: state.seq, default=State())


def _new_path(node: Node, path: object) -> Path:
    """Where a backup may be written."""
    target = checked_path(path)
    if os.path.lexists(target):
        raise taken(target)
    if not target.parent.is_dir():
        raise RequestError(f"{target.parent} is no directory: make it, or give another path")
    layout, parent = node.layout, target.parent.resolve()
    for own in (layout.stores, layout.locks, layout.trash, layout.drafts, layout.swap):
        if parent.is_relative_to(own.resolve()):
            raise RequestError(f"{target} lies among the database's own files: give another path")
    return target


def checked_path(path: object) -> Path:
    """A path as given by a user; raises RequestError."""
    given: object = path.__fspath__() if isinstance(path, PathLike) else path
    if not isinstance(given, str):
        raise RequestError(f"path must be a str or a path, not {path!r:.60}")
    if not given or "\0" in given:
        raise RequestError(f"path {given!r:.60} names no file: give the path of a file")
    return Path(os.path.abspath(given))


def _write(
    node: Node, store_id: str, moment: Frozen, part: Path, on_progress: Progress | None
) -> tuple[archive.Manifest, archive.Digest]:
    """Everything that a backup is made of, durable, under another name."""
    backup.follow(moment.copy(part), on_progress)
    record = node.record(store_id)
    if record is None:
        raise StoreRemoved(f"store {store_id!r} was removed")
    template = node.catalog.template(record.template) if record.template else None
    state, digest = last_state(moment), archive.Digest(part)
    from importlib.metadata import version

    manifest = archive.Manifest(
        format=files.FORMAT,
        store_id=store_id,
        incarnation=record.incarnation,
        database=node.database,
        position=state.position,
        seq=state.seq,
        chain=state.chain.hex(),
        bytes=digest.bytes,
        sha256=digest.sha256,
        created=to_datetime(now_us()).isoformat(timespec="seconds"),
        pyesdb=version("pyesdb"),
        encrypted=archive.encrypted(part),
        frozen=bool(moment.identity.get("frozen", 0)),
        settings=record.settings,
        server=record.server,
        template=record.template,
        template_settings=template.settings if template else {},
        key=cipher.new_check(moment.key) if moment.key else None,
    )
    archive.seal(part, manifest, digest)
    return manifest, digest


def _put(part: Path, target: Path) -> None:
    """Give a complete file its name, if that is still free."""
    with files.typed_errors(target):
        try:
            os.link(part, target)  # never overwrites, as a rename would
        except FileExistsError:
            raise taken(target) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(target):
                raise taken(target) from None
            os.rename(part, target)
        files.sync(target.parent)


def taken(target: Path) -> RequestError:
    """The error of a path that is somebody's already."""
    return RequestError(f"{target} exists, and a backup overwrites nothing: give another path")
