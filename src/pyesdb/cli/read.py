"""`pyesdb read` and `pyesdb streams`: what is in a store."""

from datetime import datetime
from typing import Any

import click

import pyesdb
from pyesdb.cli import people, show
from pyesdb.cli.completion import stream_names
from pyesdb.cli.selection import selected, selection, selection_options
from pyesdb.cli.settings import common_options, current, database
from pyesdb.cli.words import AsOf

NUMBER = click.IntRange(min=0)


Options = dict[str, Any]


def _check(stream: str | None, everything: bool, one: Options, whole: Options) -> None:
    """Refuse options that belong to the other way of reading, before anything is opened."""
    if everything == (stream is not None):
        raise click.UsageError("give a STREAM, or --all for the whole store")
    foreign = one if everything else whole
    if used := [name for name, value in foreign.items() if value not in (None, ())]:
        raise click.UsageError(f"{used[0]} is for {'one stream' if everything else '--all'} only")


@click.command()
@click.argument("name", metavar="[STREAM]", required=False, shell_complete=stream_names)
@click.option("--all", "everything", is_flag=True, help="All events of the store, by position.")
@selection_options
@click.option("--after", type=NUMBER, metavar="N", help="With --all: only positions above N.")
@click.option("--before", type=NUMBER, metavar="N", help="With --all: only positions below N.")
@click.option("--from", "first", type=NUMBER, metavar="N", help="Of a stream: from this version.")
@click.option("--to", "last", type=NUMBER, metavar="N", help="Of a stream: to this version.")
@click.option("--limit", type=NUMBER, metavar="N", help="At most so many events.")
@click.option("--backwards", is_flag=True, help="The newest first.")
@click.option(
    "--as-of", type=AsOf(), metavar="WHEN", help="As the store was at a position or a time."
)
@common_options
def read(
    name: str | None,
    everything: bool,
    after: int | None,
    before: int | None,
    first: int | None,
    last: int | None,
    limit: int | None,
    backwards: bool,
    as_of: int | datetime | None,
) -> None:
    """Print the events of a STREAM, or of the whole store (--all).

    --stream, --prefix, --type, --tag and --payload choose among --all; all that is given must hold.
    """
    chosen = selection()
    one: Options = {"--from": first, "--to": last}
    whole: Options = {**selected(), "--after": after, "--before": before}
    _check(name, everything, one, whole)
    common: Options = {"limit": limit, "backwards": backwards, "as_of": as_of}
    settings = current()
    with database(read_only=True) as db:
        source = db.store(settings.store)
        if name is None:
            found = source.read_all(after=after or 0, before=before, select=chosen, **common)
        else:
            found = source.read(name, from_version=first, to_version=last, **common)
        _print(found, as_json=settings.json)


def _print(found: pyesdb.Events, *, as_json: bool) -> None:
    if as_json:
        for event in found:
            show.event(event)
        return
    console = show.terminal()
    for event in found:
        show.event_line(event, console)


@click.command()
@click.option("--prefix", help="Only names that start with this.")
@click.option("--after", help="Only names that sort after this one.")
@click.option("--limit", type=NUMBER, metavar="N", help="At most so many.")
@click.option("--system", is_flag=True, help="With the streams whose name starts with $.")
@common_options
def streams(prefix: str | None, after: str | None, limit: int | None, system: bool) -> None:
    """Print the names of the streams of a store."""
    settings = current()
    with database(read_only=True) as db:
        found = db.store(settings.store)
        for name in found.streams(prefix=prefix, after=after, limit=limit, system=system):
            if settings.json:
                show.line({"stream": name})
            else:
                click.echo(people.visible(name))
