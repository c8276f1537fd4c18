"""Which events: the options --stream, --prefix, --type, --tag and --payload, as one selector."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

import pyesdb
from pyesdb import select

F = TypeVar("F", bound=Callable[..., Any])
_GIVEN = "pyesdb.selection"


def selection_options(command: F) -> F:
    """Add the options; `selection` has what was given. Nothing is handed to the command."""
    for name, letters, text in reversed(OPTIONS):
        command = click.option(
            name,
            multiple=True,
            expose_value=False,
            callback=_keep,
            metavar=letters,
            help=text,
        )(command)
    return command


OPTIONS = (
    ("--stream", "NAME", "Events of this stream (repeatable: any of)."),
    ("--prefix", "TEXT", "Events of streams whose name starts with this (repeatable: any of)."),
    ("--type", "NAME", "Events of this type (repeatable: any of)."),
    ("--tag", "TAG", "Events with this tag (repeatable: all of)."),
    ("--payload", "PATH=VALUE", "Events whose JSON data has this at a path (repeatable: all of)."),
)


def _keep(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    if value and parameter.name:
        context.meta.setdefault(_GIVEN, {})[parameter.name] = value


def selected() -> dict[str, Sequence[str]]:
    """The options of a selection that this command line gives."""
    given: dict[str, Sequence[str]] = click.get_current_context().meta.get(_GIVEN, {})
    return {f"--{name}": values for name, values in given.items()}


def selection() -> pyesdb.Selector | None:
    """What this command line selects: all that is given must hold. None: everything."""
    given: dict[str, Sequence[str]] = click.get_current_context().meta.get(_GIVEN, {})
    parts: list[pyesdb.Selector] = []
    if names := given.get("stream"):
        parts.append(_any_of([select.stream(name) for name in names]))
    if prefixes := given.get("prefix"):
        parts.append(_any_of([_starting_with(prefix) for prefix in prefixes]))
    if types := given.get("type"):
        parts.append(select.event_type(*types))
    if tags := given.get("tag"):
        parts.append(select.tags(*tags))
    if pairs := given.get("payload"):
        parts.append(select.payload(dict(map(_pair, pairs))))
    chosen: pyesdb.Selector | None = None
    for part in parts:
        chosen = part if chosen is None else chosen & part
    return chosen


def _starting_with(prefix: str) -> pyesdb.Selector:
    """Streams whose name starts with a text: an unset variable is none, and * is no letter here."""
    if not prefix or "*" in prefix:
        raise click.UsageError(f"--prefix {prefix!r} must be a text without *, and not empty")
    return select.pattern(stream=f"{prefix}*")


def _any_of(parts: Sequence[pyesdb.Selector]) -> pyesdb.Selector:
    chosen = parts[0]
    for part in parts[1:]:
        chosen = chosen | part
    return chosen


def _pair(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise click.UsageError(f"--payload {text!r} is not PATH=VALUE, like customer.id=42")
    try:
        return path, json.loads(value)
    except (ValueError, RecursionError):
        return path, value
