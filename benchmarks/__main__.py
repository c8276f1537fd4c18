"""`python -m benchmarks`: measure, keep the results, say what is met and what is short."""

import argparse
import shutil
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks import machine, plan, regression, report, results
from benchmarks.results import KEPT, ROWS, Result, number_of

LAST_OUT = Path("build", "bench")
"""The results of the last run, whatever became of them."""


def _measure(row: str, make: plan.Maker, home: Path) -> Result:
    module = import_module(f"benchmarks.{row}")
    print(f"== {module.TITLE}", flush=True)
    folder = home / row
    folder.mkdir()
    chosen, about = make(folder, home / "prepared"), machine.describe(folder)
    start, others = time.monotonic(), machine.Others()
    cases = module.run(chosen)
    about["others_cores"] = others.cores()
    shutil.rmtree(folder)
    for case in cases:
        print("\n".join(report.case_lines(case)), flush=True)
    print(f"   {time.monotonic() - start:.0f} s\n", flush=True)
    return Result(
        row=row,
        title=module.TITLE,
        size=chosen.size,
        taken=results.now(),
        rounds=chosen.rounds,
        events=chosen.events,
        machine=about,
        versions=machine.versions(),
        cases=cases,
    )


def _run(arguments: argparse.Namespace) -> int:
    """Measure, keep, compare with what was landed of this size; 1 when something is worse."""
    kept = results.place(KEPT, results.QUICK if arguments.quick else "full")
    rows = [row for row in ROWS if not arguments.row or number_of(row) in arguments.row]
    make = plan.quick if arguments.quick else plan.full
    landed, found = results.load(kept), dict[str, Result]()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.scratch) as scratch:
        home = Path(scratch)
        home.chmod(0o711)  # a server with an account of its own must get through
        for row in rows:
            found[row] = _measure_surely(row, make, home, landed)
            results.save(found[row], arguments.out or LAST_OUT)
    print(report.table(found))
    changes = regression.compare(landed, found)
    worse = regression.fails(changes) and not arguments.accept
    print(f"\n== Against the landed ratios ({_name(kept)})")
    print("\n".join(regression.lines(changes, landed, found)))
    if not arguments.out:
        _land(found, kept, unless="" if arguments.accept else regression.obstacle(changes))
    return 1 if worse else 0


def _measure_surely(row: str, make: plan.Maker, home: Path, landed: dict[str, Result]) -> Result:
    """A row; once more if it looks worse and the rounds overlap. Then the rounds of both count."""
    result = _measure(row, make, home)
    unsure = regression.doubtful(regression.compare(landed, {row: result}))
    if not unsure:
        return result
    print("   measured again, because rounds overlap:", *(c.goal.key for c in unsure), flush=True)
    return regression.pooled(result, _measure(row, make, home))


def _name(kept: Path) -> str:
    return f"benchmarks/{kept.relative_to(KEPT.parent)}"


def _land(found: dict[str, Result], kept: Path, *, unless: str) -> None:
    if unless:
        print(f"Nothing is written over {_name(kept)} ({unless}); it is in {LAST_OUT}.")
        print("To land it all the same: --accept")
        return
    for result in found.values():
        results.save(result, kept)
    report.write(results.shown(KEPT))


def _check_docs() -> int:
    stale = report.stale(results.shown(KEPT))
    for path in stale:
        print(f"docs/reference: {path.name} is not what benchmarks/results says.")
    if stale:
        print("Run: python -m benchmarks --docs")
    return 1 if stale else 0


def main() -> int:
    """Parse the command line and do one thing."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few minutes, smaller: compared with, and landed in, benchmarks/results/quick",
    )
    choices = [number_of(row) for row in ROWS]
    parser.add_argument(
        "--row", type=int, action="append", choices=choices, help="only this row; may be repeated"
    )
    parser.add_argument("--out", type=Path, help="where results go; they are not landed, then")
    parser.add_argument(
        "--accept",
        action="store_true",
        help="let these be the landed results, also where a ratio is more than 20 % worse",
    )
    parser.add_argument(
        "--scratch", type=Path, help="where databases are made, on the disk to measure"
    )
    parser.add_argument(
        "--docs",
        action="store_true",
        help="only write docs/reference/benchmarks.md and its pictures from benchmarks/results",
    )
    parser.add_argument(
        "--check-docs",
        action="store_true",
        help="only compare these with benchmarks/results; exit 1 if they differ",
    )
    arguments = parser.parse_args()
    if arguments.check_docs:
        return _check_docs()
    if arguments.docs:
        report.write(results.shown(KEPT))
        return 0
    if arguments.out and arguments.out.resolve().is_relative_to(KEPT.resolve()):
        parser.error("--out: what is landed comes there by itself, when it may: leave --out away")
    if arguments.out and arguments.accept:
        parser.error("--accept lands, --out does not: give one of them")
    return _run(arguments)


if __name__ == "__main__":
    sys.exit(main())
