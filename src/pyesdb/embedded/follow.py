"""`Follower`: a store's events as they come, synchronous."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from pyesdb.model.durations import Duration, wait_s
from pyesdb.model.events import RecordedEvent
from pyesdb.model.versions import Cursor
from pyesdb.store.follow import Follow
from pyesdb.store.head import SyncWaiter


class Follower(Iterator[RecordedEvent]):
    """Events after a position, first those that are stored, then those that come: no gap, none
    twice.

    Made by `Store.follow`. It waits for what is new until `stop()`; between pages it holds neither
    a connection nor a lock. Raises StoreRemoved and DatabaseClosed when there is nothing to follow
    any more. Used by one thread at a time, but for `stop()`. Also a context manager.
    """

    def __init__(self, follow: Follow, check_open: Callable[[], None]) -> None:
        self._follow = follow
        self._check_open = check_open
        self._take = follow.take
        self._waiter = SyncWaiter()
        self._stopped = False

    def __repr__(self) -> str:
        return f"<Follower of {self._follow.runtime.store_id!r} at {self.position}>"

    @property
    def position(self) -> int:
        """The last position examined, selected or not: where to resume."""
        return self._follow.position

    @property
    def cursor(self) -> Cursor:
        """Where to resume, with the history that it belongs to; what `after=` takes."""
        return self._follow.cursor

    @property
    def caught_up(self) -> bool:
        """Whether every event that this process knows of was given."""
        return self._follow.caught_up

    @property
    def lag(self) -> int:
        """How many positions lie between `position` and the end that this process knows of."""
        return self._follow.lag

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RecordedEvent:
        event = None if self._stopped else self._take() or self._wait_for_one(None)
        if event is None:
            raise StopIteration
        return event

    def get(self, timeout: Duration | None = None) -> RecordedEvent | None:
        """The next event; None when `timeout` (seconds, None: no limit) passes, or after `stop`.

        It limits the wait for what is not stored yet: an event that is stored is found first,
        however long it takes to examine what is not selected.
        """
        limit = wait_s(timeout)
        if self._stopped:
            return None
        end = None if limit is None else time.monotonic() + limit
        return self._take() or self._wait_for_one(end)

    def _wait_for_one(self, end: float | None) -> RecordedEvent | None:
        follow = self._follow
        enough: int | None = None  # where the store ended when the time was up
        while not self._stopped:
            self._check_open()
            follow.check()
            if follow.behind:
                follow.fill()
                event = self._take()
                if event is not None:
                    return event
            if end is not None and time.monotonic() >= end:
                if enough is None:
                    enough = follow.look()  # who never waits is told of no other process
                if follow.scanned >= enough:
                    return None
            elif not follow.behind:
                self._wait(end)
        return None

    def _wait(self, end: float | None) -> None:
        head = self._follow.runtime.head
        try:
            head.add(self._waiter)
            if self._stopped or self._follow.behind or self._follow.runtime.ended is not None:
                return
            self._waiter.wait(None if end is None else end - time.monotonic())
        finally:
            head.discard(self._waiter)

    def stop(self) -> None:
        """End the iteration, now or when its event is handled: from any thread or signal handler.

        What was not given yet is not lost: `cursor` says where to resume.
        """
        self._stopped = True
        self._waiter.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()
