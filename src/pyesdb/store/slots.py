"""A slot: one caller's command on its way through the lane."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyesdb.model.commands import Command, weight
from pyesdb.model.errors import Internal
from pyesdb.model.outcomes import Outcome

if TYPE_CHECKING:  # who has no event loop does not load asyncio
    from asyncio import AbstractEventLoop, Future

QUEUED, TAKEN, DONE, WITHDRAWN = range(4)


class Slot:
    """A command, where it stands, and its answer: an outcome or an error."""

    __slots__ = ("bytes", "command", "error", "events", "outcome", "state")

    def __init__(self, command: Command) -> None:
        self.command = command
        self.events, self.bytes = weight(command)
        self.state = QUEUED
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None

    def wake(self) -> None:
        """Tell the caller that something changed."""


class SyncSlot(Slot):
    """A slot whose caller waits on its own thread."""

    __slots__ = ("gate", "thread")

    def __init__(self, command: Command) -> None:
        super().__init__(command)
        self.thread = threading.get_ident()
        self.gate = threading.Lock()
        self.gate.acquire()

    def wake(self) -> None:
        """Let the waiting thread look."""
        try:
            self.gate.release()
        except RuntimeError:
            pass  # woken already, and the caller has not looked yet


class AsyncSlot(Slot):
    """A slot whose caller awaits a future."""

    __slots__ = ("future", "late", "loop")

    def __init__(self, command: Command, loop: AbstractEventLoop) -> None:
        super().__init__(command)
        self.loop = loop
        self.late = False
        self.future: Future[Any] = loop.create_future()


class PostSlot(Slot):
    """A slot for which nobody waits: `told(slot)` is called once it is settled, perhaps twice."""

    __slots__ = ("told",)

    def __init__(self, command: Command, told: Callable[[PostSlot], None]) -> None:
        super().__init__(command)
        self.told = told

    def wake(self) -> None:
        """Tell of the answer; on the thread of whoever leads."""
        if self.state is DONE:
            self.told(self)


def answer(slot: Slot) -> Outcome:
    """A settled slot's outcome, or its error raised."""
    if slot.error is not None:
        raise slot.error.with_traceback(None)
    if slot.outcome is None:
        raise Internal("a command was settled without an outcome; please report this")
    return slot.outcome


def wake_all(slots: list[Slot]) -> None:
    """Wake the callers of settled slots: one call per event loop."""
    by_loop: dict[AbstractEventLoop, list[AsyncSlot]] = {}
    for slot in slots:
        if isinstance(slot, AsyncSlot):
            by_loop.setdefault(slot.loop, []).append(slot)
        else:
            slot.wake()
    for loop, found in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, found)
        except RuntimeError:
            pass  # the loop was closed: nobody waits any more


def _resolve(slots: list[AsyncSlot]) -> None:
    for slot in slots:
        if not slot.future.done():
            slot.future.set_result(None)
