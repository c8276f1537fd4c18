"""Consuming: look, claim, hand out, settle. What both faces of a consumer share, as steps.

A method that has to ask the file, propose a command or wait is a generator of steps; the face takes
each on its thread or its event loop, and sends back what came out of it.

There is no dispatcher: a consumer with empty hands claims a page by itself, and what it has to say
goes into the log with its next claim, or by the timer when that takes long. What must never happen
here: an event handed out that is not claimed in the log; a claim or a word whose outcome is not
known and that is forgotten; a wait that nothing ends.
"""

import time
from collections.abc import Callable, Generator
from functools import partial
from math import inf
from os import urandom
from typing import Any

from pyesdb.model import commands as c
from pyesdb.model.errors import (
    DeadlineExceeded,
    Ended,
    StoreFrozen,
    SubscriptionRemoved,
    WindowFull,
)
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.subscriptions import DeliveredEvent
from pyesdb.store.hands import Hands, Owner, Said
from pyesdb.store.head import Waiter
from pyesdb.store.looking import Look, Wanted, look
from pyesdb.store.proposing import Ask, Step, Steps, Submit, Took, Wait
from pyesdb.store.reads import Source
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.speaking import Speaking
from pyesdb.store.subscriptions import Row, selector_of
from pyesdb.telemetry.log import logger

_PAUSE_S, _PAUSES_MAX_S = 0.01, 1.0
_GRACE_S = 1.0
"""A call whose time has passed looks on for so long, and its commands may wait so long for their
turn, behind others or another process: who asks without waiting gets what is stored.
"""

_CURSOR_LAG = 1000
"""An examined stretch without a match is recorded when it is longer than this."""


class Consuming(Speaking):
    """One consumer of a subscription. Any number of threads, or tasks of one loop, may use it."""

    def __init__(
        self,
        runtime: StoreRuntime,
        name: str,
        row: Row,
        share: int | None,
        gone: Callable[[Owner], bool],
        check_open: Callable[[], None],
        source: Source | None = None,
    ) -> None:
        number, selector, kept, cursor = row
        hands = Hands(urandom(16), kept, gone)
        super().__init__(runtime, name, number, hands, cursor, check_open)
        self.source = source or runtime
        self._selector = selector_of(selector)
        self._share = share
        self.kept = kept
        self._asking: list[Owner] = []
        """Who asks for more, and waits for it."""
        self._idle = False
        """Whether the last look found nothing for anybody."""
        self._pause_s = _PAUSE_S
        self._hold_until = 0.0
        self._hold_streams: set[str] = set()
        """Until then nothing new of these is claimed (monotonic): all that was selected waits."""
        self.desk = runtime.desks.of(self.number)
        self.desk.join(self)

    # -- handing out

    def take(self, owner: Owner) -> DeliveredEvent | None:
        """The next event that is claimed and that `owner` may have; raises what ended this."""
        hands = self.hands
        if hands.shut or self._ended is not None or self.runtime.ended is not None:
            self.check()
        return hands.take(owner)

    def get(self, owner: Owner, waiter: Waiter, timeout_s: float | None) -> Steps:
        """The next event; None when the time has passed, or after `stop`."""
        end = inf if timeout_s is None else time.monotonic() + timeout_s
        self._waiting.append(waiter)
        self._asking.append(owner)
        try:
            while not self.stopped:
                event = self.take(owner)
                if event is not None:
                    return event
                self._check_full()
                limit = inf
                if self.desk.enter(waiter):
                    self._listen(waiter)
                    limit = yield from self._find(end)
                    if not self._idle:  # it waits for something of its own: let others look
                        self.desk.leave(waiter)
                    if limit == 0:  # what is in the hands now may be for others
                        self.wake(but=waiter)
                        if time.monotonic() < end + _GRACE_S:
                            continue
                left = end - time.monotonic()
                if left <= 0:
                    return None
                limit = min(limit, left)
                yield Wait(None if limit == inf else limit)
            return None
        finally:
            self.desk.leave(waiter)  # first: whoever waits for the turn has nothing else
            self._waiting.remove(waiter)
            self._asking.remove(owner)
            for bell in self._bells:
                bell.discard(waiter)

    @property
    def _bells(self) -> tuple[Any, ...]:
        runtime, desk = self.runtime, self.desk
        return runtime.head, runtime.elsewhere, desk.changed

    def _check_full(self) -> None:
        """Raise when nothing can come: all that may be held is with those who ask for more."""
        hands = self.hands
        if self._room() <= 0:
            hands.look_at_time()  # what is late is in nobody's hands
        full = self._room() <= 0 and not hands.ready and not hands.unsaid
        if full and hands.held and hands.all_held_by(self._asking):
            raise WindowFull(
                f"all {len(hands.held)} events that this consumer may hold are in the hands of who "
                "asks for more: settle some first (ack, nack), or consume with a larger window"
            )

    def _listen(self, waiter: Waiter) -> None:
        """Before the look: what comes behind it wakes him."""
        for bell in self._bells:
            bell.add(waiter)

    def _find(self, end: float) -> Generator[Step, Any, float]:
        """Look, and claim; 0: look into the hands again, else the longest time to wait."""
        left = max(_GRACE_S, end - time.monotonic())
        try:
            return (yield from self._look(min(self.timeout_s, left)))
        except DeadlineExceeded:
            if time.monotonic() < end:
                raise
            return inf
        except StoreFrozen as error:
            if self._pause_s == _PAUSE_S:
                logger.warning("subscription %r waits: %s", self.name, error)
            return self._pause()
        except Ended as error:
            self._end(error)
            self.check()
            raise

    def _pause(self) -> float:
        found = self._pause_s
        self._pause_s = min(_PAUSES_MAX_S, found * 2)
        return found

    def _look(self, timeout_s: float) -> Generator[Step, Any, float]:
        hands = self.hands
        self._idle = False
        if (yield from self._resolve(timeout_s)):
            return 0
        hands.look_at_time()
        if not hands.ready:
            self.pace.handled(hands.lease_s)
        most = self._room()
        if most <= 0 and not hands.unsaid:
            self._wanted = True
            return max(0.001, hands.late_at - time.monotonic())
        wanted = Wanted(
            self.number,
            hands.lease.consumer,
            self._selector,
            min(most, self.pace.page),
            hands.unsaid,
            self.cursor,
            self.scanned,
        )
        found: Look | None = yield Ask(partial(look, self.source, wanted))
        if found is None:
            raise SubscriptionRemoved("removed")
        self._adopt(found)
        if found.late:
            yield from self._say(timeout_s)  # what is said in time is not counted
            yield Submit(c.with_digest(c.Tick, uuid7_bytes(), self.number), timeout_s)
            return 0
        selected = found.events and (found.more or not self._held_back(found))
        if most > 0 and (found.due or selected or self._far(found)):
            return (yield from self._claim(found, min(most, self.pace.page), timeout_s))
        if hands.unsaid:
            yield from self._say(timeout_s)
            return 0
        if found.more:
            return 0
        self._wanted = found.full
        self._idle = found.idle
        held_back = self._hold_until - time.monotonic() if found.events else inf
        return max(0.001, min(_wait(found), held_back))

    def _room(self) -> int:
        share = self.kept.window if self._share is None else min(self._share, self.kept.window)
        return share - len(self.hands.held) - len(self.hands.ready)

    def _adopt(self, found: Look) -> None:
        if found.kept != self.kept:
            self.hands.adopt(found.kept)
            self.kept = found.kept
        self.cursor, self.scanned = found.cursor, found.scanned
        if found.events:  # they are not claimed yet
            self.scanned = found.events[0].position - 1

    def _held_back(self, found: Look) -> bool:
        """Whether all that is selected is of streams that had to wait a moment ago."""
        if time.monotonic() >= self._hold_until:
            return False
        return all(event.stream in self._hold_streams for event in found.events)

    def _far(self, found: Look) -> bool:
        return found.scanned - found.cursor >= _CURSOR_LAG

    # -- claiming

    def _claim(self, found: Look, most: int, timeout_s: float) -> Generator[Step, Any, float]:
        positions = tuple([event.position for event in found.events])
        # who asks for more with what is in his hands wants several, also of what was lost
        together = bool(self.hands.held) and self.hands.all_held_by(self._asking)
        place = self.number, self.kept.epoch, self.hands.lease.consumer, found.cursor, found.scanned

        def claim(said: Said) -> c.Command | None:
            if self.hands.shut:  # it would come behind the last word
                return None
            rest = positions, most, together, said.acks, said.nacks
            return c.with_digest(c.Claim, uuid7_bytes(), *place, *rest)

        took: Took | None = yield from self._propose(claim, found.events, timeout_s)
        if took is None:  # it ends
            return inf
        if took.given or took.said:
            self._pause_s = _PAUSE_S
        if took.given:
            return 0
        if took.alone:
            self._wanted = True
            return 0 if took.said else _wait(found)
        stale = self.cursor != found.cursor and not took.taken
        self.pace.passed(took.taken)
        if took.said or found.more or stale:
            return 0
        if not found.events:
            return _wait(found)
        self._wanted = True  # what it selected waits for others: in small steps, then
        pause = self._pause()
        self._hold_until = time.monotonic() + pause
        self._hold_streams = {event.stream for event in found.events}
        return pause


def _wait(found: Look) -> float:
    return inf if found.wait_s is None else max(0.001, found.wait_s)
