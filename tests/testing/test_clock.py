"""pyesdb.testing: a clock that stands still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.telemetry.clock import now_us
from pyesdb.testing import frozen_clock


def test_created_is_the_moment_at_which_it_stands() -> None:
    with frozen_clock() as clock, pyesdb.open(":memory:") as db:
        store = db.store()
        store.append("s", [NewEvent("A"), NewEvent("B")])
        clock.move(hours=2)
        store.append("s", NewEvent("C"))
        clock.set(datetime(2031, 5, 6, tzinfo=UTC))
        store.append("s", NewEvent("D"))
        clock.move(timedelta(days=-300))
        store.append("s", NewEvent("E"))
        start = datetime(2030, 1, 1, tzinfo=UTC)
        late = datetime(2031, 5, 6, tzinfo=UTC)
        assert [event.created for event in store.read("s")] == [
            start, start, start + timedelta(hours=2), late, late,
        ]  # fmt: skip
        assert clock.now == late - timedelta(days=300)


def test_afterwards_the_clock_before_goes_on() -> None:
    with frozen_clock(datetime(2040, 1, 1, tzinfo=UTC)) as outer:
        with frozen_clock() as inner:
            assert now_us() * 1000 == inner.ns()
        assert now_us() * 1000 == outer.ns()
    first = now_us()
    assert first != outer.ns() // 1000


def test_what_is_delivered_again_waits_for_the_clock() -> None:
    with frozen_clock() as clock, pyesdb.open(":memory:") as db:
        store = db.store()
        store.append("s", NewEvent("A"))
        store.save_subscription("work", pyesdb.select.everything)
        with store.consume("work") as consumer:
            event = consumer.get(60)
            assert event is not None
            consumer.nack(event, delay=1)
            consumer.flush()
            assert consumer.get(0) is None
            clock.move(seconds=1)
            again = consumer.get(60)
            assert again is not None
            assert again.attempt == 2


def test_a_moment_needs_a_zone() -> None:
    with pytest.raises(pyesdb.RequestError, match="time zone"), frozen_clock(datetime(2030, 1, 1)):  # noqa: DTZ001
        pass
    with frozen_clock() as clock, pytest.raises(pyesdb.RequestError):
        clock.set(datetime(2030, 1, 1))  # noqa: DTZ001
