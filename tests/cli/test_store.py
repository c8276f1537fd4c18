"""`pyesdb store ...`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell, run_here


def test_create_makes_the_directory_and_list_shows_the_stores(shell: Shell) -> None:
    assert not shell.data.exists()
    assert shell("store", "create", "acme").out == "acme is running\n"
    assert shell("store", "create", "globex", "--json").documents[0]["store"] == "globex"
    listed = shell("store", "list", "--json").documents
    assert [row["store"] for row in listed] == ["acme", "default", "globex"]
    assert {row["status"] for row in listed} == {"running"}
    table = shell("store", "list", "--prefix", "g").lines
    assert table[0].split() == ["STORE", "STATUS", "CREATED"]
    assert [line.split()[0] for line in table[1:]] == ["globex"]


def test_create_twice_is_a_conflict_unless_it_may_exist(shell: Shell) -> None:
    shell("store", "create", "acme")
    assert "--exist-ok" in shell("store", "create", "acme", code=4).err
    assert (
        shell("store", "create", "acme", "--json", code=4).error["code"] == "store_already_exists"
    )
    shell("store", "create", "acme", "--exist-ok")


def test_settings_are_stored_and_shown_with_their_origin(shell: Shell) -> None:
    shell("store", "create", "acme", "--set", "timeout=5", "--set", "description=Acme Inc.")
    (document,) = shell("store", "config", "acme", "--json").documents
    assert document["settings"]["timeout"] == {"value": 5.0, "origin": "store"}
    assert document["settings"]["description"] == {"value": "Acme Inc.", "origin": "store"}
    assert document["data_dir"].startswith(str(shell.data))
    people = shell("store", "config", "acme").out
    assert "timeout" in people
    assert people.splitlines()[-1].startswith("data_dir: ")


def test_stores_by_tag(shell: Shell) -> None:
    shell("store", "create", "acme", "--set", 'tags=["eu"]')
    shell("store", "create", "globex", "--set", 'tags=["us"]')
    listed = shell("store", "list", "--tag", "eu", "--json").documents
    assert [row["store"] for row in listed] == ["acme"]


def test_status(shell: Shell) -> None:
    shell("store", "create", "acme")
    assert shell("store", "status", "acme").out == "running\n"
    assert shell("store", "status", "acme", "--json").documents == [
        {"store": "acme", "status": "running"}
    ]


@pytest.mark.parametrize("flags", [(), ("--purge",)])
def test_a_removed_store_is_gone(shell: Shell, flags: tuple[str, ...]) -> None:
    shell("store", "create", "acme")
    shell("append", "order-1", "OrderPlaced", "--store", "acme")
    (document,) = shell("store", "remove", "acme", *flags, "--json").documents
    assert document == {"store": "acme", "removed": True, "purged": bool(flags)}
    for words in (
        ("store", "status", "acme"),
        ("store", "config", "acme"),
        ("store", "remove", "acme"),
        ("read", "order-1", "--store", "acme"),
        ("streams", "--store", "acme"),
        ("append", "order-1", "OrderPlaced", "--store", "acme"),
    ):
        assert shell(*words, "--json", code=3).error["code"] == "store_not_found"
        assert "pyesdb store list" in shell(*words, code=3).err
    shell("store", "remove", "acme", "--missing-ok")
    shell("store", "create", "acme")
    assert shell("read", "--all", "--store", "acme").out == ""


def test_bad_requests_change_nothing(shell: Shell) -> None:
    shell("store", "create", "acme")
    for store_id in ("Acme", "../acme", "9e", "a" * 64, "con", ""):
        assert shell("store", "create", store_id, "--json", code=2).error["code"] == (
            "invalid_store_id"
        )
    assert shell("store", "create", "b", "--set", "colour=red", "--json", code=2).error["code"] == (
        "invalid_config"
    )
    assert "KEY=VALUE" in shell("store", "create", "b", "--set", "colour", code=2).err
    shell("store", "remove", "default", code=2)
    listed = shell("store", "list", "--json").documents
    assert [row["store"] for row in listed] == ["acme", "default"]


@pytest.mark.parametrize(
    "words",
    [
        ("store", "list"),
        ("store", "status", "acme"),
        ("store", "config", "acme"),
        ("store", "remove", "acme"),
        ("read", "order-1"),
        ("read", "--all"),
        ("streams",),
        ("append", "order-1", "OrderPlaced", "--store", "acme"),
    ],
)
def test_a_missing_directory_is_an_error_and_stays_missing(
    shell: Shell, words: tuple[str, ...]
) -> None:
    assert shell(*words, "--json", code=3).error["code"] == "database_not_found"
    assert "check --data" in shell(*words, code=3).err
    assert not shell.data.exists()


def test_a_directory_of_something_else(shell: Shell) -> None:
    shell.data.mkdir()
    (shell.data / "letter.txt").write_text("dear reader")
    for words in (("store", "list"), ("store", "create", "acme"), ("append", "s", "T")):
        assert shell(*words, "--json", code=3).error["code"] == "not_a_database"
    assert [path.name for path in shell.data.iterdir()] == ["letter.txt"]


def test_no_directory_at_all() -> None:
    answer = run_here("store", "list")
    assert answer.code == 2
    assert "--data" in answer.err
    assert "PYESDB_DATA_DIR" in answer.err
