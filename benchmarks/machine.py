"""What the figures were measured on: enough to compare, no names of machines or people."""

import platform
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

from benchmarks import bare
from benchmarks.peers import message_db, postgres
from pyesdb.operations.bench.surroundings import Others, cores, cpu, system

__all__ = ["PACKAGES", "Others", "describe", "versions"]

PACKAGES = ("pyesdb", "apsw", "msgspec", "umadb", "eventsourcing", "psycopg")


def _fdatasync_us(folder: Path) -> float:
    samples: list[float] = []
    with bare.disk(folder) as disk:
        for _ in range(300):
            start = time.perf_counter()
            disk.append("", 0, ())
            samples.append((time.perf_counter() - start) * 1e6)
    return round(statistics.median(samples), 1)


def describe(folder: Path) -> dict[str, object]:
    """The machine, with what one 4 KiB append and fdatasync costs in `folder`."""
    return {
        "cpu": cpu(),
        "cores": cores(),
        "system": system(),
        "python": platform.python_version(),
        "fdatasync_us": _fdatasync_us(folder),
        "switch_interval_ms": sys.getswitchinterval() * 1000,
    }


def versions() -> dict[str, str]:
    """Installed versions; a package that runs from its sources has none."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    import apsw

    found["sqlite"] = apsw.sqlitelibversion()
    found["postgresql"] = postgres.version() or "not installed"
    found["message-db"] = message_db.version()
    return found
