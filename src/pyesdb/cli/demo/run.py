"""What the steps of one demo share, and the rule about directories that are not the demo's."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

import pyesdb
from pyesdb.cli.demo.check import Expected
from pyesdb.cli.demo.flights import DAY_STARTS
from pyesdb.cli.demo.report import Reporter
from pyesdb.cli.demo.source import Source, store_id

if TYPE_CHECKING:
    from pyesdb.cli.demo.delays import Keeper

OPERATIONS = "operations"
MARKER = "demo"


DAY = timedelta(days=1)
EARLY = timedelta(minutes=DAY_STARTS)


def start_of_day(moment: datetime) -> datetime:
    """The start of the day of the demo in which a moment falls: 05:00 UTC."""
    return (moment - EARLY).replace(hour=0, minute=0, second=0, microsecond=0) + EARLY


@dataclass
class Counted:
    """What a complete read of one airline's store found."""

    types: Counter[str] = field(default_factory=Counter[str])
    streams: Counter[str] = field(default_factory=Counter[str])
    first: datetime | None = None
    last: datetime | None = None
    in_order: bool = True
    gapless: bool = True


@dataclass
class Run:
    """One run of the demo: the database, the flights, and what the steps have found so far."""

    db: pyesdb.Database
    data: Path
    source: Source
    expected: Expected
    airlines: dict[str, str]
    reporter: Reporter
    scratch: Path
    """A directory beside the database, gone at the end: for what is no event."""
    again: bool = False
    counted: dict[str, Counted] = field(default_factory=dict[str, Counted])
    removed: str = ""
    keeper: "Keeper | None" = None

    def store(self, carrier: str) -> pyesdb.Store:
        """The store of an airline."""
        return self.db.store(store_id(carrier))

    @property
    def flying(self) -> list[str]:
        """Codes of the airlines that have flights in the source."""
        return sorted(self.expected.types)

    def stored(self) -> int:
        """Events the loader has stored so far, by what the stores tracked."""
        return sum(self.store(c).tracked(self.source.name) or 0 for c in self.flying)


class Watch:
    """Seconds since it was made, and what that is as a rate."""

    def __init__(self) -> None:
        self._start = perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return perf_counter() - self._start

    def rate(self, count: int, what: str) -> str:
        """A count with its rate: "81,078 events in 3.1 s (26,154 events/s)"."""
        seconds = self.seconds
        per_second = f"{count / seconds:,.0f} {what}/s"
        return f"{count:,} {what} in {seconds:.2f} s ({per_second})"


def claim(db: pyesdb.Database, source: Source) -> bool:
    """Make the directory the demo's; whether it already was.

    Raises UsageError for a database that is not of the demo, or holds the demo of another source:
    nothing is written there.
    """
    stores = db.list_stores()
    if OPERATIONS in stores:
        first = db.store(OPERATIONS).read(MARKER, missing_ok=True).first()
        if first is not None:
            return _same(first, source)
    if set(stores) - {OPERATIONS, "default"} or not _empty(db, stores):
        raise click.UsageError(
            "this directory is a database, and not one of the demo: give --data a new directory"
        )
    operations = db.create_store(OPERATIONS, exist_ok=True)
    operations.append(
        MARKER,
        pyesdb.NewEvent("DemoStarted", {"source": source.name, "title": source.title}),
        expected=pyesdb.StreamState.NO_STREAM,
    )
    return False


def _same(first: pyesdb.RecordedEvent, source: Source) -> bool:
    if first.json()["source"] == source.name:
        return True
    raise click.UsageError(
        f"this directory holds the demo of other {first.json()['title']}: "
        "give --data another directory"
    )


def _empty(db: pyesdb.Database, stores: Iterable[str]) -> bool:
    return all(db.store(name).read_all(limit=1).first() is None for name in stores)
