"""`doctor`: what is wrong with a database and what it stands on, and what to do about it.

It only reads: no file is made or changed. It works on a database that is in use, on one that is
broken, and on none. What must never happen here: an exception for something that can be told.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb.operations.catalog import verify_catalog
from pyesdb.operations.diagnosis import Diagnosis, Finding, first_few
from pyesdb.operations.surroundings import disk, environment, permissions

WAL_LARGE = 256 << 20
NEARLY = 0.9
_KEYLESS = "no key was given"
_OURS = {"pyesdb.json", "stores", "locks", "trash", "drafts", "swap"}
_DEVICE = re.compile(r"(con|prn|aux|nul|com|lpt)[-_]?[0-9]*\Z")
_LIMITS = {"max_events": "events", "max_bytes": "bytes", "max_streams": "streams"}


def doctor(
    directory: str | os.PathLike[str] | None = None,
    *,
    config: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Diagnosis:
    """Look at everything around and in a database; progress is (done, total) stores.

    `directory` None: PYESDB_URL, else PYESDB_DATA_DIR; with neither, only what it would stand on.
    `config` is that of `open` (the keys of encrypted stores), `environ` os.environ by default.
    Whatever is wrong is a finding, never an exception.
    """
    environ = os.environ if environ is None else environ
    target = directory or environ.get("PYESDB_URL") or environ.get("PYESDB_DATA_DIR")
    return Diagnosis(tuple(_findings(target, config, environ, on_progress)))


def _findings(
    target: str | os.PathLike[str] | None,
    config: Mapping[str, Any] | str | os.PathLike[str] | None,
    environ: Mapping[str, str],
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[Finding]:
    yield from environment(environ)
    if target is None:
        yield Finding(
            "database", "hint", "no database was looked at",
            "name a directory, or set PYESDB_DATA_DIR",
        )  # fmt: skip
        return
    base = Path(os.path.realpath(os.fspath(target)))
    if base.is_dir():
        yield from disk(base)
        yield from permissions(base)
        yield from _foreign(base)
    try:
        with pyesdb.open(target, create=False, read_only=True, config=config) as db:
            yield from _database(db, base, on_progress)
    except pyesdb.DatabaseLocked as error:
        yield Finding(
            "database", "hint", str(error), "look again then: its stores were not looked at"
        )
    except pyesdb.PyesdbError as error:
        yield _problem("database", f"it cannot be opened: {error}")


def _problem(area: str, text: str) -> Finding:
    """A problem of which an error speaks: its advice stands behind the last colon."""
    what, colon, advice = text.rpartition(": ")
    return Finding(area, "problem", what, advice) if colon else Finding(area, "problem", text, text)


def _foreign(base: Path) -> Iterator[Finding]:
    names = [name for name in _names(base) if name not in _OURS and not name.startswith(".pyesdb")]
    if names:
        yield Finding(
            "database", "hint", f"these are not pyesdb's: {first_few(names)}",
            "keep other files elsewhere: a database's directory may be moved or erased as a whole",
        )  # fmt: skip


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _database(
    db: pyesdb.Database, base: Path, on_progress: Callable[[int, int], None] | None
) -> Iterator[Finding]:
    stores = db.list_stores(system=True)
    for problem in verify_catalog(db).problems:
        yield Finding("catalog", "problem", f"{problem.where}: {problem.what}", problem.advice)
    yield Finding("database", "ok", f"{base}: {len(stores) - 1:,} stores")
    yield from _directories(db, base, stores)
    yield from _spellings(stores)
    whole = 0
    for done, (store_id, info) in enumerate(stores.items(), 1):
        found = list(_store(db, info)) if store_id[0] != "$" else []
        found += _log(base, store_id)
        whole += not found
        yield from found
        if on_progress is not None:
            on_progress(done, len(stores))
    yield Finding("stores", "ok", f"{whole:,} of {len(stores):,} stores without a finding")


def _directories(
    db: pyesdb.Database, base: Path, stores: Mapping[str, pyesdb.StoreInfo]
) -> Iterator[Finding]:
    """What lies in the directory against what the catalog says; missing files are the stores'."""
    names = _names(base / "stores")
    unknown = [name for name in names if name not in stores and not name.startswith(".")]
    if unknown:
        yield Finding(
            "database", "hint", f"the catalog does not know stores/{first_few(unknown)}",
            "open the database once for writing: what a crash left goes to the trash then; if they "
            "stay, move them away",
        )  # fmt: skip
    drafts = [name for name in names if name.startswith(".")] + _names(base / "drafts")
    if drafts:
        yield Finding(
            "database", "hint", f"{len(drafts):,} drafts of stores: {first_few(drafts)}",
            "somebody makes, restores or copies stores just now; else the next open sweeps them",
        )  # fmt: skip
    kept = {f"{trashed.store_id}.{trashed.incarnation}" for trashed in db.trash()}
    names = _names(base / "trash")
    aside = [name for name in names if ".unknown." in name]
    if aside:
        yield Finding(
            "database", "hint", f"kept aside, of another history: {first_few(aside)}",
            "pyesdb never deletes these: look into them, then delete them yourself",
        )  # fmt: skip
    over = [name for name in names if name not in kept and name not in aside]
    if over:
        yield Finding(
            "database", "hint", f"beyond its time in the trash: {first_few(over)}",
            "open the database for writing: it erases them, and frees their space",
        )  # fmt: skip


def _spellings(stores: Iterable[str]) -> Iterator[Finding]:
    """Ids that people and other systems confuse."""
    alike: dict[str, list[str]] = defaultdict(list)
    for store_id in stores:
        alike[store_id.replace("_", "-")].append(store_id)
        if _DEVICE.match(store_id):
            yield Finding(
                "stores", "hint", f"{store_id!r} looks like a device of Windows",
                "name it otherwise if the directory may move there (copy_store)",
            )  # fmt: skip
    for names in alike.values():
        if len(names) > 1:
            yield Finding(
                "stores", "hint", f"{first_few(names)} differ by - and _ only",
                "choose one spelling: events written to the wrong one are not missed",
            )  # fmt: skip


def _store(db: pyesdb.Database, info: pyesdb.StoreInfo) -> Iterator[Finding]:
    """One store: whether it can be opened, and how near it is to its limits."""
    store_id = info.store_id
    if info.status in (pyesdb.StoreStatus.RUNNING, pyesdb.StoreStatus.FROZEN):
        try:
            stats = db.store_stats(store_id)
        except (pyesdb.Ended, pyesdb.NotFound):
            return  # removed meanwhile
        except pyesdb.PyesdbError as error:
            yield _not_opened(store_id, str(error))
            return
        for setting, counter in _LIMITS.items():
            limit, value = getattr(info.config, setting), getattr(stats, counter)
            if limit is not None and value >= limit * NEARLY:
                yield Finding(
                    "stores", "hint",
                    f"{store_id} has {value:,} {counter} of {setting}={limit:,}",
                    "raise it (update_store), or scavenge; beyond it appends raise LimitExceeded",
                )  # fmt: skip
    elif info.status is pyesdb.StoreStatus.FAILED:
        yield _not_opened(store_id, info.reason)
    else:
        yield Finding("stores", "hint", f"{store_id} is {info.status}: {info.reason}", "look again")


def _not_opened(store_id: str, reason: str) -> Finding:
    """A store that cannot be opened; that its key is not here may be as it should be."""
    if _KEYLESS in reason:
        what = f"{store_id} is encrypted and was not looked at: {_KEYLESS} for it"
        return Finding("stores", "hint", what, "give the keys: config=, --config or PYESDB_CONFIG")
    return _problem("stores", f"{store_id}: {reason}")


def _log(base: Path, store_id: str) -> list[Finding]:
    """A write-ahead log that grows because something keeps reading an old moment."""
    try:
        size = (base / "stores" / store_id / "store.db-wal").stat().st_size
    except OSError:
        return []
    if size < WAL_LARGE:
        return []
    what = f"{store_id}: its write-ahead log has {size >> 20:,} MiB"
    advice = "a program keeps a read of this file open (a tool that looks inside?): end it"
    return [Finding("stores", "hint", what, advice)]
