"""Fixtures for pytest, which finds them by itself where pyesdb is installed.

    pyesdb_database         an empty database in memory, closed and erased after the test
    pyesdb_store            its default store
    pyesdb_async_database   the same for asyncio: `async with pyesdb_async_database as database:`
    pyesdb_async_store      the same for asyncio: `async with pyesdb_async_store as store:`
    pyesdb_types            the EventTypes of both stores: None, until you define it yourself
    pyesdb_clock            stands still at 2030-01-01 UTC until it is moved

It stands outside the package, because pytest imports it in every run: pyesdb is imported when a
fixture is used, not before. That must never change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pyesdb import AsyncDatabase, AsyncStore, Database, EventTypes, Store
    from pyesdb.testing import FrozenClock


@pytest.fixture
def pyesdb_clock() -> Iterator[FrozenClock]:
    """A frozen clock for every database of this process; stopped before the database is made."""
    from pyesdb.testing import frozen_clock

    with frozen_clock() as clock:
        yield clock


@pytest.fixture
def pyesdb_types() -> EventTypes | None:
    """The registered types of the stores: define a fixture of this name to have some."""
    return None


def _clock_first(request: pytest.FixtureRequest) -> None:
    if "pyesdb_clock" in request.fixturenames:
        request.getfixturevalue("pyesdb_clock")


@pytest.fixture
def pyesdb_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database in memory."""
    _clock_first(request)
    import pyesdb

    with pyesdb.open(":memory:") as database:
        yield database


@pytest.fixture
def pyesdb_store(pyesdb_database: Database, pyesdb_types: EventTypes | None) -> Store:
    """An empty store in memory."""
    return pyesdb_database.store(types=pyesdb_types)


@pytest.fixture
def pyesdb_async_database(
    request: pytest.FixtureRequest,
) -> AbstractAsyncContextManager[AsyncDatabase]:
    """An empty database in memory for asyncio: enter it in the test, whatever runs its loop."""
    _clock_first(request)
    import pyesdb

    return pyesdb.open_async(":memory:")


@pytest.fixture
def pyesdb_async_store(
    pyesdb_async_database: AbstractAsyncContextManager[AsyncDatabase],
    pyesdb_types: EventTypes | None,
) -> AbstractAsyncContextManager[AsyncStore]:
    """An empty store in memory for asyncio: enter it in the test."""

    @asynccontextmanager
    async def opened() -> AsyncGenerator[AsyncStore]:
        async with pyesdb_async_database as database:
            yield database.store(types=pyesdb_types)

    return opened()
