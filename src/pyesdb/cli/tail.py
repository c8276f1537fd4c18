"""`pyesdb tail`: the newest events of a store, and those that come, until Ctrl-C."""

import click

import pyesdb
from pyesdb import select
from pyesdb.cli import people, show
from pyesdb.cli.completion import stream_names
from pyesdb.cli.read import NUMBER
from pyesdb.cli.selection import selection, selection_options
from pyesdb.cli.settings import common_options, current, database

SHOWN = 10
"""So many stored events are printed first."""


@click.command()
@click.argument("name", metavar="[STREAM]", required=False, shell_complete=stream_names)
@selection_options
@click.option(
    "-n",
    "--lines",
    type=NUMBER,
    metavar="N",
    default=None,
    help=f"The last N stored events first ({SHOWN} if nothing is said).",
)
@click.option("--after", type=NUMBER, metavar="N", help="All stored events at positions above N.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after N events.")
@common_options
def tail(name: str | None, lines: int | None, after: int | None, limit: int | None) -> None:
    """Print the newest events and follow.

    Of the store, or of a STREAM; then those that come. It ends with Ctrl-C, or after --limit
    events, or when the store is removed. --stream, --prefix, --type, --tag and --payload choose;
    all that is given must hold.
    """
    if lines is not None and after is not None:
        raise click.UsageError("--lines and --after exclude each other")
    chosen = selection()
    if name is not None:
        chosen = select.stream(name) if chosen is None else select.stream(name) & chosen
    settings = current()
    with database(read_only=True) as db:
        source = db.store(settings.store)
        stored, behind = [], after
        if behind is None:
            shown = SHOWN if lines is None else lines
            newest = source.read_all(select=chosen, limit=shown, backwards=True)
            behind, stored = newest.head, newest.to_list()[::-1]
        if name is not None and not settings.json:
            _say_if_new(source, name)
        with source.follow(chosen, after=behind) as follower:
            _print(stored, follower, limit, as_json=settings.json)


def _say_if_new(source: pyesdb.Store, name: str) -> None:
    """Nobody should wait in silence for a name that was mistyped."""
    try:
        source.stream_info(name)
    except pyesdb.StreamNotFound:
        click.echo(people.visible(f"stream {name!r} has no events yet; waiting"), err=True)


def _print(
    stored: list[pyesdb.RecordedEvent],
    follower: pyesdb.Follower,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    console = None if as_json else show.terminal()
    count = 0
    try:
        for events in (stored, follower):
            for event in events:
                if as_json:
                    show.event(event)
                else:
                    show.event_line(event, console)
                count += 1
                if count == limit:
                    return
    except KeyboardInterrupt:
        return  # how it is meant to end
