"""A catalog made anew of the stores that are there, when `$system` is lost or damaged.

Each store's file says whose it is: database, incarnation, the settings that its machine knows, and
whether it is frozen. The rest (other settings, templates) is taken from the old catalog as
far as that can be read. Stores come as recovered ones, under their incarnation, so that tokens and
cursors stay true; positions begin far behind every old one, so none is given twice.

What must never happen here: a good catalog replaced, a store's file changed, the damaged catalog
deleted, a new catalog in place that is not complete, or that forgets a store which is there.
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
from pyesdb.model.errors import Internal, RequestError
from pyesdb.model.events import NewEvent, new_events
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.names import SYSTEM
from pyesdb.node import alone, surviving
from pyesdb.node import catalog as c
from pyesdb.node.actor import actor
from pyesdb.node.keyring import Keyring
from pyesdb.node.layout import MARKER, Layout, Marker, lock_database, make_folders, prepare
from pyesdb.node.registry import closed_here
from pyesdb.node.survey import Found, Survey, survey
from pyesdb.node.surviving import Old
from pyesdb.sqlite import files, swap
from pyesdb.store.adopting import begin_behind
from pyesdb.store.applier import Applier, Control
from pyesdb.store.verify import verify_file
from pyesdb.telemetry.clock import now_us

Identity = dict[str, int | str]
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


def rebuild_catalog(base: Path, keys: KeySource | None) -> Rebuilt:
    """Put a new catalog in the place of one that is lost or damaged; nobody has the database open.

    Raises RequestError when the catalog is whole or the marker is another database's;
    DatabaseLocked, DatabaseNotFound; AccessDenied, NewerFormat, Unavailable for a store that cannot
    be read at this moment: then nothing was changed.
    """
    ring = Keyring(keys)
    with closed_here(base):
        marker, layout = prepare(base, create=False), Layout(base)
        make_folders(layout)
        lock = lock_database(layout, exclusive=True, writable=True)
        try:
            return _rebuild(layout, marker, ring)
        finally:
            if lock is not None:
                lock.close()


def _refuse_needless(
    layout: Layout, identity: Identity, ring: Keyring, found: Survey, old: Old
) -> None:
    """A catalog is whole if it is not damaged and knows every store that is there."""
    path = layout.file(SYSTEM)
    known = old.records.keys() | old.erased
    unknown = [store for store in found.stores if store.incarnation not in known]
    if not unknown and path.exists() and verify_file(path, identity, keys=ring.of(SYSTEM)).ok:
        raise RequestError(f"the catalog, {path}, is whole: it is not replaced")


def _refuse_strange(layout: Layout, marker: Marker, found: Survey, old: Old) -> None:
    """Where no directory is a store of this database, a new catalog would know nothing."""
    if found.stores or not found.left:
        return
    if found.foreign:
        also = ", and so is the catalog" if old.database in found.foreign else ""
        raise RequestError(
            f"no store in {layout.stores} is of database {marker.database}, they are of "
            f"{', '.join(sorted(found.foreign))}{also}: {layout.base / MARKER} is that of another "
            "database, put its own one back"
        )
    raise RequestError(
        f"no store in {layout.stores} can be read ({found.left[0][1]}): restore backups into a new "
        "directory, or move what is there away and keep it, then call again"
    )


def _rebuild(layout: Layout, marker: Marker, ring: Keyring) -> Rebuilt:
    with files.typed_errors(layout.swap):
        for store_id in swap.unfinished(layout.base):  # else one between two places is not there
            swap.settle(layout.folder(store_id))
    identity: Identity = {"database": marker.database, "store": SYSTEM, "incarnation": 0}
    seen = survey(layout, marker.database, ring)
    old = surviving.read(layout.file(SYSTEM), ring.of(SYSTEM), marker.database)
    _refuse_needless(layout, identity, ring, seen, old)
    _refuse_strange(layout, marker, seen, old)
    found = [_as_removed(store, old) for store in seen.stores]
    first = max([old.position, *(max(f.incarnation, f.revision) for f in found)], default=0)
    draft = layout.stores / f".{SYSTEM}.0.new"  # swept by the next open if this one dies
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
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
    in_trash = [f for f in found if f.removed and f.incarnation not in old.erased]
    return Rebuilt(
        tuple(f.store_id for f in found if not f.removed),
        tuple(f"{f.store_id}.{f.incarnation}" for f in in_trash),
        tuple(sorted(old.templates)),
        tuple(seen.left),
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


# -- the new one


def _as_removed(store: Found, old: Old) -> Found:
    """An erasure is a promise, also when it was cut short before it had moved a file."""
    return (
        msgspec.structs.replace(store, removed=True) if store.incarnation in old.erased else store
    )


def _changes(found: list[Found], old: Old) -> Iterator[list[c.Change]]:
    """The events of each stream. What was removed before comes first under its id."""
    for name, template in sorted(old.templates.items()):
        data = {"settings": template.settings}
        yield [(c.template_stream(name), -1, c.TEMPLATE_SAVED, data)]
    streams: dict[str, list[c.Change]] = {}
    for store in sorted(found, key=lambda f: (not f.removed, f.incarnation)):
        stream = c.store_stream(store.store_id)
        streams.setdefault(stream, []).extend(
            (stream, -1, kind, {"incarnation": store.incarnation, **data})
            for kind, data in _life(store, old)
        )
    yield from streams.values()


def _life(store: Found, old: Old) -> Iterator[tuple[str, dict[str, Any]]]:
    """What happened to a store, as the new catalog tells it."""
    known = old.records.get(store.incarnation)
    trashed_as = "" if known is None else known.trashed_as
    yield c.RECOVERED, {"from": trashed_as, "record": _record(store, known, old)}
    if not store.removed:
        return
    until = known.trash_until if known is not None and known.in_trash else 0
    yield c.REMOVED, {"purge": False, "trash_until": until or now_us() + _KEEP_US}
    if store.incarnation in old.erased:
        yield c.ERASED, {}  # the next open deletes it


def _record(store: Found, known: c.Record | None, old: Old) -> dict[str, Any]:
    """What the catalog says of a store from its creation on.

    Of what both know, the newer one is believed: the file may have a change whose event was lost,
    the catalog one that had not reached the file.
    """
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
    template = old.templates.get(known.template or "")
    data |= {"created": known.created, "server": known.server}
    data["settings"] = _settings(store, known, template)
    if template is not None:
        data["template"] = known.template
    if known.revision > store.revision:
        data["frozen"] = known.frozen
    return data


def _settings(store: Found, known: c.Record, template: c.Template | None) -> dict[str, Any]:
    """The store's own settings: those of its record, and what its file says otherwise."""
    lost = known.template is not None and template is None
    settings = store.settings | known.settings if lost else dict(known.settings)
    if store.revision <= max(known.revision, template.revision if template else 0):
        return settings
    below = known.server | (template.settings if template else {})
    for name in table.MACHINE:  # what its file does not say has the default
        default = table.BY_NAME[name].default
        said = store.settings.get(name, default)
        settings.pop(name, None)
        if table.as_tuple(said) != table.as_tuple(below.get(name, default)):
            settings[name] = said
    return settings


def _fill(
    path: Path,
    identity: Identity,
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
