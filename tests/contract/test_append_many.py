"""API "Append": several streams in one call, all or nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import Append, AppendCondition, StreamState, select
from tests.contract.tools import everything, head, new_events, one

NO_STREAM, EXISTS = StreamState.NO_STREAM, StreamState.EXISTS


def test_results_come_in_the_order_of_the_appends(store: Any) -> None:
    store.append("b", one())
    done = store.append_many(
        [Append("a", new_events(2)), Append("b", one(), expected=0), Append("c", [])]
    )
    assert [r.stream for r in done.results] == ["a", "b", "c"]
    assert [r.version for r in done.results] == [1, 1, None]
    assert [r.count for r in done.results] == [2, 1, 0]
    assert [(r.first_position, r.position) for r in done.results[:2]] == [(2, 3), (4, 4)]
    assert done.position == 4 == head(store)
    assert done.duplicate is False


def test_positions_follow_the_order_of_the_appends(store: Any) -> None:
    store.append_many([Append("b", new_events(2)), Append("a", one())])
    assert [e.stream for e in store.read_all()] == ["b", "b", "a"]


def test_one_refusal_leaves_nothing_of_all(store: Any) -> None:
    store.append("b", one())
    before = everything(store)
    with pytest.raises(pyesdb.WrongExpectedVersion) as caught:
        store.append_many(
            [
                Append("a", one(), expected=NO_STREAM),
                Append("b", one(), expected=7),
                Append("c", one()),
            ]
        )
    assert (caught.value.stream, caught.value.expected, caught.value.actual) == ("b", 7, 0)
    assert everything(store) == before
    assert not store.exists("a")
    assert not store.exists("c")


def test_a_tombstoned_stream_refuses_all(store: Any) -> None:
    store.append("dead", one())
    store.tombstone_stream("dead")
    with pytest.raises(pyesdb.StreamTombstoned):
        store.append_many([Append("a", one()), Append("dead", one())])
    assert not store.exists("a")


def test_a_stream_appears_once(store: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        store.append_many([Append("a", one()), Append("b", one()), Append("a", one())])
    assert "a" in str(caught.value)
    assert head(store) == 0


def test_the_same_command_again_gets_the_first_results(store: Any) -> None:
    command = uuid4()
    appends = [Append("a", new_events(2)), Append("b", one())]
    first = store.append_many(appends, command_id=command)
    store.append("a", one())
    again = store.append_many(appends, command_id=command)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.position == first.position
    assert [r.version for r in again.results] == [1, 0]
    assert head(store) == 4


def test_other_content_under_the_same_id_is_a_command_mismatch(store: Any) -> None:
    command = uuid4()
    store.append_many([Append("a", one())], command_id=command)
    with pytest.raises(pyesdb.CommandMismatch):
        store.append_many([Append("a", one())], command_id=command)
    with pytest.raises(pyesdb.CommandMismatch):
        store.append("a", one(), command_id=command)
    assert head(store) == 1


def test_the_same_new_events_with_expected_versions_are_stored_once(store: Any) -> None:
    appends = [
        Append("a", new_events(2), expected=NO_STREAM),
        Append("b", one(), expected=NO_STREAM),
    ]
    first = store.append_many(appends)
    store.append("a", one())
    again = store.append_many(appends)
    assert again.duplicate is True
    assert again.position == first.position
    assert [r.version for r in again.results] == [1, 0]
    assert head(store) == 4


def test_a_condition_holds_for_all_of_them(store: Any) -> None:
    store.append("s", one("Taken", tags=["seat-1"]))
    condition = AppendCondition(select.tags("seat-1"))
    with pytest.raises(pyesdb.ConditionFailed) as caught:
        store.append_many([Append("a", one()), Append("b", one())], condition=condition)
    assert caught.value.position == 1
    assert head(store) == 1


def test_expected_is_judged_before_condition(store: Any) -> None:
    store.append("s", one("Taken"))
    condition = AppendCondition(select.event_type("Taken"))
    with pytest.raises(pyesdb.WrongExpectedVersion):
        store.append_many([Append("a", one(), expected=EXISTS)], condition=condition)


def test_events_of_no_stream_may_be_among_them(store: Any) -> None:
    done = store.append_many([Append(None, one("Loose")), Append("a", one())])
    assert [r.stream for r in done.results] == ["$events", "a"]
    assert [e.stream for e in store.read_all()] == ["$events", "a"]


def test_no_appends_store_nothing(store: Any) -> None:
    done = store.append_many([])
    assert done.results == ()
    assert head(store) == 0


@pytest.mark.parametrize("bad", [None, 5, "a", [one()], [("a", one())]])
def test_what_is_not_an_append_is_refused(store: Any, bad: Any) -> None:
    with pytest.raises(pyesdb.RequestError):
        store.append_many(bad)
    assert head(store) == 0
