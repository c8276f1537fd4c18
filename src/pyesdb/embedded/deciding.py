"""What both faces share of `handle`: its arguments to an order, a decision to an append."""

import time
from collections.abc import Callable
from inspect import isasyncgen, iscoroutine
from typing import Any, TypeVar
from uuid import UUID

from pyesdb.deciders.decider import Decider
from pyesdb.deciders.handling import Order, Propose, Result, part_of
from pyesdb.embedded.calls import Calls
from pyesdb.embedded.typed import Types
from pyesdb.model.checks import check_int, check_optional_int, check_uuid
from pyesdb.model.config import StoreConfig
from pyesdb.model.errors import DeadlineExceeded, RequestError
from pyesdb.model.events import NewEvent
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.kinds import listed_or_one
from pyesdb.model.names import check_target
from pyesdb.model.results import AppendManyResult, StreamInfo
from pyesdb.model.selectors import AppendCondition, Selector, select
from pyesdb.model.versions import StreamState, StreamVersion
from pyesdb.store.writes import Append

S = TypeVar("S")


def order_of(
    decider: Decider[S],
    target: str | Selector,
    decide: Callable[[S], Any],
    retries: int,
    snapshot_every: int | None,
    command_id: UUID | None,
) -> Order[S]:
    """A call's arguments, checked before anything is read."""
    if not isinstance(decider, Decider):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(f"handle takes a Decider, not {type(decider).__name__}")
    if not callable(decide):
        raise RequestError(f"decide must be a function of the state, not {decide!r:.60}")
    check_int(retries, "retries")
    check_optional_int(snapshot_every, "snapshot_every", least=1)
    if isinstance(target, Selector):
        AppendCondition(target)  # raises what such a selector cannot guard
        if snapshot_every is not None:
            raise RequestError("snapshots are of one stream: leave snapshot_every out")
    else:
        check_target(target)
    repeated = command_id is not None
    found = check_uuid(command_id, "command_id") if repeated else UUID(bytes=uuid7_bytes())
    return Order(decider, target, decide, retries, snapshot_every, found, repeated)


def decided(decide: Callable[[S], Any], state: S) -> Any:
    """What `decide` answers. StopIteration would end the steps of the call: it is told as Python
    tells it of generators and coroutines.
    """
    try:
        return decide(state)
    except StopIteration as error:
        raise RuntimeError("decide raised StopIteration") from error


def decision_of(answer: Any) -> list[Any]:
    """The events of what `decide` returned: none, one, several; Append objects among them."""
    if iscoroutine(answer) or isasyncgen(answer):
        if iscoroutine(answer):
            answer.close()
        raise RequestError("decide is asynchronous: AsyncStore.handle awaits it, Store.handle not")
    return listed_or_one(answer, NewEvent, Append)


class Deadline:
    """How long a call still has."""

    def __init__(self, calls: Calls, timeout: object) -> None:
        self._end = time.monotonic() + calls.handle.timeout(timeout)

    @property
    def left(self) -> float:
        """Seconds; raises DeadlineExceeded when there are none."""
        found = self._end - time.monotonic()
        if found <= 0:
            raise DeadlineExceeded(
                "the time of handle() was over before its decision could be appended; nothing was "
                "stored: give it a longer timeout, or make loading shorter with snapshot_every"
            )
        return found


def proposal(
    order: Order[Any], step: Propose, types: Types | None, deadline: Deadline
) -> tuple[str, list[Any], dict[str, Any]]:
    """The call that appends a decision: its name, arguments and keywords."""
    at, stream = step.at, order.target
    appends, plain = _parts(order, step.events, types)
    more: dict[str, Any] = {"command_id": order.command_id, "timeout": deadline.left}
    expected: Any = at
    if isinstance(stream, Selector):
        more["condition"] = AppendCondition(stream, after=_position(at))
        stream, expected = None, StreamState.ANY
    if not appends:
        return "append", [stream, plain], {**more, "expected": expected}
    guarded = [_guarded(item, stream, expected) for item in appends]
    if plain or (stream is not None and all(item.stream != stream for item in guarded)):
        guarded.insert(0, Append(stream, plain, expected=expected))
    return "append_many", [guarded], more


def _parts(
    order: Order[Any], events: list[Any], types: Types | None
) -> tuple[list[Append], list[Any]]:
    """What goes to streams by name, and what goes to the target.

    Raises InvalidEvent for what could be stored and never be read as its registered class: it would
    fail this call after its append, and every later one.
    """
    appends = [item for item in events if isinstance(item, Append)]
    plain = [item for item in events if not isinstance(item, Append)]
    if types is None:
        return appends, plain

    def readable(items: list[Any], stream: str | None) -> list[NewEvent]:
        made = types.new_events(items, stream, order.command_id)
        types.check_readable(made)
        return made

    appends = [
        Append(item.stream, readable(item.events, item.stream), expected=item.expected)
        for item in appends
    ]
    return appends, readable(plain, None if isinstance(order.target, Selector) else order.target)


def _guarded(item: Append, stream: str | None, at: Any) -> Append:
    """An Append to the target itself is guarded by the version that was decided on.

    That says more than EXISTS where there is one; what says more than the guard is left as it is.
    """
    if stream is None or item.stream != stream:
        return item
    weak = item.expected is StreamState.ANY
    weak = weak or (item.expected is StreamState.EXISTS and isinstance(at, int))
    return Append(stream, item.events, expected=at) if weak else item


def _position(at: StreamVersion) -> int:
    return at if isinstance(at, int) else 0


def cut(info: StreamInfo, config: StoreConfig) -> bool:
    """Whether what is hidden of a stream is hidden because it may have so many events only."""
    most = config.max_count if info.max_count is None else info.max_count
    return most is not None and info.count >= most


def stored_span(order: Order[Any], result: Result) -> dict[str, Any] | None:
    """The read of what was stored, as keywords of `read_all`; None: nothing that counts."""
    target = order.target
    if isinstance(target, Selector):
        parts = result.results if isinstance(result, AppendManyResult) else (result,)
        found = [part for part in parts if part.count]
        chosen: Selector = target
    else:
        part = part_of(result, target)
        found = [part] if part is not None and part.count else []
        chosen = select.stream(target)
    firsts = [part.first_position for part in found if part.first_position is not None]
    lasts = [part.position for part in found if part.position is not None]
    if not firsts or not lasts:
        return None
    return {"after": min(firsts) - 1, "before": max(lasts) + 1, "select": chosen}
