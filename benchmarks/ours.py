"""PyESDB as a user calls it: `open`, `append`, `read`, nothing from inside the package."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pyesdb
from benchmarks.sides import Refused, looked_at
from benchmarks.work import Body, kind, matching, tags
from pyesdb import Append, AppendCondition, ConditionFailed, NewEvent, Query, QueryItem


def _events(stream: str, version: int, bodies: Sequence[Body]) -> list[Any]:
    return [NewEvent(kind(at), body) for at, body in enumerate(bodies, version)]


def _tagged(stream: str, version: int, bodies: Sequence[Body]) -> list[Any]:
    return [
        NewEvent(kind(at), body, tags=tags(stream, at)) for at, body in enumerate(bodies, version)
    ]


def _condition(stream: str, version: int, after: int) -> Any:
    items = [QueryItem(types=types, tags=all_of) for types, all_of in matching(stream, version)]
    return AppendCondition(Query(items), after=after)


class Ours:
    """The default store of an embedded database, from any thread. `tagged`: three tags an event."""

    def __init__(self, store: Any, *, tagged: bool = False) -> None:
        self.store = store
        self._events = _tagged if tagged else _events

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One append call, with no expectation."""
        events = self._events(stream, version, bodies)
        self.store.append(stream, events[0] if len(events) == 1 else events)

    def append_if(self, stream: str, version: int, body: Body, after: int) -> int:
        """One append call with a condition."""
        condition = _condition(stream, version, after)
        try:
            result = self.store.append(
                stream, self._events(stream, version, (body,)), condition=condition
            )
        except ConditionFailed as error:
            raise Refused(str(error)) from error
        return result.position

    def fill(self, batch: Sequence[tuple[str, int, Sequence[Body]]]) -> None:
        """One append_many call."""
        events = self._events
        self.store.append_many(
            [Append(stream, events(stream, version, bodies)) for stream, version, bodies in batch]
        )

    def scan(self) -> tuple[int, int]:
        """Iterate over read_all."""
        return looked_at(event.data for event in self.store.read_all())

    def scan_backwards(self) -> tuple[int, int]:
        """Iterate over read_all, newest first."""
        return looked_at(event.data for event in self.store.read_all(backwards=True))

    def replay(self, stream: str) -> tuple[int, int]:
        """Iterate over read."""
        return looked_at(event.data for event in self.store.read(stream))


@contextmanager
def embedded(folder: Path) -> Iterator[Ours]:
    """A database with the defaults, as users have it: fsync, not exclusive."""
    with pyesdb.open(folder / "data") as database:
        yield Ours(database.store())


@contextmanager
def embedded_tagged(folder: Path) -> Iterator[Ours]:
    """As embedded; each event has three tags."""
    with pyesdb.open(folder / "data") as database:
        yield Ours(database.store(), tagged=True)


class OursAsync:
    """The default store of an embedded database, from tasks of one event loop."""

    def __init__(self, runner: asyncio.Runner, store: Any, *, tagged: bool = False) -> None:
        self.runner = runner
        self.store = store
        self._events = _tagged if tagged else _events

    def append(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One append, waited for by the loop."""
        self.runner.run(self.append_async(stream, version, bodies))

    async def append_async(self, stream: str, version: int, bodies: Sequence[Body]) -> None:
        """One append call, with no expectation."""
        await self.store.append(stream, self._events(stream, version, bodies))

    def append_if(self, stream: str, version: int, body: Body, after: int) -> int:
        """One conditional append, waited for by the loop."""
        return self.runner.run(self.append_if_async(stream, version, body, after))

    async def append_if_async(self, stream: str, version: int, body: Body, after: int) -> int:
        """One append call with a condition."""
        condition = _condition(stream, version, after)
        events = self._events(stream, version, (body,))
        try:
            result = await self.store.append(stream, events, condition=condition)
        except ConditionFailed as error:
            raise Refused(str(error)) from error
        return result.position


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Any]:
    async with pyesdb.open_async(folder / "data") as database:
        yield database.store()


@contextmanager
def embedded_async(folder: Path, *, tagged: bool = False) -> Iterator[OursAsync]:
    """As embedded, from asyncio."""
    with asyncio.Runner() as runner:
        opened = _opened(folder)
        store = runner.run(opened.__aenter__())
        try:
            yield OursAsync(runner, store, tagged=tagged)
        finally:
            runner.run(opened.__aexit__(None, None, None))


@contextmanager
def embedded_async_tagged(folder: Path) -> Iterator[OursAsync]:
    """As embedded_tagged, from asyncio."""
    with embedded_async(folder, tagged=True) as writer:
        yield writer
