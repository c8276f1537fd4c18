"""`Consumer.run`: a handler for every event, in one thread or several.

What must never happen here: an event that counts as handled because calling its handler did nothing
but make a coroutine or a generator.
"""

import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyesdb.model.errors import RequestError

if TYPE_CHECKING:
    from pyesdb.embedded.consumer import Consumer
    from pyesdb.model.subscriptions import DeliveredEvent

Handler = Callable[["DeliveredEvent"], Any]
WORKERS_MAX = 1_000


def check_run(handler: object, workers: object) -> int:
    """The number of workers of a run; raises RequestError."""
    if not callable(handler):
        raise RequestError(f"handler must be callable, not {handler!r:.60}")
    if _is_any(handler, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        raise RequestError(
            f"{handler!r:.60} is a generator function: calling it handles nothing; let it handle "
            "the event and return"
        )
    if type(workers) is not int or not 1 <= workers <= WORKERS_MAX:
        raise RequestError(f"workers must be an int from 1 to {WORKERS_MAX:,}, not {workers!r:.60}")
    return workers


def _is_any(handler: object, *kinds: Callable[[Any], bool]) -> bool:
    """Whether a function, or what is called of an object, is of one of these kinds."""
    called = getattr(type(handler), "__call__", None)  # noqa: B004  (the method, not whether)
    return any(kind(handler) or kind(called) for kind in kinds)


def run(consumer: "Consumer", handler: Handler, workers: int) -> None:
    """Handle events until the consumer is stopped."""
    count = check_run(handler, workers)
    if _is_any(handler, inspect.iscoroutinefunction):
        raise _awaits(handler)
    try:
        if count == 1:
            _work(consumer, handler)
        else:
            _work_together(consumer, handler, count)
    except _Unawaited:
        raise _awaits(handler) from None


class _Unawaited(BaseException):
    """A handler returned what somebody would have to await: passes its block, settles nothing."""


def _awaits(handler: Handler) -> RequestError:
    return RequestError(
        f"{handler!r:.60} returns an awaitable, and nothing here awaits it, so no event would be "
        "handled: run it with the consumer of a store that open_async() gave, or make it a plain "
        "function"
    )


def _work(consumer: "Consumer", handler: Handler) -> None:
    for event in consumer:
        with consumer.handling(event):
            found = handler(event)
            if found is not None and inspect.isawaitable(found):
                if inspect.iscoroutine(found):
                    found.close()
                raise _Unawaited


def _work_together(consumer: "Consumer", handler: Handler, count: int) -> None:
    """The calling thread waits, so a signal reaches it; what ends one worker ends all."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            _work(consumer, handler)
        except BaseException as error:  # noqa: BLE001  (raised in the calling thread)
            errors.append(error)
        finally:
            consumer.stop()

    threads = [threading.Thread(target=work, name=f"pyesdb-worker-{n}") for n in range(count)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        consumer.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if errors:
        raise errors[0]
