"""Backups of many stores into a directory, the newest of each kept.

    DIRECTORY/<store id>/<store id>.<UTC time>.pyesdb

What must never happen here: an old backup deleted before the new one is complete and durable, or
a file deleted that is no backup of this very store: one of the same id in another database, or
before it was removed and made anew, has a history of its own.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import pyesdb
from pyesdb.model.durations import to_datetime
from pyesdb.model.names import check_store_id
from pyesdb.sqlite.archive import read_manifest
from pyesdb.telemetry.clock import now_us

SUFFIX = ".pyesdb"
_TIME = "%Y%m%dT%H%M%S%fZ"
_STAMP = re.compile(r"[0-9]{8}T[0-9]{12}Z")


@dataclass(frozen=True)
class BackedUp:
    """What became of the backup of one store: `info`, or why there is none (`error`)."""

    store_id: str
    info: pyesdb.BackupInfo | None
    deleted: tuple[str, ...] = ()
    error: str = ""


def backups_in(directory: str | PathLike[str], store_id: str) -> list[Path]:
    """The backups of a store below a directory, the oldest first."""
    folder = Path(directory, store_id)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _is_backup(path.name, store_id))


def _is_backup(name: str, store_id: str) -> bool:
    if not name.startswith(f"{store_id}.") or not name.endswith(SUFFIX):
        return False
    return _STAMP.fullmatch(name[len(store_id) + 1 : -len(SUFFIX)]) is not None


def back_up(
    db: pyesdb.Database,
    directory: str | PathLike[str],
    *,
    keep: int = 7,
    stores: Iterable[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[BackedUp]:
    """Back up stores (all of them, or `stores`), and keep the newest `keep` backups of each.

    What fails for one store is said in its row; the others go on. `on_progress(done, total)` counts
    stores. Backups of stores that are not there any more are left alone, also if another store has
    their id now; so are damaged ones, and what another database keeps in the same directory.
    Raises InvalidConfig, RequestError, StoreNotFound (an id of `stores`).
    """
    if type(keep) is not int or keep < 1:
        raise pyesdb.InvalidConfig(f"keep must be an int of at least 1, not {keep!r:.60}")
    if isinstance(stores, (str, bytes)):
        raise pyesdb.RequestError("stores must be a list of ids, not one str")
    ids = list(db.list_stores()) if stores is None else list(stores)
    for store_id in ids:
        db.get_store_status(store_id)
    rows: list[BackedUp] = []
    for store_id in ids:
        rows.append(_one(db, Path(directory), store_id, keep))
        if on_progress is not None:
            on_progress(len(rows), len(ids))
    return rows


def check_backup(path: str | PathLike[str], as_: str | None = None) -> None:
    """Raise what restore_backup would, of a path that is no backup and an id that is none."""
    check_store_id(read_manifest(Path(path)).store_id if as_ is None else as_)


def _older(directory: Path, new: Path, store_id: str) -> list[Path]:
    """The backups of the same history that were made before this one, the oldest first.

    What is dated later, by a clock that was wrong, does not count: it would push out this one.
    """
    history = _history(new)
    before = [path for path in backups_in(directory, store_id) if path.name < new.name]
    return [path for path in before if history is not None and _history(path) == history]


def _history(path: Path) -> tuple[str, int] | None:
    """Whose history a backup is; None if it does not prove what it is."""
    try:
        manifest = read_manifest(path)
    except pyesdb.PyesdbError:
        return None
    return manifest.database, manifest.incarnation


def _one(db: pyesdb.Database, directory: Path, store_id: str, keep: int) -> BackedUp:
    folder = directory / store_id
    name = f"{store_id}.{to_datetime(now_us()).strftime(_TIME)}{SUFFIX}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = db.backup_store(store_id, folder / name)
    except (pyesdb.PyesdbError, OSError) as error:
        return BackedUp(store_id, None, error=str(error))
    deleted: list[str] = []
    try:
        for old in _older(directory, folder / name, store_id)[: -keep + 1 or None]:
            old.unlink(missing_ok=True)
            deleted.append(str(old))
    except OSError as error:
        return BackedUp(store_id, info, tuple(deleted), f"an old backup stays: {error}")
    return BackedUp(store_id, info, tuple(deleted))
