"""`pyesdb append`: one event from the arguments, or many from JSON Lines on stdin."""

import base64
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import click
from click.shell_completion import CompletionItem

import pyesdb
from pyesdb.cli import people, show
from pyesdb.cli.completion import stream_names
from pyesdb.cli.settings import common_options, current, database
from pyesdb.cli.words import json_object, json_value

STDIN = "-"
EVENT_FIELDS = {
    "type", "data", "data_base64", "content_type", "metadata", "tags", "id", "time",
}  # fmt: skip
STORED_FIELDS = {"position", "stream", "version", "created"}
"""What `pyesdb read --json` prints of where an event stood; a new event gets its own."""


EXPECTED = "What must hold of the stream: any (default), none, exists, or its version."


class Expected(click.ParamType[Any]):
    """any, none, exists, or a version."""

    name = "any|none|exists|VERSION"

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """The words; versions are numbers that the shell cannot know."""
        words = ("any", "none", "exists")
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]

    def convert(self, value: Any, param: Any, ctx: Any) -> pyesdb.ExpectedVersion:
        """The state or version that a word stands for."""
        words = {
            "any": pyesdb.StreamState.ANY,
            "none": pyesdb.StreamState.NO_STREAM,
            "exists": pyesdb.StreamState.EXISTS,
        }
        if value in words:
            return words[value]
        if str(value).isascii() and str(value).isdigit():
            return int(value)
        return self.fail(
            f"{value!r} is not any, none, exists or a version (0, 1, 2...)", param, ctx
        )


def _stdin_lines() -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        if line.strip():
            yield f"line {number} of stdin", line


def _whole_event(fields: dict[str, Any], what: str, shared: dict[str, Any]) -> pyesdb.NewEvent:
    """An event in the shape that `pyesdb read --json` prints."""
    if unknown := fields.keys() - EVENT_FIELDS - STORED_FIELDS:
        raise click.UsageError(f"{what} has the unknown field {min(unknown)!r}")
    if "type" not in fields:
        raise click.UsageError(f'{what} has no type: {{"type": ..., "data": ...}}')
    for name, kind, word in (("tags", list, "array"), ("metadata", dict, "object")):
        if not isinstance(fields.setdefault(name, kind()), kind):
            raise click.UsageError(f"{what}: {name} must be a JSON {word}")
    tags: list[str] = fields["tags"]
    try:
        encoded = fields.get("data_base64")
        data = fields.get("data") if encoded is None else base64.b64decode(encoded, validate=True)
        id_ = UUID(fields["id"]) if "id" in fields else None
        time = datetime.fromisoformat(fields["time"]) if "time" in fields else None
    except (ValueError, TypeError, AttributeError) as error:
        raise click.UsageError(f"{what}: {error}") from None
    return pyesdb.NewEvent(
        fields["type"],
        data,
        metadata={**shared["metadata"], **fields["metadata"]},
        tags=[*shared["tags"], *(tag for tag in tags if tag not in shared["tags"])],
        content_type=fields.get("content_type"),
        id=id_,
        time=time,
    )


def _events(
    event_type: str, data: str | None, event_id: UUID | None, shared: dict[str, Any]
) -> list[pyesdb.NewEvent]:
    """The events of one call; everything is decoded before the database is opened."""
    if event_type == STDIN:
        if data is not None or event_id is not None:
            raise click.UsageError("with TYPE -, type, data and id come from the lines of stdin")
        return [
            _whole_event(json_object(text, what), what, shared) for what, text in _stdin_lines()
        ]
    if data == STDIN:
        if event_id is not None:
            raise click.UsageError("--id names one event, stdin has many: give each line its own")
        lines = _stdin_lines()
        return [
            pyesdb.NewEvent(event_type, json_value(text, what), **shared) for what, text in lines
        ]
    value = None if data is None else json_value(data, "DATA")
    return [pyesdb.NewEvent(event_type, value, id=event_id, **shared)]


@click.command()
@click.argument("stream", shell_complete=stream_names)
@click.argument("event_type", metavar="TYPE")
@click.argument("payload", metavar="[DATA]", required=False)
@click.option("--expected", type=Expected(), default="any", metavar="STATE", help=EXPECTED)
@click.option("--tag", "tags", multiple=True, help="A tag, like order:17 (repeatable).")
@click.option("--metadata", default="{}", metavar="JSON", help="Metadata, a JSON object.")
@click.option("--id", "event_id", type=click.UUID, help="The event's id; without it a new one.")
@common_options
def append(
    stream: str,
    event_type: str,
    payload: str | None,
    expected: pyesdb.ExpectedVersion,
    tags: Sequence[str],
    metadata: str,
    event_id: UUID | None,
) -> None:
    """Append to STREAM an event of TYPE with DATA (JSON).

    \b
    DATA -   every line of stdin is the JSON data of one event of TYPE
    TYPE -   every line of stdin is a whole event, {"type": ..., "data": ...},
             as `pyesdb read --json` prints it

    Many events are one append: all or nothing.
    """  # noqa: D301
    shared = {"metadata": json_object(metadata, "--metadata"), "tags": list(tags)}
    events = _events(event_type, payload, event_id, shared)
    pyesdb.Append(stream, events)  # what is wrong with it makes no database
    settings = current()
    with database(create=settings.store is None) as db:
        result = db.store(settings.store).append(stream, events, expected=expected)
    if settings.json:
        show.line({name: getattr(result, name) for name in RESULT_FIELDS})
    elif result.count == 0:
        click.echo("nothing to append")
    else:
        again = " (stored by an earlier, equal call)" if result.duplicate else ""
        click.echo(
            people.visible(
                f"{result.count:,} in {result.stream}: version {result.version}, "
                f"position {result.position}{again}"
            )
        )


RESULT_FIELDS = (
    "stream", "version", "position", "first_version", "first_position", "count", "duplicate",
    "token",
)  # fmt: skip
