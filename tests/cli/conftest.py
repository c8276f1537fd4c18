"""The command line under test: through click's runner, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner


@dataclass
class Answer:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def documents(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]

    @property
    def error(self) -> dict[str, Any]:
        """The one JSON object on stderr."""
        (line,) = self.err.splitlines()
        return json.loads(line)


@dataclass
class Shell:
    """Runs `pyesdb ... --data DIR`."""

    data: Path

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> Answer:
        answer = run_here(*words, "--data", str(self.data), stdin=stdin)
        assert answer.code == code, answer
        return answer


def run_here(*words: str, stdin: str = "") -> Answer:
    from pyesdb.cli import main

    result = CliRunner().invoke(main, list(words), input=stdin, prog_name="pyesdb")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def run_there(*words: str, stdin: str = "", **variables: str) -> Answer:
    """The same as a process."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pyesdb.cli", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **variables},
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "data")
