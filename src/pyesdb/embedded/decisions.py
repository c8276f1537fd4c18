"""`Store.handle`: the steps of a decision, carried out on the calling thread."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from pyesdb.embedded.calls import Calls
from pyesdb.model.durations import Duration
from pyesdb.model.errors import SnapshotNotFound
from pyesdb.model.selectors import Selector

if TYPE_CHECKING:
    from pyesdb.deciders.decider import Decider, Handled
    from pyesdb.deciders.handling import Holds, Load, Order, Step
    from pyesdb.embedded.deciding import Deadline

S = TypeVar("S")


class Handling:
    """What a Store can do with deciders."""

    _calls: Calls

    def handle(
        self,
        decider: "Decider[S]",
        target: str | Selector,
        decide: Callable[[S], Any],
        *,
        retries: int = 3,
        snapshot_every: int | None = None,
        command_id: UUID | None = None,
        timeout: Duration | None = None,
    ) -> "Handled[S]":
        """Load a state, decide on it, append what was decided if the state still holds.

        `target`: a stream, guarded by its version; or a selector of types, tags and streams,
        guarded by a condition (DCB), and then events go to no stream. `decide(state)` returns None,
        an event, or an iterable of events; `Append` objects say another stream. When others wrote
        meanwhile, all is loaded and decided anew, up to `retries` times. `snapshot_every`: keep the
        state of a stream when that many events came since the last snapshot. `command_id`: a call
        that is repeated with it stores nothing again, and returns the first result with the state
        of now. `timeout`: for the whole call. What `decide` raises passes through, and nothing is
        stored (StopIteration becomes a RuntimeError); so does what `evolve` raises of an event that
        the target holds. When it cannot take one that was just decided, the decision is stored, and
        a note at its error says so. Raises what `append` raises, and InvalidEvent for an event that
        its registered class could not be made of.
        """
        from pyesdb.deciders.handling import handling
        from pyesdb.embedded.deciding import Deadline, order_of

        order = order_of(decider, target, decide, retries, snapshot_every, command_id)
        deadline = Deadline(self._calls, timeout)
        steps = handling(order)
        try:
            step = next(steps)
            while True:
                try:
                    answer = _carried_out(self, order, step, deadline)
                except BaseException as error:  # noqa: BLE001  (the steps decide what it means)
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return end.value


def _carried_out(store: Any, order: "Order[Any]", step: "Step", deadline: "Deadline") -> Any:
    """The answer of a step."""
    from pyesdb.deciders import handling as h
    from pyesdb.embedded import deciding

    match step:
        case h.Load():
            return _loaded(store, order, step)
        case h.Decide():
            return deciding.decision_of(deciding.decided(order.decide, step.state))
        case h.Propose():
            name, arguments, more = deciding.proposal(order, step, store._calls.types, deadline)
            return getattr(store, name)(*arguments, **more)
        case h.Reread():
            if span := deciding.stored_span(order, step.result):
                for event in store.read_all(**span):
                    step.fold.add_stored(event)
            return None
        case h.Holds():
            return _holds(store, order, step)
        case h.Keep():
            return store.record_snapshot(step.source, order.target, step.version, step.data)
        case h.Known():
            return store.outcome(order.command_id)


def _loaded(store: Any, order: "Order[Any]", step: "Load") -> Any:
    fold = step.fold
    if not isinstance(order.target, str):
        events = store.read_all(select=order.target)
        for event in events:
            fold.add(event)
        return events.head
    loaded = store.load(order.target, source=step.source)
    if not fold.start(loaded.snapshot):
        loaded = store.load(order.target)
    for event in loaded.events:
        fold.add_next(event)
    return loaded.version


def _holds(store: Any, order: "Order[Any]", step: "Holds") -> bool:
    """Deleting a stream drops its snapshots, and hides all that it held."""
    from pyesdb.embedded.deciding import cut

    if step.base >= 0:
        try:
            store.read_snapshot(step.source, order.target, step.base)
        except SnapshotNotFound:
            return False
        return True
    info = store.stream_info(order.target)
    return info.first_version <= step.at or cut(info, store.info().config)
