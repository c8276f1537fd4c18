"""Tracking and process recorders: how far another application was processed, exactly once.

A tracking record is `tracking=(application, notification id)` of an append: it stands in the
transaction of the events it stands for, and must increase.
"""

from collections.abc import Iterable

from eventsourcing.persistence import ProcessRecorder, Tracking, TrackingRecorder

from pyesdb import AppendResult, NewEvent
from pyesdb.eventsourcing.applications import PyesdbApplicationRecorder
from pyesdb.eventsourcing.base import PyesdbRecorder
from pyesdb.eventsourcing.errors import translated
from pyesdb.eventsourcing.streams import tracked


class PyesdbTrackingRecorder(PyesdbRecorder, TrackingRecorder):
    """Records how far applications were processed; the base of materialised views.

    A view that keeps its state in the store records it with `record`, and reads it from `store`.
    """

    @translated
    def record(
        self, stream: str, events: NewEvent | Iterable[NewEvent], tracking: Tracking
    ) -> AppendResult:
        """Append to a stream of the view and record what that follows from, in one transaction.

        Raises IntegrityError, and stores nothing, when this notification was processed already.
        Not for the store of an application: there it would be a notification of no aggregate.
        """
        return self.store.append(stream, events, tracking=tracked(tracking))

    @translated
    def insert_tracking(self, tracking: Tracking) -> None:
        """Record a position; raises IntegrityError when it is not above the recorded one."""
        self.store.append(None, [], tracking=tracked(tracking))

    @translated
    def max_tracking_id(self, application_name: str) -> int | None:
        """The recorded position of an application, or None."""
        return self.store.tracked(application_name)


class PyesdbProcessRecorder(PyesdbTrackingRecorder, PyesdbApplicationRecorder, ProcessRecorder):
    """Records events together with the tracking record of what they follow from."""
