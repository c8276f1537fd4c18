"""Another process with the same directory open, which keeps its store open and does as it is told.

python -m tests.contract.other DIRECTORY MODULE: each line is an expression over `db`, `store` (of
the id "a", bound when it is first used), `node`, `select`, `handles` (an empty dict) and the names
of a module; the answer is a line: its repr, or the error's class.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pyesdb

ROOT = Path(__file__).parents[2]
Say = Callable[[str], str]


@contextmanager
def other(directory: Path, module: str = "tests.contract.tools") -> Iterator[Say]:
    """Another process; `say(expression)` is what it answers."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.other", str(directory), module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def say(expression: str) -> str:
            process.stdin.write(expression + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield say
        process.stdin.close()
        process.wait(60)


def main(directory: str, module: str) -> None:
    with pyesdb.open(directory, durability="os") as db:
        known = {
            "select": pyesdb.select,
            "db": db,
            "store": db.store("a"),
            "node": db._core.node,
            "handles": {},
            **vars(import_module(module)),
        }
        for line in sys.stdin:
            try:
                answer = repr(eval(line, known))
            except pyesdb.PyesdbError as error:
                answer = type(error).__name__
            print(answer, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
