"""`pyesdb export` and `pyesdb import`: events of a store into a file, and back."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import click
import msgspec

import pyesdb
from pyesdb.cli import people, show
from pyesdb.cli.progress import progress
from pyesdb.cli.selection import selection, selection_options
from pyesdb.cli.settings import common_options, current, database
from pyesdb.model.names import check_store_id

STD = "-"
FORMATS = ("jsonl", "cloudevents")
NUMBER = click.IntRange(min=0)


@contextmanager
def _file_errors(file: str) -> Generator[None]:
    """A file that cannot be opened or written is a mistake in the call."""
    try:
        yield
    except (BrokenPipeError, pyesdb.PyesdbError):
        raise
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror or error}") from None


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    help="jsonl loses nothing and notices a cut; cloudevents is for others.",
)
@selection_options
@click.option("--after", type=NUMBER, default=0, metavar="N", help="Only positions above N.")
@click.option("--before", type=NUMBER, metavar="N", help="Only positions below N.")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
@common_options
def export(
    file: str,
    form: Literal["jsonl", "cloudevents"],
    after: int,
    before: int | None,
    force: bool,
) -> None:
    """Write the events of a store to FILE, in their order.

    - is stdout. A name that ends in .gz is compressed. The file appears when it is whole. With -,
    what there is to say goes to stderr.
    """
    from pyesdb.transfer import export_events

    chosen = selection()
    target: Any = sys.stdout.buffer if file == STD else file
    settings = current()
    with database(read_only=True) as db, _file_errors(file), progress("exporting") as bar:
        done = export_events(
            db.store(settings.store),
            target,
            format=form,
            select=chosen,
            after=after,
            before=before,
            overwrite=force,
            on_progress=bar.at,
        )
    text = f"{done.events:,} events up to position {done.head} to {file}"
    _tell(done, text, err=file == STD)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--source", metavar="NAME", help="The name under which the store tracks this import.")
@click.option("--create", is_flag=True, help="Make the database and the store if they are missing.")
@click.option("--allow-partial", is_flag=True, help="Take a cut-off export as it is.")
@common_options
def import_(file: str, source: str | None, create: bool, allow_partial: bool) -> None:
    """Store the events of FILE, in their order; - is stdin.

    FILE is an export, lines as `pyesdb read --json` prints them, or a CloudEvent on each line,
    compressed or not. Each event is stored once, however often the import is interrupted and
    repeated.
    """
    from pyesdb.transfer import import_events
    from pyesdb.transfer.importing import recognise

    incoming: Any = sys.stdin.buffer if file == STD else file
    settings = current()
    if create:
        check_store_id(settings.store or "default")
        if file != STD and Path(file).is_file():
            with _file_errors(file):
                recognise(file)
    with database(create=create) as db, _file_errors(file), progress("importing") as bar:
        if create and settings.store is not None:
            db.create_store(settings.store, exist_ok=True)
        done = import_events(
            db.store(settings.store),
            incoming,
            source_id=source,
            allow_partial=allow_partial,
            on_progress=bar.at,
        )
    again = f", {done.skipped:,} were there already" if done.skipped else ""
    same = f", {done.duplicates:,} are the last of their streams already" if done.duplicates else ""
    _tell(done, f"{done.events:,} events stored{again}{same} (source {done.source})")


def _tell(result: msgspec.Struct, text: str, *, err: bool = False) -> None:
    if not current().json:
        click.echo(people.visible(text), err=err)
    elif err:
        click.echo(msgspec.json.encode(result), err=True)
    else:
        show.line(msgspec.structs.asdict(result))
