"""Whether a run is slower than what was landed: goal by goal, ratio against ratio.

Seconds differ from machine to machine, ratios much less, sizes hardly. So an absolute goal is
compared by its ratio to the contestant beside it, or as it is if it is a size; else it is left out.
A quick run is compared with quick results only.

What must never happen here: a figure of ours that was measured once and is not any more, or a row
that is compared with nothing, and nobody notices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from benchmarks.goals import GOALS, Goal, Verdict, judge
from benchmarks.results import Result
from benchmarks.rounds import Case

WORST = 0.8
"""A regression: less than this of the landed ratio."""


BUSY = 0.2
"""Cores that other programs may keep busy before ratios mean little."""

SHORT = 100
"""From here on a figure needs no decimals."""

SIZES = ("MiB", "bytes/event")
"""Units of what is the same on every machine, or nearly so."""


class Outcome(Enum):
    """What became of a goal's ratio."""

    HELD = "held"
    REGRESSED = "REGRESSED"
    LOST = "NOT MEASURED ANY MORE"
    ABSENT = "not compared"


FAILS = (Outcome.REGRESSED, Outcome.LOST)


@dataclass(frozen=True)
class Change:
    """A goal's ratio, or size, then and now. `factor` is now over then: less than 1 is worse.

    `safe`: no round of now was as good as any round of then. `why` says what else there is to say.
    """

    goal: Goal
    outcome: Outcome
    then: float | None = None
    now: float | None = None
    factor: float | None = None
    safe: bool = True
    why: str = ""


def _rounds(goal: Goal, result: Result) -> list[float]:
    """The ratio of each round, or its size; [] when there are no samples."""
    case = result.case(goal.case)
    ours, other = case.samples.get(goal.ours, []), goal.theirs or goal.beside
    if other is None:
        return ours
    theirs = result.case(goal.their_case or goal.case).samples.get(other, [])
    return [a / b for a, b in zip(ours, theirs, strict=False)]


def _value(verdict: Verdict) -> float | None:
    """What is compared; None when there is nothing of the kind."""
    alone = verdict.goal.theirs is None and verdict.goal.beside is None
    return verdict.figure if alone and verdict.unit in SIZES else verdict.ratio


def _better(goal: Goal, values: Sequence[float]) -> list[float]:
    """Values of which more is better."""
    return [1 / value if goal.at_most else value for value in values]


def compare_goal(goal: Goal, then: Result, now: Result) -> Change | None:
    """One goal of a row; None when nothing was landed that could be compared."""
    try:
        value = _value(judge(goal, then))
    except KeyError:  # a case that is new
        return None
    if value is None:
        return None
    try:
        found = judge(goal, now)
    except KeyError as error:
        return Change(goal, Outcome.LOST, value, why=str(error.args[0]))
    if found.figure is None:
        return Change(goal, Outcome.LOST, value, why=found.absent)
    measured = _value(found)
    if measured is None:
        why = found.absent or f"{goal.beside}: not measured"
        return Change(goal, Outcome.ABSENT, value, why=why)
    factor = value / measured if goal.at_most else measured / value
    if factor >= WORST:
        return Change(goal, Outcome.HELD, value, measured, factor)
    best = max(_better(goal, _rounds(goal, now)))
    least = min(_better(goal, _rounds(goal, then)))
    return Change(goal, Outcome.REGRESSED, value, measured, factor, safe=best < least)


def compare(then: dict[str, Result], now: dict[str, Result]) -> list[Change]:
    """Every goal of the rows of `now` that was landed with a ratio, at the same size."""
    changes: list[Change] = []
    for goal in GOALS:
        landed, found = then.get(goal.row), now.get(goal.row)
        if landed and found and landed.size == found.size:
            change = compare_goal(goal, landed, found)
            if change:
                changes.append(change)
    return changes


def unlanded(then: dict[str, Result], now: dict[str, Result]) -> list[str]:
    """Rows of which nothing of this size was landed, so that nothing can be said."""
    return [row for row in now if row not in then or then[row].size != now[row].size]


def doubtful(changes: Sequence[Change]) -> list[Change]:
    """Regressions that may be noise: some round of now was as good as some round of then."""
    return [c for c in changes if c.outcome is Outcome.REGRESSED and not c.safe]


def fails(changes: Sequence[Change]) -> bool:
    """Whether anything is worse, or of ours gone."""
    return any(change.outcome in FAILS for change in changes)


def obstacle(changes: Sequence[Change]) -> str:
    """Why these results may not take the place of the landed ones; "" when they may."""
    if fails(changes):
        return "something is worse than it was"
    absent = [change.goal.key for change in changes if change.outcome is Outcome.ABSENT]
    return f"less is measured than was: {', '.join(absent)}" if absent else ""


def pooled(first: Result, again: Result) -> Result:
    """One result with the rounds of both: none of them is thrown away because it was slow."""
    cases: list[Case] = []
    for case in first.cases:
        other = again.case(case.name)
        both = case.samples.keys() & other.samples.keys()
        samples = {who: case.samples[who] + other.samples[who] for who in sorted(both)}
        cases.append(replace(case, samples=samples, absent={**case.absent, **other.absent}))
    busier = max(first, again, key=lambda result: _busy(result) or 0.0)
    machine = first.machine | {"others_cores": _busy(busier)}
    return replace(first, rounds=first.rounds + again.rounds, cases=cases, machine=machine)


def _busy(result: Result) -> float | None:
    cores = result.machine.get("others_cores")
    return cores if isinstance(cores, float) else None


def _surroundings(result: Result) -> str:
    busy = _busy(result)
    cores = "?" if busy is None else f"{busy:g}"
    sync = result.machine.get("fdatasync_us", "?")
    return f"other programs kept {cores} cores busy and a sync took {sync} us"


def _spread(goal: Goal, result: Result) -> str:
    found = _rounds(goal, result)
    return f"{_figure(min(found))} to {_figure(max(found))}" if found else "-"


def _against(goal: Goal) -> str:
    other = goal.theirs or goal.beside
    place = f" at {goal.their_case}" if goal.their_case else ""
    return f" / {other}{place}" if other else ""


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= SHORT else f"{value:.2f}"


def lines(changes: Sequence[Change], then: dict[str, Result], now: dict[str, Result]) -> list[str]:
    """For people: what regressed, what could not be compared, how much held."""
    rows = [("outcome", "goal", "case", "landed", "rounds", "now", "rounds", "change")]
    for change in sorted(changes, key=lambda c: c.factor or 0):
        if change.outcome is Outcome.HELD:
            continue
        goal = change.goal
        against = f"{goal.ours}{_against(goal)}, {goal.case}"
        if change.outcome is Outcome.REGRESSED and change.factor:
            told = (_spread(goal, now[goal.row]), f"{(change.factor - 1) * 100:+.0f} %")
        else:
            told = ("-", change.why)
        landed = (_figure(change.then), _spread(goal, then[goal.row]))
        rows.append((change.outcome.value, goal.key, against, *landed, _figure(change.now), *told))
    held = sum(change.outcome is Outcome.HELD for change in changes)
    found = [f"{held} of {len(changes)} ratios and sizes are at least {WORST:g} of what was landed"]
    found += [
        f"{row}: nothing landed: no {now[row].size} result to compare with"
        for row in unlanded(then, now)
    ]
    if len(rows) > 1:
        found += _columns(rows)
    worse = {change.goal.row for change in changes if change.outcome is Outcome.REGRESSED}
    found += [
        f"{row}: landed while {_surroundings(then[row])}; now {_surroundings(now[row])}"
        for row in sorted(worse)
    ]
    if any((_busy(now[row]) or 0) > BUSY for row in worse):
        found.append("A busy machine and disk make other ratios: measure again when it is quiet.")
    return found


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
