"""How one body of code serves both halves.

The work of a projection is written once, as coroutines. The synchronous half and SQLite give them
objects whose coroutines block and never wait, so that `finish` runs them to their end without an
event loop. Nothing else may be passed to it.
"""

import inspect
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def finish(step: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, on this thread."""
    try:
        step.send(None)
    except StopIteration as done:
        return done.value
    step.close()
    raise RuntimeError("a blocking step waited for an event loop")


async def at_once(step: Coroutine[Any, Any, T]) -> T:
    """Run a step where we are: the way of every half that needs no other thread for it."""
    return await step


async def settled(answer: Any) -> Any:
    """What a driver answered: its asynchronous half answers with something to wait for."""
    return await answer if inspect.isawaitable(answer) else answer


async def entered(manager: Any) -> Any:
    """Enter a context manager of either half of a driver."""
    if hasattr(manager, "__aenter__"):
        return await manager.__aenter__()
    return manager.__enter__()


async def left(manager: Any, error: BaseException | None = None) -> None:
    """Leave it."""
    kind = None if error is None else type(error)
    if hasattr(manager, "__aexit__"):
        await manager.__aexit__(kind, error, None)
    else:
        manager.__exit__(kind, error, None)
