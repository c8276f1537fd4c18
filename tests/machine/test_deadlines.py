"""One timer for the deadlines of a loop: it is never lost, whatever is raised into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyesdb.store.deadlines import Deadlines


class Handle:
    """A timer of a loop that is not asyncio's: it can be cancelled, and tells nothing."""

    def __init__(self, end: float, call: Callable[[], None]) -> None:
        self.end, self.call, self.live = end, call, True

    def cancel(self) -> None:
        self.live = False


class Loop:
    """A loop whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Handle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, end: float, call: Callable[[], None]) -> Handle:
        self.timers.append(Handle(end, call))
        return self.timers[-1]

    def go_to(self, now: float) -> None:
        self.now = now
        for timer in [timer for timer in self.timers if timer.live and timer.end <= now]:
            timer.live = False
            timer.call()


def test_each_slot_is_called_at_its_moment_and_again_when_it_says_so() -> None:
    loop: Any = Loop()
    called: list[tuple[Any, float]] = []

    def late(slot: Any) -> float | None:
        called.append((slot, loop.now))
        return 9.0 if slot == "twice" and loop.now < 9 else None

    deadlines = Deadlines(loop, late)
    slots: Any = ["b", "a", "twice", "gone"]
    for slot, end in zip(slots, [3.0, 1.0, 2.0, 4.0], strict=True):
        deadlines.add(slot, end)
    deadlines.discard(slots[3])
    for now in range(1, 11):
        loop.go_to(float(now))
    assert called == [("a", 1.0), ("twice", 2.0), ("b", 3.0), ("twice", 9.0)]
    assert [timer for timer in loop.timers if timer.live] == []


def test_an_interrupt_in_the_middle_leaves_the_others_watched() -> None:
    loop: Any = Loop()
    called: list[Any] = []

    def late(slot: Any) -> None:
        called.append(slot)
        if called == ["first"]:
            raise KeyboardInterrupt

    deadlines = Deadlines(loop, late)
    for slot, end in [("first", 1.0), ("second", 2.0)]:
        deadlines.add(slot, end)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        loop.go_to(1.0)
    loop.go_to(2.0)
    assert called == ["first", "first", "second"]


def test_an_interrupt_while_the_timer_is_set_leaves_one() -> None:
    loop: Any = Loop()
    called: list[Any] = []
    deadlines = Deadlines(loop, called.append)
    deadlines.add("late", 5.0)  # type: ignore[arg-type]
    real = loop.call_at

    def interrupted(end: float, call: Callable[[], None]) -> Handle:
        raise KeyboardInterrupt

    loop.call_at = interrupted
    with pytest.raises(KeyboardInterrupt):
        deadlines.add("early", 1.0)  # type: ignore[arg-type]
    loop.call_at = real
    deadlines.add("middle", 2.0)  # type: ignore[arg-type]
    loop.go_to(2.0)
    loop.go_to(5.0)
    assert called == ["early", "middle", "late"]
