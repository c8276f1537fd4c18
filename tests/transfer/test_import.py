"""Imports: each event once, in order, whatever was imported before."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.transfer import (
    SourceConflict,
    copy_events,
    engine,
    export_events,
    import_events,
)
from tests.transfer.conftest import counted, fill, kept, lines

Two = tuple[pyesdb.Store, pyesdb.Store]


def export(store: pyesdb.Store, path: Path, **options: Any) -> Path:
    export_events(store, path, overwrite=True, **options)
    return path


def test_importing_twice_stores_each_event_once(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a)
    file = export(a, tmp_path / "a.jsonl")
    first, second = import_events(b, file), import_events(b, file)
    assert (first.events, first.skipped, first.position) == (10, 0, 10)
    assert (second.events, second.skipped, second.position) == (0, 10, 10)
    assert kept(b) == kept(a)


def test_a_later_export_goes_on_behind_an_earlier_one(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a, 5)
    import_events(b, export(a, tmp_path / "a.jsonl"))
    fill(a, 5)
    result = import_events(b, export(a, tmp_path / "a.jsonl"))
    assert (result.events, result.skipped) == (5, 5)
    fill(a, 5)
    rest = export(a, tmp_path / "rest.jsonl", after=10)
    assert import_events(b, rest).events == 5
    assert import_events(b, export(a, tmp_path / "a.jsonl")).events == 0
    assert copy_events(a, b).events == 0
    assert kept(b) == kept(a)


def test_the_end_first_and_then_the_whole_loses_nothing(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a)
    rest = export(a, tmp_path / "rest.jsonl", after=7)
    for expected in (3, 0):
        assert import_events(b, rest).events == expected
    assert import_events(b, export(a, tmp_path / "a.jsonl")).events == 10
    assert import_events(b, rest).events == 0
    assert kept(b) == kept(a, after=7) + kept(a)


def test_another_selection_is_another_source(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a, 9)
    some = select.tags("n:0")
    result = import_events(b, export(a, tmp_path / "some.jsonl", select=some))
    assert kept(b) == kept(a, select=some)
    turned = select.event_type("Counted") & some | select.event_type("Loose")
    names = {
        export_events(a, io.BytesIO(), select=chosen).source
        for chosen in (
            None,
            select.everything,
            some,
            turned,
            select.event_type("Loose") | some & select.event_type("Counted"),
        )
    }
    assert len(names) == 3
    assert result.source in names


def test_equal_store_ids_of_two_databases_are_two_sources(two: Two, tmp_path: Path) -> None:
    a, b = two
    a.append("s", NewEvent("T", {"from": "here"}))
    import_events(b, export(a, tmp_path / "a.jsonl"))
    with pyesdb.open(tmp_path / "other", durability="os") as other:
        twin = other.create_store("a")
        assert twin.info().incarnation == a.info().incarnation
        twin.append("s", NewEvent("T", {"from": "there"}))
        assert import_events(b, export(twin, tmp_path / "twin.jsonl")).events == 1
    assert [e.json()["from"] for e in b.read("s")] == ["here", "there"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch", [1, 7, 2000])
def test_the_order_of_the_store_is_kept_across_streams(two: Two, seed: int, batch: int) -> None:
    a, b = two
    chance = random.Random(seed)
    for n in range(60):
        stream = chance.choice([None, "x", "y", "z", "x", f"rare-{n}"])
        a.append(stream, [NewEvent("T", {"n": n, "i": i}) for i in range(chance.choice([1, 1, 4]))])
    file = io.BytesIO()
    export_events(a, file)
    file.seek(0)
    import_events(b, file, batch=batch)
    assert kept(b) == kept(a)


def test_batches_stay_within_the_limits_of_the_target(tmp_path: Path) -> None:
    with pyesdb.open(tmp_path / "data", durability="os") as db:
        a = db.create_store("a")
        b = db.create_store("b", max_append_events=3, max_append_bytes=2_000)
        a.append("s", [NewEvent("T", {"n": n, "text": "x" * (n * 50)}) for n in range(20)])
        file = io.BytesIO()
        export_events(a, file)
        file.seek(0)
        assert import_events(b, file).events == 20
        assert kept(b) == kept(a)


def test_what_the_target_refuses_stops_the_import_behind_a_prefix(two: Two, tmp_path: Path) -> None:
    a, b = two
    for stream in ("x", "x", "y", "x", "z", "x"):
        a.append(stream, NewEvent("T"))
    b.append("z", NewEvent("Before"))
    b.tombstone_stream("z")
    file = export(a, tmp_path / "a.jsonl")
    for _ in range(2):
        with pytest.raises(pyesdb.StreamTombstoned, match="'z'"):
            import_events(b, file)
        assert kept(b, after=1) == kept(a, before=4)
        assert b.tracked(export_events(a, io.BytesIO()).source) == 3


def test_lines_without_header(two: Two, tmp_path: Path) -> None:
    _, b = two
    file = lines(tmp_path / "x.jsonl", *counted(5))
    first = import_events(b, file)
    assert [(e.stream, e.json()) for e in b.read_all()] == [
        (f"s-{n % 2}", {"n": n}) for n in range(5)
    ]
    lines(file, *counted(8))  # it has grown
    second = import_events(b, file)
    assert first.source == second.source
    assert (second.events, second.skipped, second.position) == (3, 5, 8)


def test_one_name_for_two_files_is_a_conflict(two: Two, tmp_path: Path) -> None:
    _, b = two
    mine = lines(tmp_path / "mine.jsonl", *counted(5))
    other = lines(tmp_path / "other.jsonl", *counted(4, metadata={"other": True}))
    import_events(b, mine, source_id="nightly")
    with pytest.raises(SourceConflict, match="nightly") as caught:
        import_events(b, other, source_id="nightly")
    assert (caught.value.source, caught.value.position) == ("nightly", 4)
    longer = lines(tmp_path / "other.jsonl", *counted(9, metadata={"other": True}))
    with pytest.raises(SourceConflict, match="never stored"):
        import_events(b, longer, source_id="nightly")
    strange = lines(tmp_path / "strange.jsonl", {"stream": "strange", "type": "T"})
    with pytest.raises(SourceConflict, match="'strange'"):
        import_events(b, strange, source_id="nightly")
    assert len(kept(b)) == 5
    assert import_events(b, longer, source_id="weekly").events == 9


def test_a_history_that_went_another_way_is_a_conflict(two: Two, tmp_path: Path) -> None:
    """Two copies of one directory, which were both written afterwards."""
    a, b = two
    fill(a, 4)
    told = export(a, tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    fill(a, 5)
    import_events(b, export(a, tmp_path / "a.jsonl"))
    with pyesdb.open(tmp_path / "other", durability="os") as db:
        twin = db.create_store("x")
        import_events(twin, io.BytesIO(b"".join(told)))
        twin.append("s-0", [NewEvent("Other") for _ in range(3)])
        export_events(twin, tmp_path / "twin.jsonl")
    theirs = (tmp_path / "twin.jsonl").read_bytes().splitlines(keepends=True)
    forged = told[0].replace(b'"head":4', b'"head":7') + b"".join(theirs[1:-1])
    with pytest.raises(SourceConflict):
        import_events(b, io.BytesIO(forged), allow_partial=True)


def test_what_was_imported_may_be_truncated_or_deleted_later(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a, 6)
    file = export(a, tmp_path / "a.jsonl")
    import_events(b, file)
    b.truncate_stream("$events", before_version=1)
    assert import_events(b, file).events == 0
    b.delete_stream("s-1")
    b.append("s-1", NewEvent("New"))
    assert import_events(b, lines(tmp_path / "l.jsonl", *counted(2))).events == 2
    assert import_events(b, file).skipped == 6


def test_events_that_stand_at_the_end_of_their_stream_are_known(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a, 4, streams=1)
    file = export(a, tmp_path / "a.jsonl")
    import_events(b, file)
    result = import_events(b, file, source_id="again")
    assert (result.events, result.duplicates, result.position) == (0, 4, 0)
    assert kept(b) == kept(a)


def test_writers_of_the_same_stream_do_not_disturb(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = two
    fill(a, 8, streams=2)
    between(monkeypatch, lambda: b.append("s-0", NewEvent("Other")))
    assert import_events(b, export(a, tmp_path / "a.jsonl"), batch=3).events == 8
    assert [e for e in kept(b) if e[2] != "Other"] == kept(a)
    assert len(kept(b)) > 8


class Died(Exception):
    pass


def test_two_imports_of_one_source_at_once_store_each_event_once(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one comes in between, cuts its batches elsewhere, and dies after the first."""
    a, b = two
    a.append("s", [NewEvent("T", {"n": n}) for n in range(10)])
    file = export(a, tmp_path / "a.jsonl")
    calls = iter(range(3))

    def come_between() -> None:
        match next(calls):
            case 0:
                with pytest.raises(Died):
                    import_events(b, file, batch=2)
            case 2:
                raise Died

    between(monkeypatch, come_between)
    with pytest.raises(pyesdb.TrackingConflict, match="under way"):
        import_events(b, file, batch=4)
    monkeypatch.undo()
    assert len(kept(b)) == 2
    import_events(b, file)
    assert kept(b) == kept(a)


def between(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Act before every append of an import, once it has read its cursor."""
    original = engine.Writer._append

    def append(self: engine.Writer, batch: engine.Batch) -> Any:
        act()
        return original(self, batch)

    monkeypatch.setattr(engine.Writer, "_append", append)


def test_progress_reaches_its_total(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a)
    seen: list[tuple[int, int]] = []
    file = tmp_path / "a.jsonl"
    export_events(a, file, on_progress=lambda *at: seen.append(at))
    assert seen[-1] == (10, 10)
    seen.clear()
    import_events(b, file, batch=2, on_progress=lambda *at: seen.append(at))
    assert seen == sorted(seen)
    assert seen[-1] == (file.stat().st_size,) * 2


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "10"])
def test_batches_are_counted_from_one(two: Two, tmp_path: Path, batch: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="batch"):
        import_events(two[0], lines(tmp_path / "x", *counted(1)), batch=batch)
    with pytest.raises(pyesdb.RequestError, match="batch"):
        copy_events(*two, batch=batch)
