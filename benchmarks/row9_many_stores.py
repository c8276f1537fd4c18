"""Many stores in one directory: making them, opening it, what a hundred in use cost, waking one."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pyesdb
from benchmarks import bare
from benchmarks.plan import Plan
from benchmarks.rounds import WARM_UP, Appending, Case, alternate
from benchmarks.sides import Opener, open_all

TITLE = "Many stores"
CREATE, START, LIST = "create", "open a directory of many", "list_stores of many"
RESIDENT, REOPEN = "resident with 100 in use", "first call on a store at rest"
SPREAD = "appends, 100 stores in turn"
OPENERS: dict[str, Opener] = {"fdatasync": bare.disk}


def _creating(directory: Path, who: str, callers: int, count: int) -> Callable[[], float]:
    """Stores per second of so many threads; each round makes `count` more."""
    made = 0

    def rate() -> float:
        nonlocal made
        names = [f"{who}-{number:06}" for number in range(made, made + count)]
        with pyesdb.open(directory) as database, ThreadPoolExecutor(callers) as pool:
            start = time.perf_counter()
            list(pool.map(database.create_store, names))
            elapsed = time.perf_counter() - start
        made += count
        return count / elapsed

    return rate


def _child(directory: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.many", str(directory)],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"the process that uses them failed: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def run(plan: Plan) -> list[Case]:
    """Rates of making and using them; times and memory beside them."""
    directory = plan.folder / "many"
    create = Case(CREATE, "stores/s")
    with ExitStack() as stack:
        opened, create.absent = open_all(stack, OPENERS, plan.folder)
        measures: dict[str, Callable[[], float]] = {
            name: partial(Appending(writer, 1).rate, plan.seconds)
            for name, writer in opened.items()
        }
        count = plan.stores // (plan.rounds + WARM_UP) // 2
        measures["pyesdb"] = _creating(directory, "one", 1, count)
        measures["pyesdb threads"] = _creating(directory, "eight", 8, count)
        alternate(create, measures, plan.rounds)
    cases = [
        create,
        Case(START, "ms"),
        Case(LIST, "ms"),
        Case(RESIDENT, "MiB"),
        Case(REOPEN, "us"),
        Case(SPREAD, "appends/s"),
    ]
    if "pyesdb" in create.absent:
        for case in cases[1:]:
            case.absent["pyesdb"] = create.absent["pyesdb"]
        return cases
    found = [_child(directory) for _ in range(plan.rounds)]
    keys = ("start_ms", "list_ms", "resident_mib", "reopen_us", "spread")
    for case, key in zip(cases[1:], keys, strict=True):
        case.samples["pyesdb"] = [one[key] for one in found]
    cases[-1].samples["pyesdb one"] = [one["alone"] for one in found]
    return cases
