"""Named SQL statements, read from the .sql files of this room once."""

import re
from functools import lru_cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
FILES = ("schema", "machine", "read", "verify", "cut")
ROWS = 64
"""Rows of one repeated statement: each execution gives the interpreter lock away, so few of them;
64 is as fast as any larger number alone, and the fastest beside a busy thread (measured)."""


@lru_cache(maxsize=1)
def texts() -> dict[str, str]:
    """The text of every statement by its name."""
    found: dict[str, str] = {}
    for name in FILES:
        parts = _NAME.split((files("pyesdb.sqlite") / f"{name}.sql").read_text("utf-8"))
        for key, text in zip(parts[1::2], parts[2::2], strict=True):
            if key in found:
                raise KeyError(f"two statements are named {key}")
            found[key] = text.strip().rstrip(";")
    return found


def statement(name: str) -> str:
    """The text of a named statement."""
    return texts()[name]


def names() -> list[str]:
    """Every statement's name."""
    return list(texts())


@lru_cache(maxsize=1024)
def rows(name: str, count: int) -> str:
    """A statement whose last brackets are a row of values (or `IN (?)`), with it `count` times."""
    text = statement(name)
    start, end = text.rindex("("), text.rindex(")") + 1
    row = text[start:end]
    if row == "(?)":
        return f"{text[:start]}({', '.join('?' * count)}){text[end:]}"
    return text[:start] + ", ".join([row] * count) + text[end:]
