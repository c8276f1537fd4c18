"""Asks the server of faults: one fault, then the check of what is left; and the report of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.crash.faultbook.book import CHAPTERS, Entry, differences
from tests.stress.tools import environment

ROOT = Path(__file__).parents[3]
REPORT = ROOT / "tests/crash/reports/faults.json"


class Client:
    """Speaks with a server, which runs as long as the block of `serving`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, what: str, name: str, directory: Path) -> dict[str, Any]:
        """The server's answer to a line."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {name} {directory}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def row(self, entry: Entry, directory: Path) -> dict[str, Any]:
        """Inject a fault, check what is left in a fresh process; the row of the report.

        {"skipped": why} when this machine cannot do it.
        """
        found = self.ask("run", entry.name, directory)
        if "skipped" in found:
            return found
        assert "failed" not in found, found["failed"]
        assert differences(entry, found["seen"]) == []
        left = self.ask("check", "-", directory)
        assert "failed" not in left, left["failed"]
        assert left["wrong"] == []
        return {
            "name": entry.name,
            "chapter": CHAPTERS[entry.chapter],
            "fault": entry.fault,
            "seen": found["seen"],
            "lost": f"{left['lost']} events" if left["lost"] else entry.lost,
            "then": entry.then,
        }


@contextmanager
def serving() -> Iterator[Client]:
    """A server of faults."""
    path = f"{environment()['PYTHONPATH']}:{ROOT}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.faultbook.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**environment(), "PYTHONPATH": path},
        text=True,
    )
    try:
        yield Client(process)
    finally:
        process.communicate(timeout=60)


def rows() -> dict[str, dict[str, Any]]:
    """The rows of the committed report, by name."""
    report = json.loads(REPORT.read_text("utf-8"))
    return {row["name"]: row for row in report["rows"]}
