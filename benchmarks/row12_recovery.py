"""Recovery: a process is killed while it writes into a large store, and another one opens it.

The killed one is in the middle of commits of 16 threads, with a log that was not moved into the
file. Each append that it saw acknowledged must be there, each stream without a gap: else the round
fails. Opening is timed in a fresh process, from the call of open, and once more from the start of
the process. UmaDB's server is killed and started again instead.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import fresh, ours, prepared, row10_growth
from benchmarks.peers import umadb
from benchmarks.plan import SMALL, Plan
from benchmarks.recovery import WRITERS
from benchmarks.rounds import WARM_UP, Case
from benchmarks.row10_growth import LARGEST, name_of
from benchmarks.sides import Missing
from benchmarks.work import BODIES, stream_name

TITLE = "Recovery after a kill"
READ, APPEND = "open to the first read", "open to the first append"
PROCESS, KEPT = "process start to the first append", "acknowledged, all of them kept"
_UNITS = {READ: "ms", APPEND: "ms", PROCESS: "ms", KEPT: "appends"}
_MODULE = [sys.executable, "-m", "benchmarks.recovery"]
_KILLS = count()
"""Numbers for streams that are new, also when the row is measured again."""
Round = Callable[[int, float], dict[str, float]]
"""A number of its own and how long to write before the kill: a sample for each case."""


def _kill_while_writing(directory: Path, number: int, seconds: float) -> Counter[int]:
    """How many appends of each writer were acknowledged before the kill."""
    child = subprocess.Popen(
        [*_MODULE, "write", str(directory), str(number)], stdout=subprocess.PIPE, text=True
    )
    killer = threading.Timer(seconds, child.kill)
    acknowledged: Counter[int] = Counter()
    try:
        for line in child.stdout or ():
            if not acknowledged:  # the first answer: it is at work
                killer.start()
            writer, version = map(int, line.split())
            if version != acknowledged[writer]:
                raise ValueError(f"writer {writer} was told {version} out of turn")
            acknowledged[writer] += 1
        if child.wait() != -signal.SIGKILL:
            raise ValueError(f"the writing process ended with {child.returncode}, not by the kill")
    finally:
        killer.cancel()
        with child:  # waits for it, and closes the pipe
            child.kill()
    return acknowledged


def _check(acknowledged: Mapping[int, int], found: Mapping[int, int]) -> int:
    """Nothing that was acknowledged may be missing; an append in flight may be there or not."""
    for writer in range(WRITERS):
        told, there = acknowledged.get(writer, 0), found.get(writer, 0)
        if not told <= there <= told + 1:
            raise ValueError(f"writer {writer} was told of {told} appends, {there} are there")
    return sum(acknowledged.values())


def _reopen(plan: Plan, directory: Path, number: int) -> dict[str, Any]:
    began = time.monotonic()  # of the machine, so the other process knows it, too
    return fresh.answer(plan, "recovery", "reopen", str(directory), str(number), str(began))


def _ours(plan: Plan, folder: Path, number: int, seconds: float) -> dict[str, float]:
    directory = folder / "data"
    acknowledged = _kill_while_writing(directory, number, seconds)
    after = _reopen(plan, directory, number)
    if after["gaps"]:
        raise ValueError(f"the streams of writers {after['gaps']} have gaps")
    found = {int(writer): events for writer, events in after["events"].items()}
    kept = _check(acknowledged, found)
    return {
        READ: after["read_ms"],
        APPEND: after["append_ms"],
        PROCESS: after["process_ms"],
        KEPT: kept,
    }


def _umadb(_plan: Plan, folder: Path, number: int, seconds: float) -> dict[str, float]:
    names = [f"killed-{number}-{writer}" for writer in range(WRITERS)]
    acknowledged: Counter[int] = Counter()
    with umadb.server(folder) as side:

        def work(writer: int) -> None:
            with contextlib.suppress(Exception):  # its client raises several kinds at the kill
                while True:
                    side.append(names[writer], 0, BODIES[:1])
                    acknowledged[writer] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        os.kill(side.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    began = time.monotonic()
    with umadb.server(folder) as side:
        side.append(stream_name(0), 0, BODIES[:1])
        process_ms = (time.monotonic() - began) * 1e3
        found = {writer: side.replay(name)[0] for writer, name in enumerate(names)}
    return {PROCESS: process_ms, KEPT: _check(acknowledged, found)}


def _contestants(plan: Plan) -> tuple[dict[str, Round], dict[str, str]]:
    """Who takes part with a filled store, and who does not, and why."""
    rounds: dict[str, Round] = {}
    missing: dict[str, str] = {}
    if LARGEST not in plan.sizes:
        missing[name_of(LARGEST)] = f"a {plan.size} run ends at {max(plan.sizes):,} events"
    stores: list[tuple[str, str, Any, int, Callable[..., dict[str, float]]]] = [
        (name_of(size), "pyesdb plain", ours.embedded, size, _ours)
        for size in plan.sizes
        if size > SMALL and size >= row10_growth.LONGEST
    ]
    stores.append(("umadb", "umadb plain", umadb.server, plan.events, _umadb))
    for who, name, opener, events, work in stores:
        try:
            folder, _ = prepared.filled(plan.prepared, name, opener, events, prepared.many_streams)
        except Missing as reason:
            missing[who] = str(reason)
        else:
            rounds[who] = partial(work, plan, folder)
    return rounds, missing


def run(plan: Plan) -> list[Case]:
    """Milliseconds by size of the store; and how many appends were acknowledged before a kill."""
    contestants, missing = _contestants(plan)
    cases = {name: Case(name, unit, absent=dict(missing)) for name, unit in _UNITS.items()}
    chance = random.Random(12)
    for number in range(WARM_UP + plan.rounds):
        for who, work in contestants.items():
            if who in missing:
                continue
            try:
                sample = work(next(_KILLS), chance.uniform(0.3, 1.2))
            except Exception as error:  # noqa: BLE001  (whatever it is, it belongs in the report)
                missing[who] = f"failed: {type(error).__name__}: {error}"
                for case in cases.values():
                    case.absent[who] = missing[who]
                    case.samples.pop(who, None)
                continue
            if number >= WARM_UP:
                for name, figure in sample.items():
                    cases[name].samples.setdefault(who, []).append(figure)
    for name in (READ, APPEND):
        cases[name].absent.setdefault("umadb", "not offered: it is a server, see the next case")
    return list(cases.values())
