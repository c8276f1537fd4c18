"""What a node does by itself now and then: named duties on one thread, started with the first.

A duty is a function that may be called at any time, by anybody: a test calls it, and waits for
nothing. What must never happen here: one duty's trouble stops another one, a thread that outlives
its node, a reference to a database (one that was forgotten open must warn).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyesdb.telemetry.log import logger


@dataclass
class Duty:
    """A function, called every `interval_s` seconds; `due` is on the monotonic clock."""

    name: str
    function: Callable[[], object]
    interval_s: float
    due: float

    def do(self) -> None:
        """Call it; what it raises is logged, and it is called again next time."""
        try:
            self.function()
        except Exception as error:  # noqa: BLE001  (the others go on)
            logger.warning("duty %r: %s: %s", self.name, type(error).__name__, error)


class Duties:
    """The duties of one node."""

    def __init__(self) -> None:
        self._duties: dict[str, Duty] = {}
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._stopped = False
        self._runner = 0
        """The thread that runs them, by ident."""
        self._ended = threading.Event()

    def add(self, name: str, function: Callable[[], object], interval_s: float) -> None:
        """Call a function every `interval_s` seconds from now on; a name that is known stays."""
        with self._mutex:
            if name not in self._duties:
                due = time.monotonic() + interval_s
                self._duties[name] = Duty(name, function, interval_s, due)
                self._changed.notify()
            wanted = not self._runner and not self._stopped
        if wanted:
            self._start()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="pyesdb-duties", daemon=True).start()
        except RuntimeError as error:  # none to be had now: the next call tries again
            logger.warning("duties wait for a thread: %s", error)

    def run(self, name: str) -> None:
        """Do a duty now, on this thread."""
        self._duties[name].do()

    def run_due(self, now: float) -> float:
        """Do what is due at `now`; returns the seconds until the next one is."""
        with self._mutex:
            due = [duty for duty in self._duties.values() if duty.due <= now]
        for duty in due:
            duty.due = now + duty.interval_s
            if not self._stopped:
                duty.do()
        with self._mutex:
            return self._first() - now

    def _first(self) -> float:
        return min(duty.due for duty in self._duties.values())

    def _run(self) -> None:
        with self._mutex:  # of several that were started one goes on
            if self._stopped or self._runner:
                return
            self._runner = threading.get_ident()
        try:
            while not self._stopped:
                self.run_due(time.monotonic())
                with self._mutex:  # looked at in here: one that is added now must not be missed
                    if not self._stopped:
                        self._changed.wait(max(0.0, self._first() - time.monotonic()))
        finally:
            self._ended.set()

    def stop(self) -> None:
        """End the thread, if one runs: a duty under way is waited for, a few seconds at most."""
        with self._mutex:
            self._stopped = True
            self._changed.notify()
            runner = self._runner
        if runner and runner != threading.get_ident():
            self._ended.wait(5.0)
