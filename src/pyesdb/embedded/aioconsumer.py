"""`AsyncConsumer`: events of a persistent subscription, one after the other, asynchronous."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from functools import partial
from inspect import isawaitable
from types import TracebackType
from typing import Any, Literal, Self

from pyesdb.embedded.aioevents import Loop
from pyesdb.embedded.consumer import forgotten, settled
from pyesdb.embedded.workers import Handler, check_run
from pyesdb.model.durations import Duration, wait_s
from pyesdb.model.errors import RequestError
from pyesdb.model.subscriptions import DeliveredEvent
from pyesdb.store.consuming import Consuming
from pyesdb.store.hands import Owner
from pyesdb.store.head import AsyncWaiter
from pyesdb.store.proposing import Ask, Step, Submit


def task_gone(owner: Owner) -> bool:
    """Whether a task is done: then it has handed on what it got, as that of a `wait_for` does."""
    return not isinstance(owner, asyncio.Task) or owner.done()


class AsyncHandling:
    """See `Handling`. A task that is cancelled in the block settles nothing."""

    def __init__(self, consuming: Consuming, event: DeliveredEvent) -> None:
        self._consuming = consuming
        self._event = event

    async def __aenter__(self) -> DeliveredEvent:
        return self._event

    async def __aexit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> bool:
        return settled(self._consuming, self._event, e)


class AsyncConsumer(AsyncIterator[DeliveredEvent]):
    """See `Consumer`; tasks of one event loop may share it.

    It starts when it is entered or first stepped.
    """

    def __init__(
        self,
        make: Callable[[], Consuming],
        in_pool: Callable[..., Awaitable[Any]],
        loop: Loop,
    ) -> None:
        self._make = make
        self._in_pool = in_pool
        self._loop = loop
        self._consuming: Consuming | None = None
        self._stopped = False

    def __repr__(self) -> str:
        consuming = self._consuming
        if consuming is None:
            return "<AsyncConsumer, not started>"
        return f"<AsyncConsumer of {consuming.name!r} in {consuming.runtime.store_id!r}>"

    def _started(self) -> Consuming:
        if self._consuming is None:
            raise RequestError("the consumer has not started: it has delivered nothing yet")
        return self._consuming

    async def _start(self) -> Consuming:
        if self._consuming is not None:
            return self._consuming
        self._loop.check()
        made: Consuming = await self._in_pool(self._make)
        if self._consuming is None:  # of two tasks that started it the first one counts
            self._consuming = made
            if self._stopped:
                made.stop()
        return self._consuming

    async def _drive(
        self, consuming: Consuming, steps: Generator[Step, Any, Any], waiter: AsyncWaiter
    ) -> Any:
        """Take the steps without blocking the loop; returns what they lead to."""
        runtime = consuming.runtime
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Ask):
                        found = await self._in_pool(partial(runtime.ask, step.question))
                    elif isinstance(step, Submit):
                        found = await runtime.submit_async(
                            step.command, step.timeout_s, waiter.loop
                        )
                    else:
                        found = await waiter.wait(step.timeout_s)
                except BaseException as error:  # noqa: BLE001  (the steps decide)
                    step = steps.throw(error)
                else:
                    step = steps.send(found)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    async def _next(self, timeout_s: float | None) -> DeliveredEvent | None:
        if self._stopped:
            return None
        consuming = self._consuming or await self._start()
        owner = asyncio.current_task()
        event = consuming.take(owner)
        if event is None:
            waiter = AsyncWaiter(self._loop.check())
            steps = consuming.get(owner, waiter, timeout_s)
            event = await self._drive(consuming, steps, waiter)
        return event

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DeliveredEvent:
        event = await self._next(None)
        if event is None:
            raise StopAsyncIteration
        return event

    async def get(self, timeout: Duration | None = None) -> DeliveredEvent | None:
        """See `Consumer.get`. Cancelled: nothing is lost, the next call gives it."""
        return await self._next(wait_s(timeout))

    def handling(self, event: DeliveredEvent) -> AsyncHandling:
        """See `Consumer.handling`; an asynchronous context manager."""
        return AsyncHandling(self._started(), self._started().own(event))

    def ack(self, event: DeliveredEvent | Iterable[DeliveredEvent]) -> None:
        """See `Consumer.ack`."""
        self._started().ack(event)

    def ack_until(self, event: DeliveredEvent) -> None:
        """See `Consumer.ack_until`; not what is in the hands of another task."""
        self._started().ack_until(event)

    def nack(
        self,
        event: DeliveredEvent,
        action: Literal["retry", "park", "skip"] = "retry",
        *,
        reason: str = "",
        delay: Duration | None = None,
    ) -> None:
        """See `Consumer.nack`."""
        self._started().nack(event, action, reason, delay)

    async def flush(self) -> None:
        """See `Consumer.flush`."""
        consuming = await self._start()
        waiter = AsyncWaiter(self._loop.check())
        await self._drive(consuming, consuming.flush(waiter), waiter)

    async def run(self, handler: Handler, *, workers: int = 1) -> None:
        """Call `handler`, a function or a coroutine function, with each event until `stop`.

        In `workers` tasks; then close. See `Consumer.run`.
        """
        count = check_run(handler, workers)
        try:
            if count == 1:
                await self._work(handler)
            else:
                await self._work_together(handler, count)
        finally:
            await self._close()

    async def _work(self, handler: Handler) -> None:
        async for event in self:
            async with self.handling(event):
                found = handler(event)
                if isawaitable(found):
                    await found

    async def _work_together(self, handler: Handler, count: int) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(self._work(handler))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def stop(self) -> None:
        """See `Consumer.stop`."""
        self._stopped = True
        if self._consuming is not None:
            self._consuming.stop()

    async def _close(self) -> None:
        self._stopped = True
        if self._consuming is not None:
            waiter = AsyncWaiter(self._loop.check())
            await self._drive(self._consuming, self._consuming.close(waiter), waiter)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._close()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        forgotten(self, getattr(self, "_consuming", None), _warn)
