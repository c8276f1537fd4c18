"""`pyesdb bench`: how fast stores are on a disk of yours, and what limits them."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from pyesdb.cli import people, show
from pyesdb.cli.progress import progress
from pyesdb.cli.settings import bench_data_option, current, json_option

if TYPE_CHECKING:
    from pyesdb.operations.bench import Bench

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _interrupted() -> Generator[None]:
    """What would end the process interrupts it for the length of a block, so that it tidies up.

    Once: a second signal does not break off the tidying. What is ignored (nohup) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in _ENDINGS}
    taken = [each for each, handler in before.items() if handler is signal.SIG_DFL]

    def interrupt(*_: object) -> None:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    try:
        for each in taken:
            signal.signal(each, interrupt)
        yield
    finally:
        for each in taken:
            signal.signal(each, before[each])


@click.command()
@click.option(
    "--seconds",
    type=float,
    default=1.5,
    show_default=True,
    help="How long each case is measured, all rounds together.",
)
@bench_data_option
@json_option
def bench(seconds: float) -> None:
    """Measure this machine and disk, half a minute.

    Appends of one caller, threads and tasks, batches, reads, new stores; in rounds that alternate,
    beside SQLite alone with the same tables and beside the disk alone. Everything is durable. It
    works in a temporary directory inside DIRECTORY, removes it, and touches no database.
    """
    from pyesdb.operations import bench as measuring

    place = current().data or os.environ.get("PYESDB_DATA_DIR") or os.curdir
    with _interrupted(), progress("measuring") as bar:
        found = measuring.measure(place, seconds=seconds, on_progress=bar.at)
    said = [words for words in (measuring.verdict(found), measuring.rough(found)) if words]
    if current().json:
        show.line(_document(found, " ".join(said)))
        return
    show.table(
        ("case", "median", "lowest", "highest", "unit", "limit", "ratio"),
        [
            (
                case.case,
                round(case.median),
                round(min(case.samples)),
                round(max(case.samples)),
                case.unit,
                round(found.case(case.limit).median) if case.limit else None,
                f"{case.ratio:.2f}" if case.ratio else None,
            )
            for case in found.cases
            if case.limit or case.case == measuring.SYNC
        ],
    )
    on = found.machine
    where = f"{found.rounds} rounds at {found.directory} ({found.file_system}) on {on['cpu']}, "
    where += f"{on['cores']} cores, {on['system']}, Python {on['python']}, pyesdb {on['pyesdb']}"
    click.echo()
    for words in (where, *said):
        click.echo(people.visible(words))


def _document(found: "Bench", verdict: str) -> dict[str, Any]:
    return {
        "directory": found.directory,
        "file_system": found.file_system,
        **found.machine,
        "others_cores": found.others,
        "rounds": found.rounds,
        "seconds": found.seconds,
        "cases": [
            {
                "case": case.case,
                "unit": case.unit,
                "median": round(case.median, 1),
                "samples": [round(sample, 1) for sample in case.samples],
                "limit": case.limit,
                "ratio": case.ratio and round(case.ratio, 3),
                "cpu_busy": round(case.busy, 2),
            }
            for case in found.cases
        ],
        "verdict": verdict,
    }
