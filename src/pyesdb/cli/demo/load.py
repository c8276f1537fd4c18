"""The loaders as child processes: started, killed with SIGKILL half-way, started again."""

import json
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import click

MODULE = "pyesdb.cli.demo.loader"
PARTS = 2
"""Loader processes; they share the directory, and each has its own airlines."""

Process = subprocess.Popen[str]


class LoaderFailed(click.ClickException):
    """A loader process ended with an error of its own; its text went to stderr."""

    exit_code = 1


def until_killed(data: Path, source: Path, half: int, seen: Callable[[int], None]) -> int:
    """Run the loaders and kill them (SIGKILL) once they have reported `half` events.

    Returns how many were killed; a loader that has nothing to do ends by itself.
    """
    with _loaders(data, source, "--hold-last") as processes:
        for stored, idle in _reports(processes):
            seen(stored)
            if stored >= half or idle == len(processes):
                for process in processes:
                    process.kill()
                break
        codes = [process.wait() for process in processes]
    if max(codes) > 0 or min(codes) == 0:
        raise LoaderFailed(f"the loaders ended by themselves (exit codes {codes}), not killed")
    return sum(code < 0 for code in codes)


def to_the_end(data: Path, source: Path, seen: Callable[[int], None]) -> int:
    """Run the loaders until they are done; the events that this run stored."""
    stored = 0
    with _loaders(data, source) as processes:
        for stored, _ in _reports(processes):
            seen(stored)
        codes = [process.wait() for process in processes]
    if any(codes):
        raise LoaderFailed(f"the loaders failed (exit codes {codes})")
    return stored


@contextmanager
def _loaders(data: Path, source: Path, *flags: str) -> Generator[list[Process]]:
    with ExitStack() as stack:
        processes: list[Process] = []
        for part in range(PARTS):
            share = ["--part", str(part), "--parts", str(PARTS)]
            command = [sys.executable, "-m", MODULE, str(data), str(source), *share, *flags]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            processes.append(stack.enter_context(process))
            stack.callback(process.kill)
        yield processes


def _reports(processes: list[Process]) -> Iterator[tuple[int, int]]:
    """Events stored so far, and how many loaders have ended or wait before their last append."""
    arrived: SimpleQueue[tuple[int, dict[str, Any] | None]] = SimpleQueue()
    for number, process in enumerate(processes):
        Thread(target=_listen, args=(number, process, arrived), daemon=True).start()
    stored = [0] * len(processes)
    idle, ended = set[int](), set[int]()
    while len(ended) < len(processes):
        number, report = arrived.get()
        if report is None:
            ended.add(number)
        else:
            stored[number] = report["stored"]
        if report is None or "holding" in report:
            idle.add(number)
        yield sum(stored), len(idle)


def _listen(
    number: int, process: Process, arrived: SimpleQueue[tuple[int, dict[str, Any] | None]]
) -> None:
    for line in process.stdout or ():
        if line.endswith("\n"):
            arrived.put((number, json.loads(line)))
    arrived.put((number, None))
