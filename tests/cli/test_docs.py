"""docs/howto/command-line.md: every shell block runs, and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "command-line.md"
FORKED = Path(__file__).parent / "forked.py"
PAIR = re.compile(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?:sh|text)\n", re.MULTILINE)


def pattern(expected: str) -> str:
    return ".*".join(re.escape(part) for part in expected.split("..."))


@pytest.fixture
def short() -> Iterator[str]:
    """A directory whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@pytest.mark.slow
def test_the_blocks_of_the_page_print_what_it_says(tmp_path: Path, short: str) -> None:
    text = PAGE.read_text("utf-8")
    pairs = PAIR.findall(text)
    assert len(BLOCK.findall(text)) == 2 * len(pairs), "a block without its output"
    commands = tmp_path / "bin"
    commands.mkdir()
    script = commands / "pyesdb"
    door = Path(short, "door")
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS {FORKED} {door} --call "$@"\n')
    script.chmod(0o755)
    ours = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "PYTHONUTF8": "1"}
    program = "set -eu\n" + "\necho '<<end>>'\n".join(block for block, _ in pairs)
    environ = {**os.environ, **ours}
    server = subprocess.Popen(
        [sys.executable, "-W", "error", str(FORKED), str(door)], env=environ, stdout=subprocess.PIPE
    )
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        done = subprocess.run(
            ["sh", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100,
            check=False, env=environ,
        )  # fmt: skip
        server.kill()
    assert (done.returncode, done.stderr) == (0, ""), done
    for (block, expected), printed in zip(pairs, done.stdout.split("<<end>>\n"), strict=True):
        assert re.fullmatch(pattern(expected), printed, re.DOTALL), f"{block}\nprinted:\n{printed}"


def test_every_command_is_shown(tmp_path: Path) -> None:
    """A command that no executed block runs is one that nobody has seen work here."""
    from pyesdb.cli import main
    from tests.cli.test_answers import commands

    shown = "\n".join(block for block, _ in PAIR.findall(PAGE.read_text("utf-8")))
    names = [name for name, _ in commands(main)]
    missing = [name for name in names if not re.search(rf"pyesdb {name}\b", shown)]
    assert missing == ["demo"]  # it has a page, docs/howto/demo.md, and a minute of its own
