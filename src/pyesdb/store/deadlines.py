"""Deadlines of async callers: one timer per event loop and lane, not one per call.

A timer of asyncio costs as much as a third of the rest of a call, and nearly none ever fires.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Protocol

from pyesdb.model.errors import DeadlineExceeded
from pyesdb.store.group import outcome_unknown
from pyesdb.store.slots import DONE, AsyncSlot, Slot

if TYPE_CHECKING:  # who has no event loop does not load asyncio
    from asyncio import AbstractEventLoop, TimerHandle

LATE_S = 5.0
"""How long a command that was proposed may take behind its deadline."""

POLL_S = 0.005
"""How long a task sleeps that waits for something nobody tells it, as room in a full queue."""


class _Lane(Protocol):
    def withdraw(self, slot: Slot) -> bool: ...

    def late(self) -> DeadlineExceeded: ...


def too_late(lane: _Lane, slot: AsyncSlot) -> float | None:
    """The moment of an async slot has come: not proposed, or proposed and not answered."""
    if slot.future.done() or slot.state is DONE:
        return None
    if lane.withdraw(slot):
        slot.future.set_exception(lane.late())
    elif slot.late:
        slot.future.set_exception(outcome_unknown(slot))
    else:
        slot.late = True
        return slot.loop.time() + LATE_S
    return None


class Deadlines:
    """Who waits on one event loop, and until when. Used on that loop only.

    `late(slot)` is called when a slot's moment has come; it returns a later moment at which it
    wants to be called again, or None.
    """

    def __init__(self, loop: AbstractEventLoop, late: Callable[[AsyncSlot], float | None]) -> None:
        self._loop = loop
        self._late = late
        self._ends: dict[AsyncSlot, float] = {}
        self._timer: TimerHandle | None = None
        self._armed = inf
        """When the timer comes; a handle of another loop than asyncio's may not know it."""

    def add(self, slot: AsyncSlot, end: float) -> None:
        """Watch a slot until `end`, on the loop's clock."""
        self._ends[slot] = end
        if end < self._armed:
            self._arm(end)

    def discard(self, slot: AsyncSlot) -> None:
        """The slot's caller waits no longer."""
        self._ends.pop(slot, None)

    def _arm(self, end: float) -> None:
        """Set the timer anew. An interrupt in here leaves one too many, never none."""
        before = self._timer
        self._timer = self._loop.call_at(end, self._look)
        self._armed = end
        if before is not None:
            before.cancel()

    def _look(self) -> None:
        """Some moment may have come; the timer goes on to the next one, and rests without one."""
        self._armed = inf
        try:
            now = self._loop.time()
            for slot, end in list(self._ends.items()):
                if end <= now:
                    again = self._late(slot)
                    if again is None:
                        self._ends.pop(slot, None)
                    else:
                        self._ends[slot] = again
        finally:
            if self._ends:
                self._arm(min(self._ends.values()))


class LaneDeadlines:
    """The deadlines of a lane, by event loop."""

    def __init__(self, late: Callable[[AsyncSlot], float | None]) -> None:
        self._late = late
        self._loops: dict[AbstractEventLoop, Deadlines] = {}

    def on(self, loop: AbstractEventLoop) -> Deadlines:
        """Those of a loop, which is running here; loops that are closed are forgotten."""
        found = self._loops.get(loop)
        if found is None:
            for other in [other for other in list(self._loops) if other.is_closed()]:
                self._loops.pop(other, None)
            found = self._loops[loop] = Deadlines(loop, self._late)
        return found
