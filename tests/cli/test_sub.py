"""`pyesdb sub ...`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

import pyesdb
from tests.cli.conftest import Shell, run_here


@pytest.fixture
def filled(shell: Shell) -> Shell:
    """Events 1-10 of a and b in turn, and a subscription `all` of everything."""
    with pyesdb.open(shell.data, durability="os") as db:
        for number in range(1, 11):
            db.store().append("ab"[number % 2], pyesdb.NewEvent("E", {"n": number}))
    shell("sub", "create", "all", "--max-retries", "0")
    return shell


def status(shell: Shell, name: str = "all") -> dict[str, Any]:
    [document] = shell("sub", "status", name, "--json").documents
    return document


def handle(shell: Shell, count: int, *, poison: tuple[int, ...] = ()) -> list[int]:
    """Consume; the positions of what was given."""
    with pyesdb.open(shell.data) as db, db.store().consume("all") as consumer:
        found = []
        for _ in range(count):
            event = consumer.get(timeout=0)
            if event is None:
                break
            found.append(event.position)
            if event.position in poison:
                consumer.nack(event, "park", reason="cannot read it")
            else:
                consumer.ack(event)
        return found


def test_made_and_listed(filled: Shell) -> None:
    filled("sub", "create", "some", "--type", "E", "--stream", "a", "--after", "4", "--window", "7")
    filled("sub", "create", "late", "--after", "end", "--order", "none", "--ack-timeout", "2min")
    rows = {row["subscription"]: row for row in filled("sub", "list", "--json").documents}
    assert {name: row["position"] for name, row in rows.items()} == {
        "all": 0,
        "some": 4,
        "late": 10,
    }
    assert rows["some"]["settings"]["window"] == 7
    assert rows["late"]["settings"]["order"] == "none"
    assert rows["late"]["settings"]["ack_timeout"] == 120
    assert "all" in filled("sub", "list").out


def test_made_twice(filled: Shell) -> None:
    filled("sub", "create", "all", "--max-retries", "0")
    error = filled("sub", "create", "all", "--window", "3", "--json", code=4).error
    assert error["code"] == "subscription_already_exists"
    filled("sub", "create", "all", "--window", "3", "--exist-ok")
    assert status(filled)["settings"]["window"] == 512


def test_status_tells_how_far_it_is(filled: Shell) -> None:
    assert (status(filled)["position"], status(filled)["lag"]) == (0, 10)
    assert handle(filled, 4) == [1, 2, 3, 4]
    assert status(filled)["in_flight"] == 0
    assert "lag" in filled("sub", "status", "all").out


def test_settings_are_changed(filled: Shell) -> None:
    filled("sub", "update", "all", "--window", "9", "--on-poison", "park_event")
    found = status(filled)["settings"]
    assert (found["window"], found["on_poison"], found["max_retries"]) == (9, "park_event", 0)
    assert "at least one" in filled("sub", "update", "all", code=2).err


@pytest.mark.parametrize(
    "words",
    [
        ("create", "x", "--after", "start"),
        ("create", "x", "--window", "0"),
        ("create", "x", "--order", "any"),
        ("create", "x", "--on-poison", "panic"),
        ("create", ""),
        ("reset", "all"),
        ("replay", "all"),
        ("discard", "all", "3", "--all"),
        ("update", "all", "--ack-timeout", "0"),
    ],
)
def test_what_makes_no_sense(filled: Shell, words: tuple[str, ...]) -> None:
    assert filled("sub", *words, code=2).err


@pytest.mark.parametrize(
    "words",
    [
        ("status", "none"), ("update", "none", "--window", "3"), ("reset", "none", "--after", "0"),
        ("remove", "none"), ("parked", "none"), ("replay", "none", "--all"),
        ("discard", "none", "--all"), ("watch", "none"),
    ],
)  # fmt: skip
def test_one_that_is_not_there(filled: Shell, words: tuple[str, ...]) -> None:
    error = filled("sub", *words, "--json", code=3).error
    assert error["code"] == "subscription_not_found"


def test_what_is_parked_is_shown_replayed_and_discarded(filled: Shell) -> None:
    handle(filled, 10, poison=(1, 2))
    rows = filled("sub", "parked", "all", "--json").documents
    assert [(row["position"], row["stream"], row["reason"]) for row in rows] == [
        (1, "b", "cannot read it"),
        (2, "a", "cannot read it"),
    ]
    assert "cannot read it" in filled("sub", "parked", "all").out
    assert [
        r["position"] for r in filled("sub", "parked", "all", "--after", "1", "--json").documents
    ] == [2]
    assert filled("sub", "replay", "all", "2", "--json").documents[0]["events"] == 1
    assert handle(filled, 10) == [2, 4, 6, 8, 10]
    assert filled("sub", "discard", "all", "--all", "--json").documents[0]["events"] == 1
    assert handle(filled, 10) == [3, 5, 7, 9]
    assert status(filled)["parked"] == 0


def test_started_again(filled: Shell) -> None:
    handle(filled, 10)
    filled("sub", "reset", "all", "--after", "8", "--yes")
    assert handle(filled, 10) == [9, 10]
    filled("sub", "reset", "all", "--after", "end")
    assert handle(filled, 10) == []


def test_removed(filled: Shell) -> None:
    filled("sub", "remove", "all")
    assert filled("sub", "list", "--json").documents == []


def test_watched_until_interrupted(filled: Shell) -> None:
    words = ["sub", "watch", "all", "--every", "10ms", "--json", "--data", str(filled.data)]
    watching = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "pyesdb.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["lag"] == 10
    handle(filled, 10)
    while json.loads(watching.stdout.readline())["lag"]:
        pass
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=60)
    assert (err, watching.returncode) == ("", 0)


def test_watched_a_number_of_times(filled: Shell) -> None:
    (line,) = filled("sub", "watch", "all", "--every", "1ms", "--limit", "3").lines
    assert line.startswith("position 0, lag 10, in flight 0")


def test_the_help_says_what_counts_where_nothing_is_said(filled: Shell) -> None:
    told = " ".join(run_here("sub", "create", "--help").out.split())
    defaults = re.findall(r"--([a-z-]+) (?:(?! --).)*?\[default: ([^\];]+)", told)
    filled("sub", "create", "plain")
    settings = status(filled, "plain")["settings"]
    assert {name.replace("-", "_"): value for name, value in defaults} == {
        name: f"{value:g}s" if name == "ack_timeout" else str(value)
        for name, value in settings.items()
    }
    filled("sub", "create", "loose", "--order", "none")
    assert status(filled, "loose")["settings"]["on_poison"] == "park_event"
    assert "park_event with --order none" in told
    assert "[default" not in run_here("sub", "update", "--help").out


@pytest.mark.parametrize("end", ["end", "END", "End"])
def test_the_end_in_any_spelling(filled: Shell, end: str) -> None:
    filled("sub", "create", "late", "--after", end)
    assert status(filled, "late")["lag"] == 0
    assert "N|end" in run_here("sub", "create", "--help").out
