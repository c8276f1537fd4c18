"""The command as a process: environment, pipes, what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import run_there


def test_the_directory_from_the_environment(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    assert run_there("append", "s", "T", '{"n": 1}', PYESDB_DATA_DIR=data).code == 0
    found = run_there("read", "s", "--json", PYESDB_DATA_DIR=data)
    assert found.documents[0]["data"] == {"n": 1}
    missing = run_there("store", "list", "--data", str(tmp_path / "no"), PYESDB_DATA_DIR=data)
    assert missing.code == 3


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    answer = run_there("read", "s", "--data", str(tmp_path / "no"))
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("DatabaseNotFound: ")
    described = run_there("read", "s", "--json", "--data", str(tmp_path / "no"))
    assert (described.code, described.out) == (3, "")
    assert described.error["code"] == "database_not_found"


def test_no_command_shows_the_help() -> None:
    answer = run_there()
    assert answer.code == 2
    assert "Commands:" in answer.err
    assert run_there("--help").code == 0
    assert run_there("--version").out.startswith("pyesdb ")


def test_stdin_and_unicode(tmp_path: Path) -> None:
    words = ("--data", str(tmp_path / "data"))
    lines = "".join(
        json.dumps({"type": "Grüße", "data": {"n": n, "☃": "ü"}}) + "\n" for n in (1, 2)
    )
    assert run_there("append", "straße", "-", *words, stdin=lines, PYTHONUTF8="1").code == 0
    found = run_there("read", "straße", "--json", *words, PYTHONUTF8="1").documents
    assert [event["data"] for event in found] == [{"n": 1, "☃": "ü"}, {"n": 2, "☃": "ü"}]


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    line = json.dumps({"text": "x" * 200}) + "\n"
    assert run_there("append", "s", "T", "-", "--data", data, stdin=line * 2_000).code == 0
    command = [sys.executable, "-m", "pyesdb.cli", "read", "s", "--json", "--data", data]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["version"] == 0
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_it_works_without_rich(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError('rich is not installed')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    data = str(tmp_path / "data")
    assert run_there("store", "create", "acme", "--data", data, PYTHONPATH=path).code == 0
    listed = run_there("store", "list", "--data", data, PYTHONPATH=path)
    assert [line.split()[0] for line in listed.lines] == ["STORE", "acme", "default"]


@pytest.mark.slow
def test_a_terminal_gets_colours_and_json_never_does(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    colours = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "200"}
    data = str(tmp_path / "data")
    written = '{"text": "[bold]not markup[/bold]"}'
    assert run_there("append", "[red]", "T", written, "--data", data, **colours).code == 0
    for words in (("read", "[red]"), ("store", "list")):
        people = run_there(*words, "--data", data, **colours)
        assert (people.code, "\x1b[" in people.out) == (0, True)
        script = run_there(*words, "--json", "--data", data, **colours)
        assert (script.code, "\x1b[" in script.out) == (0, False)
    assert "[bold]not markup[/bold]" in run_there("read", "[red]", "--data", data, **colours).out
