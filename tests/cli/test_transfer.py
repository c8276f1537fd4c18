"""`pyesdb export` and `pyesdb import`."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.cli import progress
from pyesdb.cli import transfer as words
from pyesdb.cli.settings import Settings
from pyesdb.transfer import exporting
from tests.cli.conftest import Shell, run_there


@pytest.fixture
def filled(shell: Shell) -> Shell:
    with pyesdb.open(shell.data, durability="os") as db:
        db.create_store("b")
        for n in range(4):
            db.store().append(f"s-{n % 2}", NewEvent("T" if n else "U", {"n": n}, tags=[f"n:{n}"]))
        db.store().append("other", NewEvent("T"))
    return shell


def positions(path: Path) -> list[int]:
    return [json.loads(line)["position"] for line in path.read_bytes().splitlines()[1:-1]]


def test_there_and_back_and_again(filled: Shell, tmp_path: Path) -> None:
    file = str(tmp_path / "all.jsonl.gz")
    assert filled("export", file).out == f"5 events up to position 5 to {file}\n"
    assert filled("import", file, "--store", "b").out.startswith("5 events stored (source store:")
    again = filled("import", file, "--store", "b", "--json").documents
    assert [(d["events"], d["skipped"], d["duplicates"]) for d in again] == [(0, 5, 0)]
    assert "5 were there already" in filled("import", file, "--store", "b").out
    filled("export", file, "--stream", "other", "--force")
    assert "0 events stored, 1 are the last of" in filled("import", file, "--store", "b").out
    assert gzip.decompress(Path(file).read_bytes()).startswith(b'{"pyesdb_export":1')


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--stream", "s-0"], [1, 3]),
        (["--prefix", "s-"], [1, 2, 3, 4]),
        (["--type", "T", "--type", "U", "--prefix", "s-1"], [2, 4]),
        (["--tag", "n:2"], [3]),
        (["--after", "1", "--before", "4"], [2, 3]),
    ],
)
def test_selections(filled: Shell, tmp_path: Path, options: list[str], expected: list[int]) -> None:
    (answer,) = filled("export", str(tmp_path / "x"), *options, "--json").documents
    assert positions(tmp_path / "x") == expected
    assert answer["events"] == len(expected)
    assert set(answer) == {"events", "bytes", "digest", "head", "source"}


@pytest.mark.slow
def test_through_a_pipe(filled: Shell) -> None:
    data = ("--data", str(filled.data))
    for form in ("jsonl", "cloudevents"):
        out = run_there("export", "-", *data, "--format", form, "--json")
        assert out.code == 0
        assert json.loads(out.err)["events"] == 5
        taken = run_there("import", "-", *data, "--store", form, "--create", stdin=out.out)
        assert taken.out.startswith("5 events stored"), taken
        assert len(filled("read", "--all", "--store", form).lines) == 5
    people = run_there("export", "-", *data)
    assert people.out.count("\n") == 7
    assert people.err == "5 events up to position 5 to -\n"


def test_what_read_prints_can_be_imported(filled: Shell) -> None:
    printed = filled("read", "--all", "--json").out
    assert filled("import", "-", "--store", "b", stdin=printed).out.startswith("5 events stored")
    assert "5 were there" in filled("import", "-", "--store", "b", stdin=printed).out


def test_a_missing_store_is_made_only_if_asked(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"stream": "s", "type": "T"}\n', "utf-8")
    new = Shell(tmp_path / "new")
    assert new("import", str(file), "--json", code=3).error["code"] == "database_not_found"
    assert not new.data.exists()
    new("import", str(file), "--create")
    assert new("import", str(file), "--store", "c", "--json", code=3).error["code"] == (
        "store_not_found"
    )
    new("import", str(file), "--store", "c", "--create")
    assert len(new("read", "s", "--store", "c").lines) == 1


def test_trouble_with_the_file(filled: Shell, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    filled("export", str(file))
    assert "exists" in filled("export", str(file), code=2).err
    filled("export", str(file), "--force")
    whole = file.read_bytes()
    file.write_bytes(b"".join(whole.splitlines(keepends=True)[:3]))
    cut = filled("import", str(file), "--store", "b", "--json", code=9).error
    assert (cut["code"], cut["file"], cut["line"]) == ("truncated_export", str(file), 4)
    assert (cut["stored"], "--allow-partial" in cut["next"]) == (2, True)
    filled("import", str(file), "--store", "b", "--allow-partial")
    file.write_bytes(whole.replace(b'"n":3', b'"n":4'))
    assert filled("import", str(file), "--store", "b", "--json", code=9).error["code"] == (
        "invalid_export"
    )
    file.write_text('{"stream": "s", "type": "T"}\n', "utf-8")
    filled("import", str(file), "--source", "x")
    file.write_text('{"stream": "s", "type": "U"}\n', "utf-8")
    other = filled("import", str(file), "--source", "x", "--json", code=4).error
    assert (other["code"], "--source" in other["next"]) == ("source_conflict", True)
    assert "No such file" in filled("export", str(tmp_path / "none" / "x"), code=2).err
    filled("import", str(tmp_path / "none"), code=2)
    filled("export", str(tmp_path / "y"), "--format", "csv", code=2)


@pytest.mark.parametrize("with_rich", [True, False])
def test_a_person_sees_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], with_rich: bool
) -> None:
    if not with_rich:
        monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for as_json in (False, True):
        with (
            click.Context(click.Command("x"), obj=Settings(json=as_json)),
            progress.progress("importing") as bar,
        ):
            bar.at(0, 0)
            bar.at(50, 100)
            bar.at(100, 100)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert ("importing" in captured.err) is not as_json
        if not with_rich and not as_json:
            assert "] 100 %" in captured.err
            assert captured.err.endswith(" \r")


def test_nobody_watches_no_bar(filled: Shell, tmp_path: Path) -> None:
    answer: Any = filled("export", str(tmp_path / "x"))
    assert answer.err == ""


def test_every_format_has_a_word() -> None:
    assert words.FORMATS == exporting.FORMATS
