"""The laboratory: rounds of load and a kill, each looked at by a fresh process; and its report."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.lab.places import PLACES
from tests.stress.tools import environment

ROOT = Path(__file__).parents[3]
ANYWHERE = 12
"""Of each turn through all the places so many kills are at random moments."""
HISTORY = 10
"""Kills in one directory; then a new one, or looking would take longer and longer."""
HOUR, YEAR = -3600.0, 31_557_600.0


@dataclass
class Report:
    """What was done and found."""

    seed: str
    kills: int = 0
    processes: int = 0
    missed: int = 0
    """Kills at a random moment, because the process did not come to its place in time."""
    places: Counter[str] = field(default_factory=Counter)
    jumps: Counter[str] = field(default_factory=Counter)
    """Clocks that were moved in the middle of a life, by how far."""
    events: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def told(self) -> str:
        """For people."""
        head = f"seed {self.seed}: {self.kills} kills ({self.processes} processes)"
        lines = [
            f"{head}, {self.missed} of them not where they were meant",
            *(f"{place:<36}{count:>4}" for place, count in sorted(self.places.items())),
            *(f"{jump:<36}{count:>4}" for jump, count in sorted(self.jumps.items())),
            "events: " + ", ".join(f"{name} {n:,}" for name, n in self.events.items()),
            *self.problems,
        ]
        return "\n  ".join(lines)

    def written(self) -> dict[str, Any]:
        """For the docs: what was done, what was seen, what was lost."""
        seen = "all that was answered, once; the rest whole or not at all"
        faults = [(f"kill -9: {place}", count) for place, count in sorted(self.places.items())]
        rows = [
            {"fault": fault, "times": count, "seen": seen, "lost": self.events["lost"]}
            for fault, count in [*faults, *sorted(self.jumps.items())]
        ]
        return {
            "seed": self.seed,
            "kills": self.kills,
            "missed": self.missed,
            "events": dict(self.events),
            "rows": rows,
        }


class Launcher:
    """The other end of `launcher.py`."""

    def __init__(self, process: subprocess.Popen[str], directory: Path, outside: Path) -> None:
        self._process = process
        self._directory = directory
        self._outside = outside

    def ask(self, do: str, **about: Any) -> dict[str, Any]:
        request = {"do": do, "directory": str(self._directory), "outside": str(self._outside)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**request, **about}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the launcher died"
        return json.loads(answer) or {}

    def fresh(self) -> None:
        """Begin with a new directory."""
        for path in (self._directory, self._outside):
            shutil.rmtree(path, ignore_errors=True)
        self._outside.mkdir(parents=True)
        assert not self.ask("prepare")


@contextmanager
def launched(folder: Path) -> Iterator[Launcher]:
    env = environment()
    env["PYTHONPATH"] = f"{env['PYTHONPATH']}:{ROOT}"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.lab.launcher"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield Launcher(process, folder / "data", folder / "outside")
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends by itself: none of its children outlives a request


def places(chance: random.Random) -> Iterator[str]:
    """Every place once and some random moments, in another order each time."""
    while True:
        turn = [*PLACES, *[""] * ANYWHERE]
        chance.shuffle(turn)
        yield from turn


def plan(chance: random.Random, number: int, place: str) -> dict[str, Any]:
    """What happens in one round."""
    often = PLACES.get(place) == "append"
    by_time = not place and chance.random() < 0.25
    year = number // HISTORY % 5 == 1 and number % HISTORY >= HISTORY // 2
    jump = YEAR if year else HOUR if chance.random() < 0.3 else 0.0
    processes = chance.choice([2, 2, 3])
    sweeping = PLACES.get(place) == "scavenge"
    moved = chance.randrange(1 if sweeping else 0, processes)  # by a wrong clock it would expire
    return {
        "number": number,
        "processes": processes,
        "place": place,
        "nth": chance.randint(1, 30) if often and "checkpoint" not in place else 1,
        "jumps": {str(moved): jump} if jump else {},
        "checkpoint": 20 if "checkpoint" in place else chance.choice([0, 0, 100]),
        "moment": "place" if place else "milliseconds" if by_time else "calls",
        "calls": chance.randint(1, 60),
        "together": chance.random() < 0.5,
    }


def run(folder: Path, seed: str, kills: int, only: list[str] | None = None) -> Report:
    """Kill so many times; stops at the first problem."""
    chance, report = random.Random(seed), Report(seed)
    following = iter(only) if only else places(chance)
    with launched(folder) as launcher:
        again: list[Any] = []
        for number in range(kills):
            if number % HISTORY == 0:
                launcher.fresh()
                again, before, jumps = [], 0, Counter[str]()
            about = plan(chance, number, next(following))
            played = launcher.ask("play", seed=seed, again=again, **about)
            found = launcher.ask("check")
            problems = played["problems"] + found["problems"]
            if problems:
                report.problems = [f"round {number}, {about}", *problems]
                return report
            again = found["again"]
            died = found["dying"][before:]
            before += len(died)
            report.jumps += Counter(found["jumps"]) - jumps
            jumps = Counter(found["jumps"])
            report.kills += 1
            report.processes += played["killed"]
            report.places[died[0] if died else "at a random moment"] += 1
            report.missed += bool(about["place"] and not died)
            if number % HISTORY == HISTORY - 1 or number == kills - 1:
                report.events.update(launcher.ask("count"))
    return report
