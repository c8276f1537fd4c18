"""Many writers at once, one event per append: threads, and tasks of one event loop."""

from contextlib import ExitStack

from benchmarks import ours
from benchmarks.peers import eventsourcing_postgres, message_db, umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Case, alternate
from benchmarks.sides import Opener, open_all
from pyesdb.operations.bench.callers import Tasks, Threads

TITLE = "Concurrent writers"
WRITERS = (16, 64, 512)
OPENERS: dict[str, Opener] = {
    "pyesdb threads": ours.embedded,
    "pyesdb tasks": ours.embedded_async,
    "umadb threads": umadb.server,
    "eventsourcing pg threads": eventsourcing_postgres.recorder,
    "message-db threads": message_db.message_store,
}


def run(plan: Plan) -> list[Case]:
    """Appends per second of 16, 64 and 512 callers that each wait for their answer."""
    return [_case(plan, count) for count in WRITERS]


def _case(plan: Plan, count: int) -> Case:
    with ExitStack() as stack:
        opened, absent = open_all(stack, OPENERS, plan.folder / str(count))
        groups = {
            name: Tasks(writer, count)
            if isinstance(writer, ours.OursAsync)
            else Threads(writer, count)
            for name, writer in opened.items()
        }
        measures = {
            name: lambda group=group: group.rate(plan.seconds) for name, group in groups.items()
        }
        case = Case(f"{count} writers", "appends/s", absent=absent)
        return alternate(case, measures, plan.rounds)
