"""Signals of one store: that something is new, and who waits for it. Woken, never fed.

A signal is a hint: it may come too often, and never says what happened; who is woken looks for
himself. What must never happen here: that one who looked, found nothing and waits is not told of
what comes behind his look, or that a leader waits for one who was told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from pyesdb.telemetry.log import logger

if TYPE_CHECKING:  # who has no event loop does not load asyncio
    from asyncio import AbstractEventLoop, Event


class Waiter(Protocol):
    """One who waits; used for one wait after the other."""

    def wake(self) -> None:
        """Let him look again: from any thread, or a signal handler, and before he waits, too."""
        ...


class SyncWaiter:
    """A thread that waits."""

    __slots__ = ("_gate",)

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()

    def wake(self) -> None:
        """The wait under way ends, or the next one at once."""
        try:
            self._gate.release()
        except RuntimeError:
            pass  # woken already, and it has not looked yet

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until woken; False when `timeout_s` seconds passed first (None: no limit)."""
        if timeout_s is None:
            return self._gate.acquire()
        return self._gate.acquire(timeout=min(max(0.0, timeout_s), threading.TIMEOUT_MAX))


class AsyncWaiter:
    """A task that waits, on `loop`."""

    __slots__ = ("_event", "loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        from asyncio import Event

        self.loop = loop
        self._event: Event = Event()

    def wake(self) -> None:
        """The wait under way ends, or the next one at once."""
        _wake_on(self.loop, [self])

    def wake_here(self) -> None:
        """The same, on the loop itself."""
        self._event.set()

    async def wait(self, timeout_s: float | None) -> bool:
        """Wait until woken; False when `timeout_s` seconds passed first (None: no limit)."""
        from asyncio import timeout

        try:
            async with timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


def _wake_on(loop: AbstractEventLoop, waiters: list[AsyncWaiter]) -> None:
    try:
        loop.call_soon_threadsafe(_wake_here, waiters)
    except RuntimeError:
        pass  # the loop was closed: nobody waits any more


def _wake_here(waiters: list[AsyncWaiter]) -> None:
    for waiter in waiters:
        waiter.wake_here()


class Bell:
    """Who waits for the next ring. `on_wait()` is called when somebody begins to wait."""

    def __init__(self, on_wait: Callable[[], None] = lambda: None) -> None:
        # reentrant: a task that is collected as garbage stops waiting, wherever this thread is
        self._mutex = threading.RLock()
        self._on_wait = on_wait
        self.waiting: dict[Waiter, None] = {}

    def add(self, waiter: Waiter) -> None:
        """Wake `waiter` at the next ring. He looks once more before he waits."""
        with self._mutex:
            self.waiting[waiter] = None
        self._on_wait()

    def discard(self, waiter: Waiter) -> None:
        """`waiter` waits no longer."""
        with self._mutex:
            self.waiting.pop(waiter, None)

    def ring(self) -> None:
        """Wake all who wait, each once: one call per event loop."""
        if not self.waiting:
            return
        woken: dict[Waiter, None] = {}
        try:
            with self._mutex:
                woken, self.waiting = self.waiting, {}
            _wake(woken)
        except BaseException:  # of a signal handler: who is not registered any more must be woken
            _wake(woken)
            raise


def _wake(waiters: Iterable[Waiter]) -> None:
    by_loop: dict[AbstractEventLoop, list[AsyncWaiter]] = {}
    for waiter in waiters:
        if isinstance(waiter, AsyncWaiter):
            by_loop.setdefault(waiter.loop, []).append(waiter)
            continue
        try:
            waiter.wake()
        except Exception:  # noqa: BLE001  (the leader and the others have no part in it)
            logger.exception("waking one who waits for news")
    for loop, woken in by_loop.items():
        _wake_on(loop, woken)


class Head(Bell):
    """The store's last position as far as this process knows, and who waits for a higher one."""

    def __init__(self, on_wait: Callable[[], None] = lambda: None) -> None:
        super().__init__(on_wait)
        self._committed = 0
        self._seen = 0
        self._told = 0
        """Who waited was told of a head as high as this; perhaps of a higher one."""

    @property
    def position(self) -> int:
        """The last position known: of the commits of this process no one is missing."""
        return max(self._committed, self._seen)

    def committed(self, position: int) -> None:
        """This process committed up to `position`. Called by the leader only, behind COMMIT."""
        if position > self._committed:
            self._committed = position
        if position > self._told:
            self._tell(position)

    def seen(self, position: int) -> None:
        """Somebody read that the store reaches to `position`."""
        if position <= self._told:
            return
        with self._mutex:  # of two who come at once the higher one counts
            self._seen = max(self._seen, position)
        self._tell(position)

    def _tell(self, position: int) -> None:
        """Noted last: who was interrupted in here has told nobody, and the next one does it."""
        self.ring()
        self._told = position
