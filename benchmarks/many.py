"""A process that opens a database of many stores and uses a hundred of them: what that costs.

Run by `row9_many_stores`, because memory and the time to open are those of a fresh process:
`python -m benchmarks.many DIRECTORY` prints one line of JSON.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

import pyesdb
from benchmarks.work import BODIES
from pyesdb import NewEvent

ACTIVE = 100
APPENDS = 20
FEW = 8


def _ms(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status says nothing of VmRSS")


def _use(database: pyesdb.Database, names: list[str]) -> float:
    """Appends per second, one writer, turning from store to store."""
    stores = [database.store(name) for name in names]
    for store in stores:
        store.append("warm", NewEvent("E", BODIES[0]))
        store.read("warm").to_list()
    start = time.perf_counter()
    for turn in range(APPENDS):
        for store in stores:
            store.append("use", NewEvent("E", BODIES[turn]))
    return len(stores) * APPENDS / (time.perf_counter() - start)


def _reopen_us(directory: str, names: list[str]) -> float:
    """The median first call on a store at rest; another one is closed for it."""
    times: list[float] = []
    with pyesdb.open(directory, config={"max_open_stores": FEW}) as database:
        stores = [database.store(name) for name in names]
        for turn in range(2):
            for store in stores:
                start = time.perf_counter()
                store.version("use")
                if turn:
                    times.append(time.perf_counter() - start)
    return median(times) * 1e6


def measure(directory: str) -> dict[str, float]:
    """Everything, in one fresh process."""
    start = time.perf_counter()
    with pyesdb.open(directory) as database:
        start_ms = _ms(start)
        start = time.perf_counter()
        names = list(database.list_stores())
        list_ms = _ms(start)
        active = names[:: max(1, len(names) // ACTIVE)][:ACTIVE]
        spread = _use(database, active)
        resident = _resident_mib()
        alone = _use(database, active[:1] * ACTIVE)
    return {
        "start_ms": start_ms,
        "list_ms": list_ms,
        "resident_mib": resident,
        "spread": spread,
        "alone": alone,
        "reopen_us": _reopen_us(directory, active),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
