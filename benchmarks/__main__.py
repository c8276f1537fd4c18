"""`python -m benchmarks`: measure, keep the results, say what is met and what is short."""

import argparse
import shutil
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks import machine, plan, report, results
from benchmarks.results import KEPT, ROWS, Result, number_of

QUICK_OUT = Path("build", "bench")


def _measure(row: str, chosen: plan.Plan, about: dict[str, object]) -> Result:
    module = import_module(f"benchmarks.{row}")
    print(f"== {module.TITLE}", flush=True)
    start, others = time.monotonic(), machine.Others()
    cases = module.run(chosen)
    about = {**about, "others_cores": others.cores()}
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


def _run(arguments: argparse.Namespace) -> None:
    out = arguments.out or (QUICK_OUT if arguments.quick else KEPT)
    rows = [row for row in ROWS if not arguments.row or number_of(row) in arguments.row]
    make = plan.quick if arguments.quick else plan.full
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.scratch) as scratch:
        home = Path(scratch)
        home.chmod(0o711)  # a server with an account of its own must get through
        for row in rows:
            folder = home / row
            folder.mkdir()
            about = machine.describe(folder)
            results.save(_measure(row, make(folder, home / "prepared"), about), out)
            shutil.rmtree(folder)
    print(report.table(results.load(out)))
    if out.resolve() == KEPT.resolve():
        _write_page()


def _write_page() -> None:
    report.PAGE.parent.mkdir(parents=True, exist_ok=True)
    report.PAGE.write_text(report.page(results.load(KEPT)))


def _check_page() -> int:
    wanted = report.page(results.load(KEPT))
    if report.PAGE.exists() and report.PAGE.read_text() == wanted:
        return 0
    print("docs/reference/benchmarks.md is not what benchmarks/results says.")
    print("Run: python -m benchmarks --docs")
    return 1


def main() -> int:
    """Parse the command line and do one thing."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few minutes, smaller; results go to build/bench unless --out is given",
    )
    choices = [number_of(row) for row in ROWS]
    parser.add_argument(
        "--row", type=int, action="append", choices=choices, help="only this row; may be repeated"
    )
    parser.add_argument("--out", type=Path, help="where results go; a full run: benchmarks/results")
    parser.add_argument(
        "--scratch", type=Path, help="where databases are made, on the disk to measure"
    )
    parser.add_argument(
        "--docs",
        action="store_true",
        help="only write docs/reference/benchmarks.md from benchmarks/results",
    )
    parser.add_argument(
        "--check-docs",
        action="store_true",
        help="only compare that page with benchmarks/results; exit 1 if it differs",
    )
    arguments = parser.parse_args()
    if arguments.check_docs:
        return _check_page()
    if arguments.docs:
        _write_page()
    else:
        _run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
