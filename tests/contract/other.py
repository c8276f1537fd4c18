"""Another process with the same directory open, which keeps its store open and does as it is told.

python -m tests.contract.other DIRECTORY: each line is an expression over `db`, `store` (of the id
"a", bound when it is first used), `node`, `one` and `select`; the answer is a line: its repr, or
the error's class.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyesdb
from tests.contract.tools import one

ROOT = Path(__file__).parents[2]
Say = Callable[[str], str]


@contextmanager
def other(directory: Path) -> Iterator[Say]:
    """Another process; `say(expression)` is what it answers."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.other", str(directory)],
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


def main(directory: str) -> None:
    with pyesdb.open(directory, durability="os") as db:
        known = {
            "one": one,
            "select": pyesdb.select,
            "db": db,
            "store": db.store("a"),
            "node": db._core.node,
        }
        for line in sys.stdin:
            try:
                answer = repr(eval(line, known))
            except pyesdb.PyesdbError as error:
                answer = type(error).__name__
            print(answer, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
