"""`pyesdb read` and `pyesdb streams`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """Positions 1-6: a@0 b@0 a@1 b@1 a@2 b@2, types Odd and Even by position."""
    for number in range(1, 7):
        stream, tag = ("a", "left") if number % 2 else ("b", "right")
        event_type = "Odd" if number % 2 else "Even"
        tags = ("--tag", tag, "--tag", "low" if number < 4 else "high")
        shell("append", stream, event_type, json.dumps({"n": number}), *tags)
    return shell


def numbers(shell: Shell, *words: str) -> Sequence[int]:
    return [event["data"]["n"] for event in shell("read", *words, "--json").documents]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("a",), [1, 3, 5]),
        (("a", "--backwards"), [5, 3, 1]),
        (("a", "--from", "1"), [3, 5]),
        (("a", "--to", "1"), [1, 3]),
        (("a", "--from", "1", "--to", "1"), [3]),
        (("a", "--limit", "2"), [1, 3]),
        (("a", "--limit", "0"), []),
        (("a", "--as-of", "3"), [1, 3]),
        (("--all",), [1, 2, 3, 4, 5, 6]),
        (("--all", "--backwards", "--limit", "2"), [6, 5]),
        (("--all", "--after", "4"), [5, 6]),
        (("--all", "--after", "1", "--before", "4"), [2, 3]),
        (("--all", "--as-of", "2"), [1, 2]),
        (("--all", "--as-of", "2099-01-01"), [1, 2, 3, 4, 5, 6]),
        (("--all", "--as-of", "1999-12-31T23:00:00+01:00"), []),
        (("--all", "--type", "Odd"), [1, 3, 5]),
        (("--all", "--type", "Odd", "--type", "Even"), [1, 2, 3, 4, 5, 6]),
        (("--all", "--tag", "low"), [1, 2, 3]),
        (("--all", "--tag", "low", "--tag", "left"), [1, 3]),
        (("--all", "--type", "Even", "--tag", "high"), [4, 6]),
        (("--all", "--tag", "nowhere"), []),
    ],
)
def test_what_is_read(filled: Shell, words: tuple[str, ...], found: list[int]) -> None:
    assert numbers(filled, *words) == found


def test_a_line_for_people(filled: Shell) -> None:
    (line,) = filled("read", "a", "--limit", "1").lines
    assert line.split()[0] == "1"
    assert "a@0  Odd" in line
    assert line.endswith('{"n": 1} #left #low')


def test_an_event_as_json_has_these_keys(filled: Shell) -> None:
    (event,) = filled("read", "a", "--limit", "1", "--json").documents
    assert list(event) == [
        "position", "stream", "version", "type", "id", "created", "time", "tags", "metadata",
        "content_type", "data",
    ]  # fmt: skip


def test_stores_are_apart(filled: Shell) -> None:
    filled("store", "create", "other")
    filled("append", "a", "Odd", '{"n": 7}', "--store", "other")
    assert numbers(filled, "--all", "--store", "other") == [7]
    assert numbers(filled, "a") == [1, 3, 5]


def test_options_may_stand_before_the_command(filled: Shell) -> None:
    filled("store", "create", "other")
    assert filled("--store", "other", "--json", "read", "--all").documents == []
    assert (
        len(filled("--json", "--store", "other", "read", "--all", "--store", "default").lines) == 6
    )


def test_a_missing_stream_is_an_error(filled: Shell) -> None:
    assert filled("read", "c", "--json", code=3).error["code"] == "stream_not_found"
    assert "pyesdb streams" in filled("read", "c", code=3).err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "STREAM, or --all"),
        (("a", "--all"), "STREAM, or --all"),
        (("a", "--tag", "low"), "--tag is for --all only"),
        (("a", "--type", "Odd"), "--type is for --all only"),
        (("a", "--after", "0"), "--after is for --all only"),
        (("--all", "--from", "0"), "--from is for one stream only"),
        (("a", "--from", "-1"), "--from"),
        (("a", "--limit", "many"), "--limit"),
        (("a", "--as-of", "yesterday"), "yesterday"),
        (("a", "--colour"), "--colour"),
        (("a\x00",), "control"),
    ],
)
def test_bad_input(filled: Shell, words: tuple[str, ...], says: str) -> None:
    assert says in filled("read", *words, code=2).err
    assert filled("read", *words, "--json", code=2).error["exit_code"] == 2


def test_streams(filled: Shell) -> None:
    filled("append", "c-1", "Odd")
    assert filled("streams").lines == ["a", "b", "c-1"]
    assert filled("streams", "--prefix", "c").lines == ["c-1"]
    assert filled("streams", "--after", "a", "--limit", "1").lines == ["b"]
    assert filled("streams", "--json").documents == [
        {"stream": "a"}, {"stream": "b"}, {"stream": "c-1"},
    ]  # fmt: skip
