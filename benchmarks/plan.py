"""How long a run takes: the full one, and the quick one of a few minutes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """Sizes of one run; `folder` is scratch space on the disk to measure."""

    size: str
    folder: Path
    rounds: int
    seconds: float
    events: int
    replays: int
    stores: int


Maker = Callable[[Path], Plan]
"""Makes a plan for a folder of scratch space."""


def quick(folder: Path) -> Plan:
    """At most four minutes on two cores."""
    return Plan("quick", folder, rounds=5, seconds=0.5, events=100_000, replays=1000, stores=1_000)


def full(folder: Path) -> Plan:
    """At most fifteen minutes on two cores."""
    return Plan(
        "full", folder, rounds=7, seconds=2.0, events=1_000_000, replays=4000, stores=10_000
    )
