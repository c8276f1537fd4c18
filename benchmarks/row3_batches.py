"""One writer, many events per append, against bare multi-row statements."""

from contextlib import ExitStack

from benchmarks import bare, ours
from benchmarks.peers import eventsourcing_postgres, eventsourcing_sqlite, message_db, umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Appending, Case, alternate
from benchmarks.sides import Opener, open_all

TITLE = "Batches"
SIZES = (100, 1000)
OPENERS: dict[str, Opener] = {
    "pyesdb": ours.embedded,
    "apsw": bare.batch_tables,
    "umadb": umadb.server,
    "eventsourcing": eventsourcing_sqlite.recorder,
    "eventsourcing pg": eventsourcing_postgres.recorder,
    "message-db": message_db.message_store,
}


def run(plan: Plan) -> list[Case]:
    """Events per second in appends of 100 and of 1000 events."""
    return [_case(plan, size) for size in SIZES]


def _case(plan: Plan, size: int) -> Case:
    with ExitStack() as stack:
        opened, absent = open_all(stack, OPENERS, plan.folder / str(size))
        callers = {name: Appending(writer, size) for name, writer in opened.items()}
        measures = {
            name: lambda caller=caller: caller.rate(plan.seconds)
            for name, caller in callers.items()
        }
        case = Case(f"{size} events", "events/s", absent=absent)
        return alternate(case, measures, plan.rounds)
