"""Steps 1-3: create the stores, load them with a kill in between, count what is there."""

from collections import Counter
from datetime import UTC, datetime

from pyesdb.cli.demo import delays, load
from pyesdb.cli.demo.report import Step
from pyesdb.cli.demo.run import DAY, OPERATIONS, Counted, Run, Watch, start_of_day
from pyesdb.cli.demo.source import store_id

TYPES = (
    "FlightScheduled", "FlightDeparted", "FlightArrived", "FlightCancelled", "FlightDiverted",
)  # fmt: skip


def create_stores(run: Run) -> Step:
    """One event store per airline, and one for the airport."""
    watch = Watch()
    before = set(run.db.list_stores()) if run.again else set[str]()
    for carrier, name in run.airlines.items():
        run.db.create_store(store_id(carrier), exist_ok=True, description=name)
    seconds = watch.seconds
    stores = set(run.db.list_stores()) - {"default"}
    wanted = {OPERATIONS, *map(store_id, run.airlines)}
    return Step(
        "Create an event store for each airline",
        f"{len(stores)} stores, {len(stores - before)} of them created in {seconds:.2f} s "
        f"(durable); {len(run.flying)} of {len(run.airlines)} airlines have flights",
        'db.create_store("airline-ua", exist_ok=True)',
        [", ".join([*sorted(stores)[:4], "...", *sorted(stores)[-3:]])],
        {"stores": len(stores), "created": len(stores - before), "seconds": seconds},
        "" if stores == wanted else f"stores: {sorted(stores ^ wanted)}",
    )


def load_flights(run: Run) -> Step:
    """The loaders are killed half-way and started again; every event is stored exactly once."""
    total, before = run.expected.events, run.stored()
    todo = total - before
    watch = Watch()
    with run.reporter.progress(todo) as bar:
        loaders = load.until_killed(run.data, run.source.path, todo // 2, bar.at)
        killed = run.stored()
        with delays.kept(run):
            resumed = load.to_the_end(
                run.data, run.source.path, lambda n: bar.at(killed - before + n)
            )
    figure = watch.rate(todo, "events")
    after = run.stored()
    exact = after == killed + resumed == total
    story = (
        f"{loaders} loader{'s' * (loaders > 1)} killed with SIGKILL at {killed - before:,} events; "
        f"started again, the other {resumed:,}: none lost, none twice"
    )
    earlier = f"{before:,} events are here from an earlier run and are not stored again"
    return Step(
        "Load the flights in two processes, kill both half-way, start them again",
        figure,
        "store.append_many(appends, tracking=(source, position)); store.tracked(source)",
        [
            *([earlier] if before else []),
            story,
            "an append_many per airline and day, each answered after fsync",
        ],
        {
            "events": todo,
            "seconds": watch.seconds,
            "before": before,
            "killed_at": killed,
            "resumed": resumed,
            "total": after,
        },
        "" if exact else f"stored {killed:,} + {resumed:,}, tracked {after:,}, csv has {total:,}",
    )


def count_everything(run: Run) -> Step:
    """Read all stores and compare with the count of the csv that knows nothing of the loader."""
    watch = Watch()
    for carrier in run.flying:
        run.counted[carrier] = _read(run, carrier)
    total = sum(found.types.total() for found in run.counted.values())
    figure = watch.rate(total, "events")
    lines = [f"{'':28}" + "".join(f"{name[6:]:>11}" for name in TYPES)]
    for carrier, found in run.counted.items():
        numbers = "".join(f"{found.types[name]:>11,}" for name in TYPES)
        lines.append(f"{carrier}  {run.airlines.get(carrier, ''):24.24}{numbers}")
    wrong = _differences(run)
    if not wrong:
        lines.append(
            "equal to the csv, airline by airline, type by type; positions without a hole, "
            "every aircraft in order of time"
        )
    return Step(
        "Read everything back and compare with an independent count of the csv",
        figure,
        "for event in store.read_all(): ...",
        lines,
        {
            "events": total,
            "seconds": watch.seconds,
            "airlines": {carrier: dict(c.types) for carrier, c in run.counted.items()},
        },
        "; ".join(wrong),
    )


def _read(run: Run, carrier: str) -> Counted:
    found = Counted()
    types: Counter[str] = found.types
    latest: dict[str, datetime] = {}
    today = datetime.fromtimestamp(0, UTC)
    for number, event in enumerate(run.store(carrier).read_all(), start=1):
        types[event.type] += 1
        found.streams[event.stream] += 1
        time = event.time
        found.first = found.first or time
        if time < today or time < latest.get(event.stream, today):
            found.in_order = False
        elif time - today >= DAY:
            today = start_of_day(time)
        latest[event.stream] = time
        if event.position != number:
            found.gapless = False
    found.last = max(latest.values(), default=None)
    return found


def _differences(run: Run) -> list[str]:
    wrong: list[str] = []
    for carrier, found in run.counted.items():
        if found.types != run.expected.types[carrier]:
            wrong.append(f"{carrier}: stored {dict(found.types)}, csv has "
                         f"{dict(run.expected.types[carrier])}")  # fmt: skip
        if not found.in_order:
            wrong.append(f"{carrier}: not in order of time")
        if not found.gapless:
            wrong.append(f"{carrier}: positions have holes")
    return wrong
