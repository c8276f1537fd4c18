"""A subscription in this process: who of its waiting consumers looks for all, and who is told.

Of those that wait in one place one looks and waits for what is new; he has the turn. When he has
found something, or waits for something of his own, he hands the turn to the next; so an event does
not wake them all. The threads are one place, and each event loop is one: a loop that stands still
keeps nobody waiting but its own tasks. A ring is a hint, as everywhere.

What must never happen here: a turn that nobody has while somebody wants it; an error where a leader
tells of what is committed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakSet, WeakValueDictionary

from pyesdb.model import commands as c
from pyesdb.store.head import AsyncWaiter, Bell, Waiter

if TYPE_CHECKING:
    from pyesdb.store.speaking import Speaking


LAST_WORDS_S = 2.0
"""So long a database that closes waits at most for consumers that nobody closed."""


class Turn:
    """Whose turn it is in one place, and who wants it."""

    def __init__(self) -> None:
        self.holder: Waiter | None = None
        self.queue: dict[Waiter, None] = {}


class Desk:
    """The signals of one subscription."""

    def __init__(self) -> None:
        self.changed = Bell()
        """Rings when events come back or are settled, or the subscription changes."""
        self._consumers: WeakSet[Speaking] = WeakSet()
        # reentrant: a task that is collected as garbage leaves, wherever this thread is
        self._mutex = threading.RLock()
        self._turns: dict[object, Turn] = {}

    def join(self, consumer: Speaking) -> None:
        """A consumer of this process."""
        with self._mutex:
            self._consumers.add(consumer)

    @property
    def consumers(self) -> list[Speaking]:
        """Those of this process."""
        with self._mutex:
            return list(self._consumers)

    def enter(self, waiter: Waiter) -> bool:
        """Whether `waiter` has the turn; else he is woken when he may have it."""
        with self._mutex:
            turn = self._turns.setdefault(_place(waiter), Turn())
            turn.queue[waiter] = None  # first: who leaves meanwhile finds him
            if turn.holder is None:
                turn.holder = waiter
            if turn.holder is waiter:
                turn.queue.pop(waiter, None)
            return turn.holder is waiter

    def leave(self, waiter: Waiter) -> None:
        """Want the turn no longer; who had it, or was woken for it, hands it on."""
        with self._mutex:
            turn = self._turns.get(place := _place(waiter))
            if turn is None:
                return
            turn.queue.pop(waiter, None)
            if turn.holder is waiter:
                turn.holder = None
            waiting = list(turn.queue) if turn.holder is None else []
            if turn.holder is None and not waiting:
                self._turns.pop(place, None)
        if waiting:
            waiting[0].wake()

    def ring(self) -> None:
        """Everything may have changed: all look again, also those that wait for the turn."""
        self.changed.ring()
        for turn in list(self._turns.values()):
            for waiter in list(turn.queue):
                waiter.wake()


def _place(waiter: Waiter) -> object:
    return waiter.loop if isinstance(waiter, AsyncWaiter) else None


def last_words(desks: Iterable[Desks]) -> None:
    """The database closes: its consumers say the rest; wait for them, but not for long."""
    if sys.is_finalizing():  # no other thread runs any more
        return
    leaving = [consumer for those in desks for consumer in those.leave()]
    end = time.monotonic() + LAST_WORDS_S
    for consumer in leaving:
        consumer.left_by(end)


class Desks:
    """The subscriptions of a store that have consumers in this process, by number."""

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self._desks: WeakValueDictionary[int, Desk] = WeakValueDictionary()

    def __bool__(self) -> bool:
        return bool(self._desks)

    def of(self, number: int) -> Desk:
        """That of a subscription, made now if there was none."""
        with self._mutex:
            found = self._desks.get(number)
            if found is None:
                found = self._desks[number] = Desk()
            return found

    def all(self) -> list[Desk]:
        """Those that there are now."""
        with self._mutex:  # one that is made meanwhile would end the iteration with an error
            return list(self._desks.values())

    def leave(self) -> list[Speaking]:
        """Consumers of a database that is closed have no user any more: those that say the rest."""
        consumers = [consumer for desk in self.all() for consumer in desk.consumers]
        return [consumer for consumer in consumers if consumer.over and consumer.leave()]

    def ring(self) -> None:
        """Let all who wait look again."""
        for desk in self.all():
            desk.ring()

    def tell(self, commands: Iterable[c.Command]) -> None:
        """Ring for what commands that are committed may have changed."""
        for command in commands:
            match command:
                case c.Claim() | c.Settle() if not (command.acks or command.nacks):
                    pass
                case c.Claim() | c.Settle() | c.Gone() | c.Tick():
                    desk = self._desks.get(command.subscription)
                    if desk is not None:
                        desk.changed.ring()
                case c.ResetSubscription() | c.RemoveSubscription():
                    for desk in self.all():
                        for consumer in desk.consumers:  # nothing of before is handed out here
                            consumer.hands.return_ready()
                        desk.ring()
                case c.UpdateSubscription() | c.Unpark():
                    self.ring()
                case _:
                    pass
