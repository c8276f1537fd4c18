"""`Consumer`: events of a persistent subscription, one after the other, synchronous."""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from threading import current_thread
from types import TracebackType
from typing import Any, Literal, Self

from pyesdb.model.durations import Duration, wait_s
from pyesdb.model.subscriptions import DeliveredEvent
from pyesdb.store.consuming import Consuming
from pyesdb.store.hands import Owner
from pyesdb.store.head import SyncWaiter
from pyesdb.store.proposing import Ask, Step, Submit
from pyesdb.telemetry.log import logger


def thread_gone(owner: Owner) -> bool:
    """Never: of what a thread held when it ended nobody knows whether it was handled, so what
    follows in its streams waits for it to come again.
    """
    return False


_RETRY_FIRST_S, _RETRY_MOST_S = 0.1, 30.0


def retry_after_s(attempt: int) -> float:
    """How long a failed event waits: twice as long after each attempt, so that an outage of some
    minutes does not use up the attempts of everything that comes meanwhile.
    """
    return min(_RETRY_MOST_S, _RETRY_FIRST_S * 2 ** min(attempt - 1, 20))


class Handling:
    """A block in which an event is handled: it ends well (ack) or by an exception (nack).

    The exception is logged and stays in the block: the event comes again, the loop goes on.
    """

    def __init__(self, consuming: Consuming, event: DeliveredEvent) -> None:
        self._consuming = consuming
        self._event = event

    def __enter__(self) -> DeliveredEvent:
        return self._event

    def __exit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> bool:
        return settled(self._consuming, self._event, e)


def settled(consuming: Consuming, event: DeliveredEvent, error: BaseException | None) -> bool:
    """Say how the handling of an event ended; whether that is all there is to say of `error`."""
    if error is None:
        consuming.ack([event])
        return False
    if not isinstance(error, Exception):  # the program ends, or the task: nothing is known
        return False
    logger.warning(
        "handling %r of subscription %r failed in attempt %d",
        event,
        consuming.name,
        event.attempt,
        exc_info=error,
    )
    delay = retry_after_s(event.attempt)
    consuming.nack(event, "retry", f"{type(error).__name__}: {error}", delay)
    return True


class Consumer(Iterator[DeliveredEvent]):
    """Events of a persistent subscription as they come, at least once, made by `Store.consume`.

    Settle each: `with consumer.handling(event)`, or `ack` and `nack`. Threads may share it: an
    event is not given to one while an earlier one of its stream is in another's hands. Leaving the
    block returns what is not settled, and no attempt is counted. Raises StoreRemoved,
    SubscriptionRemoved and DatabaseClosed when there is nothing to consume any more; WindowFull
    when all that one may hold is in the hands of the thread that asks for more.
    """

    def __init__(self, consuming: Consuming) -> None:
        self._consuming = consuming
        self._take = consuming.take

    def __repr__(self) -> str:
        return f"<Consumer of {self._consuming.name!r} in {self._consuming.runtime.store_id!r}>"

    def _drive(self, steps: Generator[Step, Any, Any], waiter: SyncWaiter) -> Any:
        """Take the steps on this thread; returns what they lead to."""
        runtime = self._consuming.runtime
        try:
            step = next(steps)
            while True:
                try:
                    if isinstance(step, Ask):
                        found = runtime.ask(step.question)
                    elif isinstance(step, Submit):
                        found = runtime.submit(step.command, step.timeout_s)
                    else:
                        found = waiter.wait(step.timeout_s)
                except BaseException as error:  # noqa: BLE001  (the steps decide)
                    step = steps.throw(error)
                else:
                    step = steps.send(found)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    def _next(self, timeout_s: float | None) -> DeliveredEvent | None:
        if self._consuming.stopped:
            return None
        owner = current_thread()  # not its number: that of one that ended is used again
        event = self._take(owner)
        if event is None:
            waiter = SyncWaiter()
            event = self._drive(self._consuming.get(owner, waiter, timeout_s), waiter)
        return event

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DeliveredEvent:
        event = self._next(None)
        if event is None:
            raise StopIteration
        return event

    def get(self, timeout: Duration | None = None) -> DeliveredEvent | None:
        """The next event; None when `timeout` (seconds, None: no limit) passes, or after `stop`.

        It limits the wait for what is not stored yet. To claim what is stored may take a second
        longer, where others write or another process has the store.
        """
        return self._next(wait_s(timeout))

    def handling(self, event: DeliveredEvent) -> Handling:
        """A block in which `event` is handled.

        Ended well it is acknowledged. An exception is logged and goes no further: the event comes
        again (nack "retry", with the exception as reason), until it was tried often enough: after
        0.1 s, then twice as late each time, up to 30 s. What ends the program (KeyboardInterrupt,
        SystemExit) passes, and settles nothing. Raises RequestError for what this consumer did not
        deliver.
        """
        return Handling(self._consuming, self._consuming.own(event))

    def ack(self, event: DeliveredEvent | Iterable[DeliveredEvent]) -> None:
        """One or more events are done. Stored soon: `flush` waits until it is."""
        self._consuming.ack(event)

    def ack_until(self, event: DeliveredEvent) -> None:
        """Everything up to this event, in the order of delivery, is done; not what is in the hands
        of another thread.
        """
        self._consuming.ack_until(event)

    def nack(
        self,
        event: DeliveredEvent,
        action: Literal["retry", "park", "skip"] = "retry",
        *,
        reason: str = "",
        delay: Duration | None = None,
    ) -> None:
        """The event could not be handled: try it again (after `delay` seconds), park or skip it."""
        self._consuming.nack(event, action, reason, delay)

    def flush(self) -> None:
        """Wait until everything said so far is durable; raises why it is not."""
        waiter = SyncWaiter()
        self._drive(self._consuming.flush(waiter), waiter)

    def run(self, handler: Callable[[DeliveredEvent], Any], *, workers: int = 1) -> None:
        """Call `handler` with each event until `stop`, in `workers` threads.

        Then what is not settled is returned, as at the end of the block.

        Events of one stream are handled one after the other. See `handling` for exceptions.
        """
        from pyesdb.embedded.workers import run

        try:
            run(self, handler, workers)
        finally:
            self._close()

    def stop(self) -> None:
        """Hand out nothing more, and let those who wait go: from any thread or signal handler."""
        self._consuming.stop()

    def _close(self) -> None:
        waiter = SyncWaiter()
        self._drive(self._consuming.close(waiter), waiter)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._close()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        forgotten(self, getattr(self, "_consuming", None), _warn)


def forgotten(consumer: object, consuming: Consuming | None, warn: Any) -> None:
    """Warn of one that goes without having been closed, if it holds something."""
    if consuming is not None and consuming.abandoned:
        warn(
            f"{consumer!r} was not closed: what it holds comes again after ack_timeout; "
            "use it in a `with` or `async with` block",
            ResourceWarning,
            source=consumer,
            stacklevel=3,
        )
