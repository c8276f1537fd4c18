"""Saves accounts in an application of the library, and prints what was acknowledged.

saver.py DIRECTORY PLACE COUNT: each save opens an account, and one more per save credits all that
this process has; PLACE "any" (killed by the parent), "before" or "behind" the COMMIT of the save
after the third.
"""

import os
import signal
import sys
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import Tracking

from pyesdb.store import applier

directory, place, count = sys.argv[1:]
armed: list[bool] = []
real_apply, real_inside = applier.apply, applier.Applier._apply


def apply(tx: Any, entry: Any) -> Any:
    outcomes = real_apply(tx, entry)
    if armed and place == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    return outcomes


def inside(self: applier.Applier, entry: Any) -> Any:
    outcomes = real_inside(self, entry)
    if armed and place == "behind":
        os.kill(os.getpid(), signal.SIGKILL)
    return outcomes


applier.apply = apply
applier.Applier._apply = inside  # type: ignore[method-assign]


class Saves(Application[UUID]):
    def construct_recorder(self) -> Any:
        return self.factory.process_recorder()


with Saves({"PERSISTENCE_MODULE": "pyesdb.eventsourcing", "PYESDB_DATA_DIR": directory}) as app:
    for number in range(1, int(count) + 1):
        if number == 4:
            armed.append(True)
        pair = [Aggregate(), Aggregate()]
        for aggregate in pair:
            for _ in range(4):
                aggregate.trigger_event(Aggregate.Event)
        events = [one for aggregate in pair for one in aggregate.collect_events()]
        app.events.put(events, tracking=Tracking("upstream", number))
        print(number, flush=True)
