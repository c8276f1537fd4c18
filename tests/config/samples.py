"""One value for each setting, found from the table: a new setting needs no line here."""

from __future__ import annotations

import json
from typing import Any

from pyesdb.config import text
from pyesdb.config.settings import EVERY
from pyesdb.model.errors import InvalidConfig

WORDS: dict[text.Kind, tuple[str, ...]] = {
    "duration": ("1h", "20s"),
    "int": ("7",),
    "list": ("a, b",),
    "text": ("some words",),
}


def word(name: str) -> str:
    """A text for a setting that is allowed and not its default."""
    for found in (*reversed(text.choices(name)), *WORDS[text.KINDS[name]]):
        try:
            if EVERY[name].check(text.parse(name, found)) != EVERY[name].default:
                return found
        except InvalidConfig:
            continue
    raise AssertionError(f"no sample fits the setting {name}: add one to WORDS")


def stored(name: str) -> Any:
    """What that text is stored as."""
    return EVERY[name].check(text.parse(name, word(name)))


def toml(name: str) -> str:
    """The setting as a line of TOML; JSON is TOML for numbers, text and lists of text."""
    kept = word(name) if text.KINDS[name] == "duration" else stored(name)
    return f"{name} = {json.dumps(kept)}\n"


NAMES = sorted(EVERY)
