"""Copies: the whole store, history up to a moment, a selection; the source is never touched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import Append, NewEvent, RequestError, select
from tests.contract.tools import everything, new_events, one, positions, types, versions


def same(event: Any) -> tuple[Any, ...]:
    """What a split keeps of an event."""
    return (
        event.stream,
        event.id,
        event.type,
        event.data,
        dict(event.metadata),
        event.tags,
        event.content_type,
        event.created,
        event.time,
    )


@pytest.fixture
def source(db: Any) -> Any:
    """A store whose streams interleave; positions 1 to 12."""
    store = db.create_store("source", description="of the source", tags=["gold"])
    store.append("a", [one("A", n, tags=["even"] if n % 2 == 0 else []) for n in range(4)])
    store.append_many([Append("b", new_events(2, "B")), Append("a", new_events(2, "A2"))])
    store.append("c", NewEvent("C", b"\0\1", content_type="image/png", metadata={"k": [1]}))
    store.append("b", new_events(3, "B2", time=datetime(2001, 2, 3, tzinfo=UTC)))
    return store


def test_a_clone_is_the_same_store_with_another_history(db: Any, source: Any) -> None:
    source.record_snapshot("src", "a", 3, {"n": 3})
    source.append("t", one(), tracking=("feed", 9))
    source.set_stream_metadata("a", custom={"x": 1}, max_count=100)
    before = everything(source)
    copy = db.copy_store("source", "copy")
    assert everything(copy) == everything(source) == before
    assert copy.tracked("feed") == 9
    assert copy.read_snapshot("src", "a").json() == {"n": 3}
    assert copy.stream_info("a") == source.stream_info("a")
    config = db.get_store_config("copy")
    assert (config.description, config.tags) == ("of the source", ("gold",))
    assert copy.verify().ok
    assert copy.info().incarnation > source.info().incarnation
    copy.append("a", one())
    assert everything(source) == before
    token = source.append("a", one()).token
    with pytest.raises(pyesdb.HistoryChanged):
        copy.read("a", at_least=token).to_list()


@pytest.mark.parametrize("position", [0, 1, 3, 5, 7, 9, 12, 40])
def test_a_fork_at_a_position(db: Any, source: Any, position: int) -> None:
    before = everything(source)
    fork = db.copy_store("source", "fork", as_of=position)
    assert everything(fork) == [event for event in before if event[0] <= position]
    assert fork.verify().ok
    head = min(position, 12)
    assert fork.stats().position == fork.stats().events == head
    expected = {"a": [1, 2, 3, 4, 7, 8], "b": [5, 6, 10, 11, 12], "c": [9]}
    for stream, stored in expected.items():
        left = sum(place <= position for place in stored)
        assert fork.version(stream) == (left - 1 if left else pyesdb.StreamState.NO_STREAM)
    assert fork.append("a", one()).position == head + 1
    assert fork.verify().ok
    assert everything(source) == before


def test_a_fork_at_a_moment(clock: Any, db: Any) -> None:
    store = db.create_store("source")
    moments = []
    for n in range(4):
        moments.append(clock.now)
        store.append(f"s{n % 2}", one("E", n))
        clock.move(seconds=10)
    cases = {
        moments[0] - timedelta(seconds=1): 0,
        moments[0]: 1,
        moments[2] + timedelta(seconds=9): 3,
        moments[3] + timedelta(days=1): 4,
    }
    for number, (moment, count) in enumerate(cases.items()):
        fork = db.copy_store("source", f"fork{number}", as_of=moment)
        assert positions(fork.read_all()) == list(range(1, count + 1))
        assert fork.verify().ok


def test_a_fork_of_a_store_that_is_larger_than_any_cache(db: Any) -> None:
    store = db.create_store("source")
    for n in range(5):
        store.append(f"s{n}", [NewEvent("Big", b"x" * 200_000) for _ in range(10)])
    fork = db.copy_store("source", "fork", as_of=41)
    assert fork.verify().ok
    assert positions(fork.read_all()) == list(range(1, 42))


def test_what_a_fork_forgets(db: Any, source: Any) -> None:
    """It says nothing of what comes behind the cut, and a retry there is a new call."""
    source.record_snapshot("src", "a", 2, {"n": 2})
    source.record_snapshot("src", "a", 5, {"n": 5})
    late = one("Secret", {"of": "the tail"}, tags=["secret"])
    source.append("late", late, tracking=("feed", 3))
    fork = db.copy_store("source", "fork", as_of=8)
    assert [s.version for s in fork.list_snapshots()] == [2, 5]
    earlier = db.copy_store("source", "earlier", as_of=4)
    assert [s.version for s in earlier.list_snapshots()] == [2]
    assert fork.tracked("feed") is None
    assert not fork.append("late", late).duplicate
    assert list(earlier.streams()) == ["a"]
    assert b"the tail" not in Path(earlier.info().config.data_dir, "store.db").read_bytes()


def test_streams_are_as_they_are_now(db: Any, source: Any) -> None:
    source.truncate_stream("a", before_version=5)
    source.delete_stream("b")
    source.set_stream_metadata("c", max_count=9)
    fork = db.copy_store("source", "fork", as_of=9)
    assert fork.verify().ok
    assert versions(fork.read("a")) == [5]
    with pytest.raises(pyesdb.StreamDeleted):
        fork.read("b").to_list()
    assert fork.stream_info("c").max_count == 9
    earlier = db.copy_store("source", "earlier", as_of=3)
    assert versions(earlier.read("a")) == []
    assert earlier.version("a") == 2
    assert earlier.verify().ok


def test_a_split_keeps_ids_order_and_times(db: Any, source: Any) -> None:
    chosen = select.tags("even") | select.stream("b") | select.event_type("C")
    split = db.copy_store("source", "split", select=chosen)
    expected = [same(event) for event in source.read_all(select=chosen)]
    assert [same(event) for event in split.read_all()] == expected
    assert len(expected) == 8
    assert positions(split.read_all()) == list(range(1, 9))
    assert versions(split.read("a")) == [0, 1]
    assert split.verify().ok
    assert db.get_store_config("split").description == "of the source"
    assert split.append("b", one()).version == 5


def test_a_split_up_to_a_moment(db: Any, source: Any) -> None:
    split = db.copy_store("source", "split", select=select.stream("b"), as_of=10)
    assert types(split.read_all()) == ["B", "B", "B2"]
    nothing = db.copy_store("source", "nothing", select=select.stream("nobody"))
    assert everything(nothing) == []
    assert nothing.append("s", one()).position == 1


def test_what_streams_hide_stays_hidden_in_a_split(db: Any, source: Any) -> None:
    source.truncate_stream("a", before_version=4)
    source.delete_stream("b")
    source.set_stream_metadata("a", max_age=3600, max_count=3, custom={"x": 1})
    split = db.copy_store("source", "split", select=select.everything)
    assert types(split.read_all()) == ["A2", "A2", "C"]
    info = split.stream_info("a")
    assert (info.max_age, info.max_count, info.custom) == (timedelta(hours=1), 3, {"x": 1})
    assert split.verify().ok


def test_a_split_in_many_pieces(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends, entries and transactions end where they must, not where the source's ended."""
    from pyesdb.store import splitting

    monkeypatch.setattr(splitting, "_APPEND_EVENTS", 7)
    monkeypatch.setattr(splitting, "_BATCH_ENTRIES", 3)
    store = db.store()
    repeated = one("Twice")
    store.append("$twice"[1:], repeated)
    for n in range(10):
        store.append(f"s{n % 3}", new_events(5 + n))
    store.append("twice", new_events(1))
    store.append("twice", repeated, expected=1)
    store.append(None, new_events(2, "Loose"))
    split = db.copy_store("default", "split", select=select.everything)
    assert [same(e) for e in split.read_all()] == [same(e) for e in store.read_all()]
    assert split.verify().ok


def test_limits_of_the_source_do_not_stop_a_copy(db: Any) -> None:
    """They enter when the events are in: a copy is as full as its source, and no less."""
    store = db.create_store("source", indexed_payload=["n"])
    store.append("s", new_events(20))
    db.update_store("source", max_events=10, max_append_events=2, max_count=5)
    for name, chosen in (("clone", None), ("split", select.everything)):
        copy = db.copy_store("source", name, select=chosen)
        assert len(everything(copy)) == 20
        assert positions(copy.read_all(select=select.payload({"n": 7}))) == [8]
        assert copy.verify().ok
        with pytest.raises(pyesdb.LimitExceeded):
            copy.append("s", new_events(1))


def test_a_copy_of_a_frozen_store_is_not_frozen(db: Any, source: Any) -> None:
    db.save_template("t", max_append_events=50)
    db.create_store("frozen", template="t").append("s", one())
    db.freeze_store("frozen")
    copy = db.copy_store("frozen", "copy")
    assert copy.append("s", one()).version == 1
    assert db.list_stores()["copy"].template == "t"
    assert db.get_store_status("frozen") == "frozen"


def test_calls_that_are_refused(db: Any, source: Any, data_dir: Path) -> None:
    calls: list[tuple[type[Exception], Callable[[], Any]]] = [
        (pyesdb.StoreAlreadyExists, lambda: db.copy_store("source", "source")),
        (pyesdb.StoreNotFound, lambda: db.copy_store("nobody", "x")),
        (pyesdb.InvalidStoreId, lambda: db.copy_store("source", "No Id")),
        (pyesdb.InvalidStoreId, lambda: db.copy_store("$system", "x")),
        (pyesdb.InvalidSelector, lambda: db.copy_store("source", "x", select="all")),
        (RequestError, lambda: db.copy_store("source", "x", as_of=-1)),
        (RequestError, lambda: db.copy_store("source", "x", as_of="now")),
        (RequestError, lambda: db.copy_store("source", "x", as_of=datetime(2020, 1, 1))),  # noqa: DTZ001
    ]
    for error, call in calls:
        with pytest.raises(error):
            call()
    assert sorted(db.list_stores()) == ["default", "source"]
    assert list((data_dir / "drafts").iterdir()) == []


def test_a_copy_while_others_write(db: Any, source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is of one moment, whatever is committed between its pages."""
    from pyesdb.store import splitting

    real = splitting._Building.add

    def add(self: Any, events: Any) -> None:
        source.append("a", one("Later"))
        source.truncate_stream("b", before_version=4)
        real(self, events)

    source.append("big", new_events(200, "Big"))
    before = [same(event) for event in source.read_all()]
    monkeypatch.setattr(splitting._Building, "add", add)
    split = db.copy_store("source", "split", select=select.everything)
    assert [same(event) for event in split.read_all()] == before


def test_copies_are_for_the_owner_only(db: Any, source: Any) -> None:
    db.copy_store("source", "whole")
    db.copy_store("source", "past", as_of=3)
    db.copy_store("source", "part", select=select.stream("a"))
    for name in ("source", "whole", "past", "part"):
        folder = Path(db.get_store_config(name).data_dir)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
