"""Fixtures for pytest, which finds them by itself where pyesdb is installed.

    pyesdb_database         an empty database in memory, closed and erased after the test
    pyesdb_store            its default store
    pyesdb_async_database   the same for asyncio: `async with pyesdb_async_database as database:`
    pyesdb_async_store      its default store: `async with pyesdb_async_store as store:`
    pyesdb_types            the EventTypes of both stores: None, until you define it yourself
    pyesdb_clock            stands still at 2030-01-01 UTC until it is moved

It stands outside the package, because pytest imports it in every run: pyesdb is imported when a
fixture is used, not before. That must never change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import TracebackType

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


class _SharedDatabase(AbstractAsyncContextManager["AsyncDatabase"]):
    """A database in memory: opened by the first who enters, closed when the last has left."""

    def __init__(self) -> None:
        self._inside = 0
        self._database: AsyncDatabase | None = None

    async def __aenter__(self) -> AsyncDatabase:
        import asyncio

        import pyesdb

        self._inside += 1
        if self._inside == 1:  # of the loop that runs now
            self._turn = asyncio.Lock()
        try:
            async with self._turn:
                if self._database is None:
                    self._database = await pyesdb.open_async(":memory:")
                return self._database
        except BaseException:
            await self._leave()
            raise

    async def __aexit__(self, *raised: object) -> None:
        await self._leave()

    async def _leave(self) -> None:
        self._inside -= 1
        if self._inside == 0 and self._database is not None:
            database, self._database = self._database, None
            await database.close()


class _SharedStore(AbstractAsyncContextManager["AsyncStore"]):
    """The default store of a shared database."""

    def __init__(
        self, database: AbstractAsyncContextManager[AsyncDatabase], types: EventTypes | None
    ) -> None:
        self._database = database
        self._types = types

    async def __aenter__(self) -> AsyncStore:
        database = await self._database.__aenter__()
        try:
            return database.store(types=self._types)
        except BaseException as error:
            await self._database.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._database.__aexit__(t, e, tb)


@pytest.fixture
def pyesdb_async_database(
    request: pytest.FixtureRequest,
) -> AbstractAsyncContextManager[AsyncDatabase]:
    """An empty database in memory for asyncio: enter it in the test, whatever runs its loop.

    It may be entered by several, who have the same one; it is erased when the last has left.
    """
    _clock_first(request)
    return _SharedDatabase()


@pytest.fixture
def pyesdb_async_store(
    pyesdb_async_database: AbstractAsyncContextManager[AsyncDatabase],
    pyesdb_types: EventTypes | None,
) -> AbstractAsyncContextManager[AsyncStore]:
    """The default store of `pyesdb_async_database`: enter it in the test."""
    return _SharedStore(pyesdb_async_database, pyesdb_types)
