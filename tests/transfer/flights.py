"""The flights as one file of events, all aircraft in strict order of time; counted twice."""

from __future__ import annotations

import heapq
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

import pyesdb
from pyesdb.cli.demo import check, flights
from tests.stress.tools import environment

Told = tuple[str, str, int]


def _timed(code: str, rows: list[flights.Flight]) -> Iterator[tuple[str, flights.Occurrence]]:
    return ((code, one) for one in flights.in_order(rows))


def _place(item: tuple[str, flights.Occurrence]) -> tuple[int, str]:
    return item[1].minute, item[1].stream


def write(source: Path, file: Path) -> list[Told]:
    """The file, and the stream, type and minute of its events in order."""
    planned = flights.read(source)
    told: list[Told] = []
    encode = msgspec.json.Encoder().encode
    with file.open("wb") as out:
        merged = heapq.merge(*(_timed(*item) for item in planned.items()), key=_place)
        for code, one in merged:
            event = flights.event(planned[code][one.row], one)
            data = msgspec.Raw(event.data)
            line = {
                "stream": one.stream,
                "type": event.type,
                "time": event.time,
                "tags": event.tags,
            }
            out.write(encode({**line, "data": data}) + b"\n")
            told.append((one.stream, event.type, one.minute))
    return told


@contextmanager
def dying(directory: Path, file: Path) -> Iterator[subprocess.Popen[str]]:
    """The process that imports and dies when it is told to."""
    script = Path(__file__).with_name("dying.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(directory), str(file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[str], batch: int, place: str) -> str:
    """What became of one import."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{batch} {place}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def check_each_event_once(directory: Path, source: Path, told: list[Told]) -> None:
    """In order, and as many of each type of each airline as the csv says, counted on its own."""
    expected = check.count(source)
    types: dict[str, Counter[str]] = {}
    with pyesdb.open(directory, read_only=True) as db:
        for event, one in zip(db.store().read_all(), told, strict=True):
            assert (event.stream, event.type, int(event.time.timestamp()) // 60) == one
            carrier = event.tags[2].partition(":")[2]
            types.setdefault(carrier, Counter())[event.type] += 1
    assert types == expected.types
    assert len(told) == expected.events
