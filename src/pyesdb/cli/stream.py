"""`pyesdb stream ...`: one stream: what it is, its end, its retention."""

from typing import Any

import click

import pyesdb
from pyesdb.cli import people, show
from pyesdb.cli.append import EXPECTED, Expected
from pyesdb.cli.completion import stream_names
from pyesdb.cli.settings import common_options, current, database
from pyesdb.cli.words import json_object, json_value
from pyesdb.config import text

FIELDS = ("stream", "state", "version", "first_version", "count", "created", "updated")

_stream_argument = click.argument("name", metavar="STREAM", shell_complete=stream_names)


@click.group()
def stream() -> None:
    """Look at a stream, delete it, limit what it keeps."""


def _print(info: pyesdb.StreamInfo) -> None:
    age = None if info.max_age is None else info.max_age.total_seconds()
    document: dict[str, Any] = {name: getattr(info, name) for name in FIELDS}
    document |= {"max_age": age, "max_count": info.max_count, "custom": dict(info.custom)}
    if current().json:
        show.line(document)
    else:
        for name in ("max_age", "max_count", "custom"):
            document[name] = people.setting(name, document[name])
        show.table(("field", "value"), list(document.items()))


@stream.command()
@_stream_argument
@common_options
def info(name: str) -> None:
    """Print everything about STREAM but its events."""
    with database(read_only=True) as db:
        _print(db.store(current().store).stream_info(name))


@stream.command()
@_stream_argument
@click.option("--expected", type=Expected(), default="any", metavar="STATE", help=EXPECTED)
@common_options
def delete(name: str, expected: pyesdb.ExpectedVersion) -> None:
    """Hide all events of STREAM. An append brings it back, numbering goes on."""
    with database() as db:
        _print(db.store(current().store).delete_stream(name, expected=expected))


@stream.command()
@_stream_argument
@click.option("--expected", type=Expected(), default="any", metavar="STATE", help=EXPECTED)
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def tombstone(name: str, expected: pyesdb.ExpectedVersion, yes: bool) -> None:
    """Delete STREAM for ever: nothing can be appended to it again."""
    show.confirm(f"Delete stream {name} for ever?", yes=yes)
    with database() as db:
        _print(db.store(current().store).tombstone_stream(name, expected=expected))


@stream.command()
@_stream_argument
@click.option(
    "--before",
    type=click.IntRange(min=0),
    required=True,
    metavar="VERSION",
    help="The first version that stays visible.",
)
@common_options
def truncate(name: str, before: int) -> None:
    """Hide the events of STREAM below a version."""
    with database() as db:
        _print(db.store(current().store).truncate_stream(name, before_version=before))


@stream.command()
@_stream_argument
@click.option("--max-age", metavar="DURATION|none", help="Hide events when they are this old.")
@click.option("--max-count", metavar="N|none", help="Hide all but the newest N events.")
@click.option("--custom", metavar="JSON|none", help="Anything of yours, a JSON object.")
@common_options
def metadata(name: str, max_age: str | None, max_count: str | None, custom: str | None) -> None:
    """Set what STREAM keeps; what is not given stays, none clears it."""
    changes: dict[str, Any] = {}
    if max_age is not None:
        changes["max_age"] = None if max_age == "none" else text.duration(max_age, "--max-age")
    if max_count is not None:
        changes["max_count"] = None if max_count == "none" else json_value(max_count, "--max-count")
    if custom is not None:
        changes["custom"] = None if custom == "none" else json_object(custom, "--custom")
    if not changes:
        raise click.UsageError("give --max-age, --max-count or --custom")
    with database() as db:
        _print(db.store(current().store).set_stream_metadata(name, **changes))
