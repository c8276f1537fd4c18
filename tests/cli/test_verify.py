"""`pyesdb store verify`, `pyesdb store stats`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, run_there
from tests.verify.tools import change, checkpoint, flip


@pytest.fixture
def filled(shell: Shell) -> Shell:
    shell("store", "create", "acme", "--durability", "os")
    shell("append", "order-1", "Placed", '{"n": 1}', "--tag", "eu", "--store", "acme")
    shell("append", "order-1", "Paid", "--store", "acme")
    return shell


def file_of(shell: Shell, store_id: str) -> Path:
    return shell.data / "stores" / store_id / "store.db"


def test_stats_of_one_store_and_of_all(filled: Shell) -> None:
    (row,) = filled("store", "stats", "acme", "--json").documents
    assert row.pop("bytes") > 0
    assert row == {
        "store": "acme", "events": 2, "streams": 1, "position": 2, "snapshots": 0,
        "subscriptions": 0,
    }  # fmt: skip
    rows = filled("store", "stats", "--json").documents
    assert [(row["store"], row["events"]) for row in rows] == [("acme", 2), ("default", 0)]
    table = filled("store", "stats").lines
    assert table[0].split()[:2] == ["STORE", "EVENTS"]
    assert table[1].split()[:3] == ["acme", "2", "1"]
    assert filled("store", "stats", "never", "--json", code=3).error["code"] == "store_not_found"


def test_a_whole_store_verifies(filled: Shell) -> None:
    assert filled("store", "verify", "acme").out.startswith("acme: ok (2 events, 1 streams, ")
    rows = filled("store", "verify", "--all", "--json").documents
    assert [(row["store"], row["ok"], row["problems"]) for row in rows] == [
        ("$system", True, []), ("acme", True, []), ("default", True, []),
    ]  # fmt: skip


def test_damage_is_told_and_the_exit_code_is_one(filled: Shell) -> None:
    path = file_of(filled, "acme")
    change(path, "DELETE FROM event_tag")
    said = filled("store", "verify", "acme", code=1).out
    assert said.startswith("acme: 1 problems (2 events")
    assert f"{path}: position 1, index event_tag: the event is not found by its tag 'eu'" in said
    assert said.splitlines()[-1].startswith("  what to do: the events are whole")
    rows = filled("store", "verify", "--all", "--json", code=1).documents
    assert [row["ok"] for row in rows] == [True, False, True]
    (problem,) = rows[1]["problems"]
    assert set(problem) == {"where", "what", "advice"}


def test_a_flipped_byte_is_told_with_its_page(filled: Shell) -> None:
    path = file_of(filled, "acme")
    checkpoint(path)
    flip(path, path.stat().st_size - 2000)
    page = path.stat().st_size // 4096
    assert (
        f"page {page}: it does not match its checksum"
        in filled("store", "verify", "acme", code=1).out
    )


@pytest.mark.parametrize("words", [(), ("acme", "--all")])
def test_one_says_which_stores(filled: Shell, words: tuple[str, ...]) -> None:
    assert "store ids, or --all" in filled("store", "verify", *words, code=2).err


def test_progress_is_silent_without_a_terminal(filled: Shell) -> None:
    answer = run_there("store", "verify", "acme", "--data", str(filled.data))
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_progress_is_shown_on_a_terminal_unless_json(filled: Shell, flags: tuple[str, ...]) -> None:
    """stderr is a terminal, stdout is not: what is piped on stays clean."""
    control, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pyesdb.cli", "store", "verify", "acme", *flags,
             "--data", str(filled.data)],
            stdout=subprocess.PIPE, stderr=terminal, timeout=60, check=False, text=True,
        )  # fmt: skip
        os.set_blocking(control, False)
        try:
            shown = os.read(control, 100_000).decode()
        except BlockingIOError:
            shown = ""
    finally:
        os.close(control)
        os.close(terminal)
    assert done.returncode == 0
    assert "\r" not in done.stdout
    assert bool(shown) == (flags == ())
