"""Writes batches and prints each acknowledged one, until it is killed; and who lets it.

batches.py WRITER DIRECTORY PLACE: WRITER is "append", or "save" in an application of the library
eventsourcing; PLACE "any" (killed by the parent), "before" or "behind" the COMMIT of the batch
after the third.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pyesdb
from pyesdb import NewEvent
from pyesdb.store import applier

APPENDED = 40
"""Events of a batch, in two streams."""
SAVED = 10
"""Events of a save: five of each of two aggregates."""


def killed(writer: str, directory: Path, place: str, acknowledged: int = 0) -> int:
    """Let a child write until it is killed; how many batches it acknowledged."""
    from tests.stress.tools import environment

    with subprocess.Popen(
        [sys.executable, __file__, writer, str(directory), place],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        if place == "any":
            process.kill()
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    return sum(line.endswith("\n") for line in lines)


def appended(directory: str) -> Iterator[None]:
    """A batch each time it is asked."""
    with pyesdb.open(directory) as db:
        store = db.store()
        batch = 0
        while True:
            batch += 1
            events = [NewEvent("E", {"batch": batch, "n": n}) for n in range(APPENDED)]
            store.append_many([pyesdb.Append("a", events[:10]), pyesdb.Append("b", events[10:])])
            yield


def saved(directory: str) -> Iterator[None]:
    """Two new aggregates and a tracking record each time it is asked."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate
    from eventsourcing.persistence import Tracking

    class Saves(Application[UUID]):
        def construct_recorder(self) -> Any:
            return self.factory.process_recorder()

    number = 0
    with Saves({"PERSISTENCE_MODULE": "pyesdb.eventsourcing", "PYESDB_DATA_DIR": directory}) as app:
        while True:
            number += 1
            pair = [Aggregate(), Aggregate()]
            for aggregate in pair:
                for _ in range(SAVED // 2 - 1):
                    aggregate.trigger_event(Aggregate.Event)
            events = [one for aggregate in pair for one in aggregate.collect_events()]
            app.events.put(events, tracking=Tracking("upstream", number))
            yield


def die_at(place: str) -> None:
    """In the next batch."""
    real_apply, real_inside = applier.apply, applier.Applier._apply

    def apply(tx: Any, entry: Any) -> Any:
        outcomes = real_apply(tx, entry)
        if place == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

    def inside(self: applier.Applier, entry: Any) -> Any:
        outcomes = real_inside(self, entry)
        if place == "behind":
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

    applier.apply = apply
    applier.Applier._apply = inside  # type: ignore[method-assign]


def main(writer: str, directory: str, place: str) -> None:
    """Until killed."""
    batches = {"append": appended, "save": saved}[writer](directory)
    for number, _ in enumerate(batches, 1):
        print(number, flush=True)
        if number == 3:
            die_at(place)


if __name__ == "__main__":
    main(*sys.argv[1:])
