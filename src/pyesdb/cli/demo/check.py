"""The independent count: what the stores must hold, straight from the csv.

It must share no code with the loader (`flights.py`, `loader.py`): it opens the file its own way,
reads by column name and decides by other columns where the data allows it. Only the names of the
event types are the same, and they are written out here.
"""

import csv
import gzip
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path


@dataclass
class Expected:
    """Counts from the csv, by carrier."""

    flights: int = 0
    types: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    legs: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Flights by carrier and tail number."""
    arrivals: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Arrivals by carrier and destination."""
    delay_minutes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Sum of arrival delays by carrier and destination."""

    @property
    def events(self) -> int:
        """All events of all airlines."""
        return sum(counter.total() for counter in self.types.values())


def count(path: Path) -> Expected:
    """Count the whole file."""
    expected = Expected()
    for row in _rows(path):
        carrier = row["carrier"]
        types = expected.types.setdefault(carrier, Counter())
        expected.flights += 1
        types["FlightScheduled"] += 1
        expected.legs[carrier, row["tailnum"]] += 1
        if not row["dep_delay"].lstrip("-").isdigit():
            types["FlightCancelled"] += 1
            continue
        types["FlightDeparted"] += 1
        if not row["arr_delay"].lstrip("-").isdigit():
            types["FlightDiverted"] += 1
            continue
        types["FlightArrived"] += 1
        expected.arrivals[carrier, row["dest"]] += 1
        expected.delay_minutes[carrier, row["dest"]] += int(row["arr_delay"])
    return expected


def departures_before(path: Path, moment: datetime) -> Counter[str]:
    """Departures before a moment, by carrier."""
    found: Counter[str] = Counter()
    for row in _rows(path):
        if row["dep_delay"].lstrip("-").isdigit():
            hour = datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%S%z")
            late = timedelta(minutes=int(row["sched_dep_time"]) % 100 + int(row["dep_delay"]))
            found[row["carrier"]] += hour + late < moment
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    content = path.read_bytes()
    if content[:2] == b"PK":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(next(n for n in archive.namelist() if n.endswith(".csv")))
    elif content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    return csv.DictReader(content.decode().splitlines())
