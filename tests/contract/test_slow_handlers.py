"""API "Following and consuming": what is said is sent in time, and what waits is not used up."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest

import pyesdb
from pyesdb import select
from pyesdb.store import consuming, hands, pace, proposing, sending
from pyesdb.store.timer import timer
from tests.contract.test_consuming import SOON_S, taken
from tests.contract.tools import one


@pytest.fixture
def sub(own_store: Any) -> Any:
    """A store with 40 events of two streams, and a subscription to all."""
    for number in range(40):
        own_store.append("ab"[number % 2], one(data=number))
    own_store.save_subscription("sub", select.everything)
    return own_store


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the monotonic clock of consumers."""
    ahead = SimpleNamespace(seconds=0.0)
    fake = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead.seconds)
    for module in (consuming, hands, pace, proposing, sending):
        monkeypatch.setattr(module, "time", fake)
    return ahead


def until(true: Any) -> None:
    """Wait for what must come: only a broken consumer takes long."""
    end = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < end


def test_acknowledgements_are_stored_while_a_handler_runs(sub: Any) -> None:
    sub.update_subscription("sub", ack_timeout=0.2 * 60)
    with sub.consume("sub", window=2) as consumer:
        first, second = taken(consumer, 2)
        consumer.ack(first)
        until(lambda: sub.subscription_info("sub").in_flight == 1)  # nobody asked for more
        consumer.nack(second, "park")
        until(lambda: sub.subscription_info("sub").parked == 1)


def test_the_timer_has_no_thread_when_nothing_is_to_be_said(
    sub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "FAR_S", 0.05)  # it stays so long for what may be no matter then
    with sub.consume("sub", window=1) as consumer:
        consumer.ack(consumer.get(0))
        assert timer().running
        consumer.flush()
        until(lambda: not timer().running)


def test_what_could_not_be_stored_is_said_again(
    db: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "AGAIN_S", 0.01)
    store = db.create_store("cold")
    store.append("s", one())
    store.save_subscription("sub", select.everything)
    with store.consume("sub") as consumer:
        event = consumer.get(0)
        db.freeze_store("cold")
        with caplog.at_level(logging.WARNING, "pyesdb"):
            consumer.ack(event)
            until(lambda: "not stored yet" in caplog.text)
        assert store.subscription_info("sub").in_flight == 1
        db.thaw_store("cold")
        until(lambda: store.subscription_info("sub").in_flight == 0)


def test_what_a_slow_handler_has_not_seen_goes_to_others_and_is_not_counted(
    sub: Any, later: Any
) -> None:
    sub.update_subscription("sub", max_retries=0)
    slow = sub.consume("sub")
    first = slow.get(0)
    later.seconds += 8  # a quarter of ack_timeout, and a little
    with sub.consume("sub") as quick:
        found = quick.get(0)
        assert found is None  # all of it is claimed
        slow.ack(first)
        slow.flush()
        assert slow.get(0).attempt == 1
        slow.__exit__(None, None, None)
        got = taken(quick, 39)
        assert [event.attempt for event in got] == [1] * 39
        quick.ack(got)
    assert list(sub.parked("sub")) == []


def test_what_waited_long_is_claimed_anew_before_it_is_handed_out(
    clock: Any, sub: Any, later: Any
) -> None:
    with sub.consume("sub") as consumer:
        consumer.ack(consumer.get(0))
        consumer.flush()
        clock.move(seconds=8)
        later.seconds += 8
        assert consumer.get(0).position == 2
        assert sub.subscription_info("sub").oldest_unacked == clock.now


def test_a_page_shrinks_to_what_is_handled_in_a_short_time(sub: Any, later: Any) -> None:
    with sub.consume("sub") as consumer:
        for _ in range(6):
            consumer.ack(consumer.get(0))
            later.seconds += 3
        consumer.flush()
        assert sub.subscription_info("sub").in_flight <= 2


def test_what_is_late_is_in_nobodys_hands(sub: Any, later: Any, clock: Any) -> None:
    with sub.consume("sub", window=1) as consumer:
        first = consumer.get(0)
        with pytest.raises(pyesdb.WindowFull):
            consumer.get(0)
        clock.move(seconds=31)
        later.seconds += 31
        again = consumer.get(0)
        assert (again.position, again.attempt) == (first.position, 2)
        consumer.ack(first)  # it was handled after all, if late
        assert consumer.get(SOON_S).position == 2
