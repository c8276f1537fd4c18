"""How values are spelled for people: times, numbers, settings, text that no terminal obeys.

What must never happen here: anything a program has to read; that is JSON, and made in `show`.
"""

import json
import os
import re
from datetime import datetime
from typing import Any

import click

from pyesdb.config import text
from pyesdb.config.sample import spelled

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, line ends, surrogates, and what turns the direction of text around."""

_STYLES = {
    "ok": "green", "running": "green", "yes": "green", "active": "green",
    "hint": "yellow", "frozen": "cyan", "starting": "yellow", "stopping": "yellow",
    "stopped": "yellow", "deleted": "yellow",
    "problem": "bold red", "failed": "bold red", "tombstoned": "red",
}  # fmt: skip
"""The colour of a word that is a whole cell."""


def visible(words: str) -> str:
    """Text in which every character shows: what would steer a terminal is spelled out."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", words)


def when(moment: datetime) -> str:
    """A time, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def setting(name: str, value: Any) -> str:
    """The value of a setting: "30d", not 2592000.0; "none" where nothing is set."""
    if value is None:
        return "none"
    if text.KINDS.get(name) == "duration":
        return spelled(value)
    return json.dumps(value, ensure_ascii=False)


def cell(value: object) -> str:
    """What stands in a table."""
    match value:
        case None:
            return ""
        case datetime():
            return when(value)
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case dict() | list():
            return visible(json.dumps(value, ensure_ascii=False))
        case _:
            return visible(str(value))


def coloured(word: str, width: int = 0) -> str:
    """A word in its colour, padded; click.echo leaves the colour away where nobody sees it."""
    padded, named = f"{word:<{width}}", style(word)
    if not named or os.environ.get("NO_COLOR"):
        return padded
    return click.style(padded, fg=named.split()[-1], bold="bold" in named)


def style(word: str) -> str:
    """The colour of a cell, "" for none."""
    return _STYLES.get(word, "")


def is_number(value: object) -> bool:
    """Whether a cell is a number, or an empty place among numbers."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool))
