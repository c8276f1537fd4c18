"""The `eventsourcing` library's PostgreSQL recorder, with a pool of connections."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers import postgres
from benchmarks.peers.eventsourcing_sqlite import Recorder
from benchmarks.sides import Missing

WAIT_S = 60.0


@contextmanager
def recorder(folder: Path) -> Iterator[Recorder]:
    """A recorder with its table in a cluster of its own."""
    if importlib.util.find_spec("eventsourcing") is None:
        raise Missing("eventsourcing is not installed: install requirements/bench.txt")
    with postgres.cluster(folder) as cluster:
        from eventsourcing.persistence import StoredEvent
        from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

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
        made = PostgresApplicationRecorder(datastore)
        made.create_table()
        try:
            yield Recorder(made, StoredEvent, cluster.pid)
        finally:
            datastore.close()
