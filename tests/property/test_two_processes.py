"""Two processes on one directory, in turns: both see what the model says, in both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.property.machines import Operations, long, short
from tests.property.operations import Op, Performer

ROOT = Path(__file__).parents[2]


class Child:
    """The other process; one for all examples, with a database of its own for each."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.property.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )

    def ask(self, line: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def perform(self, op: Op) -> Any:
        return self.ask(json.dumps(op))

    def close(self) -> None:
        self.ask("")

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class TwoProcesses(Operations):
    """This process and a child."""

    processes = ("here", "there")
    child: ClassVar[Child]

    def open(self, directory: Path) -> dict[str, Any]:
        self.child.ask(json.dumps(str(directory)))
        return {"here": Performer(directory), "there": self.child}


@contextmanager
def child() -> Iterator[None]:
    TwoProcesses.child = Child()
    try:
        yield
    finally:
        TwoProcesses.child.end()


def test_two_processes_against_one_model() -> None:
    with child():
        run_state_machine_as_test(TwoProcesses, settings=short(25, 60))  # type: ignore[no-untyped-call]


@pytest.mark.stress
def test_two_processes_for_long() -> None:
    with child():
        run_state_machine_as_test(TwoProcesses, settings=long(80))  # type: ignore[no-untyped-call]
