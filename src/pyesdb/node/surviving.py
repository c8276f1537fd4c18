"""What can still be read of a damaged catalog: from both ends towards the damage.

What must never happen here: an error because of damage, a change to the file, belief in a catalog
of another database. What is read tells how stores were set up, never which stores there are.
"""

from pathlib import Path
from typing import Any

import msgspec

from pyesdb.model.errors import PyesdbError
from pyesdb.model.events import Origin, RecordedEvent
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.names import SYSTEM
from pyesdb.node.catalog import Fold, Record, Template
from pyesdb.node.survey import LATER, later
from pyesdb.sqlite import files
from pyesdb.sqlite.cipher import Keys
from pyesdb.store.readers import Names, Reader
from pyesdb.store.reads import build
from pyesdb.telemetry.log import logger

_PAGE = 50
_BROKEN = (PyesdbError, *files.FAILURES, KeyError, ValueError, TypeError, AttributeError)


class Old(msgspec.Struct, frozen=True):
    """Records by incarnation, templates by name, what was erased, and the highest position seen."""

    records: dict[int, Record]
    templates: dict[str, Template]
    erased: set[int]
    position: int
    database: str | None
    """The database that its file names, this one or another; None: that cannot be read."""


class _Source:
    """What `build` needs of a store."""

    def __init__(self, reader: Reader) -> None:
        self.origin = Origin(SYSTEM, 0)
        self.names = Names()
        self._reader = reader

    def ask(self, question: Any) -> Any:
        return question(self._reader)


def read(path: Path, keys: Keys, database: str) -> Old:
    """What a catalog says, as far as it can be read; nothing when it is not there.

    Raises AccessDenied, NewerFormat, Unavailable: nobody can say whether it is damaged.
    Of one that is not proved to be this database's only the position counts: what is given behind
    it was not given here, either.
    """
    fold = Fold()
    meta, events = _content(path, keys) if path.exists() else ({}, [])
    position = max((event.position for event in events), default=0)
    found = meta.get("database")
    if (found, meta.get("store"), meta.get("incarnation")) != (database, SYSTEM, 0):
        events = []
    for event in events:
        try:
            fold.add(event)
        except _BROKEN as error:
            logger.warning("%s: event %d says nothing: %s", path, event.position, error)
    records = [*fold.trash.values(), *fold.records.values()]
    records.sort(key=_there)  # one that left its id for another one is known under both
    return Old(
        {record.incarnation: record for record in records},
        {name: template for name, template in fold.templates.items() if not template.removed},
        fold.erased | {record.incarnation for record in records if record.purge},
        position,
        None if found is None else str(found),
    )


def _there(record: Record) -> bool:
    return record.exists or record.in_trash


def _content(path: Path, keys: Keys) -> tuple[dict[str, Any], list[RecordedEvent]]:
    """Whose catalog it is, and its events."""
    try:
        reader = Reader(path, read_only=False, keys=keys)
    except LATER as error:  # it may be a good one
        later(error, path.parent)
        raise
    except PyesdbError as error:
        logger.warning("%s: nothing of it can be read: %s", path, error)
        return {}, []
    try:
        meta = _meta(path, reader)
        source = _Source(reader)
        front = _pages(reader, source, "all_forwards", 0)
        last = front[-1].position if front else 0
        return meta, front + _pages(reader, source, "all_backwards", last)[::-1]
    finally:
        reader.connection.close()


def _meta(path: Path, reader: Reader) -> dict[str, Any]:
    try:
        return dict(reader.all("meta"))
    except _BROKEN as error:
        logger.warning("%s does not say whose it is: %s", path, error)
        return {}


def _pages(reader: Reader, source: _Source, name: str, after: int) -> list[RecordedEvent]:
    """Events of a catalog, from the front or from the end, until one cannot be read."""
    found: list[RecordedEvent] = []
    low, high, size = after, POSITION_MAX, _PAGE
    while True:
        try:
            page = build(reader, source, reader.all(name, low, high, size))
        except _BROKEN as error:
            if size > 1:
                size = 1  # up to the very event
                continue
            logger.warning("the catalog cannot be read further (%s): %s", name, error)
            return found
        if not page:
            return found
        found += page
        if name == "all_forwards":
            low = page[-1].position
        else:
            high = page[-1].position
