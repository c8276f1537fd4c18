"""The targets of the contract suite behind one synchronous-looking interface.

The synchronous half is used as it is. The asynchronous half is driven through one event loop in a
thread, so that each contract test is written once. What only the asynchronous half promises (when a
read starts, cancellation, loops) is tested in the test_async_* files, without this adapter.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any, Self

import pyesdb

LONGEST_CALL_S = 60.0


class Runner:
    """One event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="contract-loop")
        self._thread.start()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call in the loop; what comes back as a coroutine is awaited there."""
        if threading.current_thread() is self._thread:  # a handler that calls back
            return function(*args, **kwargs)

        async def step() -> Any:
            result = function(*args, **kwargs)
            return await result if inspect.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(step(), self.loop).result(LONGEST_CALL_S)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class SyncFace:
    name = "sync"

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return pyesdb.open(*args, **kwargs)


class AsyncFace:
    name = "async"

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def open(self, *args: Any, **kwargs: Any) -> Any:
        async def opened() -> Any:
            return await pyesdb.open_async(*args, **kwargs)

        return Driven(self._runner, self._runner.call(opened))


class Driven:
    """An object of the asynchronous half, called like its synchronous twin."""

    def __init__(self, runner: Runner, target: Any) -> None:
        self._runner = runner
        self._target = target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not inspect.ismethod(value):
            return _driven(self._runner, value)

        def call(*args: Any, **kwargs: Any) -> Any:
            return _driven(self._runner, self._runner.call(value, *args, **kwargs))

        return call

    def __repr__(self) -> str:
        return repr(self._target)

    def __enter__(self) -> Self:
        self._runner.call(self._target.__aenter__)
        return self

    def __exit__(self, *raised: object) -> Any:
        return self._runner.call(self._target.__aexit__, *raised)


class DrivenIterator(Driven):
    def __iter__(self) -> DrivenIterator:
        return self

    def __next__(self) -> Any:
        async def step() -> tuple[bool, Any]:
            try:
                return True, await anext(self._target)
            except StopAsyncIteration:
                return False, None

        more, item = self._runner.call(step)
        if not more:
            raise StopIteration
        return item


def _driven(runner: Runner, value: Any) -> Any:
    if isinstance(value, pyesdb.AsyncEvents | pyesdb.AsyncFollower | pyesdb.AsyncConsumer):
        runner.call(value.__aenter__)  # a synchronous read starts with the call
        return DrivenIterator(runner, value)
    if hasattr(value, "__anext__"):
        return DrivenIterator(runner, value)
    if isinstance(value, pyesdb.AsyncDatabase | pyesdb.AsyncStore | pyesdb.AsyncLoaded):
        return Driven(runner, value)
    if hasattr(value, "__aexit__"):  # a block
        return Driven(runner, value)
    return value
