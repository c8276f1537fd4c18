"""One thread per process that does things at their time, while there is something to do.

It sends acknowledgements while a handler runs. What must never happen here: that the thread waits
for a store, or stays when nothing is left to do; or that one that could not be started is taken
for one that runs.
"""

import heapq
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import count

from pyesdb.telemetry.log import logger

Duty = Callable[[], float | None]
"""Does what is due at once; returns when it wants to be called again (monotonic), or None."""


class Timer:
    """Duties by time."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._duties: list[tuple[float, int, Duty]] = []
        self._number = count()
        self._thread: threading.Thread | None = None
        self._failing = False

    @property
    def running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def at(self, when: float, duty: Duty) -> bool:
        """Call `duty` at `when` (monotonic seconds), or soon afterwards.

        False: no thread can be had for it now.
        """
        with self._changed:
            if self._thread is None and not self._start():
                return False
            first = not self._duties or when < self._duties[0][0]
            heapq.heappush(self._duties, (when, next(self._number), duty))
            if first:
                self._changed.notify()
            return True

    def _start(self) -> bool:
        if sys.is_finalizing():  # who starts a thread now may wait for it for ever
            return False
        thread = threading.Thread(target=self._run, name="pyesdb-acks", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not self._failing:
                logger.warning("no thread for acknowledgements, they go later: %s", error)
            self._failing = True
            return False
        self._thread, self._failing = thread, False
        return True

    def drop(self, duty: Duty) -> None:
        """Do not call `duty` any more."""
        with self._changed:
            left = [entry for entry in self._duties if entry[2] != duty]
            if len(left) < len(self._duties):
                self._duties = left
                heapq.heapify(self._duties)
                self._changed.notify()

    def _run(self) -> None:
        while True:
            duty = self._next()
            if duty is None:
                return
            try:
                again = duty()
            except Exception:  # noqa: BLE001  (the others go on)
                logger.exception("a duty at its time")
                again = None
            if again is not None:
                self.at(again, duty)

    def _next(self) -> Duty | None:
        """Wait for the next one; None: none is left, and the thread ends."""
        with self._changed:
            while self._duties:
                wait = self._duties[0][0] - time.monotonic()
                if wait <= 0:
                    return heapq.heappop(self._duties)[2]
                self._changed.wait(wait)
            self._thread = None
            return None


_timer = Timer()


def timer() -> Timer:
    """The one of this process; a forked child has another one."""
    global _timer
    if _timer._pid != os.getpid():  # pyright: ignore[reportPrivateUsage]
        _timer = Timer()
    return _timer
