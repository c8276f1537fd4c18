"""Sees what other processes commit: one thread per node, while somebody waits for something new.

A commit of another process changes the log beside a store's file. A look that finds it changed asks
the file how far it reaches, and so do the looks of the second behind it: a commit is written, then
synced, and only then to be seen, and the clock of files may tick as slowly as that. A store in use
is looked at every 20 ms, one at rest every 250 ms, one for which nobody waits not at all, and none
of a node that has its directory to itself. What must never happen here: a change that nobody asks
about when it can be seen, or a store that is taken for watched and has no thread.
"""

import os
import threading
import time
from dataclasses import dataclass

from pyesdb.model.errors import PyesdbError, Unavailable
from pyesdb.store.runtime import StoreRuntime
from pyesdb.telemetry.log import logger

OFTEN_S, SELDOM_S = 0.02, 0.25
QUIET = 50
"""After so many looks without a change a store is at rest."""
EARLY_S = 0.005
"""What is due as soon as this is looked at in one go: the thread wakes up less often."""
LINGER_S = 10.0
"""The thread stays this long when nobody waits: who follows a busy store waits again soon."""

_Stamp = tuple[int, int, int, int] | None


@dataclass(eq=False)
class Watched:
    """A store for which somebody waits."""

    runtime: StoreRuntime
    due: float
    """When it is looked at next (monotonic seconds)."""
    stamp: object = None
    """What the files looked like before the file was asked last; None: it was not asked yet."""
    quiet: int = 0
    """How many looks saw no change."""
    unwatched: int = 0
    """How many looks found nobody waiting."""

    def look(self, now: float) -> None:
        """See whether the store changed; if so, ask how far it reaches, and wake who waits."""
        stamp = (_stamp(f"{self.runtime.path}-wal"), _stamp(f"{self.runtime.path}"))
        if stamp != self.stamp:
            self.stamp, self.quiet = stamp, 0
        # at rest at growing intervals: for a disk that takes longer than a second to sync
        if self.quiet < QUIET or self.quiet & (self.quiet - 1) == 0:
            self._ask()
        self.quiet += 1
        self.unwatched = 0 if self.runtime.watched else self.unwatched + 1
        self.due = now + (OFTEN_S if self.quiet < QUIET else SELDOM_S)

    def _ask(self) -> None:
        try:
            self.runtime.look()
            if self.runtime.resting:
                self.runtime.rest()
        except PyesdbError:
            self.runtime.doubt()  # who waits meets the error by himself
        except Exception:  # noqa: BLE001  (the other stores are looked at)
            logger.exception("looking for news of store %s", self.runtime.store_id)
            self.runtime.doubt()

    @property
    def over(self) -> bool:
        """Whether it need not be looked at any more."""
        return self.runtime.ended is not None or self.unwatched >= QUIET


def _stamp(path: str) -> _Stamp:
    """What changes when a file is written or replaced; None without one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Poller:
    """The stores of a node that are looked at, and the thread that does it."""

    def __init__(self, *, needed: bool) -> None:
        self._needed = needed
        self._watched: dict[StoreRuntime, Watched] = {}
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._stopped = False
        self._running = False
        self._thread: threading.Thread | None = None
        """The one that was started last; whether one runs, it says itself."""

    def watch(self, runtime: StoreRuntime) -> None:
        """Somebody begins to wait: look at this store as long as anybody does.

        Raises Unavailable: there is no thread to be had, so nobody would be told.
        """
        if not self._needed or (self._running and runtime in self._watched):
            return
        with self._mutex:
            if self._stopped:
                return
            self._watched.setdefault(runtime, Watched(runtime, time.monotonic()))
            self._changed.notify()
            if not self._running:
                self._start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="pyesdb-poll", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise Unavailable(
                f"no thread can be had that looks for commits of other processes ({error}): end "
                "some, then follow on from the cursor"
            ) from error

    def look(self, now: float) -> float:
        """Look at what is due; returns the seconds until something is, or `LINGER_S`."""
        for watched in list(self._watched.values()):
            if watched.due <= now + EARLY_S and not self._stopped:
                watched.look(now)
                if watched.over:
                    self._forget(watched)
        return min((w.due for w in list(self._watched.values())), default=now + LINGER_S) - now

    def _forget(self, watched: Watched) -> None:
        with self._mutex:
            self._watched.pop(watched.runtime, None)
        if watched.runtime.watched:  # somebody began to wait in between, and found it watched
            self.watch(watched.runtime)

    def _run(self) -> None:
        with self._mutex:  # of several that were started one goes on
            if self._running or self._stopped:
                return
            self._running = True
        try:
            while self._look_and_wait():
                pass
        except BaseException:
            self._running = False  # the next who waits starts another one
            raise

    def _look_and_wait(self) -> bool:
        wait = self.look(time.monotonic())
        with self._mutex:
            if not self._stopped and not any(
                w.due <= time.monotonic() for w in self._watched.values()
            ):
                self._changed.wait(max(0.0, wait))
            # when the main thread has ended, there may be no other thread for who waits next
            wanted = self._watched or not threading.main_thread().is_alive()
            self._running = bool(wanted) and not self._stopped
            return self._running

    def stop(self) -> None:
        """End the thread; a look under way is waited for."""
        with self._mutex:
            self._stopped = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(5.0)
