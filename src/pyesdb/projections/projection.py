"""`Projection` and `Projector`: the synchronous half."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pyesdb
from pyesdb.projections.blocking import at_once, finish
from pyesdb.projections.checkpoint import History
from pyesdb.projections.declared import Declared
from pyesdb.projections.engine import Feed, OnProgress, Work
from pyesdb.projections.readmodel import Target, read_model
from pyesdb.projections.status import ProjectionStatus


class _Feed:
    """A follower whose `get` blocks."""

    def __init__(self, follower: pyesdb.Follower) -> None:
        self._follower = follower
        self.stop = follower.stop

    @property
    def position(self) -> int:
        return self._follower.position

    @property
    def caught_up(self) -> bool:
        return self._follower.caught_up

    async def get(self, timeout: float) -> pyesdb.RecordedEvent | None:
        return self._follower.get(timeout)


class _Origin:
    """A store whose calls block."""

    def __init__(self, store: pyesdb.Store) -> None:
        self.id = store.id
        self._store = store

    async def history(self) -> History:
        info = self._store.info()
        return History(info.incarnation, info.created.isoformat())

    async def head(self) -> int:
        return self._store.stats().position

    @asynccontextmanager
    async def follow(self, selector: pyesdb.Selector, after: pyesdb.Cursor) -> AsyncGenerator[Feed]:
        with self._store.follow(selector, after=after) as follower:
            yield _Feed(follower)


class Projector:
    """A projection of one store into one read model; made by `Projection.projector`.

    Its calls are made one after the other; only `stop` comes from elsewhere, and holds for ever,
    also when it comes first.
    """

    def __init__(self, projection: "Projection", store: pyesdb.Store, to: Target) -> None:
        if not isinstance(store, pyesdb.Store):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise pyesdb.RequestError(
                f"a Projection follows a Store, not {type(store).__name__}: for an AsyncStore "
                "there is AsyncProjection"
            )
        self._projection = projection
        self._store = store
        self._to = to
        self._work: Work | None = None
        self._stopped = False

    def run(self) -> None:
        """See `Projection.run`."""
        finish(self._start().run())

    def catch_up(self, *, on_progress: OnProgress | None = None) -> ProjectionStatus:
        """See `Projection.catch_up`."""
        return finish(self._start().catch_up(on_progress))

    def rebuild(self, *, on_progress: OnProgress | None = None) -> ProjectionStatus:
        """See `Projection.rebuild`."""
        return finish(self._start().rebuild(on_progress))

    def status(self) -> ProjectionStatus:
        """See `Projection.status`."""
        return finish(self._new().status())

    def stop(self) -> None:
        """End what is under way, and what is called later; from any thread or signal handler."""
        self._stopped = True
        if self._work is not None:
            self._work.stop()

    def _new(self) -> Work:
        model = read_model(self._to, is_async=False)
        return Work(self._projection, _Origin(self._store), model, at_once)

    def _start(self) -> Work:
        self._work = work = self._new()
        if self._stopped:  # looked at behind the line above: a stop in between finds one of both
            work.stop()
        return work


class Projection(Declared):
    """A read model that follows a store: events in, rows out, each with effect exactly once.

    `name`: under which the read model keeps how far each store was projected. `select`: which
    events; None: those whose types have a handler. Events that are selected and have no handler are
    passed over. `batch`: at most so many events in one transaction, while there is more to catch up
    with; what comes live is committed as it comes.

    A read model is the path of a SQLite file, a `sqlite3.Connection`, a `postgresql://` address, a
    psycopg connection or pool, or an engine or connection of SQLAlchemy. Its table
    `pyesdb_checkpoint` is made when it is missing. A SQLite file given as a path gets WAL mode; a
    connection or engine is used as it is, and without WAL commits wait for readers.
    """

    def projector(self, store: pyesdb.Store, to: Target) -> Projector:
        """This projection, bound to a store and a read model: what can be stopped by itself."""
        return Projector(self, store, to)

    def run(self, store: pyesdb.Store, to: Target) -> None:
        """Catch up, and follow the store until `stop()`.

        Raises ProjectionBusy if another projector runs it, HandlerFailed if a handler raises
        (nothing of its transaction is kept, nothing is passed over), HistoryChanged if the read
        model belongs to another history of the store, StoreRemoved or DatabaseClosed when there is
        nothing to follow any more, and the driver's error when the read model is gone. What others
        undo (a deadlock) is tried again.
        """
        with self._running(self.projector(store, to)) as projector:
            projector.run()

    def catch_up(
        self, store: pyesdb.Store, to: Target, *, on_progress: OnProgress | None = None
    ) -> ProjectionStatus:
        """Go on to the store's head of this moment, and return; raises what `run` raises.

        `on_progress(done, total)` is called after each transaction, with positions.
        """
        with self._running(self.projector(store, to)) as projector:
            return projector.catch_up(on_progress=on_progress)

    def rebuild(
        self, store: pyesdb.Store, to: Target, *, on_progress: OnProgress | None = None
    ) -> ProjectionStatus:
        """Empty the tables (`reset`) and project the store anew, in one transaction.

        Readers see the old content until all of the new is there (SQLite: with WAL); what ends it
        earlier (an error, `stop`, kill -9) leaves the old. What was appended meanwhile is caught up
        with afterwards. Raises what `run` raises, but HistoryChanged: it begins with the history
        that there is.
        """
        with self._running(self.projector(store, to)) as projector:
            return projector.rebuild(on_progress=on_progress)

    def status(self, store: pyesdb.Store, to: Target) -> ProjectionStatus:
        """How far the read model has come; changes nothing. Raises HistoryChanged."""
        return self.projector(store, to).status()
