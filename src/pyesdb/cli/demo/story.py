"""`pyesdb demo`: what happens in which order."""

import tempfile
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import click

import pyesdb
from pyesdb.cli import exits
from pyesdb.cli.demo import check, delays, filling, looking, managing, source
from pyesdb.cli.demo.report import Reporter, Step
from pyesdb.cli.demo.run import Run, Watch, claim
from pyesdb.cli.settings import current

STEPS: tuple[Callable[[Run], Step], ...] = (
    filling.create_stores,
    filling.load_flights,
    filling.count_everything,
    delays.delays_per_airline,
    looking.follow_an_aircraft,
    looking.delays_by_tag,
    looking.world_as_of,
    managing.race_for_gates,
    managing.remove_an_airline,
    managing.read_the_audit,
)


def tell(path: Path | None, *, year: bool, keep: bool) -> int:
    """The whole demo; returns the exit code."""
    chosen = source.given(path) if path else source.year() if year else source.january()
    settings = current()
    reporter = Reporter(as_json=settings.json)
    watch = Watch()
    expected = _count(chosen.path)
    with (
        _directory(settings.data, keep=keep) as data,
        tempfile.TemporaryDirectory(prefix="pyesdb-demo-read-model-") as scratch,
        pyesdb.open(data) as db,
    ):
        again = claim(db, chosen)
        reporter.say(f"PyESDB demo: {expected.flights:,} {chosen.title}", "bold")
        reporter.say(f"in {data}{', again' if again else ''}")
        airlines = {code: code for code in expected.types} | source.airlines()
        run = Run(db, data, chosen, expected, airlines, reporter, Path(scratch), again)
        wrong = _run(run)
    kept = data if settings.data or keep else None
    _end(reporter, watch.seconds, wrong, kept)
    return exits.FAILED if wrong else exits.OK


def _count(path: Path) -> check.Expected:
    """The independent count; raises UsageError for a file that is no flights."""
    try:
        expected = check.count(path)
    except (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise click.UsageError(f"{path} cannot be read as flights: {error!r}") from None
    except zipfile.BadZipFile as error:
        raise click.UsageError(f"{path} is no zip file: {error}") from None
    if not expected.flights:
        raise click.UsageError(f"{path} has no flights")
    return expected


def _run(run: Run) -> int:
    wrong = 0
    for number, step in enumerate(STEPS, start=1):
        outcome = step(run)
        run.reporter.step(number, outcome)
        wrong += bool(outcome.wrong)
    return wrong


def _end(reporter: Reporter, seconds: float, wrong: int, kept: Path | None) -> None:
    where = kept or "DIR"
    figure = f"all {len(STEPS)} steps agree with the csv, in {seconds:.1f} s"
    if wrong:
        figure = f"{wrong} of {len(STEPS)} steps found a MISMATCH, in {seconds:.1f} s"
    step = Step(
        "What to try next",
        figure,
        'with pyesdb.open("my-data") as db: ...',
        [
            *([] if kept else ["pyesdb demo --data DIR      # keeps the stores; then:"]),
            f"pyesdb store list --data {where}",
            f"pyesdb streams --limit 5 --store airline-ua --data {where}",
            f"pyesdb read --all --tag destination:LAX --limit 5 --store airline-ua --data {where}",
        ],
        {"seconds": seconds, "wrong_steps": wrong, "data": str(kept) if kept else None},
        "see above" if wrong else "",
    )
    reporter.step(len(STEPS) + 1, step)


@contextmanager
def _directory(given: str | None, *, keep: bool) -> Generator[Path]:
    if given == ":memory:" or "://" in (given or ""):
        raise click.UsageError(
            "the demo needs a directory: its loaders are processes that share it"
        )
    if given is not None:
        yield Path(given)
    elif keep:
        yield Path(tempfile.mkdtemp(prefix="pyesdb-demo-"))
    else:
        with tempfile.TemporaryDirectory(prefix="pyesdb-demo-") as made:
            yield Path(made)
