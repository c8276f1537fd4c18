"""How the calls of an `AsyncStore` reach the store: questions in the pool, commands by the loop."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pyesdb.embedded.aioevents import Loop
from pyesdb.embedded.calls import Calls
from pyesdb.embedded.typed import Types
from pyesdb.model.durations import Duration
from pyesdb.node.handle import StoreHandle
from pyesdb.store.readers import Reader

T = TypeVar("T")


class AsyncStoreBase:
    """One store, for one event loop."""

    def __init__(self, handle: StoreHandle, loop: Loop, types: Types | None = None) -> None:
        self.id: str = handle.store_id
        self._handle = handle
        self._calls = Calls(handle, types)
        self._loop = loop

    def __repr__(self) -> str:
        return f"<AsyncStore {self.id!r}>"

    async def _in_pool(self, function: Callable[[], T]) -> T:
        self._handle.check_open()
        return await self._loop.run(self._handle.node.pool, function)

    async def _apart(self, function: Callable[[Callable[[], bool]], T]) -> T:
        """Long work, not in the pool, where it would keep other calls waiting for minutes.

        It is given a function that says whether nobody waits for it any more.
        """
        self._handle.check_open()
        ended = threading.Event()
        try:
            return await self._loop.run(None, lambda: function(ended.is_set))
        finally:
            ended.set()

    async def _ask(self, question: Callable[[Reader], T]) -> T:
        return await self._in_pool(lambda: self._handle.ask(question))

    async def _bind(self, timeout: Duration | None = None) -> None:
        """Look the store up in the pool, not on the event loop."""
        self._loop.check()
        if not self._handle.bound:
            await self._in_pool(lambda: self._handle.runtime(timeout))

    async def _submit(self, command: Any, timeout: Duration | None = None) -> Any:
        loop = self._loop.check()
        if not self._handle.bound:
            await self._in_pool(lambda: self._handle.runtime(timeout))
        runtime, limit = self._handle.writing(timeout)
        return await runtime.submit_async(command, limit, loop)
