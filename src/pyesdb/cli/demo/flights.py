"""From rows of flights.csv to events, in order of time.

Time is UTC. The clocks in the data are local: departures to New York, arrivals to the destination.
So no clock is taken as it stands:

    scheduled   time_hour (UTC in the data) + minute
    planned     the day's midnight in New York, as time_hour - hour: the plan of a day stands then
    departed    scheduled + dep_delay (right across midnight, where dep_time alone is not)
    arrived     departed + air_time + taxi, where taxi = (arr_time - dep_time - air_time) modulo 60:
                zones differ by whole hours, so the clocks give the minutes whatever the zone
                (taxiing for an hour or more, 4 % of the flights, counts as one hour less)

What a row becomes:

    every row                        FlightScheduled (planned)
    no dep_time: never departed      FlightCancelled (scheduled: when it was called off is unknown)
    dep_time                         FlightDeparted  (departed)
    ... and air_time                 FlightArrived   (arrived)
    ... and no air_time: it did not  FlightDiverted  (departed: when it turned away is unknown;
        arrive as planned                             arr_time, if any, stays in the data)
    no tailnum                       the same, in the stream "unassigned" of its airline
"""

import csv
import gzip
import io
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import click

import pyesdb

DAY_STARTS = 5 * 60
"""Minute of the UTC day at which a day of the demo starts: midnight in New York, in winter."""
MISSING = ("NA", "")
UNASSIGNED = "unassigned"
SCHEDULED, DEPARTED, ARRIVED, DIVERTED, CANCELLED = KINDS = (
    "FlightScheduled",
    "FlightDeparted",
    "FlightArrived",
    "FlightDiverted",
    "FlightCancelled",
)


class Flight(NamedTuple):
    """One row, in minutes since 1970 (UTC); `arrived` is None unless it arrived as planned."""

    stream: str
    name: str
    tags: tuple[str, str, str]
    distance: int
    planned: int
    scheduled: int
    departed: int | None
    arrived: int | None
    air_time: int | None
    arrival_delay: int | None
    arrival_clock: str | None


class Occurrence(NamedTuple):
    """Something that happened to a flight: sorts by time, then aircraft, then row."""

    minute: int
    stream: str
    row: int
    kind: int


def read(path: Path) -> dict[str, list[Flight]]:
    """The flights by carrier, in the order of the file; raises UsageError if it is not flights."""
    flights: dict[str, list[Flight]] = {}
    hours: dict[str, int] = {}
    with _text(path) as file:
        rows = csv.DictReader(file)
        try:
            for row in rows:
                flights.setdefault(row["carrier"], []).append(_flight(row, hours))
        except (KeyError, ValueError, TypeError) as error:
            raise click.UsageError(
                f"{path}, line {rows.line_num}: not a row of flights.csv ({error!r})"
            ) from None
    if not flights:
        raise click.UsageError(f"{path} has no flights")
    return flights


def day(minute: int) -> int:
    """The number of the day in which a minute since 1970 (UTC) falls."""
    return (minute - DAY_STARTS) // 1440


def in_order(flights: list[Flight]) -> list[Occurrence]:
    """Everything that happened to these flights, in order of time."""
    found: list[Occurrence] = []
    for row, flight in enumerate(flights):
        found.append(Occurrence(flight.planned, flight.stream, row, 0))
        if flight.departed is None:
            found.append(Occurrence(flight.scheduled, flight.stream, row, 4))
            continue
        found.append(Occurrence(flight.departed, flight.stream, row, 1))
        if flight.arrived is None:
            found.append(Occurrence(flight.departed, flight.stream, row, 3))
        else:
            found.append(Occurrence(flight.arrived, flight.stream, row, 2))
    found.sort()
    return found


def event(flight: Flight, occurrence: Occurrence) -> pyesdb.NewEvent:
    """The event of an occurrence."""
    kind = KINDS[occurrence.kind]
    data: dict[str, Any] = {
        "flight": flight.name,
        "origin": flight.tags[0][-3:],
        "destination": flight.tags[1][-3:],
    }
    if kind == SCHEDULED:
        data["departs"] = _iso(flight.scheduled)
        data["distance_miles"] = flight.distance
    elif kind == DEPARTED:
        data["delay_minutes"] = occurrence.minute - flight.scheduled
    elif kind == ARRIVED:
        data["delay_minutes"] = flight.arrival_delay
        data["air_minutes"] = flight.air_time
    elif kind == DIVERTED:
        data["arrival_clock"] = flight.arrival_clock
    time = datetime.fromtimestamp(occurrence.minute * 60, UTC)
    return pyesdb.NewEvent(kind, data, tags=flight.tags, time=time)


def _flight(row: dict[str, str], hours: dict[str, int]) -> Flight:
    hour = hours.get(row["time_hour"])
    if hour is None:
        text = row["time_hour"].replace("Z", "+00:00")
        hour = hours[row["time_hour"]] = int(datetime.fromisoformat(text).timestamp()) // 60
    scheduled = hour + int(row["minute"])
    air_time = None if row["air_time"] in MISSING else int(row["air_time"])
    departed = None if row["dep_time"] in MISSING else scheduled + int(row["dep_delay"])
    arrived = None
    if departed is not None and air_time is not None:
        taxi = (_clock(row["arr_time"]) - _clock(row["dep_time"]) - air_time) % 60
        arrived = departed + air_time + taxi
    return Flight(
        stream=UNASSIGNED if row["tailnum"] in MISSING else f"aircraft-{row['tailnum']}",
        name=row["carrier"] + row["flight"],
        tags=(f"origin:{row['origin']}", f"destination:{row['dest']}", f"carrier:{row['carrier']}"),
        distance=int(row["distance"]),
        planned=hour - int(row["hour"]) * 60,
        scheduled=scheduled,
        departed=departed,
        arrived=arrived,
        air_time=air_time,
        arrival_delay=None if arrived is None else int(row["arr_delay"]),
        arrival_clock=None if row["arr_time"] in MISSING else row["arr_time"].zfill(4),
    )


def _clock(hhmm: str) -> int:
    return int(hhmm) // 100 * 60 + int(hhmm) % 100


def _iso(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


@contextmanager
def _text(path: Path) -> Generator[TextIO]:
    """The csv inside a .zip (its first .csv), a .gz, or the file itself."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = next(name for name in archive.namelist() if name.endswith(".csv"))
                with archive.open(name) as file:
                    yield io.TextIOWrapper(file, encoding="utf-8", newline="")
        elif path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                yield file
        else:
            with path.open(encoding="utf-8", newline="") as file:
                yield file
    except (OSError, EOFError, StopIteration, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise click.UsageError(f"{path} cannot be read as flights: {error!r}") from None
