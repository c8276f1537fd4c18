"""API "Read" and "Delete": which streams there are, and what is known about one."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from tests.contract.tools import new_events, one

NAMES = ["a", "order-1", "order-10", "order-2", "zoë", "日本"]


@pytest.fixture
def named(store: Any) -> Any:
    for name in reversed(NAMES):
        store.append(name, one())
    return store


def test_streams_are_listed_in_the_order_of_their_names(named: Any) -> None:
    assert list(named.streams()) == NAMES


def test_streams_by_prefix(named: Any) -> None:
    assert list(named.streams(prefix="order-1")) == ["order-1", "order-10"]
    assert list(named.streams(prefix="日")) == ["日本"]
    assert list(named.streams(prefix="")) == NAMES
    assert list(named.streams(prefix="none")) == []


def test_streams_after_a_name_with_limit(named: Any) -> None:
    assert list(named.streams(after="order-1", limit=2)) == ["order-10", "order-2"]
    assert list(named.streams(after="b", limit=1)) == ["order-1"]
    assert list(named.streams(after="日本")) == []
    assert list(named.streams(prefix="order-", after="order-10")) == ["order-2"]


def test_paging_through_streams_sees_each_once(store: Any) -> None:
    names = sorted(f"s{n}" for n in range(2500))
    for start in range(0, 2500, 500):
        store.append_many([pyesdb.Append(name, one()) for name in names[start : start + 500]])
    assert list(store.streams()) == names
    seen: list[str] = []
    while page := list(store.streams(after=seen[-1] if seen else None, limit=999)):
        seen += page
    assert seen == names


def test_streams_that_cannot_be_read_are_not_listed(named: Any) -> None:
    named.delete_stream("a")
    named.tombstone_stream("order-2")
    named.truncate_stream("order-1", before_version=1)
    assert list(named.streams()) == ["order-1", "order-10", "zoë", "日本"]
    named.append("a", one())
    assert next(iter(named.streams())) == "a"


def test_system_streams_are_listed_only_when_asked_for(db: Any) -> None:
    store = db.create_store("x")
    store.append("a", one())
    store.append(None, one())
    assert list(store.streams()) == ["$events", "a"]
    assert set(store.streams(system=True)) >= {"$events", "a"}


@pytest.mark.parametrize("limit", [-1, True, "5", 1.5])
def test_limit_of_streams_is_a_number(named: Any, limit: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        list(named.streams(limit=limit))
    assert "limit" in str(caught.value)


@pytest.mark.parametrize("prefix", [5, b"a", True])
def test_prefix_of_streams_is_text(named: Any, prefix: Any) -> None:
    with pytest.raises(pyesdb.RequestError):
        list(named.streams(prefix=prefix))


def test_stream_info_of_an_active_stream(store: Any) -> None:
    store.append("s", new_events(3))
    events = store.read("s").to_list()
    info = store.stream_info("s")
    assert (info.stream, info.version, info.first_version) == ("s", 2, 0)
    assert (info.state, info.count) == ("active", 3)
    assert (info.created, info.updated) == (events[0].created, events[-1].created)
    assert (info.max_age, info.max_count, dict(info.custom)) == (None, None, {})


def test_stream_info_of_a_missing_stream(store: Any) -> None:
    with pytest.raises(pyesdb.StreamNotFound):
        store.stream_info("never")


def test_stream_info_tells_deleted_and_tombstoned(store: Any) -> None:
    for name in ("d", "t"):
        store.append(name, new_events(2))
    assert store.delete_stream("d").state == "deleted"
    assert store.tombstone_stream("t").state == "tombstoned"
    assert store.stream_info("d").state == "deleted"
    assert store.stream_info("t").state == "tombstoned"
    assert store.stream_info("d").version == store.stream_info("t").version == 1
    assert store.stream_info("d").count == store.stream_info("t").count == 0


def test_stream_info_after_truncation(store: Any) -> None:
    store.append("s", new_events(5))
    info = store.truncate_stream("s", before_version=3)
    assert (info.first_version, info.version, info.count) == (3, 4, 2)
    assert store.stream_info("s").first_version == 3


def test_names_that_differ_only_by_case_or_form_are_different_streams(store: Any) -> None:
    for n, name in enumerate(
        ("Order", "order", "e\u0301", "\u00e9", "a b", "a/b", "..", "a%b", "'")
    ):
        store.append(name, new_events(n + 1))
        assert store.version(name) == n
    assert store.version("Order") == 0
    assert store.version("e\u0301") == 2


def test_a_name_of_512_bytes_is_kept(store: Any) -> None:
    for name in ("x" * 512, "é" * 256):
        store.append(name, one())
        assert store.read(name).first().stream == name
