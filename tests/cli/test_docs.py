"""docs/reference/cli.md: every shell block runs, and prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
PAIR = re.compile(r"^```sh\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?:sh|text)\n", re.MULTILINE)


def pattern(expected: str) -> str:
    return ".*".join(re.escape(part) for part in expected.split("..."))


def test_the_blocks_of_the_page_print_what_it_says(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    pairs = PAIR.findall(text)
    assert len(BLOCK.findall(text)) == 2 * len(pairs), "a block without its output"
    commands = tmp_path / "bin"
    commands.mkdir()
    script = commands / "pyesdb"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error -m pyesdb.cli "$@"\n')
    script.chmod(0o755)
    ours = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "PYTHONUTF8": "1"}
    program = "set -eu\n" + "\necho '<<end>>'\n".join(block for block, _ in pairs)
    done = subprocess.run(
        ["sh", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100,
        check=False, env={**os.environ, **ours},
    )  # fmt: skip
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
