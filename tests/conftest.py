"""Fixtures for every tier: databases of each face, stores of each kind.

`face` is how the package is called: the synchronous half, or the asynchronous one driven through a
loop in a thread (tests/contract/faces.py). `store` is of each kind in KINDS, so a test that takes
it runs on all TARGETS. Nothing here waits for time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.machine.plugin import Recorder, replayed  # noqa: F401  (a fixture for every session)

with suppress(ImportError):  # without pytest-xdist there is one worker
    from tests.together import pytest_xdist_make_scheduler  # noqa: F401  (a hook)


@pytest.fixture(scope="session")
def runner() -> Iterator[Any]:
    from tests.contract.faces import Runner

    running = Runner()
    yield running
    running.close()


@pytest.fixture
def unrecorded(replayed: Recorder) -> Iterator[None]:  # noqa: F811
    """For tests whose entries are not replayed: of many events that say nothing of the machine, or
    under another rule of it, of which a replay cannot know.
    """
    replayed.paused = True
    yield
    replayed.paused = False


FACES = tuple(os.environ.get("TESTS_FACES", "sync,async").split(","))
KINDS: dict[str, tuple[str, ...]] = {
    "default": FACES,
    "created": FACES,
    "recovered": ("sync",),
    "restored": ("sync",),
    "copied": ("async",),
    "idle": ("async",),
}
"""Kinds of stores, and the faces on which the contract is tested: how a store came to be is the
same below both faces, so one is enough for most. An idle one closes its files before each call."""

if "TESTS_KINDS" in os.environ:  # a shorter run, for another interpreter (as TESTS_FACES is)
    KINDS = {kind: KINDS[kind] for kind in os.environ["TESTS_KINDS"].split(",")}

OFTEN = "default"
"""The kind of every run; tests on the others are slow: `make slow` has them. What does not depend
on the kind is tested on a created store, `own_store`."""

TARGETS = [(kind, name) for kind, faces in KINDS.items() for name in faces]


MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 << 30


def pytest_configure() -> None:
    """Files of tests live in memory where there is room: an fsync of a busy disk takes longer than
    most tests. What a power cut would do is not for these tests, and kill -9 loses nothing here.
    """
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    if roomy:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the pairs of kind and face that are not targets; mark those of rarer kinds."""

    def params(item: pytest.Item) -> dict[str, Any]:
        return item.callspec.params if hasattr(item, "callspec") else {}

    def wanted(item: pytest.Item) -> bool:
        found = params(item)
        return found.get("face", FACES[0]) in KINDS.get(found.get("store"), FACES)

    items[:] = filter(wanted, items)
    for item in items:
        found = params(item)
        kinds = {found.get("store", OFTEN), found.get("kept_store", (OFTEN,))[0]}
        if kinds != {OFTEN}:
            item.add_marker("slow")


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


def make_store(database: Any, kind: str, folder: Path) -> None:
    """An empty store named for its kind; nothing else is left."""
    from pyesdb import NewEvent

    if kind == "copied":  # a fork from before its source's first event
        database.create_store("source").append("s", [NewEvent("E") for _ in range(3)])
        database.copy_store("source", kind, as_of=0)
        database.remove_store("source", purge=True)
        return
    database.create_store(kind)
    if kind == "restored":
        database.backup_store(kind, folder / "backup")
        database.remove_store(kind, purge=True)
        database.restore_backup(folder / "backup")
    elif kind == "recovered":
        database.remove_store(kind)
        database.recover_store(kind)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A new database with a store of a kind: copying is cheaper than making."""
    import pyesdb

    @cache
    def made(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        with pyesdb.open(folder / "data", durability="os") as database:
            if kind != "default":
                make_store(database, kind, folder)
        return folder / "data"

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
    templates: Callable[[str], Path],
) -> Any:
    kind = "created" if "own_store" in request.fixturenames else "default"
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    shutil.copytree(templates(params.get("store", kind)), data_dir)
    data_dir.chmod(0o700)
    return open_db(data_dir, durability="os")


def store_of_kind(database: Any, kind: str) -> Any:
    from tests.scale.tools import Idle

    found = database.store() if kind == "default" else database.store(kind)
    return Idle(found) if kind == "idle" else found


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, db: Any) -> Any:
    return store_of_kind(db, request.param)


@pytest.fixture
def own_store(db: Any) -> Any:
    """One created store, for promises that do not depend on the kind of store."""
    return db.store("created")


@pytest.fixture(scope="module", params=TARGETS, ids="-".join)
def kept_store(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: Callable[[str], Path],
) -> Iterator[Any]:
    """One store for all tests of a module that only read, or are refused; on every target."""
    kind, name = request.param
    directory = tmp_path_factory.mktemp("kept") / "data"
    shutil.copytree(templates(kind), directory)
    with face_named(name, request).open(directory, durability="os") as database:
        yield store_of_kind(database, kind)


@pytest.fixture(scope="module", params=FACES)
def kept_own(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    templates: Callable[[str], Path],
) -> Iterator[Any]:
    """As `kept_store`, on a created store only."""
    directory = tmp_path_factory.mktemp("kept") / "data"
    shutil.copytree(templates("created"), directory)
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
