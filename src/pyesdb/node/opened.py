"""The stores of a node whose files are open, and which of them may close.

A store that nobody uses *rests*: its runtime stays for those who have a handle of it, and opens its
files again at the next call. So there is no race to lose: a call never meets a store that was
closed under it. What must never happen here: a store in use that is closed, a lock held while a
store opens or closes its files, trouble of one store in the call of another.
"""

import resource
import threading
import time

from pyesdb.store.runtime import StoreRuntime
from pyesdb.telemetry.log import logger

_MOST = 512
_SHARE = 8
"""Of the descriptors that the process may have: a store needs about six."""


def _descriptors() -> int:
    """How many this process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def default_most() -> int:
    """How many stores are open at once unless `max_open_stores` says it."""
    return max(1, min(_MOST, _descriptors() // _SHARE))


class OpenStores:
    """Every store that has a file open is in here, and hardly another one."""

    def __init__(self, *, read_only: bool) -> None:
        self.most = default_most()
        self._descriptors = _descriptors() * 2 // 3
        self._read_only = read_only
        self._mutex = threading.Lock()
        self._open: set[StoreRuntime] = set()
        self._rested: set[StoreRuntime] = set()
        """Those that closed since the last expiry, which is owed to them."""
        self._failed: set[StoreRuntime] = set()
        """Those that must not be forgotten: their status says why."""

    def __len__(self) -> int:
        return len(self._open)

    def all(self) -> list[StoreRuntime]:
        """Those that are open now, the one that was not used longest first."""
        with self._mutex:
            found = list(self._open)
        return sorted(found, key=lambda runtime: runtime.used)

    def add(self, runtime: StoreRuntime) -> bool:
        """A store opens a file; whether it is its first one.

        If there are too many now, those close that were not used longest. Called before, to make
        room, and behind, because the store may have been found at rest meanwhile.
        """
        with self._mutex:
            first = runtime not in self._open
            self._open.add(runtime)
        self.trim(runtime)
        return first

    def _too_many(self) -> bool:
        """Stores, or descriptors: with many readers at once a store has more than its share."""
        if len(self._open) > self.most:
            return True
        with self._mutex:
            return sum([runtime.descriptors for runtime in self._open]) > self._descriptors

    def trim(self, but: StoreRuntime | None = None) -> None:
        """Down to the most that may be open, as far as they are idle."""
        if not self._too_many():
            return
        for runtime in self.all():
            if runtime is not but:
                self.close(runtime)
                if not self._too_many():
                    return

    def close(self, runtime: StoreRuntime) -> bool:
        """Let a store rest if it is idle; whether none of its files is open."""
        try:
            runtime.rest()
        except Exception as error:  # noqa: BLE001  (not in the call of another store)
            logger.warning("store %s: closing its files: %s", runtime.store_id, error)
        with self._mutex:
            if runtime.open:
                return False
            self._open.discard(runtime)
            if runtime.failure:
                self._failed.add(runtime)
            elif runtime.owes_expiry and not self._read_only:
                self._rested.add(runtime)
        return True

    def forget(self, runtime: StoreRuntime) -> None:
        """A store has ended."""
        with self._mutex:
            for stores in (self._open, self._rested, self._failed):
                stores.discard(runtime)

    # -- duties

    def close_idle(self, now: float | None = None) -> None:
        """Close what was not used for its `idle_close_after`; `now` is on the monotonic clock."""
        now = time.monotonic() if now is None else now
        for runtime in self.all():
            if now - runtime.used >= runtime.config.idle_close_after:
                self.close(runtime)
        self.trim()

    def expire(self) -> None:
        """Hide what max_age says in the stores that were open since the last time.

        Any process proposes it, and doing it twice changes nothing.
        """
        with self._mutex:
            rested = self._rested - self._open
            self._rested.clear()
        for runtime in [*self.all(), *rested]:
            try:
                runtime.expire_if_used()
            except Exception as error:  # noqa: BLE001  (that store only; next time again)
                logger.warning("store %s: expiry: %s", runtime.store_id, error)
            if runtime in rested:
                self.close(runtime)
