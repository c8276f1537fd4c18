"""Step 4: delays per airline, a read model in SQLite that is kept while the flights are loaded.

It is written by `pyesdb.projections`, and compared with the csv; the rest of the demo reads stores.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyesdb
from pyesdb.cli.demo.report import Step
from pyesdb.cli.demo.run import Run, Watch
from pyesdb.cli.demo.source import store_id
from pyesdb.projections import Projection

TABLE = """
CREATE TABLE IF NOT EXISTS delays (
    store TEXT, destination TEXT, arrivals INTEGER, minutes INTEGER,
    PRIMARY KEY (store, destination)
) WITHOUT ROWID"""
ADD = """
INSERT INTO delays VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE
SET arrivals = arrivals + 1, minutes = minutes + excluded.minutes"""

PAUSE_S = 0.5
"""Between two rounds: the loaders are what is being shown then."""

projection = Projection("delays", batch=2_000)


@projection.setup
def make_table(tx: sqlite3.Connection) -> None:
    """The table, when it is missing."""
    tx.execute(TABLE)


@projection.reset
def clear(tx: sqlite3.Connection, store: str) -> None:
    """What came of one store."""
    tx.execute("DELETE FROM delays WHERE store = ?", (store,))


@projection.on("FlightArrived")
def arrived(tx: sqlite3.Connection, event: pyesdb.RecordedEvent) -> None:
    """One arrival more, and its delay."""
    data = event.json()
    tx.execute(ADD, (event.store, data["destination"], data["delay_minutes"]))


@dataclass
class Keeper:
    """Projects the stores in turns while they are loaded, and each of them once anew."""

    run: Run
    rebuilt: set[str] = field(default_factory=set[str])
    trouble: str = ""
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def file(self) -> Path:
        """The read model."""
        return self.run.scratch / "delays.db"

    def keep(self) -> None:
        """Until told to end; what goes wrong is told by the step that shows the table."""
        try:
            while True:
                for carrier in self.run.flying:
                    self._project(carrier)
                if self._ended.wait(PAUSE_S):
                    return
        except (pyesdb.PyesdbError, sqlite3.Error) as error:
            self.trouble = f"{type(error).__name__}: {error}"

    def _project(self, carrier: str) -> None:
        store = self.run.store(carrier)
        projector = projection.projector(store, self.file)
        if projector.catch_up().position and carrier not in self.rebuilt:
            if self._ended.is_set():
                return
            projector.rebuild()
            self.rebuilt.add(carrier)

    def end(self) -> None:
        """Stop behind the store under way."""
        self._ended.set()


@contextmanager
def kept(run: Run) -> Generator[None]:
    """The read model is projected, and rebuilt, while the block loads flights."""
    run.keeper = keeper = Keeper(run)
    thread = threading.Thread(target=keeper.keep, name="demo-delays")
    thread.start()
    try:
        yield
    finally:
        keeper.end()
        thread.join()


def delays_per_airline(run: Run) -> Step:
    """The read model, caught up, against the csv."""
    keeper = run.keeper or Keeper(run)
    watch = Watch()
    for carrier in run.flying:
        projection.catch_up(run.store(carrier), keeper.file)
    with closing(sqlite3.connect(keeper.file)) as connection:
        rows = connection.execute("SELECT * FROM delays").fetchall()
    seconds = watch.seconds
    found = {(store, place): (number, minutes) for store, place, number, minutes in rows}
    csv = {
        (store_id(carrier), place): (number, run.expected.delay_minutes[carrier, place])
        for (carrier, place), number in run.expected.arrivals.items()
    }
    arrivals = sum(number for number, _ in found.values())
    wrong = "" if found == csv else f"{len(dict(found.items() ^ csv.items()))} rows differ"
    return Step(
        "Delays per airline, a read model in SQLite",
        f"{arrivals:,} arrivals in {len(found)} rows, projected while the flights were loaded; "
        f"{len(keeper.rebuilt)} airlines projected anew meanwhile; caught up in {seconds:.2f} s",
        '@projection.on("FlightArrived") ... projection.run(store, "delays.db")',
        _worst(run, found),
        {
            "arrivals": arrivals,
            "rows": len(found),
            "rebuilt": len(keeper.rebuilt),
            "seconds": seconds,
        },
        keeper.trouble or wrong,
    )


def _worst(run: Run, found: dict[tuple[str, str], tuple[int, int]]) -> list[str]:
    """The airlines that were late most on average."""
    means: list[tuple[float, str, int]] = []
    for carrier in run.flying:
        own = [row for (store, _), row in found.items() if store == store_id(carrier)]
        flights, minutes = sum(n for n, _ in own), sum(minutes for _, minutes in own)
        if flights:
            means.append((minutes / flights, carrier, flights))
    return [
        f"{carrier}  {run.airlines.get(carrier, ''):26.26} {flights:>7,} arrivals, "
        f"mean delay {mean:+6.1f} min"
        for mean, carrier, flights in sorted(means, reverse=True)[:3]
    ]
