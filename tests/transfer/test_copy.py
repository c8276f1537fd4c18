"""From store to store, without a file."""

from __future__ import annotations

from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.transfer import SourceConflict, copy_events, export_events, import_events
from tests.transfer.conftest import fill, kept

Two = tuple[pyesdb.Store, pyesdb.Store]


def test_a_selection_with_ids_order_and_time(two: Two) -> None:
    a, b = two
    fill(a, 20)
    chosen = select.pattern(stream="s-*") & select.tags("n:1")
    result = copy_events(a, b, select=chosen)
    assert (result.events, result.position) == (9, 18)
    assert kept(b) == kept(a, select=chosen)


@pytest.mark.parametrize("by_file", [False, True])
def test_what_is_hidden_stays_behind(two: Two, tmp_path: Path, *, by_file: bool) -> None:
    a, b = two
    for stream in ("back", "deleted", "truncated", "counted", "tombstoned", "kept"):
        a.append(stream, [NewEvent("T", {"n": n}) for n in range(4)])
    a.delete_stream("back")
    a.append("back", NewEvent("T", "again"))
    a.delete_stream("deleted")
    a.tombstone_stream("tombstoned")
    a.truncate_stream("truncated", before_version=3)
    a.set_stream_metadata("counted", max_count=2)

    def transfer(name: str) -> int:
        if not by_file:
            return copy_events(a, b).events
        export_events(a, tmp_path / name)
        return import_events(b, tmp_path / name).events

    assert transfer("one") == 8
    assert {stream: len(b.read(stream).to_list()) for stream in b.streams()} == {
        "back": 1, "truncated": 1, "counted": 2, "kept": 4,
    }  # fmt: skip
    assert not b.exists("deleted")
    a.delete_stream("back")  # the newest that was stored is hidden now
    assert transfer("two") == 0
    a.scavenge()  # and gone
    a.append("kept", NewEvent("T", "later"))
    assert transfer("three") == 1


def test_called_again_it_brings_what_is_new(two: Two) -> None:
    a, b = two
    fill(a)
    assert [copy_events(a, b).events for _ in range(2)] == [10, 0]
    fill(a)
    seen: list[tuple[int, int]] = []
    assert copy_events(a, b, batch=3, on_progress=lambda *at: seen.append(at)).events == 10
    assert seen[-1] == (20, 20)
    assert kept(b) == kept(a)


def test_between_two_positions(two: Two) -> None:
    a, b = two
    fill(a)
    assert copy_events(a, b, after=2, before=6).events == 3
    assert kept(b) == kept(a, after=2, before=6)


def test_many_stores_into_one(tmp_path: Path) -> None:
    with pyesdb.open(tmp_path / "data", durability="os") as db:
        one = db.create_store("one")
        sources = [db.create_store(f"store-{n}") for n in range(3)]
        for _ in range(2):
            for source in sources:
                fill(source, 5)
                copy_events(source, one)
        assert len(kept(one)) == 30
        for source in sources:
            ids = {event.id for event in source.read_all()}
            moved = [event for event in kept(one) if event[1] in ids]
            assert moved == kept(source)


def test_a_store_and_itself(two: Two) -> None:
    a, _ = two
    with pytest.raises(pyesdb.RequestError, match="itself"):
        copy_events(a, a)


def test_a_name_that_meant_another_store(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a)
    copy_events(a, b, source_id="mine")
    with pyesdb.open(tmp_path / "other", durability="os") as db:
        fill(db.store())
        with pytest.raises(SourceConflict, match="mine"):
            copy_events(db.store(), b, source_id="mine")
    assert kept(b) == kept(a)


def test_what_the_target_refuses(two: Two) -> None:
    a, b = two
    a.append("x", NewEvent("T"))
    b.append("x", NewEvent("T"))
    b.tombstone_stream("x")
    with pytest.raises(pyesdb.StreamTombstoned):
        copy_events(a, b)
