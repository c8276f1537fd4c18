"""API "Read": the whole store in the order of its commits."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb import select
from pyesdb.store import pages, reads
from pyesdb.store.reads import Read
from tests.contract.tools import new_events, one, positions
from tests.crash.faults import applier_of


def fill(store: Any) -> Any:
    for n in range(4):
        store.append("a", one("A"))
        store.append(f"b{n}", [one("B", tags=["t"]), one("C")])
    return store


@pytest.fixture(scope="module")
def twelve(kept_store: Any) -> Any:
    return fill(kept_store)


RANGES = [
    ({}, range(1, 13)),
    ({"after": 0}, range(1, 13)),
    ({"after": 5}, range(6, 13)),
    ({"before": 5}, range(1, 5)),
    ({"after": 3, "before": 7}, range(4, 7)),
    ({"after": 3, "before": 4}, range(0)),
    ({"after": 12}, range(0)),
    ({"after": 999}, range(0)),
    ({"before": 999}, range(1, 13)),
    ({"as_of": 4}, range(1, 5)),
    ({"after": 2, "as_of": 4}, range(3, 5)),
    ({"before": 3, "as_of": 8}, range(1, 3)),
]


@pytest.mark.parametrize(("asked", "given"), RANGES)
def test_positions_lie_between_after_and_before_both_excluded(
    twelve: Any, asked: dict[str, int], given: range
) -> None:
    assert positions(twelve.read_all(**asked)) == list(given)
    assert positions(twelve.read_all(**asked, backwards=True)) == list(given)[::-1]


def test_limit_takes_the_first_of_the_direction(twelve: Any) -> None:
    assert positions(twelve.read_all(limit=2)) == [1, 2]
    assert positions(twelve.read_all(limit=2, backwards=True)) == [12, 11]
    assert positions(twelve.read_all(after=4, limit=3)) == [5, 6, 7]


def test_limit_counts_selected_events(twelve: Any) -> None:
    chosen = select.event_type("A")
    assert positions(twelve.read_all(select=chosen)) == [1, 4, 7, 10]
    assert positions(twelve.read_all(select=chosen, limit=2)) == [1, 4]
    assert positions(twelve.read_all(select=chosen, limit=2, backwards=True)) == [10, 7]
    assert positions(twelve.read_all(select=chosen, after=1, before=10)) == [4, 7]


def test_head_is_the_end_of_the_store_or_where_limit_cut(store: Any) -> None:
    twelve = fill(store)
    with twelve.read_all() as events:
        twelve.append("later", one())
        assert positions(events)[-1] == events.head == 12
    with twelve.read_all(select=select.event_type("nothing")) as events:
        assert events.to_list() == []
        assert events.head == 13
    with twelve.read_all(select=select.event_type("A"), limit=2) as events:
        assert positions(events) == [1, 4]
        assert events.head == 4


def test_an_empty_store_has_head_zero(store: Any) -> None:
    with store.read_all() as events:
        assert events.to_list() == []
        assert events.head == 0


def test_after_head_continues_without_gap_or_repeat(store: Any) -> None:
    seen, cursor = [], 0
    for n in range(5):
        store.append(f"s{n}", new_events(n + 1))
        with store.read_all(after=cursor) as events:
            seen += positions(events)
            cursor = events.head
    assert seen == list(range(1, 16))


def test_paging_by_limit_and_head_sees_every_selected_event_once(twelve: Any) -> None:
    seen, cursor = [], 0
    while page := (
        events := twelve.read_all(after=cursor, select=select.tags("t"), limit=1)
    ).to_list():
        seen += positions(page)
        cursor = events.head
    assert seen == [2, 5, 8, 11]


def test_many_pages_are_complete_both_ways(own_store: Any) -> None:
    for n in range(6):
        own_store.append(f"s{n % 2}", new_events(1500))
    assert positions(own_store.read_all().to_list()) == list(range(1, 9001))
    assert positions(own_store.read_all(backwards=True).to_list()) == list(range(9000, 0, -1))


def test_big_events_are_complete_too(own_store: Any) -> None:
    for n in range(12):
        own_store.append("s", one(data=bytes([n]) * 900_000))
    assert [e.data[:1] for e in own_store.read_all()] == [bytes([n]) for n in range(12)]
    assert [len(e.data) for e in own_store.read("s", backwards=True)] == [900_000] * 12


@pytest.mark.usefixtures("unrecorded")
@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.read_all(),
        lambda store: store.read_all(backwards=True),
        lambda store: store.read_all(select=select.tags("t")),
        lambda store: store.read_all(select=select.tags("t"), backwards=True),
        lambda store: store.read_all(select=select.payload({"k": "v"})),
        lambda store: store.read("s"),
        lambda store: store.read("s", backwards=True),
        lambda store: store.read("s", from_version=1, to_version=5000),
        lambda store: store.read_all(limit=9000),
        lambda store: store.read("s", limit=9000),
    ],
)
def test_large_events_behind_small_ones_make_no_large_page(
    own_store: Any, monkeypatch: pytest.MonkeyPatch, ask: Any
) -> None:
    for module in (pages, reads):
        monkeypatch.setattr(module, "BYTES", 20_000)
    sizes: list[int] = []
    real = Read._fetch

    def fetch(read: Read, reader: Any) -> Any:
        found = real(read, reader)
        sizes.append(sum(len(event.data) for event in found))
        return found

    monkeypatch.setattr(Read, "_fetch", fetch)
    small = [one(data={"k": "v"}, tags=["t"]) for _ in range(600)]
    large = [one(data={"k": "v", "x": "x" * 1000}, tags=["t"]) for _ in range(300)]
    own_store.append("s", small + large + small)
    with ask(own_store) as events:
        found = positions(events.to_list())
    given = [n for n in range(1, 1501) if n in set(found)]
    assert found in (given, given[::-1])
    assert len(found) in (1499, 1500)
    assert sum(sizes) > 250_000
    assert max(sizes) <= 20_000 + pages.STEP * 1100


@pytest.mark.usefixtures("unrecorded")
def test_a_page_that_its_bytes_ended_holds_nothing_open(
    own_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (pages, reads):
        monkeypatch.setattr(module, "BYTES", 20_000)
    own_store.append("s", [one(data=b"x" * 1000) for _ in range(300)])
    events = own_store.read_all()
    assert next(events).position == 1
    own_store.append("s", one())
    writer = applier_of(own_store)._connection
    assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall() == [(0, 0, 0)]
    assert positions(events) == list(range(2, 301))


def test_a_read_of_all_has_no_stream_version(twelve: Any) -> None:
    with twelve.read_all() as events:
        assert getattr(events, "version", None) in (None, pyesdb.StreamState.NO_STREAM)


def test_system_streams_are_hidden_unless_asked_for(twelve: Any) -> None:
    assert all(not e.stream.startswith("$") or e.stream == "$events" for e in twelve.read_all())
    assert positions(twelve.read_all(system=True)) == list(range(1, 13))
