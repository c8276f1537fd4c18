"""What the figures were measured on: enough to compare, no names of machines or people."""

import os
import platform
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

from benchmarks import bare
from benchmarks.peers import message_db, postgres

PACKAGES = ("pyesdb", "apsw", "msgspec", "umadb", "eventsourcing", "psycopg")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


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
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "fdatasync_us": _fdatasync_us(folder),
        "switch_interval_ms": sys.getswitchinterval() * 1000,
    }


class Others:
    """How many cores other programs kept busy meanwhile: all busy time less ours (Linux)."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._busy = _busy_s()
        self._own = _own_s()

    def cores(self) -> float | None:
        """Cores, since this was made; None where the system does not tell. After peers ended."""
        busy = _busy_s()
        if busy is None or self._busy is None:
            return None
        foreign = busy - self._busy - (_own_s() - self._own)
        return round(max(0.0, foreign / (time.monotonic() - self._start)), 2)


def _busy_s() -> float | None:
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, soft_irq, steal = map(int, fields)
    ticks = user + nice + system + irq + soft_irq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    return sum(os.times()[:4])  # this process and its children that have ended


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
