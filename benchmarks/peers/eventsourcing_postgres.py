"""The `eventsourcing` library's PostgreSQL recorder, with a pool of connections."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import postgres
from benchmarks.peers.eventsourcing_sqlite import Recorder
from benchmarks.sides import Missing, Refused
from benchmarks.work import Body, encode, kind, matching, tags

WAIT_S = 60.0


class Tagged:
    """Its recorder for dynamic consistency boundaries: tags, and appends with conditions."""

    def __init__(self, recorder: Any, api: Any, error: type[Exception]) -> None:
        self._recorder, self._api, self._error = recorder, api, error

    def _events(self, stream: str, version: int, bodies: Sequence[Body]) -> list[Any]:
        return [
            self._api.DCBEvent(kind(at), encode(body), list(tags(stream, at)))
            for at, body in enumerate(bodies, version)
        ]

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One call, with no condition."""
        self._recorder.append(self._events(stream, version, bodies))

    def append_if(self, stream: str, version: int, body: Body, after: int) -> int:
        """One call with a condition."""
        api = self._api
        items = [
            api.DCBQueryItem(list(types), list(all_of))
            for types, all_of in matching(stream, version)
        ]
        condition = api.DCBAppendCondition(api.DCBQuery(items), after)
        try:
            return self._recorder.append(self._events(stream, version, (body,)), condition)
        except self._error as error:
            raise Refused(str(error)) from error

    def fill(self, batch: Sequence[tuple[str, int, Sequence[Body]]]) -> None:
        """One call with the events of all streams."""
        self._recorder.append([event for append in batch for event in self._events(*append)])


@contextmanager
def _datastore(folder: Path) -> Iterator[tuple[Any, int]]:
    if importlib.util.find_spec("eventsourcing") is None:
        raise Missing("eventsourcing is not installed: install requirements/bench.txt")
    with postgres.cluster(folder) as cluster:
        from eventsourcing.postgres import PostgresDatastore

        datastore = PostgresDatastore(
            dbname=postgres.USER,
            host=cluster.host,
            port=cluster.port,
            user=postgres.USER,
            password="",
            connect_timeout=WAIT_S,  # how long a caller waits for one of the pool, too
            pool_size=1,
            max_overflow=postgres.CONNECTIONS - 1,
            enable_db_functions=True,  # one round trip for an insert: faster (measured)
        )
        try:
            yield datastore, cluster.pid
        finally:
            datastore.close()


@contextmanager
def recorder(folder: Path) -> Iterator[Recorder]:
    """A recorder with its table in a cluster of its own."""
    with _datastore(folder) as (datastore, pid):
        from eventsourcing.persistence import StoredEvent
        from eventsourcing.postgres import PostgresApplicationRecorder

        made = PostgresApplicationRecorder(datastore)
        made.create_table()
        yield Recorder(made, StoredEvent, pid)


@contextmanager
def tagged(folder: Path) -> Iterator[Tagged]:
    """The recorder for events with tags, in a cluster of its own."""
    with _datastore(folder) as (datastore, _pid):
        from eventsourcing.dcb import api
        from eventsourcing.dcb.postgres_tt import PostgresDCBRecorderTT
        from eventsourcing.persistence import IntegrityError

        made = PostgresDCBRecorderTT(datastore)
        made.create_table()
        yield Tagged(made, api, IntegrityError)
