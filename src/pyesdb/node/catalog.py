"""The catalog: events of `$system` folded to one record per store id. Nothing else is remembered.

Stream `$store-<id>`: StoreCreated -> StoreReady | StoreCreateFailed; StoreRemoved -> StoreErased.
Each is appended with the expected version, so every race has one winner. The incarnation of a
store is the position of its StoreCreated.
"""

import threading
from typing import Any

import msgspec

from pyesdb.model.commands import Condition, append_events, stream_append
from pyesdb.model.durations import to_datetime
from pyesdb.model.events import NewEvent, RecordedEvent, new_events
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.outcomes import Appended
from pyesdb.node.actor import actor
from pyesdb.store.reads import AllRead
from pyesdb.store.runtime import StoreRuntime

CREATED, READY, CREATE_FAILED = "StoreCreated", "StoreReady", "StoreCreateFailed"
REMOVED, ERASED = "StoreRemoved", "StoreErased"
PREFIX = "$store-"


class Record(msgspec.Struct, frozen=True):
    """What the catalog knows of a store id."""

    store_id: str
    incarnation: int
    version: int
    """The last version of its stream in `$system`."""
    last: str
    """The type of its last event."""
    created: int
    settings: dict[str, Any]
    server: dict[str, Any]
    reason: str = ""
    removed: int = 0
    trash_until: int = 0
    purge: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is a store, running or being created."""
        return self.last in (CREATED, READY)

    @property
    def ready(self) -> bool:
        """Whether it was created completely."""
        return self.last == READY

    def gone(self) -> str:
        """Why there is no such store, for an error's text."""
        if self.last == REMOVED and not self.purge:
            until = to_datetime(self.trash_until).isoformat(timespec="seconds")
            return (
                f"store {self.store_id!r} was removed; its data is in the trash until {until} "
                "(recover_store)"
            )
        if self.last == CREATE_FAILED:
            return f"store {self.store_id!r} could not be created: {self.reason}"
        return f"store {self.store_id!r} was removed and erased: create_store() makes a new one"


def store_stream(store_id: str) -> str:
    """The stream of a store's life in `$system`."""
    return PREFIX + store_id


def fold(record: Record | None, event: RecordedEvent) -> Record | None:
    """The record behind an event of a store's stream."""
    data = event.json()
    if event.type == CREATED:
        return Record(
            store_id=event.stream.removeprefix(PREFIX),
            incarnation=event.position,
            version=event.version,
            last=CREATED,
            created=event._created,  # pyright: ignore[reportPrivateUsage]
            settings=data["settings"],
            server=data["server"],
        )
    if record is None:
        return None
    changes: dict[str, Any] = {"version": event.version, "last": event.type}
    if event.type == CREATE_FAILED:
        changes["reason"] = data["reason"]
    elif event.type == REMOVED:
        changes["removed"] = event._created  # pyright: ignore[reportPrivateUsage]
        changes["trash_until"] = data["trash_until"]
        changes["purge"] = data["purge"]
    return msgspec.structs.replace(record, **changes)


def append_to_catalog(
    system: StoreRuntime,
    store_id: str,
    version: int,
    kind: str,
    data: dict[str, Any],
    condition: Condition | None = None,
) -> int:
    """Append an event to a store's stream behind `version`; returns its position.

    Raises WrongExpectedVersion: somebody else was faster; ConditionFailed.
    """
    events = new_events(NewEvent(kind, data, metadata=actor()))
    part = stream_append(store_stream(store_id), version, events)
    outcome = system.submit(append_events(uuid7_bytes(), [part], condition), 15.0)
    return outcome.results[0][3] if isinstance(outcome, Appended) else 0


class Catalog:
    """The records of all store ids, up to date with `$system` at each call."""

    def __init__(self, system: StoreRuntime) -> None:
        self._system = system
        self._mutex = threading.Lock()
        self._records: dict[str, Record] = {}
        self._seen = 0
        self._existing = 0

    def records(self) -> dict[str, Record]:
        """All records, after reading what was committed since the last call."""
        with self._mutex:
            self._update()
            return dict(self._records)

    def get(self, store_id: str) -> Record | None:
        """The record of a store id, if there ever was one."""
        with self._mutex:
            self._update()
            return self._records.get(store_id)

    def count(self) -> tuple[int, int]:
        """How many stores exist, and the position in `$system` at which that was so."""
        with self._mutex:
            self._update()
            return self._existing, self._seen

    def _update(self) -> None:
        read = AllRead(
            self._system,
            self._seen,
            None,
            lambda _: None,
            None,
            None,
            backwards=False,
            system=True,
        )
        events = read.open()
        while events:
            for event in events:
                if event.stream.startswith(PREFIX):
                    store_id = event.stream.removeprefix(PREFIX)
                    before = self._records.get(store_id)
                    record = fold(before, event)
                    if record is not None:
                        self._records[store_id] = record
                        self._existing += record.exists - (before is not None and before.exists)
                self._seen = event.position
            events = read.next_page()
