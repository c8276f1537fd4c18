"""`Events` and `Loaded`: what reads return, synchronous."""

from collections.abc import Iterator
from itertools import chain
from types import TracebackType
from typing import Self

from pyesdb.model.events import RecordedEvent
from pyesdb.model.results import Snapshot
from pyesdb.model.versions import StreamVersion
from pyesdb.store.reads import Read


def _pages(read: Read, page: list[RecordedEvent]) -> Iterator[list[RecordedEvent]]:
    while page:
        yield page
        page = read.next_page()


class Events(Iterator[RecordedEvent]):
    """Events of a read, page by page. Its end was fixed when the read started.

    Between pages it holds neither a connection nor a lock. Also a context manager.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        page = read.open()
        self._events = iter(page) if read.over else chain.from_iterable(_pages(read, page))

    @property
    def version(self) -> StreamVersion:
        """The stream's last version when the read started (read of one stream)."""
        return self._read.version

    @property
    def head(self) -> int:
        """The position for `after=` of a condition: the store's head in the read's own snapshot.

        When `limit` cut the read: the last returned position. With `as_of`, `before` or
        `to_version` it is where the read ends: a condition sees what came since.
        """
        return self._read.head

    def to_list(self) -> list[RecordedEvent]:
        """The events that are left, in memory."""
        return list(self._events)

    def first(self) -> RecordedEvent | None:
        """The next event, or None; the read is over afterwards."""
        found = next(self._events, None)
        self.close()
        return found

    def close(self) -> None:
        """End the read."""
        self._events = iter(())

    def __iter__(self) -> Iterator[RecordedEvent]:  # type: ignore[override]  # noqa: PYI034 (the pages' own iterator is twice as fast)
        return self._events

    def __next__(self) -> RecordedEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class Loaded:
    """A snapshot (or None), the events after it, and the stream's version for `expected=`."""

    def __init__(self, snapshot: Snapshot | None, events: Events) -> None:
        self.snapshot = snapshot
        self.events = events
        self.version: StreamVersion = events.version
