"""The `eventsourcing` library's SQLite recorder, durable: synchronous=FULL on every connection.

A stream is an originator id. It stores no event ids of its own, so none is made.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.peers.durable import make_durable
from benchmarks.sides import Missing, Unoffered, looked_at
from benchmarks.work import Body, encode, kind

PAGE = 1000


class Recorder:
    """An application recorder: events of originators, notifications in order.

    `pid`: of the server that does the writing, if there is one.
    """

    def __init__(self, recorder: Any, stored_event: Any, pid: int | None = None) -> None:
        self._recorder = recorder
        self._event = stored_event
        self.pid = pid

    def _events(self, stream: str, version: int, bodies: Sequence[Body]) -> list[Any]:
        origin = UUID(stream)
        return [
            self._event(origin, version + index, kind(version + index), encode(body))
            for index, body in enumerate(bodies)
        ]

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One insert_events call."""
        self._recorder.insert_events(self._events(stream, version, bodies))

    def fill(self, batch: Sequence[tuple[str, int, Sequence[Body]]]) -> None:
        """One insert_events call for all streams."""
        self._recorder.insert_events([event for append in batch for event in self._events(*append)])

    def _notifications(self) -> Iterator[bytes]:
        start = 1
        while page := self._recorder.select_notifications(start, PAGE):
            for notification in page:
                yield notification.state
            start = page[-1].id + 1

    def scan(self) -> tuple[int, int]:
        """Pages of 1000 notifications."""
        return looked_at(self._notifications())

    def scan_backwards(self) -> tuple[int, int]:
        """There is no such call."""
        raise Unoffered("notifications are read forwards only")

    def replay(self, stream: str) -> tuple[int, int]:
        """One select_events call."""
        return looked_at(event.state for event in self._recorder.select_events(UUID(stream)))


@contextmanager
def recorder(folder: Path) -> Iterator[Recorder]:
    """A recorder with its table in a file of its own."""
    if importlib.util.find_spec("eventsourcing") is None:
        raise Missing("eventsourcing is not installed: install requirements/bench.txt")
    from eventsourcing.persistence import StoredEvent
    from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

    datastore = SQLiteDatastore(str(folder / "events.db"))
    make_durable(datastore.pool)
    made = SQLiteApplicationRecorder(datastore)
    made.create_table()
    try:
        yield Recorder(made, StoredEvent)
    finally:
        datastore.close()
