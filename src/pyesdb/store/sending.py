"""What a consumer has to say is sent in time, also while nobody asks it for more.

The process's timer queues the command and goes on; whoever leads the store's lane tells what came
of it. What must never happen here: something said that is neither stored, nor on its way, nor in
the hands.
"""

import threading
import time
from collections.abc import Callable
from math import inf

from pyesdb.model.commands import Settle, with_digest
from pyesdb.model.errors import PyesdbError
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.outcomes import Done, Refused, error_of
from pyesdb.store.hands import Hands, Said
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.slots import PostSlot, Slot
from pyesdb.store.timer import timer
from pyesdb.telemetry.log import logger

AGAIN_S = 1.0
"""After an error it is tried again so much later."""

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
        self._mutex = threading.Lock()
        self._armed = inf
        """When the timer comes next for it (monotonic seconds)."""
        self._posted: tuple[Slot, Said] | None = None
        self._not_before = 0.0
        self._stopped = False

    @property
    def busy(self) -> bool:
        """Whether something is on its way."""
        return self._posted is not None

    def arm(self) -> None:
        """Let the timer come when something must be done, unless it comes earlier."""
        when = self._hands.next_time
        if when >= self._armed or self._stopped:
            return
        when = min(when, time.monotonic() + FAR_S)
        if when >= self._armed:
            return
        with self._mutex:
            if when >= self._armed:
                return
            self._armed = when
        timer().at(when, self._on_time)

    def stop(self) -> None:
        """Nothing more is sent."""
        self._stopped = True
        timer().drop(self._on_time)

    def _on_time(self) -> float | None:
        """On the timer's thread: send what waited long enough; when to come again, or never."""
        with self._mutex:
            self._armed = inf
        if self._stopped or self._runtime.ended is not None:
            return None
        hands = self._hands
        now = time.monotonic()
        hands.look_at_time()
        if hands.unsaid and now >= hands.since + hands.send_after_s and now >= self._not_before:
            self._send()
        when = max(hands.next_time, self._not_before)
        if when == inf:
            return None
        when = max(min(when, now + FAR_S), now + hands.send_after_s / 4)
        with self._mutex:
            if when >= self._armed:
                return None
            self._armed = when
        return when

    def _send(self) -> None:
        with self._mutex:
            if self._posted is not None:
                return
            said = self._hands.speak()
            if not said:
                return
            lease = self._hands.lease
            place = self._number, said.epoch, lease.consumer, said.acks, said.nacks
            slot = PostSlot(with_digest(Settle, uuid7_bytes(), *place), self._answered)
            self._posted = slot, said
        try:
            self._runtime.post(slot)
        except PyesdbError as error:
            slot.error = error
            self._answered(slot)

    def _answered(self, slot: Slot) -> None:
        """Called by the leader, perhaps twice: take the outcome, or the words back."""
        posted = self._posted
        if posted is None or posted[0] is not slot:
            return
        said = posted[1]
        error = slot.error
        if isinstance(slot.outcome, Refused):
            error = error_of(slot.outcome)
        if error is None and isinstance(slot.outcome, Done):
            self._hands.heard(said, slot.outcome.value)
        else:
            self._not_before = time.monotonic() + AGAIN_S
            self._hands.unsay(said)
        self._posted = None
        if error is not None:
            logger.warning("acknowledgements are not stored yet: %s", error)
        self._told(error if isinstance(error, PyesdbError) else None)
        self.arm()
