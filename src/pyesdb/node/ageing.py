"""Retention by age: one thread per process, running only while a store has streams with max_age.

It proposes `Expire` commands; any process may, and doing it twice changes nothing.
"""

import threading

from pyesdb.model.errors import PyesdbError
from pyesdb.store import queries
from pyesdb.store.runtime import StoreRuntime
from pyesdb.telemetry.log import logger

INTERVAL_S = 30.0


class Ageing:
    """Proposes expiry for the stores that were shown to it."""

    def __init__(self) -> None:
        self._stores: dict[int, StoreRuntime] = {}
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, runtime: StoreRuntime) -> None:
        """Expire this store's streams from now on."""
        with self._mutex:
            self._stores[id(runtime)] = runtime
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="pyesdb-ageing", daemon=True)
                self._thread.start()

    def look(self, runtime: StoreRuntime) -> None:
        """Watch a store if it has streams with an age."""
        try:
            if runtime.config.max_age is not None or runtime.ask(queries.has_retention):
                self.watch(runtime)
        except PyesdbError as error:
            logger.debug("store %s: looking for retention: %s", runtime.store_id, error)

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            with self._mutex:
                stores = list(self._stores.values())
            for runtime in stores:
                self._expire(runtime)

    def _expire(self, runtime: StoreRuntime) -> None:
        if runtime.ended is not None:
            with self._mutex:
                self._stores.pop(id(runtime), None)
            return
        try:
            runtime.expire(runtime.config.timeout)
        except PyesdbError as error:
            logger.warning("store %s: expiry: %s", runtime.store_id, error)

    def stop(self) -> None:
        """End the thread; a store that is shown from now on starts none."""
        with self._mutex:  # a thread is seen here only when it was started
            self._stop.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5.0)
