"""The part of `Store` that is about persistent subscriptions."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, Unpack

from pyesdb.embedded.calls import Calls
from pyesdb.model.errors import SubscriptionNotFound
from pyesdb.model.outcomes import Done
from pyesdb.model.selectors import Selector
from pyesdb.model.subscriptions import (
    ParkedEvent,
    SubscriptionInfo,
    SubscriptionSettings,
    check_share,
)
from pyesdb.node.handle import StoreHandle
from pyesdb.store import subscriptions
from pyesdb.store.subscriptions import Unparking

if TYPE_CHECKING:
    from pyesdb.embedded.consumer import Consumer


class Subscribing:
    """Persistent subscriptions of one store."""

    _handle: StoreHandle
    _calls: Calls

    def save_subscription(
        self,
        name: str,
        select: Selector,
        *,
        after: int | Literal["end"] = 0,
        exist_ok: bool = False,
        **settings: Unpack[SubscriptionSettings],
    ) -> SubscriptionInfo:
        """Make a persistent subscription that starts after a position ("end": at what comes).

        The same name, selector and settings again: nothing happens. Others:
        SubscriptionAlreadyExists, or with `exist_ok` the one that is there, as it is.
        """
        self._handle.submit(subscriptions.saving(name, select, after, exist_ok, settings))
        return self.subscription_info(name)

    def update_subscription(
        self, name: str, **settings: Unpack[SubscriptionSettings]
    ) -> SubscriptionInfo:
        """Change the settings that are given; they hold at once, for what is in flight, too."""
        self._handle.submit(subscriptions.updating(name, settings))
        return self.subscription_info(name)

    def remove_subscription(self, name: str, *, missing_ok: bool = False) -> None:
        """Forget a subscription, what is in flight and what is parked.

        Its consumers end with SubscriptionRemoved.
        """
        try:
            self._handle.submit(subscriptions.removing(name))
        except SubscriptionNotFound:
            if not missing_ok:
                raise

    def reset_subscription(self, name: str, *, after: int | Literal["end"]) -> SubscriptionInfo:
        """Start again after a position; what is in flight or parked is forgotten."""
        self._handle.submit(subscriptions.resetting(name, after))
        return self.subscription_info(name)

    def subscriptions(self) -> list[SubscriptionInfo]:
        """All persistent subscriptions, by name."""
        return self._handle.ask(subscriptions.listing)

    def subscription_info(self, name: str) -> SubscriptionInfo:
        """A subscription's settings and where it stands; raises SubscriptionNotFound."""
        name = subscriptions.check_name(name)
        return self._handle.ask(lambda reader: subscriptions.info(reader, name))

    def consume(self, name: str, *, window: int | None = None) -> "Consumer":
        """A consumer; any number of them share the events, in threads and processes.

        `window`: how many events this one holds at most; never more than the subscription's.
        """
        from pyesdb.embedded.consumer import Consumer, thread_gone
        from pyesdb.store.consuming import Consuming

        name, share = subscriptions.check_name(name), check_share(window)
        self._handle.node.writable()
        runtime = self._handle.runtime()
        row = runtime.ask(lambda reader: subscriptions.row_of(reader, name))
        source, check_open = self._calls.source(), self._handle.check_open
        return Consumer(Consuming(runtime, name, row, share, thread_gone, check_open, source))

    def parked(
        self, name: str, *, after: int = 0, limit: int | None = None
    ) -> Iterator[ParkedEvent]:
        """Events that were given up, by position, after `after`."""
        name, after, limit = subscriptions.check_parked(name, after, limit)
        self.subscription_info(name)
        return self._parked(name, after, limit)

    def _parked(self, name: str, after: int, left: int | None) -> Iterator[ParkedEvent]:
        while left is None or left > 0:
            runtime = self._handle.runtime()
            source = self._calls.source()
            page = runtime.ask(subscriptions.parked_page(source, name, after, left))
            if not page:
                return
            yield from page
            after = page[-1].event.position
            left = None if left is None else left - len(page)

    def replay_parked(self, name: str, positions: Iterable[int] | None = None) -> int:
        """Let parked events be tried again, from attempt 1, in order; returns how many.

        `positions` None: all of them.
        """
        return self._unpark(Unparking(name, positions, replay=True))

    def discard_parked(self, name: str, positions: Iterable[int] | None = None) -> int:
        """Do without parked events; what waits for them goes on. Returns how many."""
        return self._unpark(Unparking(name, positions, replay=False))

    def _unpark(self, unparking: Unparking) -> int:
        while (command := unparking.next()) is not None:
            outcome = self._handle.submit(command)
            unparking.done(outcome.value if isinstance(outcome, Done) else (0, None))
        return unparking.count
