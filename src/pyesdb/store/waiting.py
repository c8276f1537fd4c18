"""What waits for a lane: the queue, how much fits into it, and how what waits is refused.

What must never happen here: more in memory than fits; a caller who is refused and not told.
"""

import threading
import time
from collections import deque
from contextlib import suppress

from pyesdb.log.local import LocalLog
from pyesdb.model import limits
from pyesdb.model.errors import DeadlineExceeded, PyesdbError
from pyesdb.sqlite.locks import command_of
from pyesdb.store.slots import DONE, QUEUED, Slot, wake_all


class Waiting:
    """The queue of a lane, and the lock that it and the lead are under."""

    def __init__(self, log: LocalLog) -> None:
        self._log = log
        self._mutex = threading.Lock()
        self._room = threading.Condition(self._mutex)
        self._queue: deque[Slot] = deque()
        self._asking = 0
        self._waiting_bytes = 0
        self._closed: PyesdbError | None = None

    def full(self) -> bool:
        """Whether as much waits as may wait."""
        return (
            len(self._queue) >= limits.QUEUE_SLOTS_MAX
            or self._waiting_bytes >= limits.QUEUE_BYTES_MAX
        )

    def _wait_for_room(self, deadline: float) -> None:
        self._asking += 1  # an interrupt may leave it too high: then somebody is woken for nothing
        try:
            while self.full():
                left = deadline - time.monotonic()
                if left <= 0 or not self._room.wait(left):
                    raise self.late("the store's queue is full")
                if self._closed is not None:
                    raise self._closed
        finally:
            self._asking -= 1

    def late(self, why: str = "") -> DeadlineExceeded:
        """The error of a deadline before the command was proposed; names who is in the way."""
        why = self.in_the_way() or why
        return DeadlineExceeded(
            f"the deadline passed while the call waited for its turn{why and f' ({why})'}; "
            "nothing was stored: call again, or give a longer timeout="
        )

    def in_the_way(self) -> str:
        """The process that holds the store, for people; "" if none does."""
        with suppress(OSError, PyesdbError):  # the lock file is closed: then nobody is in the way
            if (pid := self._log.holder()) is not None:
                return (
                    f"process {pid} ({command_of(pid)}) holds the store; let it go on, or stop it"
                )
        return ""

    def _refuse(self, error: PyesdbError) -> None:
        """What waits gets `error`."""
        with self._mutex:
            waiting = [slot for slot in self._queue if slot.state is QUEUED]
            for slot in waiting:
                slot.error = error
                slot.state = DONE
            self._room.notify_all()
        wake_all(waiting)
