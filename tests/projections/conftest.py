"""A kit of each kind; those on PostgreSQL need Debian's PostgreSQL 15, else they are skipped."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.projections.kits import KINDS, OFTEN, Kit, needs_postgres


class Server:
    """A cluster of this session, with a schema for each test."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._numbers = count(1)

    def url(self, schema: str) -> str:
        where = f"postgres?host={self._cluster.host}&port={self._cluster.port}"
        return f"postgresql://postgres@/{where}&options=-csearch_path%3D{schema}"

    def schema(self) -> str:
        import psycopg

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url(name)) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return name


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    from benchmarks.peers import postgres as peer
    from benchmarks.sides import Missing

    if peer.version() is None:
        pytest.skip("PostgreSQL 15 is not installed: apt-get install postgresql-15")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    # not below pytest's directories: root's server runs as another user, who may not look there
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
    with tempfile.TemporaryDirectory(prefix="tests-pg-", dir=root) as folder:
        os.chmod(folder, 0o755)
        try:
            with peer.cluster(Path(folder)) as cluster:
                yield Server(cluster)
        except Missing as error:
            pytest.skip(str(error))


def kit_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> Kit:
    server = request.getfixturevalue("postgres") if needs_postgres(kind) else None
    runner = request.getfixturevalue("runner") if kind.startswith("async") else None
    return Kit(kind, folder, runner, server)


def marked(kind: str, often: Collection[str] = OFTEN) -> Any:
    """Those of rarer kinds are slow."""
    return pytest.param(kind, marks=() if kind in often else pytest.mark.slow)


@pytest.fixture(params=[marked(kind) for kind in KINDS])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    made = kit_of(request.param, tmp_path, request)
    yield made
    made.close()


@pytest.fixture
def lite(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    """The kit that needs nothing: for what does not depend on the kind."""
    made = kit_of("sqlite", tmp_path, request)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_of_the_machine(unrecorded: None) -> None:
    """What is written here is not replayed at the end."""
