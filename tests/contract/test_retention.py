"""API "Delete and retention": stream metadata, max_count, max_age."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import pyesdb
from tests.contract.tools import everything, named, new_events, one, positions, versions


def test_omitted_is_unchanged_and_none_is_cleared(store: Any) -> None:
    store.append("s", one())
    store.set_stream_metadata("s", max_count=5, max_age=60, custom={"owner": "ann"})
    store.set_stream_metadata("s", max_count=7)
    info = store.stream_info("s")
    assert (info.max_count, info.max_age) == (7, timedelta(seconds=60))
    assert dict(info.custom) == {"owner": "ann"}
    info = store.set_stream_metadata("s", max_age=None, custom=None)
    assert (info.max_count, info.max_age, dict(info.custom)) == (7, None, {})
    assert store.set_stream_metadata("s", max_count=None).max_count is None


def test_max_age_is_seconds_or_a_timedelta(store: Any) -> None:
    store.append("s", one())
    assert store.set_stream_metadata("s", max_age=1.5).max_age == timedelta(seconds=1.5)
    assert store.set_stream_metadata("s", max_age=timedelta(days=2)).max_age == timedelta(days=2)


def test_metadata_survives_reopening(open_db: Any, data_dir: Any) -> None:
    db = open_db(data_dir, durability="os")
    db.store().append("s", one())
    db.store().set_stream_metadata("s", max_count=3, custom={"a": [1, {"b": None}]})
    db.close()
    store = open_db(data_dir).store()
    info = store.stream_info("s")
    assert (info.max_count, dict(info.custom)) == (3, {"a": [1, {"b": None}]})
    store.append("s", new_events(6))
    assert versions(store.read("s")) == [4, 5, 6]


def test_max_count_is_kept_inside_append(store: Any) -> None:
    store.append("s", one())
    store.set_stream_metadata("s", max_count=3)
    for n in range(1, 8):
        store.append("s", one(data={"n": n}))
        assert versions(store.read("s")) == list(range(max(0, n - 2), n + 1))
        info = store.stream_info("s")
        assert (info.first_version, info.version) == (max(0, n - 2), n)
        assert info.count == min(n + 1, 3)
    assert positions(store.read_all()) == list(range(1, 9))


def test_one_big_append_keeps_only_the_last(store: Any) -> None:
    store.append("s", one())
    store.set_stream_metadata("s", max_count=2)
    assert store.append("s", new_events(10)).version == 10
    assert versions(store.read("s")) == [9, 10]


def test_raising_max_count_does_not_bring_anything_back(store: Any) -> None:
    store.append("s", one())
    store.set_stream_metadata("s", max_count=2)
    store.append("s", new_events(5))
    store.set_stream_metadata("s", max_count=None)
    assert versions(store.read("s")) == [4, 5]
    store.append("s", one())
    assert versions(store.read("s")) == [4, 5, 6]


def test_scavenge_reclaims_what_max_count_hid(store: Any) -> None:
    store.append("s", one())
    store.set_stream_metadata("s", max_count=2)
    store.append("s", new_events(5))
    assert store.scavenge().events == 4
    assert positions(store.read_all()) == [5, 6]
    assert store.append("s", one()).version == 6


def test_max_age_expires_by_created(clock: Any, own_store: Any) -> None:
    store = own_store
    store.append("s", new_events(2))
    store.append("forever", one())
    store.set_stream_metadata("s", max_age=3600)
    clock.move(minutes=50)
    store.append("s", one("Younger"))
    clock.move(minutes=20)
    store.scavenge()
    assert versions(store.read("s")) == [2]
    assert store.version("s") == 2
    assert versions(store.read("forever")) == [0]


def test_all_expired_is_empty_not_missing(clock: Any, own_store: Any) -> None:
    own_store.append("s", new_events(2))
    own_store.set_stream_metadata("s", max_age=60)
    clock.move(hours=1)
    own_store.scavenge()
    assert own_store.read("s").to_list() == []
    assert own_store.exists("s") is True
    assert own_store.append("s", one(), expected=1).version == 2
    assert versions(own_store.read("s")) == [2]


def test_the_time_given_by_the_writer_expires_nothing(clock: Any, own_store: Any) -> None:
    long_ago = clock.now - timedelta(days=400)
    own_store.append("s", one(time=long_ago))
    own_store.set_stream_metadata("s", max_age=3600)
    own_store.scavenge()
    assert versions(own_store.read("s")) == [0]


def test_a_clock_set_back_expires_nothing_and_created_stands_still(
    clock: Any, own_store: Any
) -> None:
    own_store.append("s", one())
    own_store.set_stream_metadata("s", max_age=3600)
    clock.move(days=-30)
    own_store.append("s", one())
    own_store.scavenge()
    first, second = own_store.read("s")
    assert second.created >= first.created


@pytest.mark.parametrize(
    "bad",
    [
        {"max_count": 0},
        {"max_count": -1},
        {"max_count": True},
        {"max_count": "5"},
        {"max_age": 0},
        {"max_age": -1},
        {"max_age": "1h"},
        {"max_age": float("nan")},
        {"max_age": float("inf")},
        {"max_age": True},
        {"custom": "text"},
        {"custom": {"a": float("nan")}},
        {"custom": {"a": object()}},
        {"custom": {5: 1}},
    ],
    ids=named,
)
def test_bad_metadata_changes_nothing(own_store: Any, bad: dict[str, Any]) -> None:
    own_store.append("s", new_events(3))
    own_store.set_stream_metadata("s", max_count=10, custom={"kept": True})
    before = everything(own_store)
    with pytest.raises(pyesdb.RequestError) as caught:
        own_store.set_stream_metadata("s", **bad)
    assert next(iter(bad)).replace("custom", "metadata") in str(caught.value)
    info = own_store.stream_info("s")
    assert (info.max_count, info.max_age, dict(info.custom)) == (10, None, {"kept": True})
    assert everything(own_store) == before
