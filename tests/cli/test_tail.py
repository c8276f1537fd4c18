"""`pyesdb tail`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import pyesdb
from tests.cli.conftest import Shell, run_here


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """Positions 1-30: a@0 b@0 a@1 ..., types Odd and Even by position."""
    with pyesdb.open(shell.data, durability="os") as db:
        for number in range(1, 31):
            stream, event_type = ("a", "Odd") if number % 2 else ("b", "Even")
            db.store().append(stream, pyesdb.NewEvent(event_type, {"n": number}))
    return shell


def numbers(shell: Shell, *words: str) -> Sequence[int]:
    return [event["data"]["n"] for event in shell("tail", *words, "--json").documents]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--limit", "10"), list(range(21, 31))),
        (("--limit", "4"), [21, 22, 23, 24]),
        (("-n", "3", "--limit", "3"), [28, 29, 30]),
        (("--lines", "100", "--limit", "30"), list(range(1, 31))),
        (("--after", "26", "--limit", "4"), [27, 28, 29, 30]),
        (("--after", "0", "--type", "Even", "--limit", "2"), [2, 4]),
        (("a", "-n", "2", "--limit", "2"), [27, 29]),
        (("a", "--type", "Odd", "-n", "1", "--limit", "1"), [29]),
    ],
)
def test_what_is_stored(filled: Shell, words: tuple[str, ...], found: list[int]) -> None:
    assert numbers(filled, *words) == found


def test_lines_for_people(filled: Shell) -> None:
    (line,) = filled("tail", "-n", "1", "--limit", "1").lines
    assert "b@14" in line


@pytest.mark.parametrize(
    "words",
    [("--lines", "3", "--after", "2"), ("--limit", "0"), ("--after", "-1"), ("--lines", "x")],
)
def test_what_makes_no_sense(filled: Shell, words: tuple[str, ...]) -> None:
    assert filled("tail", *words, code=2).err


def test_it_makes_no_database(shell: Shell) -> None:
    shell("tail", code=3)
    assert not shell.data.exists()


def test_it_goes_on_until_it_is_interrupted(filled: Shell) -> None:
    """As a process of its own: what others append comes, a line each, at once."""
    words = ["tail", "--after", "28", "--json", "--data", str(filled.data)]
    following = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "pyesdb.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert following.stdout is not None
    assert [json.loads(following.stdout.readline())["data"]["n"] for _ in range(2)] == [29, 30]
    filled("append", "a", "Late", '{"n": 31}')
    assert json.loads(following.stdout.readline())["type"] == "Late"
    following.send_signal(signal.SIGINT)
    out, err = following.communicate(timeout=60)
    assert (out, err, following.returncode) == ("", "", 0)


def test_removal_ends_it_with_an_error(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "data")
    shell("store", "create", "going")
    words = ["tail", "--store", "going", "--json", "--data", str(shell.data)]
    following = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "pyesdb.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert following.stdout is not None
    shell("append", "s", "E", "--store", "going")
    assert json.loads(following.stdout.readline())["stream"] == "s"
    shell("store", "remove", "going", "--yes")
    _, err = following.communicate(timeout=60)
    assert json.loads(err)["code"] == "store_removed"
    assert following.returncode != 0


def test_a_stream_that_never_was_is_named_before_it_is_waited_for(filled: Shell) -> None:
    words = ["tail", "typo", "--data", str(filled.data)]
    waiting = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "pyesdb.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert waiting.stderr is not None
    assert waiting.stderr.readline() == "stream 'typo' has no events yet; waiting\n"
    filled("append", "typo", "E")
    assert waiting.stdout is not None
    assert "typo@0" in waiting.stdout.readline()
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=60)
    assert filled("tail", "a", "-n", "1", "--limit", "1").err == ""


def test_it_is_found_under_the_name_that_python_has(filled: Shell) -> None:
    (line,) = filled("follow", "-n", "1", "--limit", "1").lines
    assert "b@14" in line
    assert filled("subscription", "list", "--json").documents == []
    assert not {"follow", "subscription"} & set(run_here("--help").out.split())
