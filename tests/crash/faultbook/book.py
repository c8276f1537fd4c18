"""The book of faults: one small entry each, run by `run`, listed in the docs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.crash.faultbook import vfs
from tests.crash.faultbook.scene import Scene

CHAPTERS = {
    "space": "No room",
    "disk": "A disk with errors",
    "slow": "A disk that answers late",
    "places": "Directories, descriptors, memory",
    "flips": "Flipped bits",
    "logs": "Flipped bits in the log",
    "clock": "A clock that jumps",
    "two": "Two at once",
}
"""Modules of this folder with entries, and their titles in the docs."""


class Skipped(Exception):
    """This machine cannot do it; the text says why."""


@dataclass(frozen=True)
class Entry:
    """One fault: what happens, what the user must see, what holds afterwards."""

    name: str
    chapter: str
    fault: str
    see: tuple[str, ...]
    """A pattern for each error that must be seen, in order; () when nothing is to be seen."""
    then: str
    """What holds when the fault is over, for the docs."""
    inject: Callable[[Scene], object]
    goes_on: bool
    """Whether the stores go on afterwards without being opened again."""
    slow: bool
    asynchronous: bool
    lost: str
    """What is lost for all that, in words."""


BOOK: dict[str, Entry] = {}
GOES_ON = "goes on without a restart"


def entry(
    fault: str,
    *see: str,
    then: str = GOES_ON,
    slow: bool = False,
    asynchronous: bool = False,
    name: str = "",
    lost: str = "nothing",
) -> Callable[[Callable[[Scene], object]], Callable[[Scene], object]]:
    """A function that injects a fault into a scene, as an entry of the book."""

    def kept(inject: Callable[[Scene], object]) -> Callable[[Scene], object]:
        chapter = inject.__module__.rpartition(".")[2]
        own = f"{chapter}.{name or inject.__name__}"
        assert own not in BOOK, own
        BOOK[own] = Entry(
            own,
            chapter,
            fault,
            see,
            then,
            inject,
            then.startswith(GOES_ON),
            slow,
            asynchronous,
            lost,
        )
        return inject

    return kept


def load() -> dict[str, Entry]:
    """All entries, in the order of the docs."""
    for chapter in CHAPTERS:
        import_module(f"tests.crash.faultbook.{chapter}")
    return BOOK


def run(entry: Entry, directory: Path) -> dict[str, Any]:
    """Work, the fault with calls during it, work again; what was seen of it."""
    vfs.install()
    scene = Scene(directory)
    scene.open(asynchronous=entry.asynchronous)
    scene.make()
    scene.work()
    entry.inject(scene)
    if scene.db is None or not entry.goes_on:
        scene.reopen()
    scene.resolve()
    scene.work()
    scene.close()
    return {"seen": scene.seen}


def differences(entry: Entry, seen: list[str]) -> list[str]:
    """Where what was seen is not what must be seen."""
    if len(seen) != len(entry.see):
        return [f"seen {seen}, not {list(entry.see)}"]
    pairs = zip(seen, entry.see, strict=True)
    return [
        f"{text!r} is not {pattern!r}" for text, pattern in pairs if not re.match(pattern, text)
    ]
