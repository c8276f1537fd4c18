"""How long a run takes: the full one, and the quick one of a few minutes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SMALL = 10_000
"""Events of the store that larger ones are compared with."""


@dataclass(frozen=True)
class Plan:
    """Sizes of one run.

    `folder` is scratch space of one row on the disk to measure, `prepared` that of all rows of a
    run, for stores that take long to fill. `sizes` are the stores that row 10 compares; `effort`
    multiplies work that is counted, where time would let a store grow out of its size.
    """

    size: str
    folder: Path
    rounds: int
    seconds: float
    events: int
    replays: int
    stores: int
    prepared: Path
    sizes: tuple[int, ...]
    effort: float


Maker = Callable[[Path, Path], Plan]
"""Makes a plan for a folder of scratch space, and one of prepared stores."""


def quick(folder: Path, prepared: Path | None = None) -> Plan:
    """At most eight minutes on two cores."""
    return Plan(
        "quick",
        folder,
        rounds=5,
        seconds=0.4,
        events=100_000,
        replays=500,
        stores=1_000,
        prepared=prepared or folder / "prepared",
        sizes=(SMALL, 100_000, 1_000_000),
        effort=1,
    )


def full(folder: Path, prepared: Path | None = None) -> Plan:
    """Most of an hour on two cores."""
    return Plan(
        "full",
        folder,
        rounds=7,
        seconds=2.0,
        events=1_000_000,
        replays=4000,
        stores=10_000,
        prepared=prepared or folder / "prepared",
        sizes=(SMALL, 1_000_000, 10_000_000),
        effort=2,
    )
