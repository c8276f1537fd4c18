"""A child under load: several threads on one database, until it is killed or told to stop."""

from __future__ import annotations

import mmap
import random
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyesdb
from tests.crash.lab import content, places
from tests.crash.lab.ledger import Ledger
from tests.crash.lab.load import SCRIPTS, Load

THREADS = 3
CALLS = 40
"""How many random calls a thread makes at most: the rest of the time it waits."""

JUMP_BEHIND = 3
"""Calls of its first thread, behind which a process's clock moves."""

STOP, COUNTS = 0, 8
"""Where the shared memory says that it is over, and where each process counts its calls."""


@dataclass
class Round:
    """What the launcher's children do until the next kill."""

    directory: Path
    outside: Path
    number: int
    seed: str
    processes: int
    place: str
    """Where the first process dies; "" : wherever it is."""
    nth: int
    again: list[list[Any]]
    """Calls that were never answered: (id, what they are)."""
    jumps: dict[str, float]
    """Seconds by which a process's clock moves in the middle, by its number."""
    checkpoint: int
    calls: int
    """Calls of the first process, or, without a place, milliseconds, after which it is killed."""
    moment: str
    together: bool
    """Whether the others are killed with it; else they go on, and are told to stop."""


def prepare(directory: str, outside: str) -> None:
    """A new database with what every round finds there."""
    for number in range(content.IMPORTS):
        content.write_import(Path(outside, f"{content.import_call(number)}.lines"), number)
    ledger = Ledger(Path(outside, "prepare.jsonl"))
    with pyesdb.open(directory, timeout=60) as db:
        load = Load(db, ledger, "prepare.0.0", "", Path(outside))
        for name in content.STORES:
            store = db.create_store(name, exist_ok=True)
            load.age(name)
            store.set_stream_metadata(content.AGED, max_age=86_400)


def work(plan: Round, process: int, shared: mmap.mmap) -> None:
    """The body of one child."""
    name = f"{plan.number}.{process}"
    ledger = Ledger(plan.outside / f"{name}.jsonl")
    if plan.checkpoint:
        places.checkpoint_often(plan.checkpoint)
    if process == 0 and plan.place:
        places.arm(plan.place, plan.nth, lambda: ledger.say("dying", place=plan.place))
    with pyesdb.open(plan.directory, timeout=60) as db:
        loads = [
            Load(db, ledger, f"{name}.{thread}", plan.seed, plan.outside)
            for thread in range(THREADS)
        ]
        script = SCRIPTS[places.PLACES[plan.place]] if process == 0 and plan.place else []
        threads = [
            threading.Thread(target=_guarded, args=(plan, process, thread, load, script, shared))
            for thread, load in enumerate(loads)
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()


def _guarded(plan: Round, process: int, thread: int, load: Load, *more: Any) -> None:
    try:
        _run(plan, process, thread, load, *more)
    except BaseException:  # noqa: BLE001  (the check reports it)
        name = f"{plan.number}.{process}.{thread}.trouble"
        (plan.outside / name).write_text(traceback.format_exc())


def _run(
    plan: Round, process: int, thread: int, load: Load, script: list[str], shared: mmap.mmap
) -> None:
    """The body of one thread."""
    if thread == 0:
        load.weights["life"] = 8
        for call, about in plan.again:
            if random.Random(call).randrange(plan.processes) == process:
                load.again(call, about)
    jump = plan.jumps.get(str(process), 0.0)
    if jump > 0:  # in a local log its own expiry has no other clock to ask: the others' must wait
        load.weights["scavenge"] = 0
    count = 0
    while not shared[STOP]:
        if jump and thread == 0 and count == JUMP_BEHIND:
            load.move_clock(jump)
        if script and thread == 0:
            getattr(load, script[count % len(script)])()
        elif count < CALLS:
            load.one()
        else:
            time.sleep(0.001)
        count += 1
        shared[COUNTS + process] = min(255, shared[COUNTS + process] + 1)
