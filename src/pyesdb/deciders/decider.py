"""`Decider`: how a state is made of events; `Handled`: what one decision did."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from pyesdb.model.errors import RequestError
from pyesdb.model.results import AppendManyResult, AppendResult

if TYPE_CHECKING:
    from pyesdb.deciders.keeping import Keeping

S = TypeVar("S")


class Decider(Generic[S]):
    """How a state is made of events: `initial()` of none, `evolve(state, event)` of one more.

    `evolve` gets the body of an event whose type the store has registered, else the RecordedEvent,
    and returns the new state; it must give the same for the same and change nothing else: it runs
    again for every decision. (The decider pattern is J. Chassaing's.)
    """

    __slots__ = ("_keeping", "evolve", "initial")
    initial: Callable[[], S]
    evolve: Callable[[S, Any], S]
    _keeping: "Keeping[S] | None"

    def __init__(self, *, initial: Callable[[], S], evolve: Callable[[S, Any], S]) -> None:
        for name, function in (("initial", initial), ("evolve", evolve)):
            if not callable(function):
                raise RequestError(f"{name} must be a function, not {function!r:.60}")
            if _returns_none_yet(function):
                raise RequestError(
                    f"{name} must be an ordinary function that returns the state, not a coroutine "
                    "function or a generator: only `decide` of AsyncStore.handle may await"
                )
        self.initial = initial
        self.evolve = evolve
        self._keeping = None

    def __repr__(self) -> str:
        return f"Decider(initial={self.initial!r}, evolve={self.evolve!r})"


def _returns_none_yet(function: Any) -> bool:
    """Whether its call returns what is still to be awaited or stepped, and no state."""
    while isinstance(function, partial):
        function = cast("partial[Any]", function).func
    kinds = inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction
    call = getattr(cast("type[Any]", type(function)), "__call__", None)  # noqa: B004
    return any(kind(found) for kind in kinds for found in (function, call))


def keeping_of(decider: Decider[S]) -> "Keeping[S]":
    """How its states are kept as snapshots; raises RequestError when they cannot be."""
    found = decider._keeping  # pyright: ignore[reportPrivateUsage]
    if found is None:
        from pyesdb.deciders.keeping import Keeping

        found = Keeping(decider.initial, decider.evolve)
        decider._keeping = found  # pyright: ignore[reportPrivateUsage]
    return found


class Handled(msgspec.Struct, Generic[S], frozen=True):
    """What `Store.handle` did: the state with the new events, what the append answered, and how
    often the decision was made anew because others had written meanwhile.
    """

    state: S
    result: AppendResult | AppendManyResult
    retries: int
