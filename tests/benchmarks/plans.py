"""The smallest plan with which every row has something to measure."""

from pathlib import Path

from benchmarks.plan import SMALL, Plan


def tiny(folder: Path) -> Plan:
    """A round of a few milliseconds, and stores of ten and twenty thousand events."""
    return Plan(
        "tiny",
        folder,
        rounds=1,
        seconds=0.02,
        events=2 * SMALL,
        replays=10,
        stores=4,
        prepared=folder / "prepared",
        sizes=(SMALL, 2 * SMALL),
        effort=0.02,
    )
