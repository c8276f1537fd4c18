"""The application recorder: events with positions, the notification log, and who follows it."""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    StoredEvent,
    Subscription,
)

from pyesdb import RecordedEvent, Selector, select
from pyesdb.eventsourcing.aggregates import PyesdbAggregateRecorder
from pyesdb.eventsourcing.errors import translated


def _topics(topics: Sequence[str]) -> Selector | None:
    return select.event_type(*topics) if topics else None


class PyesdbApplicationRecorder(PyesdbAggregateRecorder, ApplicationRecorder):
    """Records events of aggregates; their notification ids are the positions of the store."""

    @translated
    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """As an aggregate recorder does; returns the notification ids, in the order given."""
        return self.streams.insert(stored_events, kwargs.get("tracking"))

    @translated
    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Notifications from `start` to `stop`, both included, or after `start`."""
        after = 0 if start is None else max(0, start - 1 if inclusive_of_start else start)
        found = self.store.read_all(
            after=after,
            before=None if stop is None else max(0, stop + 1),
            select=_topics(topics),
            limit=limit,
        )
        return [self.streams.notification(event) for event in found]

    @translated
    def max_notification_id(self) -> int | None:
        """The last position, or None when there is no event."""
        last = self.store.read_all(backwards=True, limit=1).first()
        return None if last is None else last.position

    @translated
    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> "PyesdbSubscription":
        """Notifications after `gt`, those that are stored and those that come."""
        return PyesdbSubscription(self, gt, topics)


class PyesdbSubscription(Subscription[PyesdbApplicationRecorder]):
    """Follows an application. It has no thread: the store wakes it, and it reads a page.

    Used by one thread at a time, but for `stop()`.
    """

    def __init__(
        self,
        recorder: PyesdbApplicationRecorder,
        gt: int | None = None,
        topics: Sequence[str] = (),
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._follower = recorder.store.follow(_topics(topics), after=max(0, gt or 0))
        self._stopped = False
        self._held: RecordedEvent | None = None
        """What the follower has given and nobody has got, because it is no notification."""

    def stop(self) -> None:
        """End the iteration, now or when the notification in hand was handled."""
        super().stop()
        self._stopped = True
        self._follower.stop()

    @translated
    def __next__(self) -> Notification:
        """The next notification; waits for it. Raises InterfaceError when the store is closed.

        DataError is raised by each call until the subscription is stopped: it passes over nothing.
        """
        if self._held is None or self._stopped:
            self._held = next(self._follower)
        notification = self._recorder.streams.notification(self._held)
        self._held = None
        return notification
