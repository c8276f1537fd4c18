"""The part of `AsyncStore` that is about persistent subscriptions."""

from collections.abc import AsyncIterator, Iterable
from typing import Literal, Unpack

from pyesdb.embedded.aiobase import AsyncStoreBase
from pyesdb.embedded.aioconsumer import AsyncConsumer, task_gone
from pyesdb.model.errors import SubscriptionNotFound
from pyesdb.model.outcomes import Done
from pyesdb.model.selectors import Selector
from pyesdb.model.subscriptions import (
    ParkedEvent,
    SubscriptionInfo,
    SubscriptionSettings,
    check_share,
)
from pyesdb.store import subscriptions
from pyesdb.store.consuming import Consuming
from pyesdb.store.subscriptions import Unparking


class AsyncSubscribing(AsyncStoreBase):
    """Persistent subscriptions of one store; the methods mean what those of `Store` mean."""

    async def save_subscription(
        self,
        name: str,
        select: Selector,
        *,
        after: int | Literal["end"] = 0,
        exist_ok: bool = False,
        **settings: Unpack[SubscriptionSettings],
    ) -> SubscriptionInfo:
        """See `Store.save_subscription`."""
        await self._submit(subscriptions.saving(name, select, after, exist_ok, settings))
        return await self.subscription_info(name)

    async def update_subscription(
        self, name: str, **settings: Unpack[SubscriptionSettings]
    ) -> SubscriptionInfo:
        """See `Store.update_subscription`."""
        await self._submit(subscriptions.updating(name, settings))
        return await self.subscription_info(name)

    async def remove_subscription(self, name: str, *, missing_ok: bool = False) -> None:
        """See `Store.remove_subscription`."""
        try:
            await self._submit(subscriptions.removing(name))
        except SubscriptionNotFound:
            if not missing_ok:
                raise

    async def reset_subscription(
        self, name: str, *, after: int | Literal["end"]
    ) -> SubscriptionInfo:
        """See `Store.reset_subscription`."""
        await self._submit(subscriptions.resetting(name, after))
        return await self.subscription_info(name)

    async def subscriptions(self) -> list[SubscriptionInfo]:
        """See `Store.subscriptions`."""
        return await self._ask(subscriptions.listing)

    async def subscription_info(self, name: str) -> SubscriptionInfo:
        """See `Store.subscription_info`."""
        name = subscriptions.check_name(name)
        return await self._ask(lambda reader: subscriptions.info(reader, name))

    def consume(self, name: str, *, window: int | None = None) -> AsyncConsumer:
        """See `Store.consume`; not awaited: the consumer starts when entered or first stepped."""
        name, share = subscriptions.check_name(name), check_share(window)
        self._handle.node.writable()
        handle, calls = self._handle, self._calls

        def make() -> Consuming:
            runtime = handle.runtime()
            row = runtime.ask(lambda reader: subscriptions.row_of(reader, name))
            source, check_open = calls.source(), handle.check_open
            return Consuming(runtime, name, row, share, task_gone, check_open, source)

        return AsyncConsumer(make, self._in_pool, self._loop)

    def parked(
        self, name: str, *, after: int = 0, limit: int | None = None
    ) -> AsyncIterator[ParkedEvent]:
        """See `Store.parked`; the first step says whether there is such a subscription."""
        return self._parked(*subscriptions.check_parked(name, after, limit))

    async def _parked(self, name: str, after: int, left: int | None) -> AsyncIterator[ParkedEvent]:
        await self.subscription_info(name)
        while left is None or left > 0:
            await self._bind()
            source = self._calls.source()
            page = await self._ask(subscriptions.parked_page(source, name, after, left))
            if not page:
                return
            for parked in page:
                yield parked
            after = page[-1].event.position
            left = None if left is None else left - len(page)

    async def replay_parked(self, name: str, positions: Iterable[int] | None = None) -> int:
        """See `Store.replay_parked`."""
        return await self._unpark(Unparking(name, positions, replay=True))

    async def discard_parked(self, name: str, positions: Iterable[int] | None = None) -> int:
        """See `Store.discard_parked`."""
        return await self._unpark(Unparking(name, positions, replay=False))

    async def _unpark(self, unparking: Unparking) -> int:
        while (command := unparking.next()) is not None:
            outcome = await self._submit(command)
            unparking.done(outcome.value if isinstance(outcome, Done) else (0, None))
        return unparking.count
