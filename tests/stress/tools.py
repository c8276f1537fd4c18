"""Other processes under control: started, spoken to by lines, ended by their own id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyesdb

SCRIPTS = Path(__file__).with_name("children")


MINUTES = float(os.environ.get("PYESDB_STRESS_MINUTES", "10"))
"""Read now: the variables of the library are not there any more while a test runs."""


def stress_seconds(share: float = 1.0) -> float:
    """How long a long run may take: its share of PYESDB_STRESS_MINUTES (default 10)."""
    return share * 60 * MINUTES


def environment() -> dict[str, str]:
    """Children import the package that this process imports."""
    source = str(Path(str(pyesdb.__file__)).parents[1])
    return {**os.environ, "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"}


class Child:
    """A script of children/ in a process of its own."""

    def __init__(self, script: str, *args: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line it prints; "" when it is gone."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def expect(self, word: str) -> None:
        assert self.line() == word

    def go(self, word: str = "go") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def rest(self) -> list[str]:
        """The lines until its end."""
        assert self.process.stdout is not None
        lines = self.process.stdout.read().splitlines()
        self.process.wait(60)
        return lines

    def report(self) -> Any:
        """Its last line, as JSON; it must have ended well."""
        lines = self.rest()
        assert self.process.returncode == 0, f"a child ended with {self.process.returncode}"
        return json.loads(lines[-1])

    def end(self) -> None:
        """End it, whatever it does, and give its pipes back."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(60)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


@contextmanager
def children(count: int, script: str, *args: object) -> Iterator[list[Child]]:
    """Several of one script; each has printed "ready" when the block begins."""
    started = [Child(script, *args, n) for n in range(count)]
    try:
        for child in started:
            child.expect("ready")
        yield started
    finally:
        for child in started:
            child.end()


def contents(store: Any) -> list[tuple[int, str, int, Any]]:
    """Position, stream, version and data of everything in a store."""
    return [(e.position, e.stream, e.version, e.json()) for e in store.read_all()]
