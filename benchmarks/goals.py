"""The goals of the rows, and how far a result is from them."""

from dataclasses import dataclass

from benchmarks import (
    results,
    row4_reads,
    row5_conditions,
    row6_following,
    row9_many_stores,
    row10_growth,
    row11_bytes,
    row12_recovery,
    row13_busy,
)
from benchmarks.results import Result


@dataclass(frozen=True)
class Goal:
    """`ours` against `theirs` (of `their_case`, else the same case), or at least `factor` alone.

    `beside` names a contestant whose ratio is shown beside such an absolute goal. `at_most`: less
    is better.
    """

    key: str
    row: str
    case: str
    ours: str
    theirs: str | None
    factor: float
    their_case: str | None = None
    beside: str | None = None
    at_most: bool = False


@dataclass(frozen=True)
class Verdict:
    """A goal with its figures. `met` is None when a contestant is absent: `absent` says why."""

    goal: Goal
    unit: str
    figure: float | None
    other: float | None
    ratio: float | None
    met: bool | None
    absent: str = ""


_R1, _R2, _R3, _R4, _R5, _R6, _R9, _R10, _R11, _R12, _R13, _R14 = results.ROWS
_TASKS, _THREADS, _UMA = "pyesdb tasks", "pyesdb threads", "umadb threads"


def _ahead(key: str, row: str, case: str) -> list[Goal]:
    """Ahead of every peer that has no goal of its own."""
    return [
        Goal(f"{key}-eventsourcing", row, case, "pyesdb", "eventsourcing", 1.0),
        Goal(f"{key}-eventsourcing-pg", row, case, "pyesdb", "eventsourcing pg", 1.0),
        Goal(f"{key}-message-db", row, case, "pyesdb", "message-db", 1.0),
    ]


def _batches(size: int) -> list[Goal]:
    case = f"{size} events"
    return [
        Goal(f"batch{size}-apsw", _R3, case, "pyesdb", "apsw", 0.9),
        Goal(f"batch{size}-umadb", _R3, case, "pyesdb", "umadb", 1.2),
        *_ahead(f"batch{size}", _R3, case),
    ]


def _reads(key: str, case: str) -> list[Goal]:
    return [
        Goal(f"{key}-apsw", _R4, case, "pyesdb", "apsw", 0.8),
        Goal(f"{key}-umadb", _R4, case, "pyesdb", "umadb", 1.0),
        *_ahead(key, _R4, case),
    ]


def _replays(key: str, case: str) -> list[Goal]:
    return [
        Goal(f"{key}", _R4, case, "pyesdb", None, 40_000, beside="apsw"),
        Goal(f"{key}-umadb", _R4, case, "pyesdb", "umadb", 1.0),
        *_ahead(key, _R4, case),
    ]


def _conditions(key: str, case: str, ours: str, theirs: str) -> list[Goal]:
    """Twice as fast, in the large store and in the small one, and flat within 15 %."""
    return [
        Goal(f"condition-{key}-umadb", _R5, case, ours, theirs, 2.0),
        Goal(f"condition-{key}-umadb-10k", _R5, case, f"{ours} 10k", f"{theirs} 10k", 2.0),
        Goal(f"condition-{key}-flat", _R5, case, ours, f"{ours} 10k", 0.85),
    ]


def _soon(who: str) -> list[Goal]:
    """A millisecond, with the commit, and sooner than the other follower."""
    key = f"follow-{who.removeprefix('pyesdb').strip() or 'thread'}"
    return [
        Goal(key, _R6, row6_following.SOON, who, None, 1000, at_most=True),
        Goal(f"{key}-umadb", _R6, row6_following.SOON, "umadb", who, 1.0),  # its time to ours
    ]


def _growth(key: str, case: str) -> list[Goal]:
    """Flat within 15 %."""
    return [
        Goal(f"{key}-{who[7:]}", _R10, case, who, "pyesdb 10k", 0.85)
        for who in ("pyesdb 1M", "pyesdb 10M", row10_growth.ONE_STREAM)
    ]


def _recovery(who: str) -> list[Goal]:
    """A second; that nothing acknowledged is lost is no goal but a condition of each figure."""
    size = who.removeprefix("pyesdb ")
    return [
        Goal(f"recovery-read-{size}", _R12, row12_recovery.READ, who, None, 1000, at_most=True),
        Goal(f"recovery-append-{size}", _R12, row12_recovery.APPEND, who, None, 1000, at_most=True),
    ]


GOALS = [
    Goal("single-apsw", _R1, "1 event", "pyesdb", "apsw", 0.75),
    Goal("single-umadb", _R1, "1 event", "pyesdb", "umadb", 1.5),
    *_ahead("single", _R1, "1 event"),
    Goal("tasks64-umadb", _R2, "64 writers", _TASKS, _UMA, 4.0),
    Goal("threads64-umadb", _R2, "64 writers", _THREADS, _UMA, 2.0),
    Goal("tasks512-tasks64", _R2, "512 writers", _TASKS, _TASKS, 0.9, "64 writers"),
    *_batches(100),
    *_batches(1000),
    *_reads("all", row4_reads.ALL),
    *_reads("backwards", row4_reads.BACKWARDS),
    *_replays("together", row4_reads.TOGETHER),
    *_replays("apart", row4_reads.APART),
    *_conditions("alone", row5_conditions.ALONE, "pyesdb", "umadb"),
    *_conditions("threads", row5_conditions.MANY, _THREADS, _UMA),
    *_conditions("tasks", row5_conditions.MANY, _TASKS, _UMA),
    *_soon("pyesdb"),
    *_soon(_TASKS),
    Goal("given", _R6, row6_following.GIVEN, "pyesdb", None, 1000, at_most=True),
    Goal("acked", _R6, row6_following.HANDLED, "pyesdb", None, 1000, at_most=True),
    Goal("follow-umadb", _R6, row6_following.FOLLOW, "pyesdb", "umadb", 1.0),
    Goal("consume", _R6, row6_following.CONSUME, "pyesdb", None, 30_000),
    Goal("consume-umadb", _R6, row6_following.CONSUME, "pyesdb", "umadb", 1.0),
    Goal("many-create", _R9, row9_many_stores.CREATE, "pyesdb", None, 500, beside="fdatasync"),
    Goal("many-start", _R9, row9_many_stores.START, "pyesdb", None, 5_000, at_most=True),
    Goal("many-resident", _R9, row9_many_stores.RESIDENT, "pyesdb", None, 400, at_most=True),
    Goal("many-reopen", _R9, row9_many_stores.REOPEN, "pyesdb", None, 5_000, at_most=True),
    *_growth("growth-slices", row10_growth.SLICES),
    *_growth("growth-replay", row10_growth.REPLAY),
    *_growth("growth-single", row10_growth.SINGLE),
    *_growth("growth-batches", row10_growth.BATCHES),
    *_growth("growth-tasks", row10_growth.TASKS),
    Goal("bytes-alone", _R11, row11_bytes.ALONE, "pyesdb", None, 20 * 1024, at_most=True),
    Goal("bytes-tasks64", _R11, row11_bytes.MANY, _TASKS, None, 8 * 1024, at_most=True),
    Goal("bytes-threads64", _R11, row11_bytes.MANY, _THREADS, None, 8 * 1024, at_most=True),
    Goal("bytes-file", _R11, row11_bytes.FILE, "pyesdb", None, 450, at_most=True),
    *_recovery("pyesdb 1M"),
    *_recovery("pyesdb 10M"),
    Goal("busy-apsw", _R13, row13_busy.ALONE, "pyesdb busy", "apsw busy", 0.75),  # as in row 1
]


def judge(goal: Goal, result: Result) -> Verdict:
    """Compare medians; a ratio is the median over the rounds."""
    case = result.case(goal.case)
    figure = results.figure(case, goal.ours)
    if figure is None:
        why = case.absent.get(goal.ours, "not measured")
        return Verdict(goal, case.unit, None, None, None, None, f"{goal.ours}: {why}")
    if goal.theirs is None:
        other = case.samples.get(goal.beside or "")
        beside = results.ratio(case.samples[goal.ours], other) if other else None
        met = figure <= goal.factor if goal.at_most else figure >= goal.factor
        return Verdict(goal, case.unit, figure, None, beside, met)
    other_case = result.case(goal.their_case or goal.case)
    other = results.figure(other_case, goal.theirs)
    if other is None:
        why = other_case.absent.get(goal.theirs, "not measured")
        return Verdict(goal, case.unit, figure, None, None, None, f"{goal.theirs}: {why}")
    if other_case is case:
        ratio = results.ratio(case.samples[goal.ours], case.samples[goal.theirs])
    else:  # measured one after the other, so no round of one belongs to a round of the other
        ratio = figure / other
    return Verdict(goal, case.unit, figure, other, ratio, ratio >= goal.factor)


def verdicts(found: dict[str, Result]) -> list[Verdict]:
    """Every goal whose row was measured."""
    return [judge(goal, found[goal.row]) for goal in GOALS if goal.row in found]
