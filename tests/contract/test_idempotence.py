"""API "Append": retries are safe."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

import pyesdb
from pyesdb import Append, NewEvent, StreamState
from tests.contract.tools import everything, head, new_events, one

ANY, NO_STREAM, EXISTS = StreamState.ANY, StreamState.NO_STREAM, StreamState.EXISTS


def facts(result: Any) -> tuple[Any, ...]:
    return (
        result.stream,
        result.first_version,
        result.version,
        result.first_position,
        result.position,
        result.count,
    )


def test_the_same_command_again_gets_the_first_result(store: Any) -> None:
    command, events = uuid4(), new_events(3)
    first = store.append("s", events, command_id=command)
    store.append("s", one("Between"))
    again = store.append("s", events, command_id=command)
    assert first.duplicate is False
    assert again.duplicate is True
    assert facts(again) == facts(first)
    assert head(store) == 4


def test_a_refused_command_gets_its_refusal_again(store: Any) -> None:
    command, event = uuid4(), one()
    with pytest.raises(pyesdb.WrongExpectedVersion) as first:
        store.append("s", event, expected=EXISTS, command_id=command)
    store.append("s", one("Meanwhile"))
    with pytest.raises(pyesdb.WrongExpectedVersion) as again:
        store.append("s", event, expected=EXISTS, command_id=command)
    assert first.value.actual is again.value.actual is NO_STREAM
    assert head(store) == 1


def test_other_content_under_an_id_that_succeeded_is_a_command_mismatch(store: Any) -> None:
    command = uuid4()
    store.append("s", one("First"), command_id=command)
    before = everything(store)
    with pytest.raises(pyesdb.CommandMismatch):
        store.append("s", one("Other"), command_id=command)
    with pytest.raises(pyesdb.CommandMismatch):
        store.append("elsewhere", one("First"), command_id=command)
    assert everything(store) == before


def test_a_refused_id_may_be_retried_with_a_new_expected_version(store: Any) -> None:
    store.append("s", new_events(3))
    command, event = uuid4(), one("Mine")
    with pytest.raises(pyesdb.WrongExpectedVersion) as refused:
        store.append("s", event, expected=0, command_id=command)
    result = store.append("s", event, expected=refused.value.actual, command_id=command)
    assert (result.version, result.duplicate) == (3, False)
    again = store.append("s", event, expected=refused.value.actual, command_id=command)
    assert (again.version, again.duplicate) == (3, True)


def test_a_late_copy_of_the_refused_call_stores_nothing(store: Any) -> None:
    store.append("s", one())
    command, event = uuid4(), one("Mine")
    with pytest.raises(pyesdb.WrongExpectedVersion):
        store.append("s", event, expected=5, command_id=command)
    store.append("s", event, expected=0, command_id=command)
    before = everything(store)
    with pytest.raises(pyesdb.PyesdbError) as late:
        store.append("s", event, expected=5, command_id=command)
    assert isinstance(late.value, pyesdb.WrongExpectedVersion | pyesdb.CommandMismatch)
    assert everything(store) == before


@pytest.mark.parametrize("expected", [NO_STREAM, 1])
def test_event_ids_are_compared_with_what_stands_at_those_versions_for_ever(
    store: Any, expected: Any
) -> None:
    if expected == 1:
        store.append("s", new_events(2))
    mine = new_events(2, "Mine")
    first = store.append("s", mine, expected=expected)
    store.append("s", new_events(5, "Later"))
    again = store.append("s", mine, expected=expected)
    assert again.duplicate is True
    assert facts(again) == facts(first)
    assert head(store) == (7 if expected is NO_STREAM else 9)


def test_other_event_ids_at_those_versions_are_a_conflict(store: Any) -> None:
    a, b, c = new_events(3)
    store.append("s", [a, b], expected=NO_STREAM)
    before = everything(store)
    for other in ([a, c], [b, a], [a, b, c], [c]):
        with pytest.raises(pyesdb.WrongExpectedVersion) as caught:
            store.append("s", other, expected=NO_STREAM)
        assert caught.value.actual == 1
    assert everything(store) == before


def test_a_repeat_with_expected_survives_reopening(open_db: Any, data_dir: Any) -> None:
    event = one()
    first = open_db(data_dir, durability="os")
    first.store().append("s", event, expected=NO_STREAM)
    first.store().append("s", one())
    first.close()
    again = open_db(data_dir).store().append("s", event, expected=NO_STREAM)
    assert (again.version, again.duplicate) == (0, True)


@pytest.mark.parametrize("expected", [ANY, EXISTS])
def test_with_any_and_exists_ids_are_compared_with_the_last_events(
    store: Any, expected: Any
) -> None:
    store.append("s", one("Base"))
    mine = new_events(2, "Mine")
    first = store.append("s", mine, expected=expected)
    again = store.append("s", mine, expected=expected)
    assert again.duplicate is True
    assert facts(again) == facts(first)
    assert head(store) == 3


def test_with_any_an_older_repeat_is_stored_again(store: Any) -> None:
    mine = new_events(2, "Mine")
    store.append("s", mine)
    store.append("s", one("Later"))
    again = store.append("s", mine)
    assert (again.duplicate, again.first_version, again.version) == (False, 3, 4)


def test_a_repeat_that_revived_a_deleted_stream_is_recognised(store: Any) -> None:
    store.append("s", new_events(2))
    store.delete_stream("s")
    event = one("Back")
    first = store.append("s", event, expected=NO_STREAM)
    again = store.append("s", event, expected=NO_STREAM)
    assert (again.duplicate, facts(again)) == (True, facts(first))


def test_an_event_id_is_never_a_command_id(store: Any) -> None:
    event = one()
    store.append("s", event)
    assert store.outcome(event.id) is None
    result = store.append("t", one("Other"), command_id=event.id)
    assert (result.version, result.duplicate) == (0, False)


def test_outcome_tells_the_result_of_a_success(store: Any) -> None:
    command = uuid4()
    result = store.append("s", new_events(2), command_id=command)
    store.append("s", one())
    assert facts(store.outcome(command)) == facts(result)


def test_outcome_tells_the_results_of_append_many(store: Any) -> None:
    command = uuid4()
    result = store.append_many(
        [Append("a", new_events(2)), Append("b", new_events(1))], command_id=command
    )
    told = store.outcome(command)
    assert [facts(r) for r in told.results] == [facts(r) for r in result.results]
    assert told.position == result.position


def test_outcome_of_a_refusal_is_not_applied(store: Any) -> None:
    command = uuid4()
    with pytest.raises(pyesdb.WrongExpectedVersion):
        store.append("s", one(), expected=EXISTS, command_id=command)
    assert store.outcome(command) == "not applied"


def test_outcome_of_an_unknown_command_is_none(store: Any) -> None:
    store.append("s", one())
    assert store.outcome(UUID(int=7)) is None


def test_outcomes_and_duplicates_survive_reopening(open_db: Any, data_dir: Any) -> None:
    done, refused, event = uuid4(), uuid4(), one()
    db = open_db(data_dir, durability="os")
    result = db.store().append("s", event, command_id=done)
    with pytest.raises(pyesdb.WrongExpectedVersion):
        db.store().append("s", one(), expected=8, command_id=refused)
    db.store().append("s", one())  # so that its events alone do not tell
    db.close()
    store = open_db(data_dir).store()
    assert facts(store.outcome(done)) == facts(result)
    assert store.outcome(refused) == "not applied"
    again = store.append("s", event, command_id=done)
    assert again.duplicate is True
    assert facts(again) == facts(result)
    assert store.version("s") == 1


def test_within_the_window_a_command_is_known_whatever_happens_between(clock: Any, db: Any) -> None:
    store, command, event = db.store(), uuid4(), one()
    store.append("s", event, command_id=command)
    for n in range(14):
        clock.move(minutes=1)
        store.append("other", one(data={"n": n}))
    assert store.append("s", event, command_id=command).duplicate is True
    assert store.outcome(command).version == 0
    clock.move(days=-1)
    assert store.append("s", event, command_id=command).duplicate is True


def test_a_command_id_belongs_to_its_store(db: Any) -> None:
    a, b, command, event = db.create_store("a"), db.create_store("b"), uuid4(), one()
    a.append("s", event, command_id=command)
    assert b.outcome(command) is None
    assert b.append("s", event, command_id=command).duplicate is False


def test_the_same_new_event_object_keeps_its_id() -> None:
    event = NewEvent("T", {})
    assert event.id == event.id
    assert event.id.version == 7
    assert NewEvent("T", {}).id != event.id
