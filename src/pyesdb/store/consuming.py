"""Consuming: look, claim, hand out, settle. What both faces of a consumer share, as steps.

A method that has to ask the file, propose a command or wait is a generator of steps; the face takes
each on its thread or its event loop, and sends back what came out of it.

There is no dispatcher: a consumer with empty hands claims a page by itself, and what it has to say
goes into the log with its next claim, or by the timer when that takes long. What must never happen
here: an event handed out that is not claimed in the log; a claim or a word whose outcome is not
known and that is forgotten; a wait that nothing ends.
"""

import time
from collections.abc import Callable, Generator, Iterable
from functools import partial
from math import inf
from os import urandom
from typing import Any

from pyesdb.model import commands as c
from pyesdb.model.checks import check_one_of
from pyesdb.model.durations import delay_us
from pyesdb.model.errors import (
    Ended,
    PyesdbError,
    RequestError,
    StoreFrozen,
    SubscriptionRemoved,
    WindowFull,
)
from pyesdb.model.ids import uuid7_bytes
from pyesdb.store.hands import Hands, Owner
from pyesdb.store.head import Waiter
from pyesdb.store.looking import Look, Wanted, look
from pyesdb.store.proposing import Ask, Pending, Proposing, Step, Steps, Submit, Wait
from pyesdb.store.reads import Source
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.subscriptions import Row, selector_of
from pyesdb.telemetry.log import logger

_PAUSE_S, _PAUSES_MAX_S = 0.01, 1.0
_GRACE_S = 0.25
"""A call whose time has passed looks on for so long: what it has to say takes a look of its own."""

_CURSOR_LAG = 1000
"""An examined stretch without a match is recorded when it is longer than this."""


class Consuming(Proposing):
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
        super().__init__(runtime, number, hands, cursor, self._unheard)
        self.source = source or runtime
        self.name = name
        self.take = hands.take
        self._selector = selector_of(selector)
        self._share = share
        self._check_open = check_open
        self.kept = kept
        self.stopped = self.closed = False
        self._ended: PyesdbError | None = None
        self._waiting: list[Waiter] = []
        self._asking: list[Owner] = []
        """Who asks for more, and waits for it."""
        self._wanted = False
        """Whether somebody waits for what others of this consumer hold."""
        self._together = False
        self._idle = False
        """Whether the last look found nothing for anybody."""
        self._pause_s = _PAUSE_S
        self._hold_until = 0.0
        self._hold_streams: set[str] = set()
        """Until then nothing new of these is claimed (monotonic): all that was selected waits."""
        self.desk = runtime.desk(self.number)
        self.desk.hands.add(hands)

    # -- the end

    def stop(self) -> None:
        """Hand nothing out any more: from any thread, or a signal handler."""
        self.stopped = True
        self.wake()

    def wake(self, but: Waiter | None = None) -> None:
        """Let all who wait look again. Takes no lock: a signal handler may call it."""
        for waiter in list(self._waiting):
            if waiter is not but:
                waiter.wake()

    def check(self) -> None:
        """Raise what ended this consumer."""
        self._check_open()
        ended = self.runtime.ended or self._ended
        if ended is not None:
            raise ended.with_traceback(None)

    def _unheard(self, error: PyesdbError | None) -> None:
        """What was sent in the background is stored, or was not."""
        if isinstance(error, Ended):
            self._end(error)
            self.sending.stop()
        self.wake()

    def _end(self, error: Ended) -> None:
        if isinstance(error, SubscriptionRemoved):
            error = SubscriptionRemoved(f"subscription {self.name!r} was removed")
        self._ended = error

    @property
    def abandoned(self) -> bool:
        """Whether nobody closed it, and it holds something."""
        return not (self.closed or self._ended or self.runtime.ended or self.hands.empty)

    # -- what a user says

    def ack(self, events: Iterable[object]) -> None:
        """They are done."""
        self._still_open()
        self.hands.ack(events)
        self._spoken()

    def ack_until(self, event: object) -> None:
        """What was handed out up to this event, and is in no other hands, is done."""
        self._still_open()
        self.hands.ack_until(event)
        self._spoken()

    def nack(self, event: object, action: object, reason: object, delay: object) -> None:
        """It failed: try it again after a delay, park it, or do without."""
        self._still_open()
        check_one_of(action, "action", ("retry", "park", "skip"))
        if not isinstance(reason, str):
            raise RequestError(f"reason must be a str, not {type(reason).__name__}")
        if delay is not None and action != "retry":
            raise RequestError(f"only a retry has a delay, {action!r} has none")
        self.hands.nack(event, str(action), reason, delay_us(delay))
        self._spoken()

    def _still_open(self) -> None:
        if self.closed:
            raise RequestError(
                "the consumer is closed: what it held was returned and comes again, so it is too "
                "late to settle it"
            )

    def _spoken(self) -> None:
        """It is sent in time, and may be in somebody's way no longer."""
        self.sending.arm()
        if self._waiting and (self._wanted or self.hands.ready):
            self.wake()

    # -- handing out

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
                self.check()
                self._check_full()
                limit = inf
                if self.desk.enter(waiter):
                    self._listen(waiter)
                    limit = yield from self._find()
                    if not self._idle:  # it waits for something of its own: let others look
                        self.desk.leave(waiter)
                    if limit == 0 and time.monotonic() < end + _GRACE_S:
                        self.wake(but=waiter)
                        continue
                left = end - time.monotonic()
                if left <= 0:
                    return None
                limit = min(limit, left)
                yield Wait(None if limit == inf else limit)
            return None
        finally:
            self._waiting.remove(waiter)
            self._asking.remove(owner)
            for bell in self._bells:
                bell.discard(waiter)
            self.desk.leave(waiter)

    @property
    def _bells(self) -> tuple[Any, ...]:
        runtime, desk = self.runtime, self.desk
        return runtime.head, runtime.elsewhere, desk.returned, desk.freed

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

    def _find(self) -> Generator[Step, Any, float]:
        """Look, and claim; 0: look into the hands again, else the longest time to wait."""
        try:
            return (yield from self._look())
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

    def _look(self) -> Generator[Step, Any, float]:
        hands = self.hands
        self._idle = False
        if (yield from self._resolve()):
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
            yield from self._say()  # what is said in time is not counted
            yield Submit(c.with_digest(c.Tick, uuid7_bytes(), self.number))
            return 0
        selected = found.events and (found.more or not self._held_back(found))
        if most > 0 and (found.due or selected or self._far(found)):
            return (yield from self._claim(found, min(most, self.pace.page)))
        if hands.unsaid:
            yield from self._say()
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

    def _claim(self, found: Look, most: int) -> Generator[Step, Any, float]:
        said = self.hands.speak()
        command = c.with_digest(
            c.Claim,
            uuid7_bytes(),
            self.number,
            self.kept.epoch,
            self.hands.lease.consumer,
            found.cursor,
            found.scanned,
            tuple([event.position for event in found.events]),
            most,
            self._together,
            said.acks,
            said.nacks,
        )
        pending = Pending(command, said, found.events, time.monotonic())
        given, taken, alone = yield from self._propose(pending)
        if given or said:
            self._pause_s = _PAUSE_S
        if given:
            self._together = False
            return 0
        if alone:
            # who asks for more with what came alone in his hands wants several: so be it
            self._together = bool(self.hands.held) and self.hands.all_held_by(self._asking)
            self._wanted = True
            return 0 if self._together else _wait(found)
        stale = self.cursor != found.cursor and not taken
        self.pace.passed(taken)
        if said or found.more or stale:
            return 0
        if not found.events:
            return _wait(found)
        self._wanted = True  # what it selected waits for others: in small steps, then
        pause = self._pause()
        self._hold_until = time.monotonic() + pause
        self._hold_streams = {event.stream for event in found.events}
        return pause

    # -- settling

    def flush(self, waiter: Waiter) -> Steps:
        """What was said is durable; raises why it is not."""
        self._waiting.append(waiter)
        self.flushing.append(waiter)
        others: set[bytes] | None = None
        try:
            while True:
                self.check()
                yield from self._resolve()
                if self.hands.unsaid:
                    yield from self._say()
                    continue
                if not self.sending.busy:  # then what others were saying when all was said
                    speaking = self.speaking
                    others = speaking if others is None else others & speaking
                    if not others:
                        return
                yield Wait(None)
        except Ended as error:
            self._end(error)
            self.check()
            raise
        finally:
            self._waiting.remove(waiter)
            self.flushing.remove(waiter)

    def close(self, waiter: Waiter) -> Steps:
        """Say what is unsaid and return what is held; nothing is counted."""
        if self.closed:
            return
        self.closed = True
        self.stop()
        try:
            if self.runtime.ended is None and self._ended is None:
                unsettled = bool(self.unknown) or not self.hands.empty or self.sending.busy
                yield from self.flush(waiter)
                if unsettled:
                    consumer = self.hands.lease.consumer
                    gone = c.with_digest(c.Gone, uuid7_bytes(), self.number, consumer, well=True)
                    yield Submit(gone)
        except PyesdbError as error:
            logger.warning(
                "a consumer of %r left without a word: what it held comes again later (%s)",
                self.name,
                error,
            )
        finally:
            self.sending.stop()


def _wait(found: Look) -> float:
    return inf if found.wait_s is None else max(0.001, found.wait_s)
