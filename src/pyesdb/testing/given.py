"""`given(decider, *events).when(decide).then(*events)`: a decision tested without a store.

What must never happen here: a test that passes because nothing was compared. What `decide` raises
is raised again by `then`, and events are compared by all that a user gave.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from difflib import ndiff
from inspect import isasyncgen, isawaitable
from pprint import pformat
from typing import Any, Generic, NoReturn, TypeVar

from pyesdb import Append, Decider, EventTypes, NewEvent, RecordedEvent, StreamState
from pyesdb.model.durations import to_us
from pyesdb.model.encoding import is_json
from pyesdb.model.events import Origin, recorded, seen, with_types
from pyesdb.model.kinds import listed_or_one
from pyesdb.testing.clock import START
from pyesdb.types.registry import resolve

S = TypeVar("S")
E = TypeVar("E", bound=BaseException)


def given(decider: Decider[S], *events: Any, types: EventTypes | None = None) -> "Given[S]":
    """The state that a decider makes of these events: objects, NewEvents, RecordedEvents.

    Its `evolve` gets objects as they are, NewEvents as they are recorded, and RecordedEvents as
    `handle` of the store that they were read from folds them. With `types` all of them are seen as
    by a store that was opened with those types; so an event of an old version goes through the
    upcasters.
    """
    resolved = None if types is None else resolve(types)
    origin = Origin("test", 1, resolved)
    state = decider.initial()
    for number, event in enumerate(events):
        if resolved is not None and not isinstance(event, RecordedEvent):
            event = resolved.new_events([event], "test", None)[0]
        if isinstance(event, NewEvent):
            event = recorded(event, origin, "test", number, number + 1, to_us(START))
        elif isinstance(event, RecordedEvent) and resolved is not None:
            event = with_types(event, resolved)
        state = decider.evolve(state, seen(event) if isinstance(event, RecordedEvent) else event)
    return Given(state)


class Given(Generic[S]):
    """A state, about to be decided on."""

    def __init__(self, state: S) -> None:
        self.state = state

    def when(self, decide: Callable[[S], Any]) -> "When":
        """Call `decide(state)`, also a coroutine function; what it raises is kept for later."""
        try:
            answer = decide(self.state)
            if isawaitable(answer) or isasyncgen(answer):
                answer = _run(_awaited(answer))
            return When(listed_or_one(answer, NewEvent, Append), None)
        except Exception as error:  # noqa: BLE001  (it is what `raises` is about)
            return When([], error)


class When:
    """What was decided, about to be compared. Each comparison raises AssertionError."""

    def __init__(self, decided: list[Any], raised: Exception | None) -> None:
        self.decided = decided
        self.raised = raised

    def then(self, *events: Any) -> None:
        """These events were decided, in this order.

        Objects are compared by `==`; NewEvents by type, data, metadata, tags and content type, not
        by id; Append objects by stream, expected version and events.
        """
        __tracebackhide__ = True
        if self.raised is not None:
            raise self.raised
        expected, decided = list(map(_form, events)), list(map(_form, self.decided))
        if expected == decided:
            return
        lines = ndiff(_shown(events), _shown(self.decided))
        raise AssertionError(
            "other events were decided (- expected, + decided):\n"
            + "\n".join(line.rstrip() for line in lines)
        )

    def then_nothing(self) -> None:
        """Nothing was decided, and nothing raised."""
        __tracebackhide__ = True
        self.then()

    def raises(self, error: type[E], match: str | None = None) -> E:
        """`decide` raised that, with a text in which `match` (a regular expression) is found."""
        __tracebackhide__ = True
        raised = self.raised
        if raised is None:
            shown = "\n".join(_shown(self.decided)) or "nothing"
            _fail(f"{error.__name__} was expected, and no error was raised; decided was:\n{shown}")
        if not isinstance(raised, error):
            text = f"{error.__name__} was expected, and {type(raised).__name__} raised: {raised}"
            raise AssertionError(text) from raised
        if match is not None and not re.search(match, str(raised)):
            text = f"the text of {error.__name__} does not match {match!r}: {raised}"
            raise AssertionError(text) from raised
        return raised


def _fail(text: str) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError(text)


def _run(answer: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives, also in a test that is one itself."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, answer).result()


async def _awaited(answer: Any) -> Any:
    return [item async for item in answer] if isasyncgen(answer) else await answer


def _form(event: Any) -> Any:
    """What is compared of an event."""
    if isinstance(event, NewEvent):
        data = recorded(event, Origin("test", 1), "test", 0, 1, 0)
        content = data.json() if is_json(event.content_type) else event.data
        return NewEvent, event.type, content, event.metadata, event.tags, event.content_type
    if isinstance(event, Append):
        return Append, event.stream, event.expected, list(map(_form, event.events))
    return event


def _shown(events: Any) -> list[str]:
    return [line for event in events for line in _text(event).splitlines()]


def _text(event: Any) -> str:
    if isinstance(event, NewEvent):
        data = _form(event)[2]
        parts = [repr(event.type), pformat(data, width=90, sort_dicts=False)]
        parts += [f"metadata={event.metadata}"] if event.metadata else []
        parts += [f"tags={list(event.tags)}"] if event.tags else []
        return f"NewEvent({', '.join(parts)})"
    if isinstance(event, Append):
        expected = "" if event.expected is StreamState.ANY else f", expected={event.expected!r}"
        inside = "\n".join(f"  {line}" for line in _shown(event.events))
        return f"Append({event.stream!r}{expected}):\n{inside}"
    return pformat(event, width=90, sort_dicts=False)
