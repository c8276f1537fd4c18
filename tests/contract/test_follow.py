"""API "Following": catch-up and live in one iterator, on every target."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from tests.contract.tools import head, named, new_events, one, positions

SOON_S = 30.0
"""Longest wait for what must come: only a broken follower needs it."""


def taken(follower: Any, count: int) -> list[Any]:
    """The next `count` events, which must come."""
    found = [follower.get(SOON_S) for _ in range(count)]
    assert None not in found
    return found


def later(action: Callable[[], Any]) -> threading.Thread:
    """Do something on another thread."""
    thread = threading.Thread(target=action)
    thread.start()
    return thread


def once_it_waits(store: Any, action: Callable[[], Any]) -> threading.Thread:
    """Do something on another thread when a follower of the store waits."""
    head = store._handle.runtime().head

    def act() -> None:
        while not head.waiting:
            time.sleep(0.001)
        action()

    return later(act)


def test_stored_events_come_first_and_then_those_that_are_appended(store: Any) -> None:
    store.append("a", new_events(3))
    follower = store.follow()
    assert positions(taken(follower, 3)) == [1, 2, 3]
    assert follower.get(0) is None
    adding = later(lambda: [store.append("b", one(data=n)) for n in range(20)])
    assert [(e.position, e.stream, e.version) for e in taken(follower, 20)] == [
        (n + 4, "b", n) for n in range(20)
    ]
    adding.join()
    assert follower.get(0) is None


def test_iterating_and_getting_give_the_same_events_once(store: Any) -> None:
    store.append("a", new_events(5))
    follower = store.follow(after=1)
    assert next(follower).position == 2
    assert follower.get(0).position == 3
    assert [event.position for _, event in zip(range(2), follower, strict=False)] == [4, 5]


@pytest.mark.parametrize("after", [0, 1, 500, 999, 1000, 1400])
def test_it_starts_behind_a_position(own_store: Any, after: int) -> None:
    for _ in range(5):
        own_store.append("a", new_events(200))
    follower = own_store.follow(after=after)
    own_store.append("b", new_events(500))
    assert positions(taken(follower, 1500 - after)) == list(range(after + 1, 1501))
    assert follower.get(0) is None
    assert follower.position == max(after, 1500)


def test_the_end_is_fixed_at_the_call(store: Any) -> None:
    store.append("a", new_events(3))
    follower = store.follow(after="end")
    assert follower.position == 3
    store.append("a", new_events(2))
    assert positions(taken(follower, 2)) == [4, 5]


def test_the_end_of_an_empty_store_is_its_beginning(store: Any) -> None:
    follower = store.follow(after="end")
    store.append("a", one())
    assert taken(follower, 1)[0].position == 1


def test_a_cursor_says_where_to_resume(store: Any) -> None:
    store.append("a", new_events(6))
    follower = store.follow()
    taken(follower, 2)
    kept = str(follower.cursor)
    again = store.follow(after=pyesdb.Cursor.parse(kept))
    assert positions(taken(again, 4)) == [3, 4, 5, 6]
    assert again.cursor.position == 6
    assert again.cursor > follower.cursor


def test_the_cursor_of_an_event_resumes_behind_it(store: Any) -> None:
    store.append("a", new_events(3))
    event = next(store.follow())
    assert positions(taken(store.follow(after=event.cursor), 2)) == [2, 3]


SELECTORS = {
    "type": select.event_type("A", "C"),
    "tags": select.tags("x", "y"),
    "stream": select.stream("s-1"),
    "$all": select.stream("$all"),
    "stream pattern": select.pattern(stream="s-*"),
    "inner pattern": select.pattern(stream="*-2"),
    "type pattern": select.pattern(type="*"),
    "payload": select.payload({"n": 3}),
    "and": select.event_type("A") & select.tags("x"),
    "or": select.stream("s-2") | select.payload({"n": 1}),
    "nothing": select.event_type("A") & select.event_type("B"),
    "query": pyesdb.Query(
        [pyesdb.QueryItem(types=["A"]), pyesdb.QueryItem(types=["B"], tags=["y"])]
    ),
}


def mixed(count: int) -> list[tuple[str, NewEvent]]:
    return [
        (
            f"s-{n % 3}",
            NewEvent(
                "ABC"[n % 3], {"n": n % 5}, tags=[t for k, t in enumerate("xy") if n & (1 << k)]
            ),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_means_what_it_means_to_a_read(own_store: Any, name: str) -> None:
    chosen = SELECTORS[name]
    early, late = own_store.follow(chosen), None
    for number, (stream, event) in enumerate(mixed(60)):
        if number == 30:
            late = own_store.follow(chosen, after="end")
        own_store.append(stream, event)
    expected = positions(own_store.read_all(select=chosen))
    assert positions(iter(lambda: early.get(0), None)) == expected
    assert positions(iter(lambda: late.get(0), None)) == [p for p in expected if p > 30]
    assert early.position == late.position == 60


def test_names_that_come_into_being_later_are_found(store: Any) -> None:
    follower = store.follow(select.event_type("New") & select.tags("new"))
    assert follower.get(0) is None
    store.append("s", one("Old"))
    store.append("s", [one("New"), one("New", tags=["new"])])
    assert taken(follower, 1)[0].position == 3


def test_the_cursor_moves_by_what_was_examined(own_store: Any) -> None:
    own_store.append("a", one("Wanted"))
    follower = own_store.follow(select.event_type("Wanted"))
    taken(follower, 1)
    for _ in range(3):
        own_store.append("a", new_events(200, "Other"))
        assert follower.get(0) is None
    assert (follower.position, follower.caught_up, follower.lag) == (601, True, 0)


def test_what_is_on_its_page_and_was_not_taken_is_not_passed_over(store: Any) -> None:
    store.append("a", [one("Wanted"), one("Other"), one("Wanted"), one("Other")])
    follower = store.follow(select.event_type("Wanted"))
    taken(follower, 1)
    assert follower.position in (1, 2)
    assert not follower.caught_up
    assert positions(taken(store.follow(after=follower.position), 1)) != [4]
    assert positions(taken(follower, 1)) == [3]
    assert follower.position == 4


def test_caught_up_and_lag(own_store: Any) -> None:
    own_store.append("a", new_events(10))
    follower = own_store.follow()
    assert not follower.caught_up
    taken(follower, 4)
    assert (follower.caught_up, follower.lag) == (False, 6)
    taken(follower, 6)
    assert (follower.caught_up, follower.lag) == (True, 0)
    own_store.append("a", new_events(2))
    assert (follower.caught_up, follower.lag) == (False, 2)


def test_a_wait_may_be_limited(store: Any) -> None:
    follower = store.follow()
    assert follower.get(0) is None
    assert follower.get(0.001) is None
    assert follower.get(timedelta(milliseconds=1)) is None
    store.append("a", new_events(2))
    assert follower.get(0).position == 1
    assert follower.get(10**400).position == 2


def test_not_to_wait_still_finds_what_is_stored(
    own_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much lies in between that is not selected: a loop until None is at the end."""
    monkeypatch.setattr("pyesdb.store.follow.BUDGET", 50)
    for _ in range(3):
        own_store.append("a", [*new_events(199), one("Rare")])
    follower = own_store.follow(select.event_type("Rare"))
    assert positions(iter(lambda: follower.get(0), None)) == [200, 400, 600]
    own_store.append("a", new_events(199))
    assert follower.get(0) is None
    assert follower.position == 799


def test_stop_ends_a_wait_from_another_thread(store: Any) -> None:
    follower = store.follow()
    stopping = once_it_waits(store, follower.stop)
    assert list(follower) == []
    stopping.join()
    follower.stop()
    store.append("a", one())
    assert list(follower) == []
    assert follower.get() is None


def test_stopping_loses_nothing(store: Any) -> None:
    store.append("a", new_events(5))
    follower = store.follow()
    taken(follower, 2)
    follower.stop()
    assert positions(taken(store.follow(after=follower.cursor), 3)) == [3, 4, 5]


def test_leaving_its_block_stops_it(store: Any) -> None:
    store.append("a", new_events(3))
    with store.follow() as follower:
        taken(follower, 1)
    assert list(follower) == []


def test_removal_ends_a_follower_that_waits(db: Any, own_store: Any) -> None:
    own_store.append("a", one())
    follower = own_store.follow()
    taken(follower, 1)
    removing = once_it_waits(own_store, lambda: db.remove_store(own_store.id))
    with pytest.raises(pyesdb.StoreRemoved):
        follower.get(SOON_S)
    removing.join()
    with pytest.raises(pyesdb.StoreRemoved):
        next(follower)


def test_a_cursor_outlives_removal_and_recovery(db: Any, own_store: Any) -> None:
    own_store.append("a", new_events(3))
    cursor = next(own_store.follow()).cursor
    db.remove_store(own_store.id)
    db.recover_store(own_store.id)
    assert positions(taken(own_store.follow(after=cursor), 2)) == [2, 3]


def test_a_cursor_of_another_history_is_refused(db: Any, own_store: Any) -> None:
    own_store.append("a", new_events(3))
    cursor = next(own_store.follow()).cursor
    db.copy_store(own_store.id, "other")
    with pytest.raises(pyesdb.HistoryChanged, match="another history"):
        db.store("other").follow(after=cursor)
    db.remove_store(own_store.id, purge=True)
    db.create_store(own_store.id)
    with pytest.raises(pyesdb.HistoryChanged):
        db.store(own_store.id).follow(after=cursor)


def test_closing_the_database_ends_a_follower_that_waits(db: Any, store: Any) -> None:
    follower = store.follow()
    assert follower.get(0) is None
    closing = once_it_waits(store, db.close)
    with pytest.raises(pyesdb.DatabaseClosed):
        follower.get(SOON_S)
    closing.join()


def test_closing_one_of_two_handles_ends_its_followers_only(open_db: Any, data_dir: Any) -> None:
    first, second = open_db(data_dir, durability="os"), open_db(data_dir)
    here, there = first.store().follow(), second.store().follow()
    assert (here.get(0), there.get(0)) == (None, None)
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            here.get(SOON_S)
        except pyesdb.PyesdbError as error:
            ended.append(type(error))

    waiting = later(wait)
    once_it_waits(second.store(), first.close).join()
    waiting.join(SOON_S / 3)
    assert ended == [pyesdb.DatabaseClosed]
    second.store().append("a", one())
    assert taken(there, 1)[0].position == 1


def test_a_frozen_store_is_followed(db: Any, own_store: Any) -> None:
    own_store.append("a", new_events(3))
    follower = own_store.follow()
    taken(follower, 1)
    db.freeze_store(own_store.id)
    taken(follower, 2)
    assert follower.get(0) is None
    db.thaw_store(own_store.id)
    own_store.append("a", one())
    assert taken(follower, 1)[0].position == 4


def test_events_of_no_stream_and_hidden_ones_are_followed(store: Any) -> None:
    follower = store.follow()
    store.append(None, one("Free", tags=["t"]))
    store.append("a", new_events(4))
    store.truncate_stream("a", before_version=2)
    store.delete_stream("a")
    assert [event.stream for event in taken(follower, 5)] == ["$events", *["a"] * 4]


def test_what_was_reclaimed_is_a_hole(store: Any) -> None:
    store.append("a", new_events(4))
    store.append("b", one())
    store.delete_stream("a")
    store.scavenge()
    follower = store.follow()
    assert positions(taken(follower, 1)) == [5]
    assert follower.get(0) is None


BAD: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"after": -1}, pyesdb.RequestError),
    ({"after": True}, pyesdb.RequestError),
    ({"after": 1.5}, pyesdb.RequestError),
    ({"after": "start"}, pyesdb.RequestError),
    ({"after": None}, pyesdb.RequestError),
    ({"system": 1}, pyesdb.RequestError),
    ({"select": "everything"}, pyesdb.InvalidSelector),
    ({"select": select}, pyesdb.InvalidSelector),
]


@pytest.mark.parametrize(("arguments", "error"), BAD, ids=named)
def test_what_makes_no_sense_is_refused(
    store: Any, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.follow(**arguments)


@pytest.mark.parametrize("timeout", [-1, "1", True, float("nan")])
def test_a_wait_that_makes_no_sense_is_refused(store: Any, timeout: Any) -> None:
    follower = store.follow()
    with pytest.raises(pyesdb.RequestError, match="timeout"):
        follower.get(timeout)


def test_a_store_that_is_not_there(db: Any) -> None:
    with pytest.raises(pyesdb.StoreNotFound):
        db.store("nobody").follow()


def test_many_followers_of_one_store_each_get_everything(store: Any) -> None:
    followers = [store.follow(after="end") for _ in range(20)]
    adding = later(lambda: [store.append("a", new_events(2)) for _ in range(10)])
    found = [positions(taken(follower, 20)) for follower in followers]
    adding.join()
    start = head(store) - 20
    assert found == [list(range(start + 1, start + 21))] * 20
