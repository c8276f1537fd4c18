"""API "Snapshots": record, read, list, delete, load."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import pyesdb
from pyesdb import StreamState
from tests.contract.tools import head, named, new_events, one, versions

NO_STREAM = StreamState.NO_STREAM


class Total(msgspec.Struct):
    total: int


@pytest.fixture
def five(store: Any) -> Any:
    store.append("s", new_events(5))
    return store


def test_a_snapshot_is_kept_by_source_stream_and_version(five: Any) -> None:
    made = five.record_snapshot("Order", "s", 2, {"total": 3}, {"by": "me"})
    read = five.read_snapshot("Order", "s", 2)
    for snapshot in (made, read):
        assert (snapshot.source, snapshot.stream, snapshot.version) == ("Order", "s", 2)
        assert snapshot.json() == {"total": 3}
        assert snapshot.decode(Total) == Total(3)
        assert dict(snapshot.metadata) == {"by": "me"}
    assert read.created == made.created


def test_bytes_are_kept_as_they_are(five: Any) -> None:
    five.record_snapshot("Order", "s", 1, b"\x00\xff")
    assert five.read_snapshot("Order", "s").data == b"\x00\xff"


def test_without_version_the_latest_is_read(five: Any) -> None:
    for version in (1, 4, 2):
        five.record_snapshot("Order", "s", version, {"at": version})
    assert five.read_snapshot("Order", "s").version == 4
    assert five.read_snapshot("Order", "s", 2).json() == {"at": 2}


def test_sources_do_not_see_each_other(five: Any) -> None:
    five.record_snapshot("Order.v1", "s", 1, {"v": 1})
    five.record_snapshot("Order.v2", "s", 1, {"v": 2})
    assert five.read_snapshot("Order.v1", "s").json() == {"v": 1}
    assert five.read_snapshot("Order.v2", "s").json() == {"v": 2}


@pytest.mark.parametrize("key", [("Order", "s", 3), ("Other", "s", None), ("Order", "t", None)])
def test_a_snapshot_that_is_not_there(five: Any, key: tuple[Any, ...]) -> None:
    five.append("t", one())
    five.record_snapshot("Order", "s", 2, {})
    with pytest.raises(pyesdb.SnapshotNotFound):
        five.read_snapshot(*key)


def test_same_key_and_content_is_a_no_op(five: Any) -> None:
    first = five.record_snapshot("Order", "s", 2, {"total": 3}, {"by": "me"})
    again = five.record_snapshot("Order", "s", 2, {"total": 3}, {"by": "me"})
    assert again.created == first.created
    assert len(five.list_snapshots()) == 1


@pytest.mark.parametrize("other", [({"total": 4}, {"by": "me"}), ({"total": 3}, {"by": "you"})])
def test_same_key_and_other_content_is_a_conflict(five: Any, other: tuple[Any, Any]) -> None:
    five.record_snapshot("Order", "s", 2, {"total": 3}, {"by": "me"})
    with pytest.raises(pyesdb.SnapshotConflict) as caught:
        five.record_snapshot("Order", "s", 2, *other)
    assert isinstance(caught.value, pyesdb.ConflictError)
    assert five.read_snapshot("Order", "s", 2).json() == {"total": 3}


def test_a_snapshot_beyond_the_stream_is_refused(five: Any) -> None:
    with pytest.raises(pyesdb.RequestError):
        five.record_snapshot("Order", "s", 5, {})
    assert five.list_snapshots() == []
    assert five.record_snapshot("Order", "s", 4, {}).version == 4


def test_a_snapshot_of_a_missing_stream_is_refused(store: Any) -> None:
    with pytest.raises((pyesdb.RequestError, pyesdb.NotFound)):
        store.record_snapshot("Order", "never", 0, {})
    assert not store.exists("never")


def test_a_snapshot_is_no_event(five: Any) -> None:
    five.record_snapshot("Order", "s", 2, {})
    assert head(five) == 5
    assert five.version("s") == 4


def test_listing_by_source_and_stream(five: Any) -> None:
    five.append("t", new_events(3))
    for source, stream, version in (("A", "s", 1), ("A", "s", 3), ("A", "t", 2), ("B", "s", 1)):
        five.record_snapshot(source, stream, version, {})

    def keys(**by: str) -> set[tuple[str, str, int]]:
        return {(s.source, s.stream, s.version) for s in five.list_snapshots(**by)}

    assert keys() == {("A", "s", 1), ("A", "s", 3), ("A", "t", 2), ("B", "s", 1)}
    assert keys(source="A") == {("A", "s", 1), ("A", "s", 3), ("A", "t", 2)}
    assert keys(stream="s") == {("A", "s", 1), ("A", "s", 3), ("B", "s", 1)}
    assert keys(source="A", stream="t") == {("A", "t", 2)}
    assert keys(source="C") == set()


def test_deleting_one_version_or_all(five: Any) -> None:
    for version in (1, 2, 3):
        five.record_snapshot("A", "s", version, {})
    five.record_snapshot("B", "s", 1, {})
    five.delete_snapshot("A", "s", 3)
    assert five.read_snapshot("A", "s").version == 2
    five.delete_snapshot("A", "s")
    with pytest.raises(pyesdb.SnapshotNotFound):
        five.read_snapshot("A", "s")
    assert [s.source for s in five.list_snapshots()] == ["B"]
    with pytest.raises(pyesdb.SnapshotNotFound):
        five.delete_snapshot("A", "s", 1)


def test_a_deleted_snapshot_may_be_recorded_anew(five: Any) -> None:
    five.record_snapshot("A", "s", 1, {"x": 1})
    five.delete_snapshot("A", "s", 1)
    assert five.record_snapshot("A", "s", 1, {"x": 2}).json() == {"x": 2}


def test_snapshots_survive_reopening(open_db: Any, data_dir: Any) -> None:
    db = open_db(data_dir, durability="os")
    db.store().append("s", new_events(3))
    made = db.store().record_snapshot("A", "s", 1, {"x": 1})
    db.close()
    read = open_db(data_dir).store().read_snapshot("A", "s")
    assert (read.version, read.data, read.created) == (1, made.data, made.created)


def test_load_gives_the_snapshot_and_what_came_after(five: Any) -> None:
    five.record_snapshot("A", "s", 2, {"x": 1})
    loaded = five.load("s", source="A")
    assert loaded.snapshot.version == 2
    assert loaded.version == 4
    assert versions(loaded.events) == [3, 4]


def test_load_without_source_is_complete_whatever_snapshots_there_are(five: Any) -> None:
    five.record_snapshot("A", "s", 2, {})
    five.record_snapshot("B", "s", 1, {})
    loaded = five.load("s")
    behind = -1 if loaded.snapshot is None else loaded.snapshot.version
    assert versions(loaded.events) == list(range(behind + 1, 5))


def test_load_up_to_a_version_takes_no_later_snapshot(five: Any) -> None:
    five.record_snapshot("A", "s", 1, {"x": 1})
    five.record_snapshot("A", "s", 4, {"x": 4})
    loaded = five.load("s", source="A", to_version=3)
    assert loaded.snapshot.version == 1
    assert versions(loaded.events) == [2, 3]


def test_load_with_a_snapshot_of_the_last_version_has_no_events(five: Any) -> None:
    five.record_snapshot("A", "s", 4, {"x": 4})
    loaded = five.load("s", source="A")
    assert (loaded.snapshot.version, loaded.version) == (4, 4)
    assert loaded.events.to_list() == []


def test_load_leaves_out_a_snapshot_whose_next_events_are_hidden(five: Any) -> None:
    five.record_snapshot("A", "s", 1, {"x": 1})
    five.truncate_stream("s", before_version=2)
    loaded = five.load("s", source="A")
    assert (loaded.snapshot.version, versions(loaded.events)) == (1, [2, 3, 4]), (
        "just what it covers"
    )
    five.truncate_stream("s", before_version=4)
    loaded = five.load("s", source="A")
    assert (loaded.snapshot, versions(loaded.events), loaded.version) == (None, [4], 4)
    assert five.load("s", source="A", to_version=1).snapshot.version == 1, "nothing is asked behind"
    assert five.load("s", source="A", to_version=3).snapshot is None
    five.truncate_stream("s", before_version=5)
    loaded = five.load("s", source="A")
    assert (loaded.snapshot, versions(loaded.events), loaded.version) == (None, [], 4)
    five.record_snapshot("A", "s", 4, {"x": 4})
    assert five.load("s", source="A").snapshot.version == 4
    assert five.read_snapshot("A", "s", 1).json() == {"x": 1}, "it is there for who asks for it"


def test_load_of_a_missing_stream_is_a_new_aggregate(store: Any) -> None:
    for source in (None, "A"):
        loaded = store.load("new", source=source)
        assert loaded.snapshot is None
        assert loaded.version is NO_STREAM
        assert loaded.events.to_list() == []
    assert store.append("new", one(), expected=store.load("new").version).version == 0


def test_load_decide_append_at_that_version(five: Any) -> None:
    five.record_snapshot("A", "s", 2, {})
    loaded = five.load("s", source="A")
    five.append("s", one("Rival"))
    with pytest.raises(pyesdb.WrongExpectedVersion):
        five.append("s", one("Mine"), expected=loaded.version)


@pytest.mark.parametrize(
    "bad",
    [
        ("", "s", 1, {}),
        (5, "s", 1, {}),
        ("A\n", "s", 1, {}),
        ("A", "", 1, {}),
        ("A", "s", -1, {}),
        ("A", "s", True, {}),
        ("A", "s", "1", {}),
        ("A", "s", None, {}),
        ("A", "s", 1, object()),
        ("A", "s", 1, {"a": float("nan")}),
        ("A", "s", 1, {}, "text"),
        ("A", "s", 1, {}, {"a": object()}),
    ],
    ids=named,
)
def test_a_bad_snapshot_is_refused(own_store: Any, bad: tuple[Any, ...]) -> None:
    own_store.append("s", new_events(5))
    with pytest.raises(pyesdb.RequestError):
        own_store.record_snapshot(*bad)
    assert own_store.list_snapshots() == []


def test_a_huge_snapshot_is_refused_by_name(five: Any) -> None:
    with pytest.raises(pyesdb.LimitExceeded) as caught:
        five.record_snapshot("A", "s", 1, b"x" * (5 << 20))
    assert caught.value.value > caught.value.limit
