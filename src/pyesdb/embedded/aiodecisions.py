"""`AsyncStore.handle`: the steps of a decision, awaited one after the other."""

from collections.abc import Awaitable, Callable
from inspect import isasyncgen, isawaitable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from pyesdb.embedded.aiobase import AsyncStoreBase
from pyesdb.model.durations import Duration
from pyesdb.model.errors import SnapshotNotFound
from pyesdb.model.selectors import Selector

if TYPE_CHECKING:
    from pyesdb.deciders.decider import Decider, Handled
    from pyesdb.deciders.handling import Holds, Load, Order, Step
    from pyesdb.embedded.deciding import Deadline

S = TypeVar("S")


class AsyncHandling(AsyncStoreBase):
    """What an AsyncStore can do with deciders."""

    async def handle(
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
        """See `Store.handle`. `decide` may be a function or a coroutine function.

        `evolve` is a function, and runs on the event loop, at most a page of events at a time.
        Cancelled before the append: nothing is stored.
        """
        from pyesdb.deciders.handling import handling
        from pyesdb.embedded.deciding import Deadline, order_of

        order = order_of(decider, target, decide, retries, snapshot_every, command_id)
        await self._bind()
        deadline = Deadline(self._calls, timeout)
        steps = handling(order)
        try:
            step = next(steps)
            while True:
                try:
                    answer = await _carried_out(self, order, step, deadline)
                except BaseException as error:  # noqa: BLE001  (the steps decide what it means)
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            return end.value


async def _carried_out(store: Any, order: "Order[Any]", step: "Step", deadline: "Deadline") -> Any:
    """The answer of a step."""
    from pyesdb.deciders import handling as h
    from pyesdb.embedded import deciding

    match step:
        case h.Load():
            return await _loaded(store, order, step)
        case h.Decide():
            return deciding.decision_of(await _decided(deciding.decided(order.decide, step.state)))
        case h.Propose():
            name, arguments, more = deciding.proposal(order, step, store._calls.types, deadline)
            return await getattr(store, name)(*arguments, **more)
        case h.Reread():
            if span := deciding.stored_span(order, step.result):
                async for event in store.read_all(**span):
                    step.fold.add_stored(event)
            return None
        case h.Holds():
            return await _holds(store, order, step)
        case h.Keep():
            return await store.record_snapshot(step.source, order.target, step.version, step.data)
        case h.Known():
            return await store.outcome(order.command_id)


async def _decided(answer: Any) -> Any:
    """What a function, a coroutine function or an asynchronous generator decides."""
    if isasyncgen(answer):
        return [item async for item in answer]
    if isawaitable(answer):
        waiting: Awaitable[Any] = answer
        return await waiting
    return answer


async def _loaded(store: Any, order: "Order[Any]", step: "Load") -> Any:
    fold = step.fold
    if not isinstance(order.target, str):
        async with store.read_all(select=order.target) as events:
            async for event in events:
                fold.add(event)
            return events.head
    loaded = await store.load(order.target, source=step.source)
    if not fold.start(loaded.snapshot):
        loaded = await store.load(order.target)
    async for event in loaded.events:
        fold.add_next(event)
    return loaded.version


async def _holds(store: Any, order: "Order[Any]", step: "Holds") -> bool:
    """Deleting a stream drops its snapshots, and hides all that it held."""
    from pyesdb.embedded.deciding import cut

    if step.base >= 0:
        try:
            await store.read_snapshot(step.source, order.target, step.base)
        except SnapshotNotFound:
            return False
        return True
    info = await store.stream_info(order.target)
    return info.first_version <= step.at or cut(info, (await store.info()).config)
