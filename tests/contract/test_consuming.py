"""API "Following and consuming": what a consumer gets, and what becomes of what it says of it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from tests.contract.tools import new_events, one, positions

SOON_S = 30.0
"""Longest wait for what must come: only a broken consumer needs it."""


def taken(consumer: Any, count: int) -> list[Any]:
    """The next `count` events, which must come."""
    found = [consumer.get(SOON_S) for _ in range(count)]
    assert None not in found
    return found


def rest_of(consumer: Any) -> Iterator[Any]:
    """What comes at once, each acknowledged."""
    while (event := consumer.get(0)) is not None:
        yield event
        consumer.ack(event)


def seen(consumer: Any) -> list[tuple[int, int]]:
    """Position and attempt of all that comes at once."""
    return [(event.position, event.attempt) for event in rest_of(consumer)]


@pytest.fixture
def sub(own_store: Any) -> Any:
    """A store with six events, in turn of streams "a" and "b", and a subscription to all."""
    for number in range(6):
        own_store.append("ab"[number % 2], one(data=number))
    own_store.save_subscription("sub", select.everything)
    return own_store


def test_every_event_is_delivered_once_in_order_and_is_done_when_acknowledged(store: Any) -> None:
    store.append("s", new_events(3))
    store.save_subscription("sub", select.everything)
    with store.consume("sub") as consumer:
        for event in taken(consumer, 3):
            consumer.ack(event)
        store.append("t", one("Later", {"x": 1}, tags=["a"], metadata={"m": 2}))
        (last,) = taken(consumer, 1)
        consumer.ack(last)
        assert consumer.get(0) is None
    assert isinstance(last, pyesdb.DeliveredEvent)
    assert isinstance(last, pyesdb.RecordedEvent)
    assert (last.stream, last.version, last.position, last.type) == ("t", 0, 4, "Later")
    assert (last.json(), last.tags, last.metadata) == ({"x": 1}, ("a",), {"m": 2})
    assert (last.attempt, last.last_reason) == (1, "")
    (again,) = store.read("t")
    assert (again.id, again.created, again.data) == (last.id, last.created, last.data)
    info = store.subscription_info("sub")
    assert (info.position, info.lag, info.in_flight, info.consumers) == (4, 0, 0, 0)
    with store.consume("sub") as consumer:
        assert consumer.get(0) is None


def test_a_delivered_event_can_be_sent_to_another_process(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        event = consumer.get(0)
        copy = pickle.loads(pickle.dumps(event))
        assert (copy, copy.attempt) == (event, 1)
        consumer.ack(copy)
    with sub.consume("sub") as consumer:
        assert consumer.get(0).position == 2


def test_only_what_is_selected_is_delivered(own_store: Any) -> None:
    for number in range(300):
        own_store.append(f"s-{number % 3}", NewEvent(f"T{number % 2}", {"n": number % 5}))
    for selector, wanted in (
        (select.event_type("T1"), lambda n: n % 2 == 1),
        (select.stream("s-2"), lambda n: n % 3 == 2),
        (select.payload({"n": 4}), lambda n: n % 5 == 4),
        (select.pattern(type="*0") & select.stream("s-0"), lambda n: n % 6 == 0),
        (select.tags("none"), lambda n: False),
    ):
        own_store.save_subscription("sub", selector)
        with own_store.consume("sub") as consumer:
            found = [position for position, _ in seen(consumer)]
        assert found == [n + 1 for n in range(300) if wanted(n)]
        own_store.remove_subscription("sub")


def test_many_pages_come_without_gap_or_repeat(own_store: Any) -> None:
    for number in range(5):
        own_store.append(f"s{number}", new_events(700))
    own_store.save_subscription("sub", select.everything, window=100)
    with own_store.consume("sub") as consumer:
        assert [position for position, _ in seen(consumer)] == list(range(1, 3501))


def test_leaving_the_block_returns_what_is_unsettled_and_counts_nothing(sub: Any) -> None:
    for _ in range(3):
        with sub.consume("sub") as consumer:
            first, second = taken(consumer, 2)
            assert (first.position, first.attempt, second.position) == (1, 1, 2)
        assert sub.subscription_info("sub").in_flight == 0
    with sub.consume("sub") as consumer:
        consumer.ack(taken(consumer, 1))
    with sub.consume("sub") as consumer:
        assert seen(consumer) == [(2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]


def test_an_exception_that_leaves_the_block_returns_them_too(sub: Any) -> None:
    def handle() -> None:
        with sub.consume("sub") as consumer:
            consumer.ack(consumer.get(0))
            consumer.get(0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handle()
    with sub.consume("sub") as consumer:
        assert consumer.get(0).position == 2


def test_breaking_out_of_the_loop_settles_nothing(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        for event in consumer:
            if event.position == 2:
                break
        assert [event.position for event in taken(consumer, 2)] == [3, 4]
        consumer.ack(event)
    with sub.consume("sub") as consumer:
        assert [position for position, _ in seen(consumer)] == [1, 3, 4, 5, 6]


def test_acknowledgements_are_durable_after_flush(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        held = taken(consumer, 3)
        consumer.ack(held[:2])
        consumer.flush()
        consumer.flush()
        info = sub.subscription_info("sub")
        assert info.in_flight >= 1
        with sub.consume("sub") as other:
            assert 1 not in [event.position for event in rest_of(other)]


def test_ack_takes_one_or_several_and_ack_until_all_up_to_it(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        events = taken(consumer, 6)
        consumer.ack(events[4])
        consumer.ack(iter(events[2:3]))
        consumer.ack([])
        consumer.ack_until(events[1])
        consumer.ack(events[4])  # again: nothing
    with sub.consume("sub") as consumer:
        assert [position for position, _ in seen(consumer)] == [4, 6]


def test_a_nacked_event_comes_again_before_what_follows_in_its_stream(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        first = consumer.get(0)
        consumer.nack(first, reason="no stock")
        assert consumer.get(0).position in (1, 2)
    with sub.consume("sub") as consumer:
        events = list(rest_of(consumer))
        again = events[0]
        assert (again.position, again.attempt, again.last_reason) == (1, 2, "no stock")
        of_a = [event.position for event in events if event.stream == "a"]
        assert of_a == [1, 3, 5]


def test_a_delayed_retry_waits_by_the_clock_and_other_streams_flow(clock: Any, sub: Any) -> None:
    with sub.consume("sub") as consumer:
        consumer.nack(consumer.get(0), delay=timedelta(minutes=1))
        assert [position for position, _ in seen(consumer)] == [2, 4, 6]
        clock.move(seconds=59)
        assert seen(consumer) == []
        clock.move(seconds=1)
        assert seen(consumer) == [(1, 2), (3, 1), (5, 1)]


def test_skipped_events_are_done(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        consumer.nack(consumer.get(0), "skip")
        assert [position for position, _ in seen(consumer)] == [2, 3, 4, 5, 6]
    assert sub.subscription_info("sub").parked == 0


def test_after_ack_timeout_an_event_comes_again_and_is_counted(clock: Any, sub: Any) -> None:
    sub.update_subscription("sub", ack_timeout=10, order="none")
    holder = sub.consume("sub", window=1)
    late = holder.get(0)
    with sub.consume("sub") as consumer:
        assert [position for position, _ in seen(consumer)] == [2, 3, 4, 5, 6]
        clock.move(seconds=9)
        assert consumer.get(0) is None
        clock.move(seconds=1)
        again = consumer.get(0)
        assert (again.position, again.attempt) == (1, 2)
        assert again.last_reason == "not acknowledged in time"
        holder.ack(late)
        holder.flush()  # too late: it counts for nothing
        assert sub.subscription_info("sub").in_flight == 1
        consumer.ack(again)
    holder.stop()
    assert sub.subscription_info("sub").in_flight == 0


def test_asking_for_more_with_a_full_window_in_hand_is_an_error(sub: Any) -> None:
    sub.update_subscription("sub", window=3)
    with sub.consume("sub") as consumer:
        held = taken(consumer, 3)
        for ask in (lambda: consumer.get(0), lambda: consumer.get(None), lambda: next(consumer)):
            with pytest.raises(pyesdb.WindowFull, match="3"):
                ask()
        consumer.ack(held[0])
        assert consumer.get(SOON_S).position == 4


def test_a_consumer_holds_no_more_than_its_own_window(sub: Any) -> None:
    with sub.consume("sub", window=2) as consumer:
        held = taken(consumer, 2)
        assert sub.subscription_info("sub").in_flight == 2
        with pytest.raises(pyesdb.WindowFull):
            consumer.get(0)
        consumer.ack(held)
        assert [event.position for event in taken(consumer, 2)] == [3, 4]


def test_the_window_counts_all_consumers_and_who_finds_it_full_waits(sub: Any) -> None:
    sub.update_subscription("sub", window=2, order="none")
    with sub.consume("sub") as one_, sub.consume("sub") as other:
        held = taken(one_, 2)
        assert other.get(0) is None
        one_.ack(held)
        one_.flush()
        assert [event.position for event in taken(other, 2)] == [3, 4]
        assert sub.subscription_info("sub").in_flight == 2


def test_two_consumers_share_the_events_and_keep_the_order_of_streams(own_store: Any) -> None:
    for number in range(40):
        own_store.append(f"s{number % 4}", one(data=number))
    own_store.save_subscription("sub", select.everything)
    got: list[tuple[str, int]] = []
    with own_store.consume("sub", window=3) as left, own_store.consume("sub", window=3) as right:
        for _ in range(200):
            for consumer in (left, right):
                event = consumer.get(0)
                if event is not None:
                    got.append((event.stream, event.version))
                    consumer.ack(event)
                    consumer.flush()
    assert sorted(got) == [(f"s{s}", v) for s in range(4) for v in range(10)]
    for stream in range(4):
        assert [v for s, v in got if s == f"s{stream}"] == list(range(10))


def test_a_stream_in_hand_elsewhere_is_not_delivered(sub: Any) -> None:
    with sub.consume("sub", window=1) as one_:
        first = one_.get(0)
        with sub.consume("sub") as other:
            assert [position for position, _ in seen(other)] == [2, 4, 6]
            one_.ack(first)
            one_.flush()
            assert seen(other) == [(3, 1), (5, 1)]


def test_info_says_what_is_held_and_since_when(clock: Any, sub: Any) -> None:
    with sub.consume("sub", window=2) as one_, sub.consume("sub", window=2) as other:
        one_.get(0)
        given = clock.now
        clock.move(seconds=5)
        assert other.get(0) is not None or other.get(0) is None
        info = sub.subscription_info("sub")
        assert info.oldest_unacked == given
        assert info.in_flight >= 2
        assert info.consumers >= 1
        assert info.lag == 6 - info.position
    assert sub.subscription_info("sub").oldest_unacked is None


def test_only_its_own_events_can_be_settled(sub: Any) -> None:
    (recorded,) = sub.read("a", limit=1)
    with sub.consume("sub", window=1) as one_, sub.consume("sub", window=1) as other:
        event = one_.get(0)
        for call in (one_.ack, one_.ack_until, one_.nack, one_.ack):
            for wrong in (recorded, None, 7):
                with pytest.raises((pyesdb.RequestError, TypeError)):
                    call(wrong)
        with pytest.raises(pyesdb.RequestError, match="another consumer"):
            other.ack(event)
        for fields in (
            {"action": "drop"},
            {"reason": 5},
            {"delay": -1},
            {"delay": 10**9},
            {"delay": "1"},
            {"action": "park", "delay": 5},
        ):
            with pytest.raises(pyesdb.RequestError):
                one_.nack(event, **fields)
        one_.ack(event)
    with pytest.raises(pyesdb.RequestError, match="closed"):
        one_.ack(event)
    with sub.consume("sub") as consumer:
        assert [position for position, _ in seen(consumer)] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("timeout", ["1", -1, True, float("nan")])
def test_a_wait_of_no_length_is_refused(sub: Any, timeout: Any) -> None:
    with sub.consume("sub") as consumer, pytest.raises(pyesdb.RequestError):
        consumer.get(timeout)


def test_after_stop_nothing_is_delivered_and_what_is_held_can_be_settled(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        event = consumer.get(0)
        consumer.stop()
        consumer.stop()
        assert consumer.get() is None
        assert list(consumer) == []
        consumer.ack(event)
    with sub.consume("sub") as consumer:
        assert consumer.get(0).position == 2


def test_what_was_claimed_before_a_reset_settles_nothing_after_it(sub: Any) -> None:
    with sub.consume("sub") as consumer:
        first = consumer.get(0)
        sub.reset_subscription("sub", after=0)
        again = consumer.get(0)
        while again.position != 1:  # what it had claimed before comes first
            again = consumer.get(0)
        consumer.ack(first)
        consumer.flush()
    with sub.consume("sub") as consumer:
        assert consumer.get(0).position == 1


@pytest.mark.parametrize("made_anew", [False, True], ids=["removed", "made anew"])
def test_consumers_of_a_removed_subscription_end(sub: Any, made_anew: bool) -> None:
    with sub.consume("sub", window=1) as consumer:
        event = consumer.get(0)
        sub.remove_subscription("sub")
        if made_anew:
            sub.save_subscription("sub", select.everything)
        consumer.ack(event)
        with pytest.raises(pyesdb.SubscriptionRemoved, match="sub"):
            consumer.get()
        with pytest.raises(pyesdb.SubscriptionRemoved):
            next(consumer)
    if made_anew:
        with sub.consume("sub") as consumer:
            assert consumer.get(0).position == 1


def test_consumers_of_a_removed_store_end(db: Any) -> None:
    store = db.create_store("short")
    store.append("s", new_events(3))
    store.save_subscription("sub", select.everything)
    with store.consume("sub", window=1) as consumer:
        event = consumer.get(0)
        db.remove_store("short")
        consumer.ack(event)
        with pytest.raises(pyesdb.StoreRemoved):
            consumer.get()
        with pytest.raises(pyesdb.StoreRemoved):
            consumer.flush()


def test_consumers_of_a_closed_database_end(open_db: Any, data_dir: Any) -> None:
    db = open_db(data_dir)
    db.store().append("s", new_events(3))
    db.store().save_subscription("sub", select.everything)
    consumer = db.store().consume("sub", window=1)
    consumer.get(0)
    db.close()
    with pytest.raises(pyesdb.DatabaseClosed):
        consumer.get()


def test_a_consumer_of_a_frozen_store_waits_until_it_is_thawed(db: Any) -> None:
    store = db.create_store("cold")
    store.append("s", new_events(3))
    store.save_subscription("sub", select.everything)
    with store.consume("sub", window=1) as consumer:
        consumer.ack(consumer.get(0))
        db.freeze_store("cold")
        assert consumer.get(0) is None
        with pytest.raises(pyesdb.StoreFrozen):
            consumer.flush()
        db.thaw_store("cold")
        assert consumer.get(SOON_S).position == 2
    with store.consume("sub") as consumer:
        assert positions(taken(consumer, 2)) == [2, 3]
