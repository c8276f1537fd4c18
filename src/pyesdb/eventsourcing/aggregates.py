"""The aggregate recorder: events of aggregates, without positions for anybody."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import AggregateRecorder, StoredEvent

from pyesdb.eventsourcing.base import PyesdbRecorder
from pyesdb.eventsourcing.errors import translated


class PyesdbAggregateRecorder(PyesdbRecorder, AggregateRecorder):
    """Records events of aggregates, each aggregate in the stream that its id names."""

    @translated
    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record events of any number of aggregates, all or nothing, durably.

        `tracking`: recorded in the same transaction. Raises IntegrityError when a version is taken
        or the tracking position was passed already: nothing was stored.
        """
        self.streams.insert(stored_events, kwargs.get("tracking"))
        return None

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
        """Events of an aggregate with `gt` < version <= `lte`, in order of version."""
        return self.streams.select(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
