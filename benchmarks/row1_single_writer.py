"""One writer, one event per append, embedded, against the bare transaction."""

from contextlib import ExitStack

from benchmarks import bare, ours
from benchmarks.peers import eventsourcing_postgres, eventsourcing_sqlite, message_db, umadb
from benchmarks.plan import Plan
from benchmarks.rounds import Appending, Case, alternate
from benchmarks.sides import Opener, open_all

TITLE = "One writer, one event"
OPENERS: dict[str, Opener] = {
    "pyesdb": ours.embedded,
    "apsw": bare.store_tables,
    "umadb": umadb.server,
    "eventsourcing": eventsourcing_sqlite.recorder,
    "eventsourcing pg": eventsourcing_postgres.recorder,
    "message-db": message_db.message_store,
    "fdatasync": bare.disk,
}


def run(plan: Plan) -> list[Case]:
    """Appends per second of one caller that waits for each answer."""
    with ExitStack() as stack:
        opened, absent = open_all(stack, OPENERS, plan.folder)
        callers = {name: Appending(writer, 1) for name, writer in opened.items()}
        measures = {
            name: lambda caller=caller: caller.rate(plan.seconds)
            for name, caller in callers.items()
        }
        return [alternate(Case("1 event", "appends/s", absent=absent), measures, plan.rounds)]
