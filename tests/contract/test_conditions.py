"""API "Append": dynamic consistency boundaries, AppendCondition."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb import AppendCondition, Query, QueryItem, StreamState, select
from tests.contract.tools import everything, head, one


def fill(store: Any) -> Any:
    store.append("a", one("Opened", tags=["flight-1"]))  # 1
    store.append("a", one("Booked", tags=["flight-1", "seat-1"]))  # 2
    store.append("b", one("Booked", tags=["flight-2", "seat-1"]))  # 3
    store.append(None, one("Closed", tags=["flight-2"]))  # 4
    return store


@pytest.fixture
def seats(store: Any) -> Any:
    return fill(store)


@pytest.fixture(scope="module")
def kept_seats(kept_store: Any) -> Any:
    return fill(kept_store)


MATCHING = {
    "type": (select.event_type("Opened"), [1]),
    "types": (select.event_type("Opened", "Closed"), [1, 4]),
    "tag": (select.tags("seat-1"), [2, 3]),
    "tags": (select.tags("flight-2", "seat-1"), [3]),
    "stream": (select.stream("a"), [1, 2]),
    "no stream": (select.stream("$events"), [4]),
    "and": (select.event_type("Booked") & select.tags("flight-1"), [2]),
    "or": (select.event_type("Closed") | select.tags("flight-1", "seat-1"), [2, 4]),
    "everything": (select.everything, [1, 2, 3, 4]),
    "query": (Query([QueryItem(types=["Opened", "Booked"], tags=["flight-1"])]), [1, 2]),
}
FREE = {
    "type": select.event_type("Refunded"),
    "tags": select.tags("flight-1", "flight-2"),
    "stream": select.stream("c"),
    "and": select.event_type("Closed") & select.tags("seat-1"),
}


@pytest.mark.parametrize("name", MATCHING)
def test_a_matching_event_refuses_the_append_and_is_named(kept_seats: Any, name: str) -> None:
    seats = kept_seats
    selector, matching = MATCHING[name]
    before = everything(seats)
    with pytest.raises(pyesdb.ConditionFailed) as caught:
        seats.append("new", one("Booked"), condition=AppendCondition(selector))
    assert caught.value.position in matching
    assert everything(seats) == before
    assert not seats.exists("new")


@pytest.mark.parametrize("name", FREE)
def test_without_a_match_the_append_is_stored(seats: Any, name: str) -> None:
    result = seats.append("new", one("Booked"), condition=AppendCondition(FREE[name]))
    assert (result.version, result.position) == (0, 5)


@pytest.mark.parametrize("name", MATCHING)
def test_after_looks_only_at_later_positions(seats: Any, name: str) -> None:
    selector, matching = MATCHING[name]
    last = max(matching)
    with pytest.raises(pyesdb.ConditionFailed) as caught:
        seats.append("x", one(), condition=AppendCondition(selector, after=last - 1))
    assert caught.value.position == last
    assert seats.append("x", one(), condition=AppendCondition(selector, after=last)).count == 1


def test_the_head_of_a_read_is_what_after_needs(seats: Any) -> None:
    boundary = select.tags("flight-1")
    with seats.read_all(select=boundary) as events:
        seen = [e.position for e in events]
        known = events.head
    assert (seen, known) == ([1, 2], 4)
    condition = AppendCondition(boundary, after=known)
    mine = one("Booked", tags=["flight-1", "seat-2"])
    assert seats.append(None, mine, condition=condition).position == 5
    rival = one("Booked", tags=["flight-1", "seat-3"])
    with pytest.raises(pyesdb.ConditionFailed) as caught:
        seats.append(None, rival, condition=condition)
    assert caught.value.position == 5
    assert head(seats) == 5


def test_a_condition_does_not_see_its_own_events(store: Any) -> None:
    unique = AppendCondition(select.tags("user-1"))
    assert store.append(None, one(tags=["user-1"]), condition=unique).position == 1
    with pytest.raises(pyesdb.ConditionFailed):
        store.append(None, one(tags=["user-1"]), condition=unique)


def test_expected_is_judged_before_condition_and_both_must_hold(seats: Any) -> None:
    fails = AppendCondition(select.event_type("Booked"))
    holds = AppendCondition(select.event_type("Nothing"))
    with pytest.raises(pyesdb.WrongExpectedVersion):
        seats.append("a", one(), expected=9, condition=fails)
    with pytest.raises(pyesdb.WrongExpectedVersion):
        seats.append("a", one(), expected=9, condition=holds)
    with pytest.raises(pyesdb.ConditionFailed):
        seats.append("a", one(), expected=1, condition=fails)
    assert seats.append("a", one(), expected=1, condition=holds).version == 2


def test_a_condition_still_sees_deleted_and_truncated_events_until_scavenge(store: Any) -> None:
    store.append("s", one("Reserved", tags=["name-x"]))
    store.append("t", [one("Reserved", tags=["name-y"]), one()])
    store.delete_stream("s")
    store.truncate_stream("t", before_version=1)
    for tag in ("name-x", "name-y"):
        with pytest.raises(pyesdb.ConditionFailed):
            store.append(None, one(), condition=AppendCondition(select.tags(tag)))
    store.scavenge()
    for tag in ("name-x", "name-y"):
        store.append(None, one(), condition=AppendCondition(select.tags(tag)))


def test_a_pattern_and_a_payload_are_refused_or_judged_but_never_ignored(seats: Any) -> None:
    seats.append("p", one("Paid", data={"customer": 42}))
    for selector in (select.pattern(stream="p*"), select.payload({"customer": 42})):
        with pytest.raises((pyesdb.ConditionFailed, pyesdb.InvalidSelector)):
            seats.append("x", one(), condition=AppendCondition(selector))
    assert not seats.exists("x")


def test_a_repeat_of_a_conditional_append_gets_its_first_result(store: Any) -> None:
    event = one(tags=["user-1"])
    condition = AppendCondition(select.tags("user-1"))
    first = store.append("u", event, expected=StreamState.NO_STREAM, condition=condition)
    again = store.append("u", event, expected=StreamState.NO_STREAM, condition=condition)
    assert (again.duplicate, again.position) == (True, first.position)


@pytest.mark.parametrize("after", [-1, True, 1.5, "1"])
def test_after_of_a_condition_is_a_position(kept_own: Any, after: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        kept_own.append(None, one(), condition=AppendCondition(select.tags("a"), after=after))
    assert "after" in str(caught.value)


@pytest.mark.parametrize("bad", ["Booked", None, 5, ["Booked"]])
def test_a_condition_takes_a_selector(kept_own: Any, bad: Any) -> None:
    with pytest.raises(pyesdb.RequestError):
        kept_own.append(None, one(), condition=AppendCondition(bad))


@pytest.mark.parametrize("bad", ["Booked", 5, select.tags("a")])
def test_condition_takes_an_append_condition(kept_own: Any, bad: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        kept_own.append(None, one(), condition=bad)
    assert "AppendCondition" in str(caught.value)
