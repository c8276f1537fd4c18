"""Cuts the power of a working process again and again, and counts what was found.

A life is a database over several cuts: each continues on an image of the one before.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from tests.crash.power.check import check
from tests.crash.power.disk import Disk
from tests.crash.power.expected import Expected
from tests.crash.power.images import Least, materialise
from tests.stress.tools import environment

ROOT = Path(__file__).parents[3]
KINDS = {
    "log write": 500,
    "log sync": 90,
    "checkpoint": 120,
    "lifecycle": 400,
    "other": 20,
    "any": 2500,
}
"""Kinds of operations, and among how many of them the last one is chosen."""
CUTS_PER_LIFE = 5
SESSIONS, CALLS = 4, 10
"""How often a child opens the database, and how much each thread does in between."""
LEAST = "least"
RECORDING = "recording.cut"
LARGE = 0.3
"""Share of the cuts in checkpoints, and anywhere, in which large events make checkpoints."""


FAULTS = {
    "log write": ("while a commit is written", "the append is there whole, or not at all"),
    "log sync": ("between a commit's writes and its fsync", "the same; its caller had no answer"),
    "checkpoint": ("in a checkpoint", "torn pages of the file are taken from the log again"),
    "lifecycle": ("in a change of a store's life", "it is done or undone by the next open"),
    "at rest": ("when all was answered and closed", "all of it is there"),
    "other": ("while files are opened, made or deleted", "the next open goes on"),
}
"""Kinds of operations: when the power went, and what who opens the database then sees."""


class Report:
    """What a run has seen."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.cuts: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        """Stores looked at before any recovery: what was answered, and what was refused."""
        self.images = self.acknowledged = self.operations = self.restarts = 0
        self.problems: list[str] = []

    def as_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "cuts": self.cuts.total(),
            "where": dict(sorted(self.cuts.items())),
            "images": self.images,
            "looks": dict(sorted(self.looks.items())),
            "acknowledged": self.acknowledged,
            "operations": self.operations,
            "restarts": self.restarts,
            "lost": len(self.problems),
            "rows": self._rows(),
        }

    def _rows(self) -> list[dict[str, Any]]:
        """For the page of faults: what was done, what was seen, what was lost."""
        return [
            {
                "fault": f"power cut {when}; what was not synced dropped, reordered or torn",
                "times": self.cuts[kind],
                "seen": seen,
                "lost": "; ".join(self.problems) or "nothing",
            }
            for kind, (when, seen) in FAULTS.items()
            if self.cuts[kind]
        ]

    def line(self) -> str:
        where = ", ".join(f"{kind} {count}" for kind, count in sorted(self.cuts.items()))
        looks = ", ".join(f"{what} {count}" for what, count in sorted(self.looks.items()))
        return (
            f"power cuts {self.cuts.total()} ({where}), images {self.images}, looks: {looks}, "
            f"acknowledged events {self.acknowledged}, logs begun anew {self.restarts}, "
            f"lost: {len(self.problems)}, seed {self.seed}"
        )


class Server:
    """The process that forks one for each cut."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, job: dict[str, Any]) -> int:
        """The status with which the fork ended: 0 when its power was cut."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(job)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def server() -> Iterator[Server]:
    env = environment()
    env["PYTHONPATH"] += os.pathsep + str(ROOT)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.power.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=env,
        text=True,
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


class Life:
    """A database, and what must be in it."""

    def __init__(self, folder: Path, seed: str, lies: str = "") -> None:
        self.folder, self.seed, self.lies = folder, seed, lies
        self.expected = Expected()
        self.base = folder / "disk"
        self.base.mkdir(parents=True)
        self.run = 0

    def cut(self, server: Server, report: Report, images: int, **job: Any) -> None:
        """Work until a cut, check so many images and one more, go on from the first of them."""
        self.run += 1
        seed = f"{self.seed}.{self.run}"
        job = self._job(seed) | job
        status = server.run(job)
        assert status == 0, f"seed {seed}: the child failed ({status}), see what it printed"
        found = pickle.loads(Path(job["record"]).read_bytes())
        before = self.expected.acknowledged
        self.expected.hear(map(json.loads, Path(job["journal"]).read_text().splitlines()))
        report.acknowledged += self.expected.acknowledged - before
        report.cuts[found["kind"]] += 1
        report.operations += found["operations"]
        report.restarts += found["restarts"]
        settled = [copy.deepcopy(self.expected) for _ in range(images + 1)]
        for expected, name in zip(settled, image_names(seed, images), strict=True):
            problems = tried(found["disk"], expected, name, self.folder / "image", report.looks)
            report.problems += [f"image {name}: {problem}" for problem in problems]
            report.images += 1
        if report.problems:
            report.problems.append(self._kept(found["disk"], seed))
        self.expected = settled[0]
        shutil.rmtree(self.base)
        materialise(found["disk"], chance_of(image_names(seed, images)[0]), self.base)

    def _job(self, seed: str) -> dict[str, Any]:
        return {
            "seed": seed,
            "run": self.run,
            "kind": "any",
            "number": 0,
            "bulk": False,
            "turns": [],
            "lies": self.lies,
            "base": str(self.base),
            "journal": str(self.folder / "journal"),
            "record": str(self.folder / "record"),
            "sessions": SESSIONS,
            "calls": CALLS,
            "lives": self.expected.lives,
            "backups": list(self.expected.backups),
        }

    def _kept(self, disk: Disk, seed: str) -> str:
        """Threads may not do the same again: so what the disk was told is kept."""
        self.folder.joinpath(RECORDING).write_bytes(pickle.dumps((disk, self.expected, seed)))
        return f"its images again: python -m tests.crash.power.again {self.folder / RECORDING}"


def image_names(seed: str, images: int) -> list[str]:
    """Seeds of the images of a cut; the last one has nothing that was not synced."""
    return [*(f"{seed}.{number}" for number in range(images)), f"{seed}.{LEAST}"]


def chance_of(image: str) -> Random:
    return Least(0) if image.endswith(LEAST) else Random(image)


def tried(disk: Disk, expected: Expected, seed: str, image: Path, looks: Counter[str]) -> list[str]:
    """What is wrong with the image of this seed."""
    materialise(disk, chance_of(seed), image)
    problems = check(expected, image / "data", Random(seed), looks)
    shutil.rmtree(image)
    return problems


def chosen(seed: str, kind: str, longest: int) -> dict[str, Any]:
    """Where in the work of a child the power goes."""
    chance = Random(f"{seed} {kind}")
    bulk = kind in ("checkpoint", "any") and chance.random() < LARGE
    number = chance.randint(1, min(longest, KINDS[kind] * (10 if bulk else 1)))
    return {"kind": kind, "number": number, "bulk": bulk}


def run(
    folder: Path,
    seed: str,
    *,
    cuts: int,
    images: int = 2,
    kinds: Sequence[str] = tuple(KINDS),
    longest: int = 10**9,
    lies: str = "",
) -> Report:
    """So many cuts, in lives of some cuts each, until the first problem."""
    report = Report(seed)
    with server() as started:
        for done in range(cuts):
            number = done // CUTS_PER_LIFE
            if done % CUTS_PER_LIFE == 0:
                life = Life(folder / str(number), f"{seed}.{number}", lies)
            kind = kinds[(done + number) % len(kinds)]
            life.cut(started, report, images, **chosen(f"{seed}.{done}", kind, longest))
            if report.problems:
                break
            if done % CUTS_PER_LIFE == CUTS_PER_LIFE - 1:
                shutil.rmtree(life.folder)
    return report


def run_turns(folder: Path, turns: Sequence[Sequence[str]]) -> Report:
    """In one life: a cut behind each of these turns of stores' lives (`work.Keeper.turn`)."""
    report = Report("turns")
    life = Life(folder / "turns", "turns")
    with server() as started:
        for turn in turns:
            life.cut(started, report, 0, turns=[turn])
            if report.problems:
                break
    return report
