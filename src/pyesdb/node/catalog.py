"""The catalog: events of `$system` folded to records. Nothing else is remembered.

Stream `$store-<id>`:

    StoreCreated -> StoreReady | StoreCreateFailed
    StoreUpdated, StoreFrozen, StoreThawed, StoreRekeyed   of a store that is there
    StoreRemoved -> StoreRecovered | StoreErased    by incarnation: the trash may hold several

Stream `$template-<name>`: TemplateSaved, TemplateRemoved. Each event is appended with the expected
version of its stream, so every race has one winner. The incarnation of a store is the position of
its StoreCreated; its revision is the position of the newest event that changed its settings.
"""

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from pyesdb.model.commands import Condition, append_events, stream_append
from pyesdb.model.durations import to_datetime
from pyesdb.model.errors import Corrupt, OutcomeUnknown
from pyesdb.model.events import NewEvent, RecordedEvent, new_events
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.outcomes import Appended
from pyesdb.node.actor import actor
from pyesdb.node.layout import REBUILD
from pyesdb.store.readers import Reader
from pyesdb.store.reads import build
from pyesdb.store.runtime import StoreRuntime

CREATED, READY, CREATE_FAILED = "StoreCreated", "StoreReady", "StoreCreateFailed"
UPDATED, FROZEN, THAWED = "StoreUpdated", "StoreFrozen", "StoreThawed"
REKEYED = "StoreRekeyed"
REMOVED, RECOVERED, ERASED = "StoreRemoved", "StoreRecovered", "StoreErased"
TEMPLATE_SAVED, TEMPLATE_REMOVED = "TemplateSaved", "TemplateRemoved"
PREFIX = "$store-"
TEMPLATE_PREFIX = "$template-"
Change = tuple[str, int, str, dict[str, Any]]
"""An event to be: stream, expected version, type, data."""

_PAGE = 1000

_LEFT = "left"
"""The `last` of a record whose store was recovered from the trash under another id."""


class Record(msgspec.Struct, frozen=True):
    """What the catalog knows of one incarnation of a store."""

    store_id: str
    incarnation: int
    version: int
    """The last version of its id's stream in `$system`."""
    last: str
    """The type of the last event of its life (not StoreUpdated, StoreFrozen, StoreThawed)."""
    created: int
    settings: dict[str, Any]
    server: dict[str, Any]
    template: str | None = None
    draft: str = ""
    """The directory, made before StoreCreated, that its content comes from."""
    revision: int = 1
    """The position of its newest change; what its file knows may be older."""
    frozen: bool = False
    encrypted: bool = False
    """Whether it was created with a key; its file's own check says how it is now."""
    reason: str = ""
    removed: int = 0
    removal: int = 0
    """The position of its StoreRemoved, which orders the trash, whatever the clock did."""
    trash_until: int = 0
    purge: bool = False
    trashed_as: str = ""
    """The id under which it went to the trash, when it was recovered under another one."""

    @property
    def exists(self) -> bool:
        """Whether there is a store, running or being created."""
        return self.last in (CREATED, READY, RECOVERED)

    @property
    def ready(self) -> bool:
        """Whether it was created completely."""
        return self.last in (READY, RECOVERED)

    @property
    def in_trash(self) -> bool:
        """Whether it can be recovered."""
        return self.last == REMOVED and not self.purge

    def gone(self) -> str:
        """Why there is no such store, for an error's text."""
        if self.in_trash:
            until = to_datetime(self.trash_until).isoformat(timespec="seconds")
            return (
                f"store {self.store_id!r} was removed; its data is in the trash until {until} "
                "(recover_store)"
            )
        if self.last == CREATE_FAILED:
            return f"store {self.store_id!r} could not be created: {self.reason}"
        if self.last == _LEFT:
            return f"store {self.store_id!r} was removed, and recovered as {self.reason!r}"
        return f"store {self.store_id!r} was removed and erased: create_store() makes a new one"


class Template(msgspec.Struct, frozen=True):
    """Settings that stores share. A removed one still holds for the stores made with it."""

    name: str
    version: int
    revision: int
    settings: dict[str, Any]
    removed: bool


def store_stream(store_id: str) -> str:
    """The stream of a store's life in `$system`."""
    return PREFIX + store_id


def template_stream(name: str) -> str:
    """The stream of a template in `$system`."""
    return TEMPLATE_PREFIX + name


class Fold:
    """The records behind a run of events."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        """Per id: the store that is there, else the last one that was."""
        self.trash: dict[int, Record] = {}
        """Per incarnation: what was removed before the record of its id."""
        self.erased: set[int] = set()
        self.templates: dict[str, Template] = {}
        self.existing = 0

    def add(self, event: RecordedEvent) -> None:
        """Take an event of `$system` into account."""
        if event.stream.startswith(PREFIX):
            store_id = event.stream.removeprefix(PREFIX)
            before = self.records.get(store_id)
            record = self._following(store_id, before, event)
            if record is not None:
                self.records[store_id] = record
                self.existing += record.exists - (before is not None and before.exists)
        elif event.stream.startswith(TEMPLATE_PREFIX):
            name = event.stream.removeprefix(TEMPLATE_PREFIX)
            self.templates[name] = _template(name, self.templates.get(name), event)

    def _following(
        self, store_id: str, record: Record | None, event: RecordedEvent
    ) -> Record | None:
        data = event.json()
        if event.type == CREATED or (event.type == RECOVERED and "record" in data):
            if record is not None and record.in_trash:
                self.trash[record.incarnation] = record
            return _first(store_id, event, data)
        if record is None:
            return None
        if event.type in (RECOVERED, ERASED):
            return self._out_of_trash(record, event, data)
        return msgspec.structs.replace(record, **_changes(record, event, data))

    def _out_of_trash(self, record: Record, event: RecordedEvent, data: Any) -> Record:
        """An incarnation leaves the trash: the last one of its id, or an older one."""
        incarnation = data["incarnation"]
        change: dict[str, Any] = {"last": event.type}
        if event.type == ERASED:
            self.erased.add(incarnation)
        elif "as" in data:
            change = {"last": _LEFT, "reason": data["as"]}
        else:
            change["revision"] = event.position
        if incarnation == record.incarnation:
            return msgspec.structs.replace(record, version=event.version, **change)
        older = self.trash.pop(incarnation, None)
        if event.type == RECOVERED and "as" not in data and older is not None:
            if record.in_trash:
                self.trash[record.incarnation] = record
            return msgspec.structs.replace(older, version=event.version, **change)
        return msgspec.structs.replace(record, version=event.version)


def _first(store_id: str, event: RecordedEvent, data: Any) -> Record:
    """The record of a store that is new under its id."""
    created = event.type == CREATED
    known = data if created else data["record"]
    return Record(
        store_id=store_id,
        incarnation=event.position if created else data["incarnation"],
        version=event.version,
        last=event.type,
        created=event._created if created else known["created"],  # pyright: ignore[reportPrivateUsage]
        settings=known["settings"],
        server=known["server"],
        template=known.get("template"),
        draft=known.get("draft", ""),
        revision=1 if created else event.position,
        frozen=known.get("frozen", False),
        encrypted=known.get("encrypted", False),
        trashed_as=data.get("from", ""),
    )


def _changes(record: Record, event: RecordedEvent, data: Any) -> dict[str, Any]:
    kind = event.type
    if kind == UPDATED:
        merged: dict[str, Any] = record.settings | data["settings"]
        settings = {name: value for name, value in merged.items() if value is not None}
        return {"version": event.version, "revision": event.position, "settings": settings}
    if kind in (FROZEN, THAWED):
        frozen = kind == FROZEN
        return {"version": event.version, "revision": event.position, "frozen": frozen}
    if kind == REKEYED:
        return {"version": event.version, "encrypted": True}
    changes: dict[str, Any] = {"version": event.version, "last": kind}
    if kind == CREATE_FAILED:
        changes["reason"] = data["reason"]
    elif kind == REMOVED:
        changes["removed"] = event._created  # pyright: ignore[reportPrivateUsage]
        changes["removal"] = event.position
        changes["trash_until"] = data["trash_until"]
        changes["purge"] = data["purge"]
        changes["trashed_as"] = ""
    return changes


def _template(name: str, known: Template | None, event: RecordedEvent) -> Template:
    if event.type == TEMPLATE_REMOVED and known is not None:
        return msgspec.structs.replace(known, version=event.version, removed=True)
    return Template(name, event.version, event.position, event.json()["settings"], removed=False)


def append_to_catalog(
    system: StoreRuntime,
    stream: str,
    version: int,
    kind: str,
    data: dict[str, Any],
    condition: Condition | None = None,
) -> int:
    """Append an event to a stream of `$system` behind `version`; returns its position.

    Raises WrongExpectedVersion: somebody else was faster; ConditionFailed.
    """
    return append_together(system, [(stream, version, kind, data)], condition)


def append_together(
    system: StoreRuntime,
    changes: Sequence[Change],
    condition: Condition | None = None,
) -> int:
    """Append events to one stream or several, all or nothing.

    Returns the position of the last event of the first stream. Raises WrongExpectedVersion.
    """
    streams: dict[str, list[Change]] = {}
    for change in changes:
        streams.setdefault(change[0], []).append(change)
    parts = [
        stream_append(stream, found[0][1], new_events([_event(change) for change in found]))
        for stream, found in streams.items()
    ]
    command = append_events(uuid7_bytes(), parts, condition, many=len(parts) > 1)
    try:
        with readable():
            outcome = system.submit(command, 15.0)
    except OutcomeUnknown as error:  # no caller of ours has a command id to repeat
        raise OutcomeUnknown(
            f"not known whether the catalog noted {changes[0][2]} of {changes[0][0]!r}: see with "
            "list_stores() or audit() once the disk is well, then call again if it did not",
            command_id=error.command_id,
        ) from error
    return outcome.results[0][3] if isinstance(outcome, Appended) else 0


@contextmanager
def readable() -> Generator[None]:
    """What to do about a catalog that cannot be read is not what helps another store."""
    try:
        yield
    except Corrupt as error:
        what = str(error).partition(": restore")[0]
        raise Corrupt(f"the catalog is damaged ({what}): {REBUILD}") from error


def _event(change: Change) -> NewEvent:
    return NewEvent(change[2], change[3], metadata=actor())


class Catalog:
    """What `$system` says, up to date at each call."""

    def __init__(self, system: StoreRuntime) -> None:
        self._system = system
        self._mutex = threading.Lock()
        self._fold = Fold()
        self._seen = 0

    def records(self) -> dict[str, Record]:
        """All records by store id, after reading what was committed since the last call."""
        with self._mutex:
            self._update()
            return dict(self._fold.records)

    def get(self, store_id: str) -> Record | None:
        """The record of a store id, if there ever was one."""
        with self._mutex:
            self._update()
            return self._fold.records.get(store_id)

    def current(self, record: Record) -> tuple[Record, Template | None]:
        """A record as it is now, and its template, of one and the same moment."""
        with self._mutex:
            self._update()
            now = self._fold.records.get(record.store_id, record)
            if now.incarnation != record.incarnation:
                now = record
            return now, self._fold.templates.get(now.template or "")

    def trash(self, store_id: str | None = None) -> list[Record]:
        """What can be recovered (of one id, or of all), the oldest removal first.

        Each carries the version of its id's stream now.
        """
        with self._mutex:
            self._update()
            records = self._fold.records
            ids = records if store_id is None else [store_id] if store_id in records else []
            found = [records[id_] for id_ in ids if records[id_].in_trash]
            found += [
                msgspec.structs.replace(older, version=records[older.store_id].version)
                for older in self._fold.trash.values()
                if store_id in (None, older.store_id)
            ]
        return sorted(found, key=lambda record: record.removal)

    def erased(self, incarnation: int) -> bool:
        """Whether this history was erased."""
        with self._mutex:
            self._update()
            return incarnation in self._fold.erased

    def template(self, name: str) -> Template | None:
        """A template, removed or not, if there ever was one."""
        with self._mutex:
            self._update()
            return self._fold.templates.get(name)

    def templates(self) -> list[Template]:
        """The templates that are there."""
        with self._mutex:
            self._update()
            return [found for found in self._fold.templates.values() if not found.removed]

    def count(self) -> tuple[int, int]:
        """How many stores exist, and the position in `$system` at which that was so."""
        with self._mutex:
            self._update()
            return self._fold.existing, self._seen

    def _update(self) -> None:
        more = True
        while more:
            with readable():
                events = self._system.ask(self._behind)
            for event in events:
                self._fold.add(event)
                self._seen = event.position
            more = len(events) == _PAGE

    def _behind(self, reader: Reader) -> list[RecordedEvent]:
        """The next events of `$system`: one statement says as well that there is none."""
        rows = reader.all("all_forwards", self._seen, POSITION_MAX, _PAGE)
        return build(reader, self._system, rows) if rows else []
