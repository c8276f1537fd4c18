"""A subscription in this process: who of its waiting consumers looks for all, and who is told.

One of them looks and waits for what is new; it has the turn. When it has found something, or waits
for something of its own, it hands the turn to the next; so an event does not wake them all. A ring
is a hint, as everywhere. What must never happen here: a turn that nobody has while somebody wants
it.
"""

import threading
from collections.abc import Iterable, MutableMapping
from weakref import WeakSet

from pyesdb.model import commands as c
from pyesdb.store.hands import Hands
from pyesdb.store.head import Bell, Waiter


class Desk:
    """The signals of one subscription."""

    def __init__(self) -> None:
        self.returned = Bell()
        """Rings when events come back, or the subscription changes."""
        self.freed = Bell()
        """Rings when events are settled: for those whose way they were in."""
        self.hands: WeakSet[Hands] = WeakSet()
        """Of the consumers in this process."""
        self._mutex = threading.Lock()
        self._turn: Waiter | None = None
        self._queue: dict[Waiter, None] = {}

    def enter(self, waiter: Waiter) -> bool:
        """Whether `waiter` has the turn; else it is woken when it may have it."""
        with self._mutex:
            if self._turn is None:
                self._queue.pop(waiter, None)
                self._turn = waiter
            elif self._turn is not waiter:
                self._queue[waiter] = None
            return self._turn is waiter

    def leave(self, waiter: Waiter) -> None:
        """Want the turn no longer; who had it, or was woken for it, hands it on."""
        with self._mutex:
            self._queue.pop(waiter, None)
            if self._turn is waiter:
                self._turn = None
            following = None if self._turn else next(iter(self._queue), None)
        if following is not None:
            following.wake()

    def ring(self) -> None:
        """Everything may have changed: all look again, also those that wait for the turn."""
        self.returned.ring()
        self.freed.ring()
        for waiter in list(self._queue):
            waiter.wake()


def tell(desks: MutableMapping[int, Desk], commands: Iterable[c.Command]) -> None:
    """Ring for what commands that are committed may have changed."""
    for command in commands:
        match command:
            case c.Claim() | c.Settle():
                desk = desks.get(command.subscription)
                if desk is not None and (command.acks or command.nacks):
                    desk.freed.ring()
                    if command.nacks:
                        desk.returned.ring()
            case c.Gone() | c.Tick():
                desk = desks.get(command.subscription)
                if desk is not None:
                    desk.returned.ring()
                    desk.freed.ring()
            case c.ResetSubscription() | c.RemoveSubscription():
                for desk in list(desks.values()):
                    for hands in list(desk.hands):  # nothing of before is handed out here
                        hands.return_ready()
                    desk.ring()
            case c.UpdateSubscription() | c.Unpark():
                for desk in list(desks.values()):
                    desk.ring()
            case _:
                pass
