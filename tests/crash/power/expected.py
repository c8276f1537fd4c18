"""What must be there after the cut: from what was asked, and what of it was answered.

What was not answered may be there or not, but whole; `check.py` settles which, and from then on it
is as certain as an answer: it may not go, or come back, with a later cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.crash.power.calls import WRITES, Call


@dataclass
class Command:
    """An append: "asked", "done", "refused", or "void": asked, and not there after a cut."""

    call: Call
    state: str = "asked"
    numbers: list[list[Any]] = field(default_factory=list)
    """[stream, first version, first position, count] of each part."""

    def places(self) -> list[tuple[str, int, int]]:
        """Stream, version and position of each event."""
        return [
            (stream, version + n, position + n)
            for stream, version, position, count in self.numbers
            for n in range(count)
        ]


@dataclass
class Fact:
    """A change of a stream or a snapshot, certain when it was answered."""

    call: Call
    certain: bool = False


@dataclass
class Content:
    """Of one store, from its creation on."""

    commands: dict[str, Command] = field(default_factory=dict)
    hides: list[Fact] = field(default_factory=list)
    snapshots: list[Fact] = field(default_factory=list)


class Expected:
    """Of a database, over one cut or several."""

    def __init__(self) -> None:
        self.contents: dict[str, Content] = {"default": Content()}
        self.lives: dict[str, str] = {}
        self.turning: dict[str, str] = {}
        """Stores whose life was to change when the power went, and to what."""
        self.acknowledged = 0
        """Events of appends that were answered."""

    def hear(self, lines: Iterable[Call]) -> None:
        """Take a child's journal."""
        asked: dict[int, Any] = {}
        for line in lines:
            if "ask" in line:
                asked[line["ask"]] = self._asked(line)
            else:
                self._answered(asked[line["answer"]], line)

    def _asked(self, call: Call) -> Any:
        if call["do"] == "turn":
            self.turning[call["store"]] = call["to"]
            return call
        if call["do"] == "scavenge":
            return None
        content = self.contents[call["store"]]
        if call["do"] in WRITES:
            command = content.commands[call["command"]] = Command(call)
            return command
        fact = Fact(call)
        (content.hides if call["do"] == "hide" else content.snapshots).append(fact)
        return fact

    def _answered(self, asked: Any, line: Call) -> None:
        match asked:
            case Command():
                asked.state = "refused" if "refused" in line else "done"
                asked.numbers = line.get("done", [])
                self.acknowledged += sum(part[3] for part in asked.numbers)
            case Fact():
                asked.certain = True
            case {"do": "turn", "store": store}:
                self.turned(store, self.turning[store])
            case _:
                pass

    def turned(self, store: str, state: str) -> None:
        """A store's life is certain again; a new one begins empty."""
        self.turning.pop(store, None)
        if state == "absent":
            self.contents.pop(store, None)
        self.contents.setdefault(store, Content())
        self.lives[store] = state
