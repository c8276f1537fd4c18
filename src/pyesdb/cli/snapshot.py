"""`pyesdb snapshot ...`: states of streams that applications keep."""

import sys
from typing import Any

import click

import pyesdb
from pyesdb.cli import show
from pyesdb.cli.completion import stream_names
from pyesdb.cli.settings import common_options, current, database
from pyesdb.cli.words import json_object, json_value

_VERSION = click.IntRange(min=0)


@click.group()
def snapshot() -> None:
    """Record and show snapshots of streams."""


def _document(found: pyesdb.Snapshot) -> dict[str, Any]:
    document: dict[str, Any] = {
        "source": found.source,
        "stream": found.stream,
        "version": found.version,
        "created": found.created,
        "metadata": dict(found.metadata),
    }
    return document | show.data_of(found)


@snapshot.command()
@click.argument("source")
@click.argument("stream", shell_complete=stream_names)
@click.argument("version", type=_VERSION)
@click.argument("payload", metavar="DATA")
@click.option("--metadata", default="{}", metavar="JSON", help="Metadata, a JSON object.")
@common_options
def record(source: str, stream: str, version: int, payload: str, metadata: str) -> None:
    """Keep DATA as the state of STREAM at VERSION.

    DATA is JSON, - is stdin; SOURCE names who computed it.
    """
    data = json_value(sys.stdin.buffer.read() if payload == "-" else payload, "DATA")
    described = json_object(metadata, "--metadata")
    with database() as db:
        store = db.store(current().store)
        found = store.record_snapshot(source, stream, version, data, described)
    text = f"{source} of {stream} at version {version}"
    show.say(text, **_document(found))


@snapshot.command("show")
@click.argument("source")
@click.argument("stream", shell_complete=stream_names)
@click.option("--version", type=_VERSION, metavar="N", help="This one; else the newest.")
@common_options
def show_one(source: str, stream: str, version: int | None) -> None:
    """Print the snapshot of a SOURCE and STREAM."""
    with database(read_only=True) as db:
        found = db.store(current().store).read_snapshot(source, stream, version)
    document = _document(found)
    if current().json:
        show.line(document)
    else:
        show.table(("field", "value"), list(document.items()))


@snapshot.command("list")
@click.option("--source", help="Only of this source.")
@click.option("--stream", help="Only of this stream.")
@common_options
def list_snapshots(source: str | None, stream: str | None) -> None:
    """List the snapshots of a store."""
    with database(read_only=True) as db:
        found = db.store(current().store).list_snapshots(source, stream)
    if current().json:
        for each in found:
            show.line(_document(each))
        return
    show.table(
        ("source", "stream", "version", "created", "bytes"),
        ((s.source, s.stream, s.version, s.created, len(s.data)) for s in found),
    )


@snapshot.command()
@click.argument("source")
@click.argument("stream", shell_complete=stream_names)
@click.option("--version", type=_VERSION, metavar="N", help="This one; else all of them.")
@common_options
def delete(source: str, stream: str, version: int | None) -> None:
    """Forget a snapshot of a SOURCE and STREAM, or all of them."""
    with database() as db:
        db.store(current().store).delete_snapshot(source, stream, version)
    show.say(
        f"{source} of {stream} is deleted",
        source=source,
        stream=stream,
        version=version,
        deleted=True,
    )
