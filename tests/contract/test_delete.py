"""API "Delete and retention": delete, tombstone, truncate, scavenge."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import pyesdb
from pyesdb import StreamState, select
from pyesdb.store import runtime
from tests.contract.tools import everything, head, new_events, one, positions, versions

NO_STREAM, EXISTS = StreamState.NO_STREAM, StreamState.EXISTS


def test_delete_is_soft_and_numbering_continues(store: Any) -> None:
    store.append("s", new_events(3))
    store.delete_stream("s")
    with pytest.raises(pyesdb.StreamDeleted):
        store.read("s")
    assert store.append("s", new_events(2, "Back")).first_version == 3
    assert versions(store.read("s")) == [3, 4]
    assert store.version("s") == 4


def test_tombstone_is_for_ever(open_db: Any, data_dir: Any) -> None:
    db = open_db(data_dir, durability="os")
    store = db.store()
    store.append("s", new_events(3))
    store.tombstone_stream("s")
    store.scavenge()
    db.close()
    store = open_db(data_dir).store()
    with pytest.raises(pyesdb.StreamTombstoned):
        store.append("s", one())
    with pytest.raises(pyesdb.StreamTombstoned):
        store.read("s")


@pytest.mark.parametrize("call", ["delete_stream", "tombstone_stream"])
def test_delete_checks_the_expected_version(store: Any, call: str) -> None:
    store.append("s", new_events(3))
    before = everything(store)
    with pytest.raises(pyesdb.WrongExpectedVersion) as caught:
        getattr(store, call)("s", expected=1)
    assert (caught.value.expected, caught.value.actual) == (1, 2)
    assert everything(store) == before
    assert store.exists("s")
    getattr(store, call)("s", expected=2)
    assert not store.exists("s")


def test_deleting_what_is_not_there_is_an_error(store: Any) -> None:
    with pytest.raises(pyesdb.StreamNotFound):
        store.delete_stream("never")
    store.append("t", one())
    store.tombstone_stream("t")
    with pytest.raises(pyesdb.StreamTombstoned):
        store.delete_stream("t")
    assert list(store.streams()) == []


def test_a_deleted_stream_may_be_tombstoned(store: Any) -> None:
    store.append("s", one())
    store.delete_stream("s")
    store.tombstone_stream("s")
    with pytest.raises(pyesdb.StreamTombstoned):
        store.append("s", one())


def test_truncate_hides_at_once_and_only_in_the_stream(store: Any) -> None:
    store.append("s", new_events(5))
    store.truncate_stream("s", before_version=3)
    assert versions(store.read("s")) == [3, 4]
    assert versions(store.read("s", from_version=0)) == [3, 4]
    assert versions(store.read("s", backwards=True)) == [4, 3]
    assert positions(store.read_all()) == [1, 2, 3, 4, 5]
    assert positions(store.read_all(select=select.event_type("Happened"))) == [1, 2, 3, 4, 5]


def test_truncate_never_shows_again_what_it_hid(store: Any) -> None:
    store.append("s", new_events(5))
    store.truncate_stream("s", before_version=3)
    assert store.truncate_stream("s", before_version=1).first_version == 3
    assert versions(store.read("s")) == [3, 4]


def test_truncate_of_a_missing_stream_is_an_error(store: Any) -> None:
    with pytest.raises(pyesdb.StreamNotFound):
        store.truncate_stream("never", before_version=1)


@pytest.mark.parametrize("bad", [-1, True, "1", 1.5, None])
def test_before_version_is_a_version(store: Any, bad: Any) -> None:
    store.append("s", new_events(3))
    with pytest.raises(pyesdb.RequestError) as caught:
        store.truncate_stream("s", before_version=bad)
    assert "before_version" in str(caught.value)
    assert versions(store.read("s")) == [0, 1, 2]


def test_delete_hides_from_the_stream_but_not_from_all_until_scavenge(store: Any) -> None:
    store.append("s", new_events(2))
    store.append("t", one())
    store.delete_stream("s")
    assert positions(store.read_all()) == [1, 2, 3]
    result = store.scavenge()
    assert result.events == 2
    assert positions(store.read_all()) == [3]


def test_scavenge_leaves_holes_and_reuses_nothing(store: Any) -> None:
    for name in ("a", "b", "c"):
        store.append(name, new_events(3))
    store.truncate_stream("a", before_version=2)
    store.delete_stream("b")
    store.tombstone_stream("c")
    assert store.scavenge().events == 8
    assert positions(store.read_all()) == [3]
    assert head(store) == 9
    assert store.append("a", one()).position == 10
    assert store.append("b", one()).version == 3
    assert positions(store.read_all()) == [3, 10, 11]


def test_scavenge_half_append_and_every_kept_event_is_unchanged(store: Any) -> None:
    for n in range(10):
        store.append(f"s{n}", new_events(10, tags=[f"t{n}"]))
    for n in range(0, 10, 2):
        store.truncate_stream(f"s{n}", before_version=5)
    for n in range(1, 10, 4):
        store.delete_stream(f"s{n}")
    kept = [
        row
        for row in everything(store)
        if (int(row[1][1:]) % 2 == 0 and row[2] >= 5) or row[1] in ("s3", "s7")
    ]
    assert store.scavenge().events == 100 - len(kept)
    assert everything(store) == kept
    for n in range(10):
        assert store.append(f"s{n}", one("After")).version == 10
    assert everything(store)[: len(kept)] == kept
    assert positions(store.read_all(after=100)) == list(range(101, 111))
    assert versions(store.read("s0")) == [5, 6, 7, 8, 9, 10]
    assert versions(store.read("s1")) == [10]
    assert versions(store.read("s3")) == list(range(11))


def test_a_wholly_scavenged_stream_keeps_its_number(open_db: Any, data_dir: Any) -> None:
    db = open_db(data_dir, durability="os")
    store = db.store()
    store.append("s", new_events(4))
    store.truncate_stream("s", before_version=4)
    store.append("d", new_events(4))
    store.delete_stream("d")
    store.scavenge()
    db.close()
    store = open_db(data_dir).store()
    assert store.version("s") == 3
    assert store.read("s").to_list() == []
    with pytest.raises(pyesdb.StreamDeleted):
        store.append("d", one(), expected=EXISTS)
    assert store.append("s", one(), expected=3).version == 4
    assert store.append("d", one(), expected=NO_STREAM).version == 4


def test_scavenge_reports_progress_and_a_second_one_finds_nothing(store: Any) -> None:
    store.append("s", new_events(50))
    store.append("t", one())
    store.delete_stream("s")
    steps: list[tuple[int, int]] = []
    result = store.scavenge(on_progress=lambda done, total: steps.append((done, total)))
    assert result.events == 50
    assert result.bytes >= 0
    assert steps
    assert all(0 <= done <= total for done, total in steps)
    assert steps == sorted(steps)
    assert store.scavenge().events == 0


def test_large_events_are_scavenged_a_few_at_a_time(
    own_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_SWEEP_BYTES", 20_000)
    own_store.append("s", [one(data=b"x" * 5000) for _ in range(60)])
    own_store.delete_stream("s")
    done = [0]
    own_store.scavenge(on_progress=lambda swept, _: done.append(swept))
    steps = [now - before for before, now in pairwise(done)]
    assert sum(steps) == 60
    assert steps[0] <= 32, "what comes is not known yet"
    assert max(steps[2:]) <= 4, "the others wait for each step"


def test_scavenge_of_an_untouched_store_keeps_everything(store: Any) -> None:
    store.append("s", new_events(20, tags=["a"]))
    before = everything(store)
    assert store.scavenge().events == 0
    assert everything(store) == before


def test_selectors_forget_what_was_scavenged(store: Any) -> None:
    store.append("s", new_events(3, "Old", tags=["x"]))
    store.append("t", one("Old", tags=["x"]))
    store.delete_stream("s")
    store.scavenge()
    for selector in (select.tags("x"), select.event_type("Old"), select.pattern(stream="*")):
        assert positions(store.read_all(select=selector)) == [4]


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.delete_stream("$events"),
        lambda s: s.tombstone_stream("$events"),
        lambda s: s.delete_stream("$mine"),
    ],
)
def test_system_streams_cannot_be_deleted(store: Any, call: Any) -> None:
    store.append(None, one())
    with pytest.raises(pyesdb.PyesdbError):
        call(store)
    assert versions(store.read("$events")) == [0]
