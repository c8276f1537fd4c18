"""`pyesdb store ...`: recover, update, freeze, templates, clean, backup, restore, copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def filled(shell: Shell) -> Shell:
    shell("store", "create", "acme")
    for number in range(3):
        shell("append", "s", "Counted", str(number), "--store", "acme")
    return shell


def data_of(shell: Shell, store: str) -> list[Any]:
    return [e["data"] for e in shell("read", "--all", "--store", store, "--json").documents]


def test_out_of_the_trash_under_another_id(filled: Shell) -> None:
    filled("store", "remove", "acme")
    (trashed,) = filled("store", "trash", "--json").documents
    assert (trashed["store"], trashed["bytes"] > 0) == ("acme", True)
    filled("store", "create", "acme")
    assert filled("store", "recover", "acme", code=4).err.startswith("StoreAlreadyExists")
    filled("store", "recover", "acme", "--as", "old")
    assert data_of(filled, "old") == [0, 1, 2]
    assert filled("store", "trash", "--json").documents == []
    assert filled("store", "recover", "acme", "--as", "older", code=4).code == 4


def test_purge_of_what_is_in_the_trash(filled: Shell) -> None:
    filled("store", "remove", "acme")
    filled("store", "remove", "acme", "--purge")
    assert filled("store", "trash", "--json").documents == []
    filled("store", "recover", "acme", code=3)


def test_update_needs_a_setting_and_refuses_wrong_ones(filled: Shell) -> None:
    filled("store", "update", "acme", code=2)
    assert "max_events" in filled("store", "update", "acme", "--set", "max_event=1", code=2).err
    filled("store", "update", "acme", "--max-events", "3")
    assert (
        filled("append", "s", "Counted", "--store", "acme", "--json", code=2).error["setting"]
        == "max_events"
    )


def test_a_frozen_store_says_how_to_thaw_it(filled: Shell) -> None:
    filled("store", "freeze", "acme")
    assert "store thaw" in filled("append", "s", "Counted", "--store", "acme", code=6).err
    assert filled("store", "list", "--status", "frozen", "--json").documents[0]["store"] == "acme"
    filled("store", "thaw", "acme")
    filled("append", "s", "Counted", "--store", "acme")


def test_clean_says_what_it_would_do_and_does_it(filled: Shell) -> None:
    words = ("store", "clean", "--action", "remove", "--idle-for", "1ms", "--json")
    assert [row["done"] for row in filled(*words, "--dry-run").documents] == [False]
    assert [row["store"] for row in filled(*words, "--keep", "acme").documents] == []
    assert [row["done"] for row in filled(*words).documents] == [True]
    filled("store", "status", "acme", code=3)
    filled("store", "clean", "--action", "remove", code=2)
    filled("store", "clean", "--idle-for", "1d", code=2)
    assert "30d" in filled("store", "clean", "--action", "freeze", "--idle-for", "x", code=2).err


def test_backup_restore_copy(filled: Shell, tmp_path: Path) -> None:
    path = str(tmp_path / "acme.backup")
    filled("store", "backup", "acme", path)
    assert filled("store", "backup", "acme", path, code=2).code == 2
    filled("store", "restore", path, code=4)
    filled("store", "restore", path, "--as", "again")
    assert data_of(filled, "again") == [0, 1, 2]
    filled("store", "copy", "acme", "part", "--as-of", "2")
    assert data_of(filled, "part") == [0, 1]
    filled("store", "copy", "acme", "part", code=4)
    with Path(path).open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff\xff\xff\xff")
    filled("store", "restore", path, "--as", "broken", code=9)
    filled("store", "status", "broken", code=3)


@pytest.mark.parametrize(
    "words",
    [
        ["acme"],
        ["--all"],
        ["acme", "x", "--all", "--dir", "d"],
        ["acme", "x", "--every", "1h"],
        ["--all", "--dir", "d", "--keep", "0"],
    ],
)
def test_a_backup_is_of_one_or_of_all(filled: Shell, words: list[str]) -> None:
    filled("store", "backup", *words, code=2)


def test_templates(shell: Shell) -> None:
    shell("store", "template", "save", "small", "--max-events", "5")
    shell("store", "create", "a", "--template", "small")
    shell("store", "create", "b", "--template", "smal", code=2)
    (config,) = shell("store", "config", "a", "--json").documents
    assert config["settings"]["max_events"] == {"value": 5, "origin": "template"}
    shell("store", "template", "save", "small", "--max-events", "6")
    (config,) = shell("store", "config", "a", "--json").documents
    assert config["settings"]["max_events"]["value"] == 6
    shell("store", "template", "remove", "small")
    shell("store", "template", "remove", "small", code=2)


def test_nothing_but_writers_makes_a_directory(shell: Shell) -> None:
    for words in (
        ["store", "trash"], ["store", "recover", "a"], ["store", "update", "a", "--timeout", "1"],
        ["store", "freeze", "a"], ["store", "copy", "a", "b"], ["store", "backup", "a", "x"],
        ["store", "clean", "--action", "freeze", "--idle-for", "1d"], ["audit"],
        ["stream", "info", "s"], ["snapshot", "list"], ["store", "template", "list"],
    ):  # fmt: skip
        shell(*words, code=3)
        assert not shell.data.exists(), words
