"""API "Append": one call, its result, its limits."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb import AppendCondition, NewEvent, StreamState, select
from tests.contract.tools import everything, head, new_events, one, types, versions

MIB = 1 << 20


def test_events_is_one_event_or_any_iterable(store: Any) -> None:
    store.append("s", one("One"))
    store.append("s", [one("Two"), one("Three")])
    store.append("s", (one("Four"),))
    store.append("s", (one(name) for name in ("Five", "Six")))
    assert types(store.read("s")) == ["One", "Two", "Three", "Four", "Five", "Six"]


def test_the_result_gives_first_and_last_of_the_call(store: Any) -> None:
    store.append("other", new_events(4))
    result = store.append("s", new_events(3))
    assert (result.first_version, result.version) == (0, 2)
    assert (result.first_position, result.position) == (5, 7)
    assert (result.stream, result.count, result.duplicate) == ("s", 3, False)


def test_an_append_is_all_or_nothing(store: Any) -> None:
    store.append("s", one())
    before = everything(store)
    with pytest.raises(pyesdb.LimitExceeded):
        store.append("s", [one(), one(data="x" * 2 * MIB), one()])
    assert everything(store) == before


def test_an_empty_append_stores_nothing_and_tells_the_version(store: Any) -> None:
    nothing = store.append("s", [])
    assert (nothing.count, nothing.version, nothing.first_version) == (0, None, None)
    assert not store.exists("s")
    store.append("s", new_events(3))
    still = store.append("s", [], expected=2)
    assert (still.count, still.version) == (0, 2)
    assert head(store) == 3


def test_an_empty_append_checks_expected_and_condition(store: Any) -> None:
    store.append("s", one("Taken"))
    with pytest.raises(pyesdb.WrongExpectedVersion):
        store.append("s", [], expected=StreamState.NO_STREAM)
    with pytest.raises(pyesdb.ConditionFailed):
        store.append("s", [], condition=AppendCondition(select.event_type("Taken")))


def test_no_stream_records_under_events_visible_everywhere(store: Any) -> None:
    first = store.append(None, one("Loose", tags=["a"]))
    second = store.append(None, one("Loose"))
    assert (first.stream, first.version, second.version) == ("$events", 0, 1)
    assert versions(store.read("$events")) == [0, 1]
    assert [e.stream for e in store.read_all()] == ["$events", "$events"]
    assert list(store.streams()) == ["$events"]
    assert store.read_all(select=select.tags("a")).to_list()[0].position == 1


@pytest.mark.parametrize("expected", [0, StreamState.NO_STREAM, StreamState.EXISTS])
def test_no_stream_takes_only_any(store: Any, expected: Any) -> None:
    store.append(None, one())
    with pytest.raises(pyesdb.RequestError):
        store.append(None, one(), expected=expected)
    assert head(store) == 1


@pytest.mark.parametrize("stream", ["$events", "$system", "$mine", "$"])
def test_append_refuses_every_dollar_name(store: Any, stream: str) -> None:
    with pytest.raises(pyesdb.InvalidStreamName) as caught:
        store.append(stream, one())
    if stream == "$events":
        assert "None" in str(caught.value)
    assert head(store) == 0


@pytest.mark.parametrize("expected", [True, False, -1, -2, 1.0, "any", None])
def test_expected_refuses_bool_negative_and_other_types(own_store: Any, expected: Any) -> None:
    own_store.append("s", new_events(2))
    with pytest.raises(pyesdb.RequestError) as caught:
        own_store.append("s", one(), expected=expected)
    assert "expected" in str(caught.value)
    assert head(own_store) == 2


def test_ten_thousand_events_are_one_call(own_store: Any) -> None:
    result = own_store.append("s", new_events(10_000))
    assert (result.count, result.version, result.position) == (10_000, 9_999, 10_000)
    with own_store.read("s", from_version=9_998) as events:
        assert versions(events) == [9_998, 9_999]


def test_more_than_ten_thousand_events_are_refused_with_limit_and_value(own_store: Any) -> None:
    with pytest.raises(pyesdb.LimitExceeded) as caught:
        own_store.append("s", new_events(10_001))
    error = caught.value
    assert (error.limit, error.value, error.setting) == (10_000, 10_001, "max_append_events")
    assert not own_store.exists("s")


def test_an_event_of_one_mebibyte_is_kept_and_a_bigger_one_refused(own_store: Any) -> None:
    own_store.append("s", one(data=b"x" * (MIB - 4096)))
    with pytest.raises(pyesdb.LimitExceeded) as caught:
        own_store.append("s", one(data=b"x" * 2 * MIB))
    error = caught.value
    assert (error.limit, error.setting) == (MIB, "max_event_bytes")
    assert error.value > 2 * MIB - 1
    assert versions(own_store.read("s")) == [0]


def test_more_than_four_mebibytes_a_call_are_refused(own_store: Any) -> None:
    big = [one(data=b"x" * (MIB - 4096)) for _ in range(3)]
    own_store.append("s", big)
    with pytest.raises(pyesdb.LimitExceeded) as caught:
        own_store.append("s", [one(data=b"x" * (MIB - 4096)) for _ in range(5)])
    error = caught.value
    assert (error.limit, error.setting) == (4 * MIB, "max_append_bytes")
    assert error.value > 4 * MIB
    assert versions(own_store.read("s")) == [0, 1, 2]


def test_append_many_has_the_limits_of_one_call(own_store: Any) -> None:
    halves = [pyesdb.Append(name, new_events(5_001)) for name in ("a", "b")]
    with pytest.raises(pyesdb.LimitExceeded) as caught:
        own_store.append_many(halves)
    assert caught.value.setting == "max_append_events"
    assert head(own_store) == 0


def test_an_append_is_seen_by_every_later_read(store: Any) -> None:
    for n in range(20):
        store.append("s", one(data={"n": n}))
        assert store.version("s") == n
        assert store.read("s", backwards=True).first().json() == {"n": n}


def test_positions_are_gapless_over_streams_and_refusals(store: Any) -> None:
    for n in range(5):
        store.append(f"s{n}", new_events(2))
        with pytest.raises(pyesdb.WrongExpectedVersion):
            store.append(f"s{n}", one(), expected=9)
        with pytest.raises(pyesdb.InvalidStreamName):
            store.append("", one())
    assert [e.position for e in store.read_all()] == list(range(1, 11))


def test_one_new_event_may_be_appended_to_two_streams(store: Any) -> None:
    same = NewEvent("Moved", {"a": 1})
    assert store.append("a", same).duplicate is False
    assert store.append("b", same).duplicate is False
    assert [e.id for e in store.read_all()] == [same.id, same.id]


def test_a_call_may_have_its_own_deadline(store: Any) -> None:
    assert store.append("s", one(), timeout=30).version == 0
    assert store.append("s", one(), timeout=0.9).version == 1
