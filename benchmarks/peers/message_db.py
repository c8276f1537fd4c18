"""message-db on PostgreSQL: its SQL as its npm package has it, called through psycopg.

All streams are of one category, because a read of everything is a read of a category; that also
makes writers take turns, since a write locks its category. Batches are many calls in one
transaction: it has no call for more than one message.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers import postgres
from benchmarks.sides import Missing, Unoffered, looked_at
from benchmarks.work import Body, encode, kind

PACKAGE = Path(__file__).with_name("message_db")
BUILT = Path("build", "message-db")
CATEGORY = "bench"
PAGE = 1000
_WRITE = "SELECT write_message(%s, %s, %s, %s::jsonb, NULL, %s)"
_STREAM = "SELECT data FROM get_stream_messages(%s, 0, -1)"
_CATEGORY = "SELECT data, global_position FROM get_category_messages(%s, %s, %s)"
_SPACES = 14
"""It keeps no text but jsonb, which comes back with a space behind each colon and comma."""


class MessageDb:
    """Its functions, each called on a connection of a pool."""

    def __init__(self, pool: Any, pid: int) -> None:
        self._pool = pool
        self.pid = pid

    def _rows(self, stream: str, version: int, bodies: Sequence[Body]) -> list[tuple[object, ...]]:
        name = f"{CATEGORY}-{stream}"
        return [
            (str(uuid.uuid4()), name, kind(at), encode(body).decode(), at - 1)
            for at, body in enumerate(bodies, version)
        ]

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """A write_message call, or a transaction of many; with the version that is expected."""
        rows = self._rows(stream, version, bodies)
        if len(rows) > 1:
            self._write(rows)
        else:
            with self._pool.connection() as connection:
                connection.execute(_WRITE, rows[0])

    def _write(self, rows: Sequence[tuple[object, ...]]) -> None:
        with self._pool.connection() as connection, connection.transaction():
            connection.cursor().executemany(_WRITE, rows)  # sent ahead, in one go

    def fill(self, batch: Sequence[tuple[str, int, Sequence[Body]]]) -> None:
        """A transaction of many write_message calls."""
        self._write([row for append in batch for row in self._rows(*append)])

    def _messages(self) -> Iterator[bytes]:
        position = 1
        with self._pool.connection() as connection:
            while page := connection.execute(_CATEGORY, (CATEGORY, position, PAGE)).fetchall():
                for row in page:
                    yield row[0]
                position = page[-1][1] + 1

    def scan(self) -> tuple[int, int]:
        """Pages of 1000 messages of the category."""
        count, total = looked_at(self._messages())
        return count, total - count * _SPACES

    def scan_backwards(self) -> tuple[int, int]:
        """There is no such call."""
        raise Unoffered("categories are read forwards only")

    def replay(self, stream: str) -> tuple[int, int]:
        """One get_stream_messages call."""
        with self._pool.connection() as connection:
            rows = connection.execute(_STREAM, (f"{CATEGORY}-{stream}",)).fetchall()
        count, total = looked_at(row[0] for row in rows)
        return count, total - count * _SPACES


def version() -> str:
    """The version that is asked for, as the lock has it."""
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    return lock["packages"]["node_modules/@eventide/message-db"]["version"]


def _package() -> Path:
    """Its SQL, fetched once; raises Missing."""
    sources = BUILT / "node_modules" / "@eventide" / "message-db" / "database"
    if (sources / "install.sh").exists():
        return sources.resolve()
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (BUILT / name).write_bytes((PACKAGE / name).read_bytes())
    try:
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=BUILT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Missing("npm is not installed: message-db comes from there") from error
    except subprocess.CalledProcessError as error:
        raise Missing(f"npm ci, in {BUILT}, failed with {error.returncode}") from error
    return sources.resolve()


def _install(sources: Path, cluster: postgres.Cluster) -> None:
    environment = {
        **os.environ,
        "PATH": f"{cluster.programs}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": cluster.host,
        "PGPORT": str(cluster.port),
        "PGUSER": postgres.USER,
    }
    done = subprocess.run(
        ["bash", str(sources / "install.sh")],
        check=False, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise Missing(f"message-db's install.sh failed: {done.stderr.strip()[-300:]}")


@contextmanager
def message_store(folder: Path) -> Iterator[MessageDb]:
    """message-db in a cluster of its own."""
    postgres.driver()
    sources = _package()
    with postgres.cluster(folder) as cluster:
        _install(sources, cluster)
        from psycopg_pool import ConnectionPool

        with ConnectionPool(
            f"{cluster.connection_text('message_store')} options='-c search_path=message_store'",
            min_size=1,
            max_size=postgres.CONNECTIONS,
            timeout=60,
            kwargs={"autocommit": True, "prepare_threshold": 0},
        ) as pool:
            yield MessageDb(pool, cluster.pid)
