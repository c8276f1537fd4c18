"""What can still be read of a damaged catalog: from both ends towards the damage.

What must never happen here: an error, a change to the file, or a word of another database's
catalog believed. What is read tells how stores were set up, never which stores there are.
"""

from pathlib import Path
from typing import Any

import msgspec

from pyesdb.model.errors import PyesdbError
from pyesdb.model.events import Origin, RecordedEvent
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.names import SYSTEM
from pyesdb.node.catalog import Fold, Record
from pyesdb.sqlite import files
from pyesdb.sqlite.cipher import Keys
from pyesdb.store.readers import Names, Reader
from pyesdb.store.reads import build
from pyesdb.telemetry.log import logger

_PAGE = 50
_BROKEN = (PyesdbError, *files.FAILURES, KeyError, ValueError, TypeError, AttributeError)


class Old(msgspec.Struct, frozen=True):
    """Records by incarnation, settings of templates by name, and the highest position seen."""

    records: dict[int, Record]
    templates: dict[str, dict[str, Any]]
    position: int


class _Source:
    """What `build` needs of a store."""

    def __init__(self, reader: Reader) -> None:
        self.origin = Origin(SYSTEM, 0)
        self.names = Names()
        self._reader = reader

    def ask(self, question: Any) -> Any:
        return question(self._reader)


def read(path: Path, keys: Keys, database: str) -> Old:
    """What the catalog of a database says, as far as it can be read; nothing when it is lost."""
    fold = Fold()
    events = _events(path, keys, database) if path.exists() else []
    for event in events:
        try:
            fold.add(event)
        except _BROKEN as error:
            logger.warning("%s: event %d says nothing: %s", path, event.position, error)
    records = [*fold.trash.values(), *fold.records.values()]
    return Old(
        {record.incarnation: record for record in records},
        {name: found.settings for name, found in fold.templates.items() if not found.removed},
        max((event.position for event in events), default=0),
    )


def _events(path: Path, keys: Keys, database: str) -> list[RecordedEvent]:
    try:
        reader = Reader(path, read_only=False, keys=keys)
    except PyesdbError as error:
        logger.warning("%s: nothing of it can be read: %s", path, error)
        return []
    try:
        if files.identity_of(reader.connection).get("database") != database:
            return []
        source = _Source(reader)
        front = _pages(reader, source, "all_forwards", 0)
        last = front[-1].position if front else 0
        return front + _pages(reader, source, "all_backwards", last)[::-1]
    except _BROKEN as error:
        logger.warning("%s: it does not say whose it is: %s", path, error)
        return []
    finally:
        reader.connection.close()


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
