"""How answers are shown: aligned columns for people (coloured when rich is there), JSON on request.

One JSON document, or JSON Lines (one object a line), as docs/howto/command-line.md says for each
command. No command may print anything else to stdout under --json.
"""

import base64
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import click

import pyesdb
from pyesdb.cli import exits, people
from pyesdb.cli.settings import current

SHORT = 20
"""So long a cell, a time say, is not broken in two lines."""


def line(document: object) -> None:
    """Print one JSON document on one line."""
    click.echo(encoded(document))


def encoded(document: object) -> str:
    """A document as JSON that any terminal and parser takes; raises ValueError, RecursionError."""
    wide = (sys.stdout.encoding or "").lower() in ("utf-8", "utf8")
    found = json.dumps(document, ensure_ascii=not wide, allow_nan=False, default=_encode)
    return people.visible(found)  # it means the same with \u009b, and no terminal obeys it


def say(words: str, **document: object) -> None:
    """Print the one answer of a command: a sentence for people, a document for programs."""
    if current().json:
        line(document)
    else:
        click.echo(people.visible(words))


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; only a person at a terminal is asked."""
    if yes or current().json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    if not click.confirm(people.visible(question)):
        click.echo("nothing was changed", err=True)
        click.get_current_context().exit(exits.INTERRUPTED)


def base64_of(data: bytes) -> str:
    """Bytes as JSON has them."""
    return base64.b64encode(data).decode()


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows for people: a table when rich is installed and this is a terminal.

    Numbers stand at the right. Times, and what could harm a terminal, are spelled by `people`.
    """
    found = [list(row) for row in rows]
    texts = [[people.cell(value) for value in row] for row in found]
    right = [all(map(people.is_number, column)) for column in zip(*found, strict=True)]
    console = terminal()
    if console is None:
        _columns(headers, texts, right or [False] * len(headers))
    else:
        _draw(console, headers, texts, right)


def _draw(
    console: Any, headers: Sequence[str], rows: list[list[str]], right: Sequence[bool]
) -> None:
    if not rows:
        console.print("none", style="dim")
        return
    from rich.table import Table

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for header, is_right, column in zip(headers, right, zip(*rows, strict=True), strict=True):
        drawn.add_column(
            header,
            overflow="fold",
            justify="right" if is_right else "left",
            no_wrap=max(map(len, column)) <= SHORT,
        )
    for row in rows:
        drawn.add_row(*map(_styled, row))
    console.print(drawn)


def _styled(word: str) -> str:
    style = people.style(word)
    return f"[{style}]{_escape(word)}[/]" if style else _escape(word)


def terminal() -> Any:
    """A rich console, if rich is installed and stdout is a terminal; else None."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console(highlight=False)
    return console if console.is_terminal else None


def event(recorded: pyesdb.RecordedEvent) -> None:
    """Print an event as JSON: `data` when it is JSON, else `data_base64`."""
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
        with suppress(ValueError, RecursionError):  # it says that it is JSON: nobody has looked
            return line(described | {"data": recorded.json()})
    return line(described | {"data_base64": base64_of(recorded.data)})


def data_of(snapshot: pyesdb.Snapshot) -> dict[str, Any]:
    """The data of a snapshot: `data` when it is JSON, else `data_base64`."""
    with suppress(ValueError, RecursionError):
        value = snapshot.json()
        encoded(value)
        return {"data": value}
    return {"data_base64": base64_of(snapshot.data)}


def event_line(recorded: pyesdb.RecordedEvent, console: Any) -> None:
    """Print an event for people, on one line."""
    moment = people.when(recorded.time)
    stream = people.visible(recorded.stream)
    place = f"{recorded.position:>8}  {moment}  {stream}@{recorded.version}"
    data = f"<{len(recorded.data):,} bytes of {recorded.content_type}>"
    if is_json(recorded):
        with suppress(ValueError, RecursionError):  # as in `event`
            data = people.visible(json.dumps(recorded.json(), ensure_ascii=False))
    tags = people.visible("".join(f" #{tag}" for tag in recorded.tags))
    kind = people.visible(recorded.type)
    if console is None:
        click.echo(f"{place}  {kind}  {data}{tags}")
        return
    console.print(
        f"[dim]{_escape(place)}[/]  [bold cyan]{_escape(kind)}[/]  {_escape(data)}"
        f"[magenta]{_escape(tags)}[/]",
        soft_wrap=True,
    )


def is_json(recorded: pyesdb.RecordedEvent) -> bool:
    """Whether the data of an event is JSON by its content type."""
    kind = recorded.content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _columns(headers: Sequence[str], rows: list[list[str]], right: Sequence[bool]) -> None:
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in ([header.upper() for header in headers], *rows):
        cells = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _escape(words: str) -> str:
    from rich.markup import escape

    return escape(words)


def _encode(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
