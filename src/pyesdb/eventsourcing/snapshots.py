"""The snapshot recorder: snapshots of aggregates, beside the events and without positions.

They are snapshots of the store (`Store.record_snapshot`): no reader of the notification log meets
one, `pyesdb snapshot list` shows them, they go with the stream when that is deleted, and the
setting `snapshots_keep` bounds them.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    IntegrityError,
    NotSupportedError,
    StoredEvent,
)

from pyesdb import Snapshot, SnapshotNotFound
from pyesdb.eventsourcing.base import PyesdbRecorder
from pyesdb.eventsourcing.datastore import PyesdbDatastore
from pyesdb.eventsourcing.errors import translated
from pyesdb.eventsourcing.streams import FIRST, VERSION

SOURCE = "eventsourcing"
"""Who made the snapshot, as the store has it."""

TOPIC = "topic"


class PyesdbSnapshotRecorder(PyesdbRecorder, AggregateRecorder):
    """Records snapshots of aggregates whose events are in the same store."""

    def __init__(self, datastore: PyesdbDatastore, purpose: str = "snapshots") -> None:
        super().__init__(datastore, purpose)

    @translated
    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record one snapshot of an aggregate that was saved.

        Raises IntegrityError when there is one of this version, or no such aggregate.
        """
        del kwargs  # a snapshot takes part in nothing else
        if len(stored_events) > 1:
            raise NotSupportedError(
                "snapshots are recorded one in a call: several would not be all or nothing"
            )
        for snapshot in stored_events:
            self._record(snapshot)
        return None

    def _record(self, snapshot: StoredEvent) -> None:
        stream = self.streams.stream(snapshot.originator_id)
        base = self.streams.base(stream)
        if base is None:
            raise IntegrityError(
                f"there are no events of {stream!r} in store {self.store.id!r}, so there can be "
                "no snapshot of it: save the aggregate first"
            )
        version = snapshot.originator_version - base
        if version < 0:
            raise IntegrityError(
                f"version {snapshot.originator_version} of {stream!r} is before its first one"
            )
        try:
            self.store.read_snapshot(SOURCE, stream, version)
        except SnapshotNotFound:
            pass
        else:
            raise IntegrityError(
                f"there is a snapshot of {stream!r} at version {snapshot.originator_version}"
            )
        self.store.record_snapshot(
            SOURCE,
            stream,
            version,
            snapshot.state,
            {TOPIC: snapshot.topic, VERSION: snapshot.originator_version},
        )

    @translated
    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Snapshots of an aggregate with `gt` < version <= `lte`, in order of version."""
        stream = self.streams.stream(originator_id)
        if desc and limit == 1 and gt is None and lte is None:
            found = self._newest(stream)  # how the library asks for the state of an aggregate
        else:
            found = [
                snapshot
                for snapshot in self.store.list_snapshots(SOURCE, stream)
                if (gt is None or _version(snapshot) > gt)
                and (lte is None or _version(snapshot) <= lte)
            ]
            found.sort(key=_version, reverse=desc)
            found = found if limit is None else found[:limit]
        id_ = self.streams.originator_id(stream)
        return [
            StoredEvent(id_, _version(snapshot), snapshot.metadata[TOPIC], snapshot.data)
            for snapshot in found
        ]

    def _newest(self, stream: str) -> list[Snapshot]:
        try:
            return [self.store.read_snapshot(SOURCE, stream)]
        except SnapshotNotFound:
            return []


def _version(snapshot: Snapshot) -> int:
    return snapshot.metadata.get(VERSION, snapshot.version + FIRST)
