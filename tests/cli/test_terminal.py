"""What a person sees: questions, colours, lines that fit; and what a terminal must never get."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

import pyesdb
from pyesdb.cli import failures, main, people, show
from pyesdb.cli.settings import Settings
from tests.cli.conftest import Shell, run_there


def at_a_terminal(*words: str, keys: str) -> tuple[int, str]:
    """Run a command whose stdin, stdout and stderr are a terminal, and type."""
    control, terminal = pty.openpty()
    try:
        os.write(control, keys.encode())
        done = subprocess.run(
            [sys.executable, "-m", "pyesdb.cli", *words],
            stdin=terminal, stdout=terminal, stderr=terminal, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, os.read(control, 100_000).decode()
    finally:
        os.close(control)
        os.close(terminal)


def test_a_person_is_asked_before_a_store_is_erased(shell: Shell) -> None:
    shell("store", "create", "acme", "--durability", "os")
    words = ("store", "remove", "acme", "--purge", "--data", str(shell.data))
    code, text = at_a_terminal(*words, keys="n\n")
    assert code == 130
    assert "Erase store acme for ever?" in text
    assert "nothing was changed" in text
    assert shell("store", "status", "acme").out == "running\n"
    code, text = at_a_terminal(*words, keys="y\n")
    assert (code, "acme is erased" in text) == (0, True)


def test_nobody_is_asked_without_a_terminal_or_with_yes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with click.Context(click.Command("x"), obj=Settings()):
        show.confirm("Sure?", yes=False)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        show.confirm("Sure?", yes=True)
    with click.Context(click.Command("x"), obj=Settings(json=True)):
        show.confirm("Sure?", yes=False)


@pytest.mark.parametrize("colour", [True, False])
def test_an_error_at_a_terminal_fits_it(
    colour: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("NO_COLOR", "" if colour else "1")
    code = failures.report(pyesdb.StoreNotFound(" ".join(["wordy"] * 20)), as_json=False)
    told = capsys.readouterr().err
    assert (code, "\x1b[31m" in told) == (3, colour)
    plain = re.sub(r"\x1b\[\d*m", "", told).splitlines()
    assert plain[0].startswith("StoreNotFound: wordy wordy")
    assert plain[-1] == "Next: `pyesdb store list` shows the stores"
    assert max(map(len, plain)) <= 50
    assert set(" ".join(plain[:-1]).split()[1:]) == {"wordy"}


def test_a_table_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show.table(("store", "status", "events"), [("a", "running", 1234567), ("b[x]", "failed", 3)])
    text = capsys.readouterr().out
    assert "\x1b[32mrunning" in text
    plain = [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()]
    assert plain == [
        "store  status      events",
        "a      running  1,234,567",
        "b[x]   failed           3",
    ]
    show.table(("store", "status"), [])
    assert re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out) == "none\n"


def test_a_narrow_table_breaks_what_is_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "50")
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    show.table(("when", "with"), [(moment, {"text": "wordy " * 20})])
    text = capsys.readouterr().out
    assert "2026-01-02 03:04:05" in text
    assert text.count("wordy") == 20
    assert text.count("\n") > 2


def test_a_word_has_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert people.coloured("problem", 8) == "\x1b[31m\x1b[1mproblem \x1b[0m"
    assert people.coloured("else", 6) == "else  "
    monkeypatch.setenv("NO_COLOR", "1")
    assert people.coloured("ok", 3) == "ok "


def test_a_table_for_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    show.table(("store", "events", "when"), [("a", 1234, moment), ("b", None, moment)])
    show.table(("store", "events"), [])
    assert capsys.readouterr().out.splitlines() == [
        "STORE  EVENTS  WHEN",
        "a       1,234  2026-01-02 03:04:05",
        "b              2026-01-02 03:04:05",
        "STORE  EVENTS",
    ]


def test_settings_are_spelled_as_they_are_given() -> None:
    spelled = [people.setting("max_age", 2592000.0), people.setting("timeout", 1.5)]
    assert spelled == ["30d", "1.5s"]
    assert people.setting("max_events", None) == "none"
    assert people.setting("tags", ["eu"]) == '["eu"]'


def test_no_terminal_obeys_an_event(shell: Shell) -> None:
    """U+009B starts an escape sequence; U+202E turns the line around."""
    shell("append", "s\u202e", "T", '"\u009b31m\u202e"')
    for words in (("read", "s\u202e"), ("read", "--all", "--json"), ("read", "x\u202e")):
        answer = shell(*words, code=3 if "x" in words[1] else 0)
        assert not {"\u009b", "\u202e"} & {*answer.out, *answer.err}
    assert shell("read", "--all", "--json").documents[0]["data"] == "\u009b31m\u202e"


def test_what_the_system_refuses_is_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "/srv/shop")

    monkeypatch.setattr(pyesdb, "open", fail)
    told = shell("store", "list", code=1).err
    assert told == "the system refused: [Errno 13] Permission denied: '/srv/shop'\n"
    assert shell("store", "list", "--json", code=1).error["code"] == "system"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_the_output(shell: Shell) -> None:
    shell("append", "s", "T")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pyesdb.cli", "read", "s", "--data", str(shell.data)],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("the system refused: ")
    assert done.stderr.count("\n") == 1


def test_help_is_at_hand_without_what_it_does_not_need() -> None:
    """Every command, and every TAB of a shell, waits for what is imported here."""
    program = (
        "import sys, pyesdb; print('click' in sys.modules); import pyesdb.cli; print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    first, found = done.stdout.splitlines()
    assert first == "False"
    heavy = {"rich", "pyesdb.transfer", "pyesdb.operations", "pyesdb.cli.answers", "tomllib"}
    assert not (heavy | {"pyesdb.cli.demo.story"}) & set(found.split())


def test_the_version_needs_no_database() -> None:
    assert run_there("--version").out == f"pyesdb {pyesdb.__version__}\n"


def test_lists_of_commands_fit_eighty_columns() -> None:
    """A summary that ends in dots says less than a shorter one."""

    def cut(command: click.Command, path: str) -> list[str]:
        context = click.Context(command, info_name=path, terminal_width=80)
        if not isinstance(command, click.Group):
            return []
        listed = command.get_help(context).partition("Commands:")[2].splitlines()
        found = [f"{path}: {line.strip()}" for line in listed if line.endswith("...")]
        below = [(name, command.get_command(context, name)) for name in command.commands]
        return found + [each for name, one in below if one for each in cut(one, f"{path} {name}")]

    assert cut(main, "pyesdb") == []
