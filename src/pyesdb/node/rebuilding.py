"""A catalog made anew of the stores that are there, when `$system` is lost or damaged.

Each store's file says whose it is: database, incarnation, the settings that its machine knows, and
whether it is frozen. The rest (other settings, templates) is taken from the old catalog as
far as that can be read. Stores come as recovered ones, under their incarnation, so that tokens and
cursors stay true; positions begin far behind every old one, so none is given twice.

What must never happen here: a good catalog replaced, a store's file changed, the damaged catalog
deleted, a new catalog in place that is not complete.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pyesdb.config import settings as table
from pyesdb.config.keys import KeySource
from pyesdb.model.commands import append_events, stream_append
from pyesdb.model.errors import Corrupt, Internal, RequestError
from pyesdb.model.events import NewEvent, new_events
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.names import SYSTEM, check_store_id
from pyesdb.node import alone, surviving
from pyesdb.node import catalog as c
from pyesdb.node.actor import actor
from pyesdb.node.keyring import Keyring
from pyesdb.node.layout import Layout, Marker, lock_database, make_folders, prepare
from pyesdb.node.registry import closed_here
from pyesdb.sqlite import cipher, files
from pyesdb.store.adopting import begin_behind
from pyesdb.store.applier import Applier, Control
from pyesdb.store.readers import Reader
from pyesdb.store.verify import verify_file
from pyesdb.telemetry.clock import now_us

_APART = 1_000_000
"""How far behind every position that is known the new ones begin: the newest may not be known."""
_TOGETHER = 100
_KEEP_US = 24 * 3600 * 1_000_000
"""How long what lies in the trash stays there, when nobody knows until when."""


class Rebuilt(msgspec.Struct, frozen=True):
    """What a rebuild found: ids of stores, what is in the trash, templates; what it left alone.

    `left`: directories of which no store could be made, each with the reason. `kept`: where the
    damaged catalog is now, "" when it was lost.
    """

    stores: tuple[str, ...]
    trash: tuple[str, ...]
    templates: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    kept: str


class _Found(msgspec.Struct, frozen=True):
    """A store that is there: its id, where it lies, and what its file says."""

    store_id: str
    incarnation: int
    revision: int
    removed: bool
    frozen: bool
    encrypted: bool
    created: int
    settings: dict[str, Any]


def rebuild_catalog(base: Path, keys: KeySource | None) -> Rebuilt:
    """Put a new catalog in the place of one that is lost or damaged; nobody has the database open.

    Raises RequestError when the catalog is whole, DatabaseLocked, DatabaseNotFound, AccessDenied
    (a store's key); then nothing has happened.
    """
    ring = Keyring(keys)
    with closed_here(base):
        marker, layout = prepare(base, create=False), Layout(base)
        make_folders(layout)
        lock = lock_database(layout, exclusive=True, writable=True)
        try:
            _refuse_good(layout, marker, ring)
            return _rebuild(layout, marker, ring)
        finally:
            if lock is not None:
                lock.close()


def _refuse_good(layout: Layout, marker: Marker, ring: Keyring) -> None:
    path = layout.file(SYSTEM)
    if not path.exists():
        return
    identity = {"database": marker.database, "store": SYSTEM, "incarnation": 0}
    if verify_file(path, identity, keys=ring.of(SYSTEM)).ok:
        raise RequestError(f"the catalog, {path}, is whole: it is not replaced")


def _rebuild(layout: Layout, marker: Marker, ring: Keyring) -> Rebuilt:
    old = surviving.read(layout.file(SYSTEM), ring.of(SYSTEM), marker.database)
    left: list[tuple[str, str]] = []
    found = list(_stores(layout, marker, ring, left))
    first = max([old.position, *(max(f.incarnation, f.revision) for f in found)], default=0)
    draft = layout.stores / f".{SYSTEM}.0.new"  # swept by the next open if this one dies
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        identity = {"database": marker.database, "store": SYSTEM, "incarnation": 0}
        _fill(draft / "store.db", identity, ring, first + _APART, _changes(found, old))
        proof = verify_file(draft / "store.db", identity, keys=ring.of(SYSTEM))
        if not proof.ok:
            raise Internal(
                f"the new catalog is not whole ({proof.problems[0]}): please report this"
            )
        files.sync(draft / "store.db")
        files.sync(draft)
        kept = _put(layout, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Rebuilt(
        tuple(f.store_id for f in found if not f.removed),
        tuple(f"{f.store_id}.{f.incarnation}" for f in found if f.removed),
        tuple(sorted(old.templates)),
        tuple(left),
        kept,
    )


def _put(layout: Layout, draft: Path) -> str:
    """The new one in its place; a crash in between leaves none, and a rebuild does it again."""
    folder, kept = layout.folder(SYSTEM), ""
    if folder.exists():
        aside = layout.trash / f"{SYSTEM}.unknown.{uuid7_bytes().hex()}"
        os.rename(folder, aside)
        kept = str(aside)
    os.rename(draft, folder)
    files.sync(layout.stores)
    files.sync(layout.trash)
    return kept


# -- what is there


def _stores(
    layout: Layout, marker: Marker, ring: Keyring, left: list[tuple[str, str]]
) -> Iterator[_Found]:
    """Every store whose file says that it is one of this database, each history once.

    What keeps one from being read that is not damaged (a key, a right, a newer format) is raised:
    a catalog without it would be whole, and never be made anew.
    """
    known: set[int] = set()
    places = [(path, path.name, False) for path in sorted(layout.stores.iterdir())]
    places += [(path, path.name.partition(".")[0], True) for path in sorted(layout.trash.iterdir())]
    for path, store_id, trashed in places:
        if path.name.startswith(".") or store_id == SYSTEM or ".unknown." in path.name:
            continue
        try:
            found = _look(path / "store.db", check_store_id(store_id), marker, ring, trashed)
            if found.incarnation in known:
                raise RequestError("it is a copy of another store that is there")
        except (RequestError, Corrupt, msgspec.MsgspecError) as error:
            left.append((str(path), str(error)))
            continue
        known.add(found.incarnation)
        yield found


def _look(path: Path, store_id: str, marker: Marker, ring: Keyring, trashed: bool) -> _Found:  # noqa: FBT001
    if not path.exists():
        raise RequestError(f"there is no {path.name} in it")
    reader = Reader(path, read_only=False, keys=ring.of(store_id))
    try:
        with files.typed_errors(path):
            meta: dict[str, Any] = dict(reader.all("meta"))
            first = reader.all("all_forwards", 0, POSITION_MAX, 1)
    finally:
        reader.connection.close()
    if meta.get("database") != marker.database:
        raise RequestError("it belongs to another database")
    return _Found(
        store_id,
        meta["incarnation"],
        meta.get("revision", 0),
        trashed or bool(meta.get("sealed", 0)),
        bool(meta.get("frozen", 0)),
        cipher.read_check(path) is not None,
        meta.get("created") or (first[0][5] if first else now_us()),  # not in every older file
        table.from_machine(msgspec.msgpack.decode(meta.get("settings", b"\x80"))),
    )


# -- the new one


def _changes(found: list[_Found], old: surviving.Old) -> Iterator[list[c.Change]]:
    """The events of each stream. What was removed before comes first under its id."""
    for name, settings in sorted(old.templates.items()):
        yield [(c.template_stream(name), -1, c.TEMPLATE_SAVED, {"settings": settings})]
    streams: dict[str, list[c.Change]] = {}
    for store in sorted(found, key=lambda f: (not f.removed, f.incarnation)):
        known = old.records.get(store.incarnation)
        stream = c.store_stream(store.store_id)
        changes = streams.setdefault(stream, [])
        data: dict[str, Any] = {
            "incarnation": store.incarnation,
            "from": "" if known is None else known.trashed_as,
            "record": _record(store, known, old),
        }
        changes.append((stream, -1, c.RECOVERED, data))
        if store.removed:
            until = known.trash_until if known is not None and known.in_trash else 0
            data = {
                "incarnation": store.incarnation,
                "purge": False,
                "trash_until": until or now_us() + _KEEP_US,
            }
            changes.append((stream, -1, c.REMOVED, data))
    yield from streams.values()


def _record(store: _Found, known: c.Record | None, old: surviving.Old) -> dict[str, Any]:
    """What the catalog says of a store from its creation on."""
    data: dict[str, Any] = {
        "created": store.created,
        "settings": store.settings,
        "server": {},
        "template": None,
        "frozen": store.frozen,
        "encrypted": store.encrypted,
    }
    if known is None:
        return data
    data |= {"created": known.created, "settings": known.settings, "server": known.server}
    if known.template in old.templates:
        data["template"] = known.template
    elif known.template is not None:  # what it said is in the file
        data["settings"] = store.settings | known.settings
    return data


def _fill(
    path: Path,
    identity: dict[str, int | str],
    ring: Keyring,
    position: int,
    changes: Iterator[list[c.Change]],
) -> None:
    refused: list[object] = []
    applier = Applier(path, "os", lambda _, outcomes: refused.extend(alone.refusals(outcomes)))
    try:
        connection = files.draft(path, identity, ring.for_new(SYSTEM))
        begin_behind(connection, position, now_us())
        applier.adopt(connection)
        alone.commit(applier, alone.configured(Control(1, {}, frozen=False)))
        commands = [_command(stream) for stream in changes]
        for start in range(0, len(commands), _TOGETHER):
            alone.commit(applier, commands[start : start + _TOGETHER])
        files.settle(connection)
    finally:
        applier.close()
    if refused:
        raise Internal(f"the catalog cannot be made anew ({refused[0]}): please report this")


def _command(changes: list[c.Change]) -> Any:
    events = [NewEvent(kind, data, metadata=actor()) for _, _, kind, data in changes]
    part = stream_append(changes[0][0], -1, new_events(events))
    return append_events(uuid7_bytes(), [part])
