"""Steps 8-10: two dispatchers and one gate, an airline that goes, the audit."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pyesdb
from pyesdb import AppendCondition, ConditionFailed, NewEvent, select
from pyesdb.cli.demo.report import Step
from pyesdb.cli.demo.run import OPERATIONS, Run, Watch
from pyesdb.cli.demo.source import store_id

GATES = [f"gate:C{number}" for number in range(70, 90)]
FLIGHTS = ("UA1545", "B6725")
MERGED = "US"
"""US Airways became a part of American Airlines in 2013."""


def race_for_gates(run: Run) -> Step:
    """Two dispatchers see the same free gate and take it at the same time, twenty times."""
    store = run.db.store(OPERATIONS)
    watch = Watch()
    with ThreadPoolExecutor(len(FLIGHTS)) as dispatchers:
        outcomes = [_race(store, gate, dispatchers) for gate in GATES]
    seconds = watch.seconds
    winners = Counter(name for taken in outcomes for name in taken)
    fair = all(len(taken) == 1 for taken in outcomes)
    return Step(
        f"Let two dispatchers race for a gate, {len(GATES)} times",
        f"{len(GATES)} gates, {winners.total()} winners, "
        f"{len(GATES) * len(FLIGHTS) - winners.total()} ConditionFailed; {seconds:.2f} s",
        "store.append(None, event, condition=AppendCondition(select.tags(gate), after=seen.head))",
        [", ".join(f"{flight} got {winners[flight]}" for flight in FLIGHTS)],
        {"gates": len(GATES), "winners": winners.total(), "seconds": seconds},
        "" if fair else f"gates given: {outcomes}",
    )


def _race(store: pyesdb.Store, gate: str, dispatchers: ThreadPoolExecutor) -> list[str]:
    """The flights that got the gate: one, if the condition holds what it promises."""
    start = Barrier(len(FLIGHTS))
    here = select.tags(gate)
    if held := _holder(store.read_all(select=here)):
        store.append(None, NewEvent("GateReleased", {"flight": held}, tags=[gate]))

    def dispatch(flight: str) -> bool:
        seen = store.read_all(select=here)
        holder = _holder(seen)
        start.wait(timeout=60)
        if holder is not None:
            return False
        taken = NewEvent("GateAssigned", {"flight": flight}, tags=[gate, f"flight:{flight}"])
        try:
            store.append(None, taken, condition=AppendCondition(here, after=seen.head))
        except ConditionFailed:
            return False
        return True

    got = dispatchers.map(dispatch, FLIGHTS)
    return [flight for flight, won in zip(FLIGHTS, got, strict=True) if won]


def _holder(events: pyesdb.Events) -> str | None:
    """The flight that stands at a gate, by the gate's events."""
    flight = None
    for event in events:
        flight = event.json()["flight"] if event.type == "GateAssigned" else None
    return flight


def remove_an_airline(run: Run) -> Step:
    """The airline's store is gone for every caller, the other stores stand as before."""
    carrier = MERGED if MERGED in run.flying else run.flying[-1]
    gone = run.removed = store_id(carrier)
    others = [name for name in run.db.list_stores() if name != gone]
    before = {name: _head(run.db, name) for name in others}
    handle = run.db.store(gone)
    aircraft = len(list(handle.streams()))
    watch = Watch()
    run.db.remove_store(gone)
    seconds = watch.seconds
    wrong = [
        what
        for what, ok in {
            "still listed": gone not in run.db.list_stores(),
            "still found": _raises(lambda: run.db.store(gone).info(), pyesdb.StoreNotFound),
            "old handle works": _raises(lambda: handle.exists("x"), pyesdb.StoreRemoved),
            "other stores changed": before == {name: _head(run.db, name) for name in others},
        }.items()
        if not ok
    ]
    return Step(
        f"Remove an airline: {run.airlines.get(carrier)}",
        f"{gone}, {run.counted[carrier].types.total():,} events in {aircraft:,} streams, gone in "
        f"{seconds:.2f} s; {len(others)} other stores untouched",
        f'db.remove_store("{gone}")',
        [f'db.store("{gone}").info() raises StoreNotFound, a handle from before StoreRemoved'],
        {"store": gone, "others": len(others), "seconds": seconds},
        "; ".join(wrong),
    )


def _head(db: pyesdb.Database, name: str) -> tuple[int, str]:
    newest = db.store(name).read_all(backwards=True, limit=1).first()
    return (newest.position, str(newest.id)) if newest else (0, "")


def _raises(call: object, error: type[pyesdb.PyesdbError]) -> bool:
    try:
        call()  # pyright: ignore[reportCallIssue]
    except error:
        return True
    return False


def read_the_audit(run: Run) -> Step:
    """Who created and removed what, and when: ordinary events of the catalog."""
    kinds = Counter(event.type for event in run.db.audit())
    trail = list(run.db.audit(store_id=run.removed))
    wanted = [store_id(carrier) for carrier in run.airlines] + [OPERATIONS]
    missing = [
        name
        for name in wanted
        if "StoreCreated" not in {event.type for event in run.db.audit(store_id=name)}
    ]
    removed = [event for event in trail if event.type == "StoreRemoved"]
    return Step(
        "Read the audit: the catalog of stores is events too",
        ", ".join(f"{number} {kind}" for kind, number in kinds.most_common()),
        f'db.audit(store_id="{run.removed}")',
        [f"{event.created:%H:%M:%S.%f}Z  {event.type}  {run.removed}" for event in trail[-3:]],
        {"events": kinds.total(), "kinds": dict(kinds)},
        "" if removed and not missing else f"no StoreCreated of {missing}, or no StoreRemoved",
    )
