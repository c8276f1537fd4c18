"""Exit codes: one for each family of errors, the same in code and docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pyesdb
from pyesdb import transfer
from pyesdb.cli import exits, failures
from tests.cli.conftest import Shell, run_here

DOCS = Path(__file__).parents[2] / "docs" / "howto" / "command-line.md"
FAMILIES = {
    pyesdb.RequestError: 2,
    pyesdb.NotFound: 3,
    pyesdb.ConflictError: 4,
    pyesdb.AccessDenied: 5,
    pyesdb.Unavailable: 6,
    pyesdb.OutcomeUnknown: 7,
    pyesdb.Ended: 8,
    pyesdb.Fault: 9,
}


def every_error() -> list[type[pyesdb.PyesdbError]]:
    found = [getattr(pyesdb, name) for name in dir(pyesdb)]
    return [
        item
        for item in found
        if isinstance(item, type)
        and issubclass(item, pyesdb.PyesdbError)
        and item is not pyesdb.PyesdbError
    ]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_every_error_ends_in_the_code_of_its_family(error: type[pyesdb.PyesdbError]) -> None:
    (family,) = [family for family in FAMILIES if issubclass(error, family)]
    assert exits.exit_code(error("text")) == FAMILIES[family]


def test_codes_are_distinct() -> None:
    codes = [row.code for row in exits.TABLE]
    assert len(codes) == len(set(codes))


def test_the_docs_have_the_table_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert rows == [
        (str(row.code), row.meaning, f"`{row.family.__name__}`" if row.family else "")
        for row in exits.TABLE
    ]


def test_help_names_every_code() -> None:
    text = run_here("--help").out
    assert re.findall(r"^ +(\d+)  ", text, re.MULTILINE) == [str(row.code) for row in exits.TABLE]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (pyesdb.AccessDenied("no"), 5),
        (pyesdb.DatabaseLocked("held", pid=7, host="h", command="c"), 6),
        (pyesdb.OutcomeUnknown("who knows", command_id=None), 7),
        (pyesdb.StoreRemoved("gone"), 8),
        (pyesdb.Corrupt("broken"), 9),
    ],
)
def test_errors_that_are_hard_to_provoke(
    error: pyesdb.PyesdbError, code: int, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pyesdb, "open", fail)
    told = shell("store", "list", code=code).err
    assert told.count("\n") == 1
    assert told.startswith(f"{type(error).__name__}: ")
    described = shell("store", "list", "--json", code=code).error
    assert (described["code"], described["exit_code"]) == (error.code, code)
    assert described["message"] == str(error)
    assert described["retryable"] is error.retryable


def test_interrupted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pyesdb, "open", interrupt)
    assert shell("store", "list", code=130).err.strip() == "interrupted"


def test_advice_is_for_errors_that_exist() -> None:
    known = {error.__name__ for error in every_error()} | set(transfer.__all__)
    assert set(failures.NEXT) <= known


PYTHON = re.compile(r"\w\(|\w=|\bpass |recover_store")
WRONG = {
    "sub status zz": "Next: `pyesdb sub list` shows them",
    "sub create all --window 3": "Next: --exist-ok takes it as it is",
    "read zz": "Next: `pyesdb streams` shows the streams",
    "read s --store zz": "Next: `pyesdb store list` shows the stores",
    "store create again": "Next: `create` has --exist-ok",
    "append s E --expected 7": "Next: the last version",
    "read s --store gone": "Next: `pyesdb store recover` brings it back",
}


@pytest.mark.parametrize("words", WRONG)
def test_an_error_says_what_to_type_and_nothing_of_python(shell: Shell, words: str) -> None:
    shell("append", "s", "E")
    shell("sub", "create", "all")
    shell("store", "create", "again")
    shell("store", "create", "gone")
    shell("store", "remove", "gone")
    answer = run_here(*words.split(), "--data", str(shell.data))
    assert answer.code in (3, 4)
    assert answer.err.count("\n") == 1
    assert WRONG[words] in answer.err
    assert not PYTHON.search(answer.err)


def test_without_a_database_it_says_once_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYESDB_DATA_DIR", raising=False)
    monkeypatch.delenv("PYESDB_URL", raising=False)
    assert run_here("read", "s").err.count("PYESDB_DATA_DIR") == 1


def test_what_happened_is_told_whatever_a_name_looks_like(shell: Shell) -> None:
    shell("append", "s", "E")
    for name in ("a: f(x)", "it's: f(x)", "a: b"):
        assert repr(name) in shell("read", name, code=3).err
