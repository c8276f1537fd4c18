"""The ledger: what the children said before and behind each call, outside the database.

One file per process and one write(2) per line, so kill -9 loses at most the line that was being
written. Times are of the monotonic clock that all processes share: a call that ended before another
began was answered before it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """One process's file. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._mutex = threading.Lock()

    def say(self, kind: str, **what: Any) -> None:
        """Write a line."""
        with self._mutex:
            line = {"t": time.monotonic_ns(), "kind": kind, **what}
            os.write(self._file, json.dumps(line).encode() + b"\n")


def read(folder: Path) -> list[Line]:
    """All lines of all files in the order of their times; a line that was cut short is left out."""
    lines: list[Line] = []
    for path in folder.glob("*.jsonl"):
        whole = path.read_bytes().split(b"\n")[:-1]
        lines += [json.loads(line) for line in whole]
    return sorted(lines, key=lambda line: line["t"])


@dataclass
class Call:
    """One call of the library, through all its tries."""

    id: str
    op: str
    store: str
    about: Line
    began: int
    ended: int | None = None
    """When it was answered; None: never."""
    answer: Line | None = None
    refused: str | None = None
    stored: bool | None = None
    """What a check found of it when it was unanswered."""
    settled_as: Any = None
    """The results that it then had."""
    settled_in: int | None = None
    """The incarnation in which they are."""
    before: bool | None = None
    """The same, if it was tried again since."""

    @property
    def open(self) -> bool:
        """Whether nobody knows yet what became of it."""
        return self.ended is None and self.stored is None

    @property
    def done(self) -> bool:
        """Whether it must have happened."""
        return self.answer is not None or self.stored is True

    @property
    def may_be_done(self) -> bool:
        """Whether it may have happened."""
        return self.refused is None and self.stored is not False


def calls(lines: Iterable[Line]) -> dict[str, Call]:
    """The calls that the lines tell of."""
    found: dict[str, Call] = {}
    for line in lines:
        call = found.get(line.get("c", ""))
        match line["kind"]:
            case "call" if call is None:
                about = {k: v for k, v in line.items() if k not in ("t", "kind", "c")}
                found[line["c"]] = Call(line["c"], about["op"], about["s"], about, line["t"])
            case "call" if call is not None:  # tried again, by another process
                call.ended, call.before, call.stored, call.settled_as = (
                    None,
                    call.stored,
                    None,
                    None,
                )
            case "answer" if call is not None:
                call.ended, call.answer = line["t"], line
            case "refused" if call is not None:
                call.ended, call.refused = line["t"], line["e"]
            case "found" if call is not None:
                call.stored, call.settled_as = line["stored"], line.get("r")
                call.settled_in = line.get("i")
            case _:
                pass
    return found


def of_kind(lines: Iterable[Line], kind: str) -> list[Line]:
    """The lines of one kind."""
    return [line for line in lines if line["kind"] == kind]
