"""What is stored, what was said to be handled, and the read model: whether they agree."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyesdb

Line = list[str]


@dataclass
class Event:
    """A stored event."""

    position: int
    stream: str
    version: int
    amount: int


@dataclass
class Handled:
    """How often an event was handled, and when (monotonic nanoseconds of the machine)."""

    began: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    durable: int | None = None


def said(outside: Path) -> dict[str, list[Line]]:
    """Every whole line that a process has said, by its first word."""
    found: dict[str, list[Line]] = defaultdict(list)
    for path in sorted(outside.glob("*-*-*")):
        for line in path.read_text().splitlines():
            word, *rest = line.split(" ", 1 if line.startswith("trouble") else -1)
            found[word].append(rest)
    return found


def stored(store: pyesdb.Store) -> list[Event]:
    """The independent count: every event, by position."""
    return [
        Event(event.position, event.stream, event.version, event.json()["amount"])
        for event in store.read_all()
    ]


def handled(lines: dict[str, list[Line]]) -> dict[int, Handled]:
    """What consumers did, by position."""
    found: dict[int, Handled] = defaultdict(Handled)
    for position, _, _, when in lines["began"]:
        found[int(position)].began.append(int(when))
    for position, when in lines["ended"]:
        found[int(position)].ended.append(int(when))
    for position, when in lines["durable"]:
        one = found[int(position)]
        one.durable = min(int(when), one.durable or int(when))
    return found


def lost(events: list[Event], told: list[Line]) -> Iterable[str]:
    """What was acknowledged to a producer is stored."""
    there = {event.position for event in events}
    for first, last in told:
        for position in range(int(first), int(last) + 1):
            if position not in there:
                yield f"position {position} was acknowledged and is not stored"


def left_out(events: list[Event], done: dict[int, Handled]) -> Iterable[str]:
    """Every stored event was handled at least once, to the end."""
    for event in events:
        if not done[event.position].ended:
            yield f"position {event.position} ({event.stream}) was never handled"


def out_of_order(events: list[Event], done: dict[int, Handled]) -> Iterable[str]:
    """Nobody begins with an event before all earlier ones of its stream were handled once."""
    last: dict[str, tuple[int, int]] = {}
    for event in events:
        one = done[event.position]
        if not one.began or not one.ended:
            continue
        before, end = last.get(event.stream, (0, 0))
        if min(one.began) < end:
            yield f"{event.stream}: position {event.position} began before {before} was handled"
        last[event.stream] = event.position, max(end, min(one.ended))


def again(done: dict[int, Handled]) -> Iterable[str]:
    """Nothing is delivered when its acknowledgement is durable."""
    for position, one in done.items():
        if one.durable is not None and max(one.began) > one.durable:
            yield f"position {position} was delivered after its acknowledgement was durable"


def wrong_totals(events: list[Event], read_model: Path) -> Iterable[str]:
    """The read model says exactly what the events say."""
    expected: dict[str, tuple[int, int, int]] = {}
    for event in events:
        count, amount, _ = expected.get(event.stream, (0, 0, -1))
        expected[event.stream] = count + 1, amount + event.amount, event.version
    with closing(sqlite3.connect(read_model)) as connection:
        rows = connection.execute("SELECT stream, events, amount, version FROM total").fetchall()
    found = {stream: (count, amount, version) for stream, count, amount, version in rows}
    for stream in sorted(expected.keys() | found.keys()):
        if expected.get(stream) != found.get(stream):
            yield f"total of {stream}: {found.get(stream)}, expected {expected.get(stream)}"


def problems(store: pyesdb.Store, outside: Path, read_model: Path) -> list[str]:
    """Everything that is wrong."""
    lines, events = said(outside), stored(store)
    done = handled(lines)
    return [
        *(f"trouble: {words}" for words in lines["trouble"]),
        *lost(events, lines["told"]),
        *left_out(events, done),
        *out_of_order(events, done),
        *again(done),
        *wrong_totals(events, read_model),
    ]
