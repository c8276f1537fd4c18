"""One projector at work: from the follower of a store into one read model, for both halves.

What must never happen here: an effect without its checkpoint or a checkpoint without its effects
(one transaction has both), an event that is passed over because its handler failed, two projectors
of one name and store whose effects are both kept.
"""

import inspect
import logging
import os
import socket
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pyesdb
from pyesdb.projections.checkpoint import Checkpoint, History, Mark
from pyesdb.projections.declared import GENERATOR, Declared, Hook
from pyesdb.projections.errors import handler_failed
from pyesdb.projections.readmodel import ReadModel, undone_for_others
from pyesdb.projections.status import ProjectionStatus

log = logging.getLogger(__name__)

T = TypeVar("T")
OnProgress = Callable[[int, int], None]

MARK_S = 5.0
"""How long a run waits for a selected event before it writes how far it has examined the store."""
MARK_MAX_S = 60.0
"""How long when nothing at all came the last time: a store at rest is hardly looked at."""
TRIES = 5
"""Of a batch that the database undoes because others are at work: a deadlock, a conflict."""
BATCH_BYTES = 4 << 20
"""Data of one batch, beside its number of events: a batch is held in memory."""


class Feed(Protocol):
    """A follower of either half."""

    @property
    def position(self) -> int: ...  # noqa: D102
    @property
    def caught_up(self) -> bool: ...  # noqa: D102
    async def get(self, timeout: float) -> pyesdb.RecordedEvent | None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102


class Origin(Protocol):
    """A store of either half."""

    @property
    def id(self) -> str: ...  # noqa: D102
    async def history(self) -> History: ...  # noqa: D102
    async def head(self) -> int: ...  # noqa: D102
    def follow(  # noqa: D102
        self, selector: pyesdb.Selector, after: pyesdb.Cursor
    ) -> AbstractAsyncContextManager[Feed]: ...


class Doer(Protocol):
    """How the steps in the read model are run: here, or on a thread of their own."""

    async def __call__(self, step: Coroutine[Any, Any, T]) -> T: ...  # noqa: D102


@dataclass(frozen=True)
class Batch:
    """Selected events, and the last position that was examined with them."""

    events: list[pyesdb.RecordedEvent]
    upto: int


class Work:
    """What a projector does, until it is told to stop."""

    def __init__(self, declared: Declared, origin: Origin, model: ReadModel, do: Doer) -> None:
        self._declared = declared
        self._origin = origin
        self._model = model
        self._do = do
        self._selector = declared.selector()
        owner = f"pid {os.getpid()} on {socket.gethostname()} {uuid.uuid4().hex[:12]}"
        self._checkpoint = Checkpoint(model, declared.name, origin.id, owner)
        self._history = History(0, "")
        self._at = 0
        self._feed: Feed | None = None
        self.stopped = False

    def stop(self) -> None:
        """Stop as soon as the batch under way is kept; from any thread or a signal handler."""
        self.stopped = True
        feed = self._feed  # it may go at this moment
        if feed is not None:
            feed.stop()

    # -- what users ask for

    async def run(self) -> None:
        """Catch up, and go on until stopped."""
        wait = MARK_S
        async with self._ready(), self._following(self._at) as feed:
            # not for catch_up, which may be called every second
            log.info("projection %r of %r goes on at %d", self._name, self._origin.id, self._at)
            while not self.stopped:
                batch = await self._gather(feed, wait)
                wait = MARK_S if batch.upto > self._at else min(wait * 2, MARK_MAX_S)
                await self._keep(batch)

    async def catch_up(self, on_progress: OnProgress | None) -> ProjectionStatus:
        """Go on to the head of this moment, or until stopped."""
        async with self._ready():
            return await self._catch_up(on_progress)

    async def rebuild(self, on_progress: OnProgress | None) -> ProjectionStatus:
        """Empty the read model and fill it anew, in one transaction; then catch up."""
        reset, takes_store = self._declared.reset_hook()
        async with self._ready(anew=True):
            head = await self._origin.head()
            await self._do(self._begin_anew(reset, takes_store=takes_store))
            try:
                await self._replay(head, on_progress)
                await self._do(self._checkpoint.advance(self._at, head, self._history))
                kept = await self._do(self._model.commit(lambda: self.stopped))
            except BaseException:
                await self._do(self._model.rollback())
                raise
            if not kept:
                raise self._rebuild_stopped()
            self._at = head
            log.info("projection %r of %r rebuilt to %d", self._name, self._origin.id, head)
            return await self._catch_up(None)

    async def status(self) -> ProjectionStatus:
        """How far it has come; the read model is not changed."""
        found = await self._do(self._look())
        history = await self._origin.history()
        head = await self._origin.head()
        if found is not None:
            self._check_history(found, history)
            self._check_end(found.position, head)
        return ProjectionStatus(
            self._name,
            self._origin.id,
            0 if found is None else found.position,
            head,
            "" if found is None else found.owner,
        )

    # -- starting

    @property
    def _name(self) -> str:
        return self._declared.name

    @asynccontextmanager
    async def _ready(self, *, anew: bool = False) -> AsyncGenerator[None]:
        """The read model open, this projector the only one, the checkpoint ours."""
        self._history = await self._origin.history()
        try:
            await self._do(self._open(anew=anew))
            head = await self._origin.head()  # behind the checkpoint, which may just have moved
            if not anew:
                self._check_end(self._at, head)
            yield
        finally:
            await self._do(self._model.close())

    async def _open(self, *, anew: bool) -> None:
        model, checkpoint = self._model, self._checkpoint
        await model.open(reading=False)
        if not await model.lock(self._name, self._origin.id):
            raise checkpoint.busy("another projector runs it", await self._owner())
        if not await model.begin(lambda: self.stopped):
            found = await self._seen()
            self._at = 0 if found is None else found.position
            return
        try:
            await checkpoint.make_table()
            if self._declared.setup_hook is not None:
                await self._hook(self._declared.setup_hook, "setup")
            found = await checkpoint.read()
            if found is not None and not anew:
                self._check_history(found, self._history)
            await checkpoint.take(self._history, found)
            await model.commit(lambda: self.stopped)
        except BaseException:
            await model.rollback()
            raise
        self._at = 0 if found is None else found.position

    async def _look(self) -> Mark | None:
        try:
            await self._model.open(reading=True)
            return await self._seen()
        finally:
            await self._model.close()

    async def _seen(self) -> Mark | None:
        """The row; a transaction of ours, because drivers begin one that the caller would keep."""
        await self._model.begin(lambda: False, reading=True)
        try:
            return await self._checkpoint.read()
        finally:
            await self._model.rollback()

    async def _owner(self) -> str:
        """Who is at work, if it can be seen: a rebuild locks readers out of SQLite without WAL."""
        with suppress(Exception):
            found = await self._seen()
            return found.owner if found else ""
        return ""

    @property
    def _what(self) -> str:
        return f"the checkpoint of projection {self._name!r} of store {self._origin.id!r}"

    def _check_history(self, found: Mark, history: History) -> None:
        if found.history != history:
            raise pyesdb.HistoryChanged(
                f"{self._what} belongs to another history of the store (it was restored, copied "
                "or made anew): rebuild() the projection"
            )

    def _check_end(self, position: int, head: int) -> None:
        if position > head:
            raise pyesdb.HistoryChanged(
                f"{self._what} is at {position}, but the store ends at {head}: it has lost events "
                "that were projected, so rebuild() the projection"
            )

    # -- events

    @asynccontextmanager
    async def _following(self, after: int) -> AsyncGenerator[Feed]:
        cursor = pyesdb.Cursor(self._history.incarnation, after)
        async with self._origin.follow(self._selector, cursor) as feed:
            self._feed = feed
            try:
                if self.stopped:  # told so before there was a follower to tell
                    feed.stop()
                yield feed
            finally:
                self._feed = None

    async def _gather(self, feed: Feed, timeout: float) -> Batch:
        """A selected event, waiting so long for it, and what else is there already."""
        events: list[pyesdb.RecordedEvent] = []
        size = 0
        event = await feed.get(timeout)
        while event is not None:
            events.append(event)
            size += len(event.data)
            full = len(events) >= self._declared.batch or size >= BATCH_BYTES
            event = None if full or feed.caught_up else await feed.get(0)
        return Batch(events, feed.position)

    async def _catch_up(self, on_progress: OnProgress | None) -> ProjectionStatus:
        head = await self._origin.head()
        async with self._following(self._at) as feed:
            while self._at < head and not self.stopped:
                batch = await self._gather(feed, 0)
                await self._keep(batch)
                _tell(on_progress, self._at, head)
                if not batch.events and feed.caught_up:
                    break
        return ProjectionStatus(
            self._name, self._origin.id, self._at, max(head, self._at), self._checkpoint.owner
        )

    async def _replay(self, head: int, on_progress: OnProgress | None) -> None:
        """Everything up to `head`, into the transaction that is open."""
        async with self._following(0) as feed:
            examined = 0
            while examined < head:
                if self.stopped:
                    raise self._rebuild_stopped()
                batch = await self._gather(feed, 0)
                upto = [event for event in batch.events if event.position <= head]
                await self._do(self._handle(upto))
                examined = batch.upto
                _tell(on_progress, min(examined, head), head)
                if not batch.events and feed.caught_up:
                    break

    def _rebuild_stopped(self) -> pyesdb.Ended:
        return pyesdb.Ended(
            f"the rebuild of projection {self._name!r} was stopped: the read model is as it was"
        )

    # -- steps in the read model

    async def _keep(self, batch: Batch) -> None:
        """One transaction; none for what was examined already and selected nothing."""
        if batch.events or batch.upto > self._at:
            await self._do(self._transact(batch))

    async def _transact(self, batch: Batch) -> None:
        for more in reversed(range(TRIES)):
            try:
                await self._try(batch)
            except Exception as error:
                if not more or self.stopped or not undone_for_others(error):
                    raise
                log.info("projection %r of %r tries again: %s", self._name, self._origin.id, error)
            else:
                return

    async def _try(self, batch: Batch) -> None:
        model = self._model
        if not await model.begin(lambda: self.stopped):
            return
        try:
            await self._checkpoint.claim(self._at)
            await self._handle(batch.events)
            await self._checkpoint.advance(self._at, batch.upto, self._history)
            kept = await model.commit(lambda: self.stopped)
        except BaseException:
            await model.rollback()
            raise
        if kept:
            self._at = batch.upto

    async def _begin_anew(self, reset: Hook, *, takes_store: bool) -> None:
        model = self._model
        if self.stopped or not await model.begin(lambda: self.stopped):
            raise self._rebuild_stopped()
        try:
            await self._checkpoint.claim(self._at)
            if not takes_store and await self._checkpoint.count() > 1:
                raise pyesdb.RequestError(
                    f"several stores feed projection {self._name!r}: its `reset` must take the "
                    "store's id, and remove only what came of that store"
                )
            await self._hook(reset, "reset", *([self._origin.id] if takes_store else []))
        except BaseException:
            await model.rollback()
            raise

    async def _handle(self, events: list[pyesdb.RecordedEvent]) -> None:
        model, declared, tx = self._model, self._declared, self._model.tx
        for event in events:
            handler = declared.handler(event.type)
            if handler is None:
                continue
            try:
                answer = handler(tx, event)
                if not model.blocking or answer is not None:
                    await self._answered(answer, "handler")
            except Exception as error:
                raise handler_failed(self._name, event, error, model.refused()) from error
            if wrong := model.check():
                error = pyesdb.RequestError(wrong)
                raise handler_failed(self._name, event, error, "") from error

    async def _hook(self, hook: Hook, what: str, *more: str) -> None:
        await self._answered(hook(self._model.tx, *more), what)
        if wrong := self._model.check():
            raise pyesdb.RequestError(f"{what} of projection {self._name!r}: {wrong}")

    async def _answered(self, answer: Any, what: str) -> None:
        """Wait for an asynchronous handler; none may be where nobody waits, nor be missing."""
        if inspect.isgenerator(answer) or inspect.isasyncgen(answer):
            raise pyesdb.RequestError(f"a {what} {GENERATOR}")
        waits = hasattr(answer, "__await__")
        if waits and self._model.blocking:
            if inspect.iscoroutine(answer):
                answer.close()
            raise pyesdb.RequestError(
                f"a {what} for this read model is a plain `def`: its connection is synchronous"
            )
        if waits:
            await answer
        elif not self._model.blocking:
            raise pyesdb.RequestError(
                f"a {what} for this read model is an `async def`: its connection is asynchronous"
            )


def _tell(on_progress: OnProgress | None, done: int, total: int) -> None:
    if on_progress is not None:
        on_progress(min(done, total), total)
