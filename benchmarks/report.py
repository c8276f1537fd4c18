"""Results for people: the table at the end of a run, and the page in the docs."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from benchmarks import chart, results
from benchmarks.goals import Verdict, verdicts
from benchmarks.results import Result
from benchmarks.rounds import Case

NOTES = Path(__file__).with_name("notes.toml")
PAGE = Path(__file__).parent.parent / "docs" / "reference" / "benchmarks.md"
CHARTS = "benchmarks"
"""The folder of the pictures, beside the page."""

LABELS = {
    "pyesdb": "PyESDB",
    "apsw": "bare apsw (limit)",
    "umadb": "UmaDB",
    "eventsourcing": "eventsourcing, SQLite",
    "eventsourcing pg": "eventsourcing, PostgreSQL",
    "message-db": "message-db",
    "fdatasync": "fdatasync of 4 KiB (limit)",
    "pyesdb threads": "PyESDB, threads",
    "pyesdb tasks": "PyESDB, asyncio tasks",
    "umadb threads": "UmaDB, threads",
    "eventsourcing pg threads": "eventsourcing, PostgreSQL, threads",
    "message-db threads": "message-db, threads",
    "pyesdb one": "PyESDB, one store",
    "pyesdb 10k": "PyESDB, 10k events",
    "pyesdb tagged": "PyESDB, 3 tags",
    "pyesdb threads tagged": "PyESDB, threads, 3 tags",
    "pyesdb tasks tagged": "PyESDB, asyncio tasks, 3 tags",
    "pyesdb busy": "PyESDB, beside a busy thread",
    "apsw busy": "bare apsw (limit), beside a busy thread",
    "umadb busy": "UmaDB, beside a busy thread",
    "pyesdb threads busy": "PyESDB, threads, beside a busy one",
    "umadb threads busy": "UmaDB, threads, beside a busy one",
    "pyesdb tasks busy": "PyESDB, tasks of a saturated loop",
    "python": "Python alone",
    "sqlite3": "sqlite3 of Python",
    "umadb tagged": "UmaDB, 3 tags",
    "umadb threads tagged": "UmaDB, threads, 3 tags",
    "umadb 10k": "UmaDB, 10k events",
    "eventsourcing pg 10k": "eventsourcing, PostgreSQL, 10k events",
    "pyesdb threads 10k": "PyESDB, threads, 10k events",
    "pyesdb tasks 10k": "PyESDB, asyncio tasks, 10k events",
    "umadb threads 10k": "UmaDB, threads, 10k events",
    "pyesdb 100k": "PyESDB, 100k events",
    "pyesdb 1M": "PyESDB, 1M events",
    "pyesdb 10M": "PyESDB, 10M events",
    "pyesdb append": "PyESDB, the append alone",
    "pyesdb stream": "PyESDB, 1M events in one stream",
}
_HEAD = """---
orphan: true
---

# Benchmarks

How fast PyESDB is beside the limit of the machine and beside other event stores that run from
package registries alone. This page is generated from the files in `benchmarks/results` by
`python -m benchmarks --docs`, with its pictures; `--check-docs` proves that it is up to date. To
measure on your own machine: [](../howto/measuring.md).

{kinds}

All contestants run on one machine, in {rounds} rounds or more that alternate between them, and
answer only after the events are on disk. They share one process, but for servers, and for what a
kill and a start need processes of their own. Events are 256 bytes of JSON with UUID ids; every
caller is Python and makes the ids and the JSON itself. Figures are medians; a ratio is the median
of the ratios of the single rounds. Where a figure is a time, a size or a memory, less is better.
Absolute figures belong to this machine, ratios travel better; where other programs kept more than a
tenth of the cores busy meanwhile, both are rough.
How it is done: `benchmarks/DESIGN.md`.

In the pictures a bar is a median, and a whisker goes from the lowest round to the highest; each
case has a scale of its own. Blue is PyESDB, grey what the machine can do at all.
"""


@dataclass(frozen=True)
class Note:
    """Why a goal is not met, as a person wrote it. `since`: when the run of which it tells was."""

    since: str
    text: str

    def beside(self, taken: str) -> str:
        """The note as it is shown with the result of a run of that time."""
        return f"{self.text} (written for an earlier run)" if taken > self.since else self.text


def notes() -> dict[str, Note]:
    """The notes by the keys of their goals."""
    groups: dict[str, dict[str, str]] = tomllib.loads(NOTES.read_text("utf-8"))["short"]
    return {
        key: Note(since, text) for since in sorted(groups) for key, text in groups[since].items()
    }


def _number(value: float | None) -> str:
    return "-" if value is None else chart.number(value)


def goal_text(verdict: Verdict) -> str:
    """What was asked for."""
    goal = verdict.goal
    if goal.theirs is None:
        beside = f" (ratio: to {LABELS[goal.beside]})" if goal.beside else ""
        return f"{'<=' if goal.at_most else '>='} {goal.factor:,.0f}{beside}"
    other = LABELS[goal.theirs] + (f" at {goal.their_case}" if goal.their_case else "")
    return f">= {goal.factor:g}x {other}"


def outcome_text(verdict: Verdict, why: dict[str, Note], taken: str) -> str:
    """Met, short with its reason, or not measured with its reason."""
    if verdict.met is None:
        return f"not measured ({verdict.absent})"
    if verdict.met:
        return "met"
    note = why.get(verdict.goal.key)
    return f"short: {note.beside(taken) if note else 'no reason has been written down yet'}"


def _rows(found: dict[str, Result]) -> list[tuple[str, ...]]:
    why = notes()
    return [
        (
            f"{LABELS[v.goal.ours]}, {v.goal.case}",
            f"{_number(v.figure)} {v.unit}",
            "-" if v.ratio is None else f"{v.ratio:.2f}",
            goal_text(v),
            outcome_text(v, why, found[v.goal.row].taken),
        )
        for v in verdicts(found)
    ]


def table(found: dict[str, Result]) -> str:
    """The last word of a run: per goal its figure, ratio, goal, and met or short."""
    rows = [("case", "figure", "ratio", "goal", "outcome"), *_rows(found)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines: list[str] = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[4]]).rstrip())
    return "\n".join(lines)


def case_lines(case: Case) -> list[str]:
    """One case as it was measured: medians, spread, and who did not take part."""
    lines = [f"{case.name} ({case.unit})"]
    for who, samples in sorted(case.samples.items(), key=lambda item: -max(item[1])):
        middle, low, high = results.figure(case, who), min(samples), max(samples)
        lines.append(
            f"  {LABELS[who]:36} {_number(middle):>12}  ({_number(low)} to {_number(high)})"
        )
    lines += [f"  {LABELS[who]:36} {why}" for who, why in sorted(case.absent.items())]
    return lines


def _case_table(result: Result) -> list[str]:
    lines = ["", "| case | contestant | median | lowest to highest |", "|---|---|---:|---:|"]
    for case in result.cases:
        for who in sorted(case.samples):
            samples = case.samples[who]
            middle = _number(results.figure(case, who))
            spread = f"{_number(min(samples))} to {_number(max(samples))}"
            lines.append(f"| {case.name} | {LABELS[who]} | {middle} {case.unit} | {spread} |")
        lines += [
            f"| {case.name} | {LABELS[who]} | {why} | |" for who, why in sorted(case.absent.items())
        ]
    return lines


def _others(cores: object) -> str:
    if not isinstance(cores, float):
        return "What other programs did meanwhile is not known."
    return f"Other programs kept {cores:g} cores busy meanwhile."


def _where(result: Result) -> str:
    machine, versions = result.machine, result.versions
    software = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    return (
        f"Measured {result.taken} UTC in a {result.size} run ({result.rounds} rounds, "
        f"stores of {result.events:,} events where it is not said otherwise) on {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}, "
        f"fdatasync {machine['fdatasync_us']} us; "
        f"{software}. {_others(machine['others_cores'])}"
    )


def _kinds(found: dict[str, Result]) -> str:
    """Which rows are of a full run, and which of a quick one only."""
    quick = [result.title for result in found.values() if result.size == results.QUICK]
    if not quick:
        return "All of it is of full runs." if found else "There are no results."
    least = "smaller stores, less time: figures that say less"
    if len(quick) == len(found):
        return f"All of it is of quick runs ({least}); no full run has landed yet."
    return f"Of quick runs ({least}), because no full one has landed: {'; '.join(quick)}."


def page(found: dict[str, Result]) -> str:
    """The page of the docs; the same for the same results and notes."""
    if not found:
        return f"{_HEAD.format(rounds=5, kinds=_kinds(found))}\nNothing has been measured yet.\n"
    fewest = min(result.rounds for result in found.values())
    lines = [_HEAD.format(rounds=fewest, kinds=_kinds(found)), "## Goals", ""]
    lines += ["| case | figure | ratio | goal | outcome |", "|---|---:|---:|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(found)]
    for row in results.ROWS:
        if row in found:
            lines += [
                "",
                f"## {found[row].title}",
                "",
                f"![{found[row].title}: medians as bars]({CHARTS}/{row}.svg)",
                *_case_table(found[row]),
                "",
                _where(found[row]),
            ]
    return "\n".join(lines) + "\n"


def generated(found: dict[str, Result]) -> dict[Path, str]:
    """Every file of the docs that is made of results: the page, and a picture for each row."""
    folder = PAGE.parent / CHARTS
    pictures = {folder / f"{row}.svg": chart.svg(found[row], LABELS) for row in found}
    return {PAGE: page(found), **pictures}


def stale(found: dict[str, Result]) -> list[Path]:
    """Files of the docs that are not what the results say, or belong to no row."""
    wanted = generated(found)
    left = set((PAGE.parent / CHARTS).glob("*")) - wanted.keys()
    wrong = [path for path, text in wanted.items() if not _holds(path, text)]
    return sorted([*wrong, *left])


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


def write(found: dict[str, Result]) -> None:
    """Write them, and delete pictures of rows that are no more."""
    for path in stale(found):
        path.unlink(missing_ok=True)
    for path, text in generated(found).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
