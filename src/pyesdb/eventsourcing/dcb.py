"""The DCB recorder: events of no stream with tags, and appends under a condition."""

from collections.abc import Iterator, Sequence

from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBReadResponse,
    DCBRecorder,
    DCBSequencedEvent,
    DCBSubscription,
)
from eventsourcing.persistence import ProgrammingError

from pyesdb import AppendCondition, NewEvent, Query, QueryItem, RecordedEvent, Selector
from pyesdb.eventsourcing.base import PyesdbRecorder
from pyesdb.eventsourcing.errors import translated
from pyesdb.eventsourcing.streams import content_type


def selector(query: DCBQuery | None) -> Selector:
    """A query of the library as a selector; without items, everything."""
    items = [] if query is None else query.items
    return Query(QueryItem(types=item.types, tags=item.tags) for item in items)


def sequenced(event: RecordedEvent) -> DCBSequencedEvent:
    """An event of the store as the library's."""
    return DCBSequencedEvent(
        DCBEvent(type=event.type, data=event.data, tags=list(event.tags)), event.position
    )


class PyesdbDCBReadResponse(DCBReadResponse):
    """The events of a read, page by page. `head`: up to where it looked, None for nowhere."""

    def __init__(self, events: Iterator[RecordedEvent], head: int | None) -> None:
        self._events = events
        self._head = head

    @property
    def head(self) -> int | None:
        """The position for `after` of a condition; with a limit, of the last event returned."""
        return self._head

    @translated
    def __next__(self) -> DCBSequencedEvent:
        return sequenced(next(self._events))


class PyesdbDCBRecorder(PyesdbRecorder, DCBRecorder):
    """Records events with tags."""

    @translated
    def read(
        self,
        query: DCBQuery | None = None,
        *,
        after: int | None = None,
        limit: int | None = None,
    ) -> PyesdbDCBReadResponse:
        """Events after `after` that match any item of the query; its end is fixed now."""
        events = self.store.read_all(after=max(0, after or 0), select=selector(query), limit=limit)
        if limit is None:
            return PyesdbDCBReadResponse(iter(events), events.head or None)
        found = events.to_list()
        return PyesdbDCBReadResponse(iter(found), found[-1].position if found else None)

    @translated
    def append(
        self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None
    ) -> int:
        """Append events, all or nothing; returns the position of the last one.

        Raises IntegrityError when an event matches the condition: nothing was stored.
        """
        if not events:
            raise ProgrammingError("append at least one event: what is decided here is recorded")
        result = self.store.append(
            None,
            [
                NewEvent(e.type, bytes(e.data), tags=e.tags, content_type=content_type(e.data))
                for e in events
            ],
            condition=None
            if condition is None
            else AppendCondition(selector(condition.fail_if_events_match), after=condition.after),
        )
        return result.position or 0

    @translated
    def subscribe(
        self, query: DCBQuery | None = None, *, after: int | None = None
    ) -> "PyesdbDCBSubscription":
        """Events after `after` that match, those that are stored and those that come."""
        return PyesdbDCBSubscription(self, query, after)


class PyesdbDCBSubscription(DCBSubscription[PyesdbDCBRecorder]):
    """Follows a store. Used by one thread at a time, but for `stop()`."""

    def __init__(
        self,
        recorder: PyesdbDCBRecorder,
        query: DCBQuery | None = None,
        after: int | None = None,
    ) -> None:
        super().__init__(recorder=recorder, query=query, after=after)
        self._follower = recorder.store.follow(selector(query), after=max(0, after or 0))

    def stop(self) -> None:
        """End the iteration, now or when the event in hand was handled."""
        super().stop()
        self._follower.stop()

    @translated
    def __next__(self) -> DCBSequencedEvent:
        """The next event; waits for it. Raises InterfaceError when the store is closed."""
        return sequenced(next(self._follower))
