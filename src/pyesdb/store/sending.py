"""What a consumer has to say is sent in time, also while nobody asks it for more, or waits for it.

The process's timer queues the command and goes on; whoever leads the store's lane tells what came
of it. What must never happen here: something said that is neither stored, nor on its way, nor in
the hands; an error of this that comes out of a call which has said its part.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from math import inf

from pyesdb.model.commands import Gone, Settle, with_digest
from pyesdb.model.errors import PyesdbError
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.outcomes import Done, Refused, error_of
from pyesdb.store.hands import Hands, Said
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.slots import PostSlot, Slot
from pyesdb.store.timer import timer
from pyesdb.telemetry.log import logger

AGAIN_S, AGAIN_MAX_S = 1.0, 10.0
"""After an error it is tried again so much later: twice as long after each, up to the second."""

_LOOK_S = 0.01

FAR_S = 5.0
"""What is farther off is looked at once more before: by then it may be no matter any more, and the
timer's thread has nothing to stay for."""


class Sending:
    """The words of one consumer, by time. `told(error)` is called when some were stored or not."""

    def __init__(
        self,
        runtime: StoreRuntime,
        number: int,
        hands: Hands,
        told: Callable[[PyesdbError | None], None],
    ) -> None:
        self._runtime = runtime
        self._number = number
        self._hands = hands
        self._told = told
        # reentrant: a task that is collected as garbage leaves, wherever this thread is
        self._mutex = threading.RLock()
        self._armed = inf
        """When the timer comes next for it (monotonic seconds)."""
        self._posted: tuple[Slot, Said | None] | None = None
        """What is on its way; without words it says that the consumer left."""
        self._not_before = 0.0
        self._again_s = AGAIN_S
        self._error: type[BaseException] | None = None
        """What the last try met; it is logged once."""
        self._unheard: deque[Said] = deque()
        """What was on its way, and nobody waits for the answer any more."""
        self.stopped = False
        self._left_at: float | None = None
        """Since when it is tried to say that the consumer left (monotonic seconds)."""
        self._repeats = False
        """Whether all that is on its way is to be said once more."""
        self.tried = threading.Event()
        """Is set when the last words are stored, or could not be at once."""

    @property
    def _next_time(self) -> float:
        if self._left_at is None:
            return 0.0 if self._unheard else self._hands.next_time
        return inf if self._posted else self._not_before

    def arm(self) -> None:
        """Let the timer come when something must be done, unless it comes earlier."""
        when = self._next_time
        if when >= self._armed or self.stopped:
            return
        when = min(when, time.monotonic() + FAR_S)
        if when >= self._armed:
            return
        with self._mutex:
            if when >= self._armed:
                return
            self._armed = when
        coming = False
        try:
            coming = timer().at(when, self._on_time)
        finally:
            if not coming:  # whoever says something next tries again
                self._armed = inf

    def repeat(self, said: Said) -> None:
        """Nobody waits any more for the answer to these words: say them once more, in time.

        Nothing here waits, or takes a lock of the hands, as in `leave`.
        """
        self._unheard.append(said)
        self.arm()

    def leave(self) -> None:
        """Nobody is left to say the rest: say it from here, and that the consumer left well.

        Nothing here waits, or takes a lock of the hands: a task may be collected in there. What was
        on its way is said once more. It is tried until the leases have run out.
        """
        if self.stopped:
            return
        self.tried.clear()
        self._not_before = 0.0
        self._left_at, self._repeats = time.monotonic(), True
        self.arm()

    def left_by(self, end: float) -> None:
        """Wait until the last words were tried, or the end; where no timer comes, do it here."""
        while not self.tried.is_set() and (left := end - time.monotonic()) > 0:
            if timer().running:
                self.tried.wait(left)
            else:
                self._on_time()
                self._armed = inf
                self.tried.wait(min(left, _LOOK_S))

    def stop(self) -> None:
        """Nothing more is sent."""
        self.stopped = True
        timer().drop(self._on_time)
        self.tried.set()

    def _on_time(self) -> float | None:
        """On the timer's thread: send what waited long enough; when to come again, or never."""
        with self._mutex:
            self._armed = inf
        if self.stopped or self._runtime.ended is not None:
            self.tried.set()
            return None
        hands = self._hands
        now = time.monotonic()
        if self._repeats:
            self._repeats = False
            hands.close()
            hands.unsay_all()
        while self._unheard:
            hands.unsay(self._unheard.popleft())
        hands.look_at_time()
        left = self._left_at is not None
        waited = left or now >= hands.since + hands.send_after_s
        if hands.unsaid and waited and now >= self._not_before:
            self._post(self._words)
        elif left and now >= self._not_before:
            self._post(self._farewell)
        when = max(self._next_time, self._not_before)
        if when == inf:
            return None
        when = max(min(when, now + FAR_S), now + hands.send_after_s / 4)
        with self._mutex:
            if when >= self._armed:
                return None
            self._armed = when
        return when

    def _words(self) -> None:
        self._hands.speak(self._own)

    def _own(self, said: Said) -> bool:
        if not said:
            return False
        place = self._number, said.epoch, self._hands.lease.consumer, said.acks, said.nacks
        slot = PostSlot(with_digest(Settle, uuid7_bytes(), *place), self._answered)
        self._posted = slot, said
        return True

    def _farewell(self) -> None:
        gone = with_digest(Gone, uuid7_bytes(), self._number, self._hands.lease.consumer, well=True)
        self._posted = PostSlot(gone, self._answered), None

    def _post(self, make: Callable[[], None]) -> None:
        with self._mutex:
            if self._posted is not None:
                return
            make()
            posted = self._posted
        if posted is None:
            return
        slot = posted[0]
        try:
            self._runtime.post(slot)  # pyright: ignore[reportArgumentType]
        except Exception as error:  # noqa: BLE001  (whatever it is, the words stay)
            slot.error = error
            self._answered(slot)

    def _answered(self, slot: Slot) -> None:
        """Called by the leader, perhaps twice: take the outcome, or the words back."""
        posted = self._posted
        if posted is None or posted[0] is not slot:
            return
        said, outcome, error = posted[1], slot.outcome, slot.error
        if isinstance(outcome, Refused):
            error = error_of(outcome)
        if error is not None or not isinstance(outcome, Done):
            self._not_before = time.monotonic() + self._again_s
            self._again_s = min(AGAIN_MAX_S, self._again_s * 2)
            if said is not None:
                self._hands.unsay(said)
        elif said is not None:
            self._again_s, self._error = AGAIN_S, None
            self._hands.heard(said, outcome.value)
        else:
            self.stop()
        if error is not None:
            if self._left_at is not None:
                self.tried.set()
            if type(error) is not self._error:
                self._error = type(error)
                logger.warning("acknowledgements are not stored yet: %s", error)
        if self._left_at is not None and self._not_before > self._left_at + self._hands.lease_s:
            logger.warning("a consumer left without a word: what it held comes again")
            self.stop()
        self._told(error if isinstance(error, PyesdbError) else None)
        self._posted = None  # behind it: who is interrupted before is called once more
        self.arm()
