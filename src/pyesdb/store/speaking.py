"""What a user says to a consumer: what became of his events, that he stops, that he leaves.

What must never happen here: a word that is taken and told to nobody, whatever interrupts the end; a
`flush` that returns before what was said is stored; an event that stays in flight behind a consumer
which left.
"""

import time
from collections.abc import Callable

from pyesdb.model import commands as c
from pyesdb.model.checks import check_one_of
from pyesdb.model.durations import delay_us
from pyesdb.model.errors import (
    DeadlineExceeded,
    Ended,
    PyesdbError,
    RequestError,
    SubscriptionRemoved,
)
from pyesdb.model.ids import uuid7_bytes
from pyesdb.store.hands import Hands
from pyesdb.store.head import Waiter
from pyesdb.store.proposing import Proposing, Steps, Submit, Wait
from pyesdb.store.runtime import StoreRuntime
from pyesdb.telemetry.log import logger


class Speaking(Proposing):
    """The words of one consumer, and its end."""

    def __init__(
        self,
        runtime: StoreRuntime,
        name: str,
        number: int,
        hands: Hands,
        cursor: int,
        check_open: Callable[[], None],
    ) -> None:
        super().__init__(runtime, number, hands, cursor, self._unheard)
        self.name = name
        self.own = hands.own
        self._check_open = check_open
        self.stopped = self.closed = False
        self._ended: PyesdbError | None = None
        self._waiting: list[Waiter] = []
        self._wanted = False
        """Whether somebody waits for what others of this consumer hold."""

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
        """What else ends it, the database and the store know themselves."""
        if isinstance(error, SubscriptionRemoved):
            self._ended = SubscriptionRemoved(f"subscription {self.name!r} was removed")

    @property
    def abandoned(self) -> bool:
        """Whether nobody closed it, and it holds something."""
        over = self.closed or self._ended or self.runtime.ended or self.hands.shut
        return not (over or self.hands.empty)

    # -- what a user says

    def ack(self, events: object) -> None:
        """One event is done, or several are."""
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
        if self.hands.shut:  # a store that is gone asks nobody what was handled
            self._check_open()

    def _spoken(self) -> None:
        """It is sent in time, and may be in somebody's way no longer."""
        self.sending.arm()
        if self._waiting and (self._wanted or self.hands.ready):
            self.wake()

    # -- until it is stored

    def flush(self, waiter: Waiter, end: float | None = None) -> Steps:
        """What was said is durable; raises why it is not."""
        end = time.monotonic() + self.timeout_s if end is None else end
        self._waiting.append(waiter)
        self.flushing.append(waiter)
        others: frozenset[int] | None = None
        try:
            while True:
                self.check()
                yield from self._resolve(_left(end))
                unsaid, on_way = self.hands.saying()
                if unsaid:
                    yield from self._say(_left(end))
                    continue
                # what others were saying when all was said
                others = on_way if others is None else others & on_way
                if not others:
                    return
                yield self._wait(end)
        except Ended as error:
            self._end(error)
            self.check()
            raise
        finally:
            self._waiting.remove(waiter)
            self.flushing.remove(waiter)

    def _wait(self, end: float) -> Wait:
        """Wait for what is on its way; raises DeadlineExceeded."""
        if time.monotonic() >= end:
            why = self.runtime.outbox.in_the_way()
            raise DeadlineExceeded(
                f"the deadline passed before what was said is stored{why and f' ({why})'}; it is "
                "not lost, and sent as soon as that is possible: flush again"
            )
        return Wait(_left(end))

    def close(self, waiter: Waiter) -> Steps:
        """Say what is unsaid and return what is held; nothing is counted."""
        if self.closed:
            return
        try:
            self.closed = True
            self.stop()
            if self.runtime.ended is not None or self._ended is not None:
                self.sending.stop()  # of a forked child, too: no lock of its parent's is taken
                return
            self.hands.close()
            if self.over:  # its handle of the database is closed, and others are open
                self.leave()
                return
            yield from self._goodbye(waiter)
        except SubscriptionRemoved:
            self.sending.stop()
        except PyesdbError as error:
            logger.warning("a consumer of %r left, its last words follow: %s", self.name, error)
            self.sending.leave()
        except BaseException:  # interrupted, or cancelled
            self.sending.leave()
            raise
        else:
            self.sending.stop()

    def _goodbye(self, waiter: Waiter) -> Steps:
        end = time.monotonic() + self.timeout_s
        owes = bool(self.unknown) or not self.hands.empty or bool(self.hands.saying()[1])
        yield from self.flush(waiter, end)
        self.flushing.append(waiter)
        try:
            while self.unknown:  # a claim of another thread: what it gives would stay in flight
                if not (yield from self._resolve(_left(end))):
                    yield self._wait(end)
        finally:
            self.flushing.remove(waiter)
        if owes:
            consumer = self.hands.lease.consumer
            gone = c.with_digest(c.Gone, uuid7_bytes(), self.number, consumer, well=True)
            yield Submit(gone, _left(end))

    # -- the database closes

    @property
    def over(self) -> bool:
        """Whether the database that it was made with is closed."""
        try:
            self._check_open()
        except PyesdbError:
            return True
        return False

    def leave(self) -> bool:
        """Say the rest and return what is held, without waiting; whether there is any of it."""
        self.hands.close()
        self.wake()
        owes = bool(self.unknown) or not self.hands.empty or any(self.hands.saying())
        if not owes or self._ended is not None or self.sending.stopped:
            return False
        self.sending.leave()
        return True

    def left_by(self, end: float) -> None:
        """Wait, after `leave`, until all is said, or the end (monotonic seconds)."""
        self.sending.left_by(end)
        if not self.sending.stopped:
            logger.warning(
                "the database closes before a consumer of %r had said all: what it held comes "
                "again when its leases run out",
                self.name,
            )


def _left(end: float) -> float:
    return max(0.0, end - time.monotonic())
