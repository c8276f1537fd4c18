"""Where exports go: files that appear whole or not at all, file objects; and what they select."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.transfer import export_events, files, import_events
from tests.transfer.conftest import fill, kept

Two = tuple[pyesdb.Store, pyesdb.Store]


def test_the_answer_says_what_was_written(two: Two, tmp_path: Path) -> None:
    a, _ = two
    fill(a)
    result = export_events(a, tmp_path / "a.jsonl")
    written = (tmp_path / "a.jsonl").read_bytes()
    header, *_, trailer = map(json.loads, written.splitlines())
    assert (result.events, result.head, result.bytes) == (10, 10, len(written))
    assert (result.source, result.digest) == (header["source"], trailer["blake2b"])


def test_a_part_of_the_store(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a)
    chosen = select.pattern(stream="s-*") & select.tags("n:0")
    result = export_events(a, tmp_path / "x", select=chosen, after=2, before=8)
    assert result.events == 3
    assert result.head == 7
    import_events(b, tmp_path / "x")
    assert kept(b) == kept(a, select=chosen, after=2, before=8)


def test_an_empty_store_and_an_empty_selection(two: Two, tmp_path: Path) -> None:
    a, b = two
    for n, target in enumerate((None, select.event_type("None"))):
        assert export_events(a, tmp_path / str(n), select=target).events == 0
        assert import_events(b, tmp_path / str(n)).events == 0
        fill(a)
    assert kept(b) == []
    assert export_events(a, io.BytesIO(), after=99).head == 99


def test_a_file_that_exists_is_kept(two: Two, tmp_path: Path) -> None:
    a, _ = two
    (tmp_path / "a").write_text("precious", "utf-8")
    with pytest.raises(pyesdb.RequestError, match="overwrite=True"):
        export_events(a, tmp_path / "a")
    assert (tmp_path / "a").read_text("utf-8") == "precious"
    export_events(a, str(tmp_path / "a"), overwrite=True)
    assert (tmp_path / "a").read_bytes().startswith(b'{"pyesdb_export"')


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failed_export_leaves_the_old_file_and_nothing_else(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, "no")

    a, _ = two
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").write_text("old", "utf-8")
    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(pyesdb.DiskFull if code == errno.ENOSPC else OSError):
        export_events(a, tmp_path / "x" / "a", overwrite=True)
    assert {path.name: path.read_text("utf-8") for path in (tmp_path / "x").iterdir()} == {
        "a": "old"
    }


def test_data_that_cloudevents_cannot_carry_is_an_error(two: Two, tmp_path: Path) -> None:
    a, _ = two
    a.append("s", NewEvent("T", b"no json", content_type="application/json"))
    with pytest.raises(pyesdb.InvalidEvent, match="position=1"):
        export_events(a, tmp_path / "a.ce", format="cloudevents")
    assert not list(tmp_path.glob("a.ce*"))


def test_unknown_format_and_missing_directory(two: Two, tmp_path: Path) -> None:
    a, _ = two
    wrong: Any = "csv"
    with pytest.raises(pyesdb.RequestError, match="jsonl"):
        export_events(a, tmp_path / "a", format=wrong)
    with pytest.raises(FileNotFoundError):
        export_events(a, tmp_path / "missing" / "a")
    with pytest.raises(FileNotFoundError):
        import_events(a, tmp_path / "missing")


def test_events_appended_meanwhile_are_for_the_next_export(two: Two, tmp_path: Path) -> None:
    a, _ = two
    a.append("s", [NewEvent("T", b"x" * 200) for _ in range(3000)])
    seen: list[tuple[int, int]] = []

    def meanwhile(position: int, head: int) -> None:
        seen.append((position, head))
        a.append("s", NewEvent("Later"))

    result = export_events(a, tmp_path / "a", on_progress=meanwhile)
    assert (result.events, result.head) == (3000, 3000)
    assert seen == [(1000, 3000), (2000, 3000), (3000, 3000), (3000, 3000)]


@pytest.mark.parametrize("named", [False, True])
def test_pipes(two: Two, named: bool) -> None:
    """What stdin and stdout are, or <(command): no size, no way back."""
    a, b = two
    fill(a)
    read, write = os.pipe()
    with os.fdopen(write, "wb") as out:
        export_events(a, out)
    seen: list[tuple[int, int]] = []
    with os.fdopen(read, "rb") as incoming:
        source = f"/dev/fd/{read}" if named else incoming
        import_events(b, source, on_progress=lambda *at: seen.append(at))
    assert kept(b) == kept(a)
    assert set(seen) == {(0, 0)}
