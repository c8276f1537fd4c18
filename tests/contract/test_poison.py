"""API "Following and consuming": events that cannot be handled are parked, and the rest flows."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb import select
from tests.contract.test_consuming import rest_of, seen
from tests.contract.tools import one


def filled(store: Any, **settings: Any) -> Any:
    """Six events, in turn of streams "a" and "b", and a subscription to all."""
    for number in range(6):
        store.append("ab"[number % 2], one(data=number))
    store.save_subscription("sub", select.everything, **settings)
    return store


def poisoned(consumer: Any, position: int) -> list[tuple[int, int]]:
    """Handle all that comes at once; the event at `position` fails every time."""
    handled: list[tuple[int, int]] = []
    while (event := consumer.get(0)) is not None:
        handled.append((event.position, event.attempt))
        if event.position == position:
            consumer.nack(event, reason=f"attempt {event.attempt}")
        else:
            consumer.ack(event)
    return handled


def test_after_max_retries_an_event_parks_with_its_stream_and_the_rest_flows(store: Any) -> None:
    filled(store, max_retries=2)
    with store.consume("sub") as consumer:
        handled = poisoned(consumer, 1)
    assert [attempt for position, attempt in handled if position == 1] == [1, 2, 3]
    assert {position for position, _ in handled} == {1, 2, 4, 6}
    (parked,) = store.parked("sub")
    assert isinstance(parked, pyesdb.ParkedEvent)
    assert (parked.event.position, parked.attempts, parked.reason) == (1, 3, "attempt 3")
    assert parked.parked >= parked.event.created
    assert next(iter(store.read("a"))) == parked.event
    info = store.subscription_info("sub")
    assert (info.parked, info.in_flight, info.lag) == (1, 0, 0)


@pytest.mark.parametrize("settings", [{"on_poison": "park_event"}, {"order": "none"}], ids=str)
def test_or_it_parks_alone(own_store: Any, settings: dict[str, Any]) -> None:
    filled(own_store, max_retries=0, **settings)
    with own_store.consume("sub") as consumer:
        assert {position for position, _ in poisoned(consumer, 1)} == {1, 2, 3, 4, 5, 6}
    assert [parked.event.position for parked in own_store.parked("sub")] == [1]


def test_replayed_events_come_from_attempt_1_in_order(store: Any) -> None:
    filled(store, max_retries=0)
    with store.consume("sub") as consumer:
        poisoned(consumer, 1)
        assert store.replay_parked("sub") == 1
        events = list(rest_of(consumer))
        assert [(e.position, e.attempt) for e in events] == [(1, 1), (3, 1), (5, 1)]
        assert events[0].last_reason == "attempt 1"
    assert list(store.parked("sub")) == []
    assert store.replay_parked("sub") == 0


def test_discarded_events_let_their_stream_go_on(store: Any) -> None:
    filled(store, max_retries=0)
    with store.consume("sub") as consumer:
        poisoned(consumer, 1)
        assert store.discard_parked("sub", [2, 3]) == 0  # none of them is parked
        assert store.discard_parked("sub", iter([1, 1])) == 1
        assert seen(consumer) == [(3, 1), (5, 1)]


def test_parked_events_are_listed_in_pages(own_store: Any) -> None:
    own_store.append("s", [one(data=number) for number in range(450)])
    own_store.save_subscription("sub", select.everything, order="none")
    with own_store.consume("sub") as consumer:
        while (event := consumer.get(0)) is not None:
            consumer.nack(event, "park", reason="all of them")
    assert [p.event.position for p in own_store.parked("sub")] == list(range(1, 451))
    some = own_store.parked("sub", after=100, limit=220)
    assert [p.event.position for p in some] == list(range(101, 321))
    assert list(own_store.parked("sub", limit=0)) == []
    assert own_store.replay_parked("sub", range(1, 11)) == 10
    assert own_store.discard_parked("sub") == 440
    with own_store.consume("sub") as consumer:
        assert [position for position, _ in seen(consumer)] == list(range(1, 11))


def test_parked_asks_for_a_subscription_that_is_there(own_store: Any) -> None:
    with pytest.raises(pyesdb.SubscriptionNotFound):
        list(own_store.parked("none"))


def test_events_of_a_parked_stream_that_come_later_wait_behind_it(own_store: Any) -> None:
    filled(own_store, max_retries=0)
    with own_store.consume("sub") as consumer:
        poisoned(consumer, 1)
        own_store.append("a", one(data=7))
        own_store.append("b", one(data=8))
        assert seen(consumer) == [(8, 1)]
        own_store.replay_parked("sub")
        assert seen(consumer) == [(1, 1), (3, 1), (5, 1), (7, 1)]


def test_parked_state_survives_a_restart(open_db: Any, data_dir: Any) -> None:
    with open_db(data_dir) as db:
        filled(db.store(), max_retries=0)
        with db.store().consume("sub") as consumer:
            poisoned(consumer, 1)
    with open_db(data_dir) as db:
        assert [p.event.position for p in db.store().parked("sub")] == [1]
        with db.store().consume("sub") as consumer:
            assert consumer.get(0) is None
            db.store().replay_parked("sub")
            assert [position for position, _ in seen(consumer)] == [1, 3, 5]
