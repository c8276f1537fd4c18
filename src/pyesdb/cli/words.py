"""Words of the command line that stand for something: durations, moments, JSON."""

import json
from datetime import UTC, datetime
from typing import Any, Literal, cast

import click

import pyesdb
from pyesdb.config import text


class AsOf(click.ParamType[Any]):
    """A position, or a time; a time without a zone is UTC."""

    name = "POSITION|TIME"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | datetime:
        """The position or the aware datetime that a word stands for."""
        if str(value).isascii() and str(value).isdigit():
            return int(value)
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no position and no time like 2013-01-31T12:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Start(click.ParamType[Any]):
    """A position, or the end."""

    name = "N|end"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | Literal["end"]:
        """The position, or "end"."""
        if str(value).lower() == "end":
            return "end"
        if str(value).isascii() and str(value).isdigit():
            return int(value)
        return self.fail(f"{value!r} is no position, and not end", param, ctx)


_LONGEST_S = 9_000_000_000
"""285 years: in nanoseconds, what a sleep can count."""


class _Duration(click.ParamType[Any]):
    """Seconds, of words like 90, 15min, 30d, PT15M."""

    name = "DURATION"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The seconds of a duration, more than 0."""
        try:
            found = text.duration(str(value), "it")
        except pyesdb.InvalidConfig as error:
            self.fail(str(error), param, ctx)
        if not 0 < found < _LONGEST_S:
            self.fail(f"it must be more than 0 and less than {_LONGEST_S:,} s", param, ctx)
        return found


DURATION = _Duration()


def json_value(word: str | bytes, what: str) -> Any:
    """The value of a JSON text; a usage error that names `what`."""
    try:
        return json.loads(word)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{what} is not JSON: {error}") from None


def json_object(word: str | bytes, what: str) -> dict[str, Any]:
    """The same for an object."""
    value = json_value(word, what)
    if not isinstance(value, dict):
        raise click.UsageError(f'{what} must be a JSON object, like {{"key": 1}}')
    return cast("dict[str, Any]", value)
