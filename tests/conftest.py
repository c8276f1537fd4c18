"""Fixtures for every tier: databases of each face, stores of each kind.

`face` is how the package is called: the synchronous half, or the asynchronous one driven through a
loop in a thread (tests/contract/faces.py). `store` is the default store and a created one, so a
test that takes it runs on four targets. Nothing here waits for time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.machine.plugin import replayed  # noqa: F401  (a fixture for every session)


@pytest.fixture(scope="session")
def runner() -> Iterator[Any]:
    from tests.contract.faces import Runner

    running = Runner()
    yield running
    running.close()


FACES = ("sync", "async")
TARGETS = [(kind, name) for kind in ("default", "created") for name in FACES]


def face_named(name: str, request: pytest.FixtureRequest) -> Any:
    from tests.contract.faces import AsyncFace, SyncFace

    return SyncFace() if name == "sync" else AsyncFace(request.getfixturevalue("runner"))


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Any:
    return face_named(request.param, request)


@pytest.fixture
def open_db(face: Any, data_dir: Path) -> Iterator[Callable[..., Any]]:
    """Opens through the face under test; what it opened is closed at the end."""
    opened: list[Any] = []

    def open_through(*args: Any, **kwargs: Any) -> Any:
        database = face.open(*args, **kwargs)
        opened.append(database)
        return database

    yield open_through
    for database in reversed(opened):
        with suppress(Exception):
            database.close()


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """A new database, and one with a store named "created": copying is cheaper than making."""
    import pyesdb

    made: dict[bool, Path] = {}
    for with_store in (False, True):
        made[with_store] = tmp_path_factory.mktemp("template") / "data"
        with pyesdb.open(made[with_store], durability="os") as database:
            if with_store:
                database.create_store("created")
    return made


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Where a database may be made; gone after the test."""
    directory = tmp_path / "data"
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def db(
    request: pytest.FixtureRequest,
    open_db: Callable[..., Any],
    data_dir: Path,
    templates: dict[bool, Path],
) -> Any:
    with_store = not {"store", "own_store"}.isdisjoint(request.fixturenames)
    shutil.copytree(templates[with_store], data_dir)
    data_dir.chmod(0o700)
    return open_db(data_dir, durability="os")


@pytest.fixture(params=["default", "created"])
def store(request: pytest.FixtureRequest, db: Any) -> Any:
    return db.store() if request.param == "default" else db.store("created")


@pytest.fixture
def own_store(db: Any) -> Any:
    """One created store, for promises that do not depend on the kind of store."""
    return db.store("created")


@pytest.fixture(scope="module", params=TARGETS, ids="-".join)
def kept_store(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: dict[bool, Path],
) -> Iterator[Any]:
    """One store for all tests of a module that only read, or are refused; on every target."""
    kind, name = request.param
    directory = tmp_path_factory.mktemp("kept") / "data"
    shutil.copytree(templates[True], directory)
    with face_named(name, request).open(directory, durability="os") as database:
        yield database.store(kind)


@pytest.fixture(scope="module", params=FACES)
def kept_own(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: dict[bool, Path],
) -> Iterator[Any]:
    """As `kept_store`, on a created store only."""
    directory = tmp_path_factory.mktemp("kept") / "data"
    shutil.copytree(templates[True], directory)
    with face_named(request.param, request).open(directory, durability="os") as database:
        yield database.store("created")


class Clock:
    """The wall clock of the package, standing still until a test moves it."""

    def __init__(self, start: datetime) -> None:
        self._ns = int(start.timestamp()) * 1_000_000_000

    def __call__(self) -> int:
        return self._ns

    def move(self, **by: float) -> None:
        self._ns += int(timedelta(**by).total_seconds() * 1_000_000_000)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._ns // 1_000_000_000, UTC)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A frozen clock for every database of this process; ask for it before `db`."""
    from pyesdb.telemetry.clock import set_source

    frozen = Clock(datetime(2100, 1, 1, tzinfo=UTC))
    set_source(frozen)
    yield frozen
    set_source(None)


@pytest.fixture(autouse=True)
def no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PYESDB_"):
            monkeypatch.delenv(name)
