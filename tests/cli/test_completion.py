"""Shell completion, through the protocol by which click's scripts ask for words."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete

import pyesdb
from pyesdb.cli import main
from tests.cli.conftest import Shell, run_here, run_there


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell_name: str) -> None:
    answer = run_here("completion", shell_name)
    assert answer.code == 0
    assert "_PYESDB_COMPLETE" in answer.out


def offered(line: str) -> list[str]:
    """The words that are offered for the last one of a line."""
    *words, last = line.split(" ")
    asked = ShellComplete(main, {}, "pyesdb", "_PYESDB_COMPLETE")
    return [item.value for item in asked.get_completions(words[1:], last)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that no test here changes."""
    data = str(tmp_path_factory.mktemp("completion") / "data")
    with pyesdb.open(data, durability="os") as db:
        acme = db.create_store("acme")
        db.create_store("globex")
        db.store().append("order-1", pyesdb.NewEvent("Placed"))
        acme.append("order-2", pyesdb.NewEvent("Placed"))
        db.save_template("small", max_events=5)
        db.remove_store("globex")
    return data


@pytest.fixture
def filled(made: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYESDB_DATA_DIR", made)
    return made


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pyesdb app", ["append"]),
        ("pyesdb store template re", ["remove"]),
        ("pyesdb store status a", ["acme"]),
        ("pyesdb store status ", ["acme", "default"]),
        ("pyesdb store verify acme d", ["default"]),
        ("pyesdb store copy a", ["acme"]),
        ("pyesdb store recover ", ["globex"]),
        ("pyesdb store create x --template ", ["small"]),
        ("pyesdb store template show s", ["small"]),
        ("pyesdb store create x --durab", ["--durability"]),
        ("pyesdb store create x --durability f", ["fsync"]),
        ("pyesdb store list --status fr", ["frozen"]),
        ("pyesdb read --store a", ["acme"]),
        ("pyesdb read order-", ["order-1"]),
        ("pyesdb read --store acme order-", ["order-2"]),
        ("pyesdb --store acme stream info o", ["order-2"]),
        ("pyesdb stream info --data /nowhere o", []),
        ("pyesdb stream info --config /nowhere o", []),
        ("pyesdb append order-1 Placed --expected e", ["exists"]),
        ("pyesdb schema store temp", ["template"]),
        ("pyesdb schema store template ", ["list", "remove", "save", "show"]),
        ("pyesdb schema store template show ", []),
    ],
)
def test_what_is_offered(
    filled: str, line: str, words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert offered(line) == words
    assert capfd.readouterr() == ("", "")


def test_places_are_left_to_the_shell() -> None:
    asked = ShellComplete(main, {}, "pyesdb", "_PYESDB_COMPLETE")
    assert [item.type for item in asked.get_completions(["streams", "--data"], "x")] == ["dir"]
    assert [item.type for item in asked.get_completions(["streams", "--config"], "x")] == ["file"]


def test_asking_makes_no_database(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYESDB_DATA_DIR", str(shell.data))
    assert offered("pyesdb store status ") == []
    monkeypatch.delenv("PYESDB_DATA_DIR")
    assert offered("pyesdb store status ") == []
    assert not shell.data.exists()


def test_a_shell_asks_the_process(made: str) -> None:
    answer = run_there(
        PYESDB_DATA_DIR=made,
        _PYESDB_COMPLETE="bash_complete",
        COMP_WORDS="pyesdb store status a",
        COMP_CWORD="3",
    )
    assert (answer.out, answer.err) == ("plain,acme\n", "")
