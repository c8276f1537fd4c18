"""How answers are shown: aligned columns for people (coloured when rich is there), JSON on request.

One JSON document, or JSON Lines (one object a line), as docs/reference/cli.md says for each
command. No command may print anything else to stdout under --json.
"""

import base64
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

import pyesdb
from pyesdb.cli.settings import current


def line(document: object) -> None:
    """Print one JSON document on one line."""
    click.echo(json.dumps(document, ensure_ascii=False, default=_encode))


def say(text: str, **document: object) -> None:
    """Print the one answer of a command: a sentence for people, a document for programs."""
    if current().json:
        line(document)
    else:
        click.echo(text)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; only a person at a terminal is asked."""
    if not yes and not current().json and sys.stdin.isatty() and sys.stdout.isatty():
        click.confirm(question, abort=True)


def when(moment: datetime) -> str:
    """A time for people, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def base64_of(data: bytes) -> str:
    """Bytes as JSON has them."""
    return base64.b64encode(data).decode()


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows for people: a table when rich is installed and this is a terminal."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    console = terminal()
    if console is None:
        _columns(headers, texts)
        return
    from rich.table import Table

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for header in headers:
        drawn.add_column(header, overflow="fold")
    for row in texts:
        drawn.add_row(*(_escape(cell) for cell in row))
    console.print(drawn)


def terminal() -> Any:
    """A rich console, if rich is installed and stdout is a terminal; else None."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console(highlight=False)
    return console if console.is_terminal else None


def event(recorded: pyesdb.RecordedEvent) -> dict[str, Any]:
    """An event as JSON: `data` when it is JSON, else `data_base64`."""
    described: dict[str, Any] = {
        "position": recorded.position,
        "stream": recorded.stream,
        "version": recorded.version,
        "type": recorded.type,
        "id": str(recorded.id),
        "created": recorded.created.isoformat(),
        "time": recorded.time.isoformat(),
        "tags": list(recorded.tags),
        "metadata": dict(recorded.metadata),
        "content_type": recorded.content_type,
    }
    if is_json(recorded):
        described["data"] = recorded.json()
    else:
        described["data_base64"] = base64_of(recorded.data)
    return described


def event_line(recorded: pyesdb.RecordedEvent, console: Any) -> None:
    """Print an event for people, on one line."""
    place = f"{recorded.position:>8}  {when(recorded.time)}  {recorded.stream}@{recorded.version}"
    data = (
        json.dumps(recorded.json(), ensure_ascii=False)
        if is_json(recorded)
        else (f"<{len(recorded.data):,} bytes of {recorded.content_type}>")
    )
    tags = "".join(f" #{tag}" for tag in recorded.tags)
    if console is None:
        click.echo(f"{place}  {recorded.type}  {data}{tags}")
        return
    console.print(
        f"[dim]{_escape(place)}[/]  [bold cyan]{_escape(recorded.type)}[/]  {_escape(data)}"
        f"[magenta]{_escape(tags)}[/]",
        soft_wrap=True,
    )


def is_json(recorded: pyesdb.RecordedEvent) -> bool:
    """Whether the data of an event is JSON by its content type."""
    kind = recorded.content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _columns(headers: Sequence[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in ([header.upper() for header in headers], *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _encode(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
