"""A warm process that forks: children under load, and fresh ones that look what is left.

    python -m tests.crash.lab.launcher

Each line of input is a request in JSON, each line of output its answer. It has no threads and no
database open, so a fork is as good as a new process, and takes a millisecond.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyesdb
from tests.crash.lab import check, worker
from tests.crash.lab.worker import COUNTS, STOP, Round

PATIENCE_S = 20.0
"""How long a child may take to come to its place; then it is killed where it is."""
LONGEST_S = 60.0
"""How long those that survive may take to stop."""


def in_child(function: Callable[[], Any]) -> Any:
    """What a function returns in a fork of this process; what it raises is a problem."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = json.dumps(function())
        except BaseException:  # noqa: BLE001  (the only way out is _exit)
            answer = json.dumps({"problems": [traceback.format_exc()]})
        with open(writing, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(answer)


def start(plan: Round, process: int, shared: mmap.mmap) -> int:
    """Fork a child under load; its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 0
    try:
        worker.work(plan, process, shared)
    except BaseException:  # noqa: BLE001  (the only way out is _exit)
        (plan.outside / f"{plan.number}.{process}.trouble").write_text(traceback.format_exc())
        code = 1
    os._exit(code)


def gone(pid: int) -> int | None:
    """A child's status if it has ended."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return status if found else None


def play(plan: Round) -> dict[str, Any]:
    """One round: load, a kill, and the end of the others."""
    chance = random.Random(f"{plan.seed}/{plan.number}")
    shared = mmap.mmap(-1, 64)
    pids = [start(plan, process, shared) for process in range(plan.processes)]
    statuses = {pids[0]: victim_ends(plan, pids[0], shared)}
    if plan.together:
        time.sleep(chance.choice([0.0, 0.0, 0.01]))
        for pid in pids[1:]:
            os.kill(pid, signal.SIGKILL)
    shared[STOP] = 1
    problems = []
    end = time.monotonic() + LONGEST_S
    for process, pid in enumerate(pids[1:], 1):
        while (status := gone(pid)) is None:
            if time.monotonic() > end:
                problems.append(f"process {process} does not end after the kill")
                os.kill(pid, signal.SIGKILL)
                end += 5
            time.sleep(0.001)
        statuses[pid] = status
    killed = [os.WIFSIGNALED(status) and os.WTERMSIG(status) for status in statuses.values()]
    problems += [
        f"process {process} ended by itself with {status}"
        for process, status in enumerate(statuses.values())
        if status and killed[process] != signal.SIGKILL
    ]
    shared.close()
    return {"problems": problems, "killed": killed.count(signal.SIGKILL)}


def victim_ends(plan: Round, pid: int, shared: mmap.mmap) -> int:
    """Wait for the victim's own end, or for its moment, and end it; its status."""
    began = time.monotonic()
    patience = plan.calls / 1000 if plan.moment == "milliseconds" else PATIENCE_S
    while (status := gone(pid)) is None:
        late = time.monotonic() - began > patience
        if late or (plan.moment == "calls" and shared[COUNTS] >= plan.calls):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            return status
        time.sleep(0.0005)
    return status


def plan_of(request: dict[str, Any]) -> Round:
    """A round from its JSON."""
    values = {field.name: request[field.name] for field in fields(Round)}
    for name in ("directory", "outside"):
        values[name] = Path(values[name])
    return Round(**values)


def answer_to(request: dict[str, Any]) -> Any:
    """What is asked for, done."""
    directory, outside = request["directory"], request["outside"]
    match request["do"]:
        case "prepare":
            return in_child(lambda: worker.prepare(directory, outside))
        case "play":
            return play(plan_of(request))
        case "check":
            return in_child(lambda: check.check(Path(directory), Path(outside)))
        case _:
            return in_child(lambda: check.count(Path(directory), Path(outside)))


def main() -> None:
    """Answer until the input ends."""
    with pyesdb.open(":memory:") as warm:  # what is loaded late is loaded now
        warm.store().append("s", pyesdb.NewEvent("E"))
        warm.store().read_all().to_list()
        warm.store().verify()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(answer_to(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
