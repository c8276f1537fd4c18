"""What a projection is: a name, what it selects, and what it does with it. It runs nothing."""

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import pyesdb

NAME_MAX = 200
BATCH_MAX = 10_000
GENERATOR = "must not `yield`: a call of a generator function runs nothing of it"

Handler = Callable[[Any, pyesdb.RecordedEvent], Any]
Hook = Callable[..., Any]
H = TypeVar("H", bound=Handler)
K = TypeVar("K", bound=Hook)


class Stoppable(Protocol):
    """A projector of either half."""

    def stop(self) -> None: ...  # noqa: D102


P = TypeVar("P", bound=Stoppable)


class Declared:
    """What a user says of a projection, the same for both halves: see `Projection`."""

    is_async = False

    def __init__(
        self, name: str, select: pyesdb.Selector | None = None, *, batch: int = 500
    ) -> None:
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= NAME_MAX:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise pyesdb.RequestError(
                f"a projection's name is 1-{NAME_MAX} printable characters, not {name!r:.60}"
            )
        if select is not None and not isinstance(select, pyesdb.Selector):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise pyesdb.InvalidSelector(
                f"a projection selects by a selector, not by {type(select).__name__}: see "
                "pyesdb.select"
            )
        if type(batch) is not int or not 0 < batch <= BATCH_MAX:
            raise pyesdb.RequestError(f"batch must be 1 to {BATCH_MAX:,} events, not {batch!r:.60}")
        self.name = name
        self.batch = batch
        self._select = select
        self._handlers: dict[str, Handler] = {}
        self._others: Handler | None = None
        self._setup: Hook | None = None
        self._reset: Hook | None = None
        self._active: set[Stoppable] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def on(self, *types: str) -> Callable[[H], H]:
        """Register a handler of events of these types: `handler(tx, event)`.

        Without types: of every selected event whose type has no handler of its own. `tx` is the
        read model's connection, in the transaction that writes the checkpoint; the handler must not
        end it. A type has one handler.
        """
        if any(callable(name) for name in types):
            raise pyesdb.RequestError("name the event types, or write `on()` with parentheses")
        for name in types:
            pyesdb.select.event_type(name)  # raises InvalidSelector for what is no type
            if name in self._handlers:
                raise pyesdb.RequestError(f"projection {self.name!r} has a handler for {name!r}")
        if not types and self._others is not None:
            raise pyesdb.RequestError(f"projection {self.name!r} has a handler for other events")

        def registered(handler: H) -> H:
            self._check(handler, "handler")
            self._handlers.update(dict.fromkeys(types, handler))
            if not types:
                self._others = handler
            return handler

        return registered

    def setup(self, hook: K) -> K:
        """Register what makes the tables, if they are missing: `hook(tx)`, at every start."""
        self._check(hook, "setup")
        self._setup = hook
        return hook

    def reset(self, hook: K) -> K:
        """Register what empties the tables for a rebuild: `hook(tx)`, or `hook(tx, store_id)`.

        A projection that several stores feed takes the store's id, and removes what came of it.
        """
        self._check(hook, "reset")
        self._reset = hook
        return hook

    def _check(self, function: object, what: str) -> None:
        if not callable(function):
            raise pyesdb.RequestError(f"a {what} must be callable, not {function!r:.60}")
        if _is(function, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            raise pyesdb.RequestError(f"a {what} {GENERATOR}")
        if _is(function, inspect.iscoroutinefunction) and not self.is_async:
            raise pyesdb.RequestError(
                f"an asynchronous {what} needs AsyncProjection, which has the same methods"
            )

    def stop(self) -> None:
        """End what this object runs at this moment, behind the batch under way.

        From any thread or signal handler. A `projector` can be stopped before it runs, too.
        """
        for projector in list(self._active):
            projector.stop()

    @contextmanager
    def _running(self, projector: P) -> Generator[P]:
        self._active.add(projector)
        try:
            yield projector
        finally:
            self._active.discard(projector)

    # -- what running it asks

    def selector(self) -> pyesdb.Selector:
        """What is selected: as given, else what has a handler; raises RequestError."""
        if not self._handlers and self._others is None:
            raise pyesdb.RequestError(
                f"projection {self.name!r} has no handler: register one with `on`"
            )
        if self._select is not None:
            return self._select
        if self._others is not None:
            return pyesdb.select.everything
        return pyesdb.select.event_type(*self._handlers)

    def handler(self, kind: str) -> Handler | None:
        """What handles events of a type."""
        return self._handlers.get(kind, self._others)

    @property
    def setup_hook(self) -> Hook | None:
        """What was registered by `setup`."""
        return self._setup

    def reset_hook(self) -> tuple[Hook, bool]:
        """What was registered by `reset`, and whether it takes the store's id; RequestError."""
        if self._reset is None:
            raise pyesdb.RequestError(
                f"projection {self.name!r} has nothing that empties its tables: register it with "
                "`reset`, else a rebuild would count every event twice"
            )
        return self._reset, _takes_store(self._reset)


def _is(function: Callable[..., Any], *kinds: Callable[[object], bool]) -> bool:
    """Whether a function, or an object that is called like one, is of one of the kinds."""
    return any(kind(one) for kind in kinds for one in (function, type(function).__call__))


def _takes_store(hook: Hook) -> bool:
    try:
        inspect.signature(hook).bind(None, "")
    except (TypeError, ValueError):  # another number of parameters; or nobody knows how many
        return False
    return True
