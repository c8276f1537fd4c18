"""API "Read": one stream."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import pyesdb
from pyesdb import StreamState
from tests.contract.tools import new_events, one, versions

NO_STREAM = StreamState.NO_STREAM


@pytest.fixture(scope="module")
def ten(kept_store: Any) -> Any:
    """Ten events in "s" at odd positions, ten in "t" at even ones."""
    for n in range(10):
        kept_store.append("s", one(data={"n": n}))
        kept_store.append("t", one(data={"n": -n}))
    return kept_store


RANGES = [
    ({}, list(range(10))),
    ({"from_version": 0, "to_version": 9}, list(range(10))),
    ({"from_version": 3}, [3, 4, 5, 6, 7, 8, 9]),
    ({"to_version": 3}, [0, 1, 2, 3]),
    ({"from_version": 3, "to_version": 5}, [3, 4, 5]),
    ({"from_version": 4, "to_version": 4}, [4]),
    ({"from_version": 5, "to_version": 4}, []),
    ({"from_version": 10}, []),
    ({"from_version": 8, "to_version": 500}, [8, 9]),
    ({"to_version": 0}, [0]),
]


@pytest.mark.parametrize(("asked", "given"), RANGES)
def test_ranges_are_inclusive_and_backwards_is_the_same_set_reversed(
    ten: Any, asked: dict[str, int], given: list[int]
) -> None:
    assert versions(ten.read("s", **asked)) == given
    assert versions(ten.read("s", **asked, backwards=True)) == given[::-1]


def test_limit_takes_the_first_of_the_direction(ten: Any) -> None:
    assert versions(ten.read("s", limit=3)) == [0, 1, 2]
    assert versions(ten.read("s", limit=3, backwards=True)) == [9, 8, 7]
    assert versions(ten.read("s", from_version=8, limit=5)) == [8, 9]
    assert versions(ten.read("s", from_version=2, to_version=6, limit=2, backwards=True)) == [6, 5]


def test_as_of_a_position_shows_what_stood_then(ten: Any) -> None:
    assert versions(ten.read("s", as_of=1)) == [0]
    assert versions(ten.read("s", as_of=6)) == [0, 1, 2]
    assert versions(ten.read("s", as_of=7)) == [0, 1, 2, 3]
    assert versions(ten.read("s", as_of=7, backwards=True, limit=2)) == [3, 2]
    assert versions(ten.read("s", as_of=10**6)) == list(range(10))


def test_as_of_a_time_shows_what_was_recorded_until_then(clock: Any, own_store: Any) -> None:
    times = []
    for n in range(4):
        times.append(clock.now)
        own_store.append("s", one(data={"n": n}))
        clock.move(minutes=1)
    for n, time in enumerate(times):
        assert versions(own_store.read("s", as_of=time)) == list(range(n + 1))
        assert versions(own_store.read_all(as_of=time)) == list(range(n + 1))
    early = datetime(2000, 1, 1, tzinfo=UTC)
    assert own_store.read("s", as_of=early, missing_ok=True).to_list() == []


def test_the_end_is_fixed_when_the_read_starts(store: Any) -> None:
    store.append("s", new_events(5))
    seen = 0
    for event in store.read("s"):
        store.append("s", one(data={"after": event.version}))
        seen += 1
    assert seen == 5
    assert store.version("s") == 9
    seen = 0
    for _ in store.read_all():
        store.append("s", one())
        seen += 1
    assert seen == 10


def test_the_end_stays_fixed_over_many_pages(own_store: Any) -> None:
    own_store.append("s", [one(data="x" * 2000) for _ in range(2000)])
    read = own_store.read("s")
    first = next(read)
    own_store.append("s", new_events(500))
    rest = versions(read.to_list())
    assert first.version == 0
    assert rest == list(range(1, 2000))


def test_a_long_stream_is_complete_and_in_order_both_ways(own_store: Any) -> None:
    for n in range(3):
        own_store.append("s", new_events(3000))
        own_store.append(f"noise-{n}", new_events(50))
    assert versions(own_store.read("s").to_list()) == list(range(9000))
    assert versions(own_store.read("s", backwards=True).to_list()) == list(range(8999, -1, -1))


def test_version_is_that_of_the_stream_when_the_read_started(store: Any) -> None:
    store.append("s", new_events(3))
    with store.read("s", limit=1) as events:
        store.append("s", one())
        assert events.version == 2
        assert versions(events) == [0]
        assert events.version == 2
    assert store.read("s", from_version=2, to_version=2).version == 3


def test_head_is_the_stores_head_or_the_last_event_of_a_cut_read(store: Any) -> None:
    store.append("s", new_events(3))
    store.append("t", new_events(2))
    with store.read("s") as whole:
        assert versions(whole) == [0, 1, 2]
        assert whole.head == 5
    with store.read("s", limit=2) as cut:
        assert versions(cut) == [0, 1]
        assert cut.head == 2
    with store.read("s", limit=50) as uncut:
        assert versions(uncut) == [0, 1, 2]
        assert uncut.head == 5


def test_head_of_a_read_of_the_past_is_where_it_ends(clock: Any, own_store: Any) -> None:
    store = own_store
    for _ in range(3):
        store.append("s", one())
        store.append("t", one())
    moment = clock.now
    clock.move(minutes=1)
    store.append("s", new_events(70))
    for backwards in (False, True):
        assert store.read("s", as_of=4, backwards=backwards).head == 4
        assert store.read("s", as_of=moment, backwards=backwards).head == 6
        assert store.read("s", to_version=1, backwards=backwards).head == 4
        assert store.read("s", to_version=1, as_of=2, backwards=backwards).head == 2
        assert store.read("s", to_version=500, as_of=500, backwards=backwards).head == 76
    assert store.read("s", as_of=4, limit=1).head == 1
    assert store.read("s", as_of=4, limit=50, from_version=50).head == 4
    assert store.read("never", as_of=4, missing_ok=True).head == 4
    store.truncate_stream("s", before_version=2)
    assert store.read("s", to_version=0).head == 2


@pytest.mark.parametrize("past", [{"as_of": 1}, {"to_version": 0}])
def test_a_decision_on_the_past_meets_what_came_since(store: Any, past: dict[str, int]) -> None:
    store.append("s", one())
    store.append("s", one("Taken"))
    with store.read("s", **past) as seen:
        assert versions(seen) == [0]
        condition = pyesdb.AppendCondition(pyesdb.select.stream("s"), after=seen.head)
    with pytest.raises(pyesdb.ConditionFailed):
        store.append("mine", one(), condition=condition)


MISSING = {
    "never": pyesdb.StreamNotFound,
    "deleted": pyesdb.StreamDeleted,
    "tombstoned": pyesdb.StreamTombstoned,
}


@pytest.fixture
def gone(store: Any) -> Any:
    for name in ("deleted", "tombstoned"):
        store.append(name, new_events(2))
    store.delete_stream("deleted")
    store.tombstone_stream("tombstoned")
    return store


@pytest.mark.parametrize("stream", MISSING)
def test_a_stream_that_is_not_there_raises_at_the_call(gone: Any, stream: str) -> None:
    with pytest.raises(MISSING[stream]) as caught:
        gone.read(stream)
    assert stream in str(caught.value)
    assert isinstance(caught.value, pyesdb.NotFound)


@pytest.mark.parametrize("stream", MISSING)
def test_missing_ok_is_empty_for_all_three(gone: Any, stream: str) -> None:
    with gone.read(stream, missing_ok=True) as events:
        assert events.version is NO_STREAM
        assert events.to_list() == []
    assert gone.read(stream, missing_ok=True).first() is None


@pytest.mark.parametrize("stream", MISSING)
def test_version_is_no_stream_and_exists_is_false_for_all_three(gone: Any, stream: str) -> None:
    assert gone.version(stream) is NO_STREAM
    assert gone.exists(stream) is False


def test_exists_is_true_exactly_when_read_would_not_raise(gone: Any) -> None:
    gone.append("here", one())
    gone.append("empty", one())
    gone.truncate_stream("empty", before_version=1)
    for stream in ("here", "empty", *MISSING, "$events", "$nothing"):
        try:
            gone.read(stream).close()
            readable = True
        except pyesdb.NotFound:
            readable = False
        assert gone.exists(stream) is readable, stream


def test_all_truncated_is_empty_not_missing(store: Any) -> None:
    store.append("s", new_events(3))
    store.truncate_stream("s", before_version=3)
    with store.read("s") as events:
        assert events.version == 2
        assert events.to_list() == []
    assert store.exists("s") is True
    assert store.version("s") == 2
    assert store.append("s", one(), expected=2).version == 3


def test_first_gives_one_event_or_none(ten: Any) -> None:
    assert ten.read("s").first().version == 0
    assert ten.read("s", backwards=True).first().version == 9
    assert ten.read("s", from_version=50).first() is None


def test_a_closed_read_is_over(ten: Any) -> None:
    events = ten.read("s")
    next(events)
    events.close()
    events.close()
    assert list(events) == []


def test_reading_goes_on_where_iteration_stopped(ten: Any) -> None:
    events = ten.read("s")
    assert [next(events).version, next(events).version] == [0, 1]
    assert versions(events.to_list()) == list(range(2, 10))
    assert events.to_list() == []


def test_linearizable_and_local_are_the_same_embedded(ten: Any) -> None:
    for consistency in ("local", "linearizable"):
        assert len(ten.read("s", consistency=consistency).to_list()) == 10
        assert len(ten.read_all(consistency=consistency).to_list()) == 20


def test_a_read_may_outlive_many_others(ten: Any) -> None:
    reads = [ten.read("s") for _ in range(40)]
    for n in range(10):
        assert {next(read).version for read in reads} == {n}
    for read in reads:
        read.close()


def test_a_read_is_not_disturbed_by_a_later_delete(store: Any) -> None:
    store.append("s", new_events(3))
    kept = store.read_all()
    store.delete_stream("s")
    assert versions(kept) == [0, 1, 2]
