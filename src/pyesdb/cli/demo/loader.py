"""The process that loads the flights; it may be killed at any moment and started again.

    python -m pyesdb.cli.demo.loader DATA SOURCE [--part 0 --parts 2] [--hold-last]

Exactly once: every append carries `tracking=(source, n)`, where n counts the airline's events up to
the last one in it. The store records n in the same transaction, refuses to go back, and tells it
after a restart (`store.tracked(source)`), so the loader goes on behind the last stored event.
For each append it prints a line of JSON: {"stored": events stored by this process}.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyesdb
from pyesdb.cli.demo import flights
from pyesdb.cli.demo.source import given, store_id

EVENTS_MAX = 2_000
"""Events in one append: about 0.6 MiB, far below the limits of a call (10,000 events, 4 MiB)."""


class Batch(NamedTuple):
    """What one append_many stores; `last` counts the airline's events up to its end."""

    streams: dict[str, list[pyesdb.NewEvent]]
    size: int
    last: int


def batches(planned: list[flights.Flight], after: int) -> Iterator[Batch]:
    """The events behind `after`, a day in a batch, as if the airline reported every night.

    In an append_many a stream appears once and its events stand together. So the store has every
    aircraft in strict order of time, and all of them in order of days.
    """
    batch: dict[str, list[pyesdb.NewEvent]] = {}
    today, size, last = 0, 0, after
    for occurrence in flights.in_order(planned)[after:]:
        if batch and (flights.day(occurrence.minute) != today or size >= EVENTS_MAX):
            yield Batch(batch, size, last)
            batch, size = {}, 0
        event = flights.event(planned[occurrence.row], occurrence)
        batch.setdefault(occurrence.stream, []).append(event)
        today, size, last = flights.day(occurrence.minute), size + 1, last + 1
    if batch:
        yield Batch(batch, size, last)


def part_of(planned: dict[str, list[flights.Flight]], part: int, parts: int) -> list[str]:
    """The airlines of one of several loaders: about equal shares of the flights."""
    return sorted(planned, key=lambda code: (-len(planned[code]), code))[part::parts]


def _work(
    db: pyesdb.Database, source: str, planned: dict[str, list[flights.Flight]], codes: list[str]
) -> Iterator[tuple[pyesdb.Store, Batch]]:
    for code in codes:
        store = db.store(store_id(code))
        for batch in batches(planned[code], store.tracked(source) or 0):
            yield store, batch


def main() -> None:
    """Load everything that is not stored yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument(
        "--hold-last",
        action="store_true",
        help="wait for a line on stdin before the last append, so that a small load cannot end "
        "before the signal that is to kill it arrives",
    )
    parser.add_argument("--part", type=int, default=0, help="which of the loaders this is")
    parser.add_argument("--parts", type=int, default=1, help="how many loaders share the airlines")
    options = parser.parse_args()
    source = given(options.source)
    planned = flights.read(source.path)
    codes = part_of(planned, options.part, options.parts)
    with pyesdb.open(options.data, create=False) as db:
        work = _work(db, source.name, planned, codes)
        _run(work, source.name, hold_last=options.hold_last)


def _run(work: Iterator[tuple[pyesdb.Store, Batch]], source: str, *, hold_last: bool) -> None:
    stored = 0
    pending = next(work, None)
    while pending is not None:
        store, batch = pending
        pending = next(work, None)
        if pending is None and hold_last:
            print(json.dumps({"stored": stored, "holding": True}), flush=True)
            sys.stdin.readline()
        appends = [pyesdb.Append(stream, events) for stream, events in batch.streams.items()]
        store.append_many(appends, tracking=(source, batch.last))
        stored += batch.size
        print(json.dumps({"stored": stored}), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):  # the demo was interrupted, or is gone
        sys.exit(1)
