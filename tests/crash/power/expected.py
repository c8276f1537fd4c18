"""What must be there after the cut: from what was asked, and what of it was answered.

What was not answered may be there or not, but whole; `check.py` settles which, and from then on it
is as certain as an answer: it may not go, or come back, with a later cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.crash.power.calls import Call


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
    texts: list[str] = field(default_factory=lambda: [""])
    """Descriptions that it may have: the one that is certain, and one that was asked for."""


@dataclass
class Turn:
    """A change of a store's life that is not answered: to which state, with which content."""

    store: str
    state: str
    content: Content


@dataclass
class Backup:
    """What a backup must hold; before it is answered there may be none."""

    content: Content
    certain: bool = False


class Expected:
    """Of a database, over one cut or several."""

    def __init__(self) -> None:
        self.contents: dict[str, Content] = {"default": Content()}
        self.lives: dict[str, str] = {"default": "live"}
        self.turns: dict[str, Turn] = {}
        self.backups: dict[str, Backup] = {}
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
        match call:
            case {"do": "turn", "store": store, "to": state}:
                turn = self.turns[store] = Turn(store, state, self._begin(call))
                return turn
            case {"do": "backup", "store": store, "name": name}:
                backup = self.backups[name] = Backup(deepcopy(self.contents[store]))
                return backup
            case {"do": "describe", "store": store, "text": text}:
                texts = self.contents[store].texts
                texts.append(text)
                return texts
            case {"do": "append" | "append_many", "store": store, "command": id}:
                command = self.contents[store].commands[id] = Command(call)
                return command
            case {"do": "hide" | "snapshot" as what, "store": store}:
                content, fact = self.contents[store], Fact(call)
                (content.hides if what == "hide" else content.snapshots).append(fact)
                return fact
            case _:
                return None

    def _begin(self, call: Call) -> Content:
        """With what a store begins that is made."""
        if "copy" in call:
            return deepcopy(self.contents[call["copy"]])
        if "backup" in call:
            return deepcopy(self.backups[call["backup"]].content)
        return Content()

    def _answered(self, asked: Any, line: Call) -> None:
        match asked:
            case Command():
                asked.state = "refused" if "refused" in line else "done"
                asked.numbers = line.get("done", [])
                self.acknowledged += sum(part[3] for part in asked.numbers)
            case Fact() | Backup():
                asked.certain = True
            case Turn():
                self.settle(asked.store, asked.state)
            case list():
                del asked[:-1]
            case _:
                pass

    def settle(self, store: str, state: str) -> None:
        """A store's life is certain again; a new one begins with its content."""
        turn = self.turns.pop(store, None)
        if state == "absent":
            self.contents.pop(store, None)
        elif store not in self.contents and turn:
            self.contents[store] = turn.content
        self.lives[store] = state
