"""Results as a run would leave them, with figures that are made up."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.results import Result
from benchmarks.rounds import Case

STEADY = [1000.0, 1010.0, 990.0, 1005.0, 995.0]
ROW = "row1_single_writer"


def result(
    ours: list[float] | None = None,
    limit: list[float] | None = None,
    *,
    size: str = "quick",
    absent: dict[str, str] | None = None,
) -> Result:
    """Row 1 with bare apsw alone as the other side; [] for one that took no part."""
    sides = {"pyesdb": STEADY if ours is None else ours, "apsw": STEADY if limit is None else limit}
    samples = {who: found for who, found in sides.items() if found}
    return Result(
        row=ROW, title="One writer", size=size, taken="2026-01-01 00:00", rounds=5, events=10,
        machine={}, versions={}, cases=[Case("1 event", "appends/s", samples, absent or {})],
    )  # fmt: skip


def slowed(found: Result, factor: float) -> Result:
    """The same with every figure of ours multiplied."""
    return _changed(found, lambda _: factor)


def worsened(found: Result, factor: float) -> Result:
    """The same with every rate of ours multiplied, and every time and size divided."""
    return _changed(found, lambda case: factor if case.unit.endswith("/s") else 1 / factor)


def _changed(found: Result, factor: Callable[[Case], float]) -> Result:
    cases = [
        replace(
            case,
            samples={
                who: [sample * factor(case) for sample in all_]
                if who.startswith("pyesdb")
                else all_
                for who, all_ in case.samples.items()
            },
        )
        for case in found.cases
    ]
    return replace(found, cases=cases)
