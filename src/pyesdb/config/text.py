"""Settings and durations as text: of a variable, of a flag, of a file.

What must never happen here: a rule about a value. This is spelling only; the check of the table
judges what was meant.
"""

import json
import re
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pyesdb.model.config import ServerSettings
from pyesdb.model.durations import Duration
from pyesdb.model.errors import InvalidConfig

Kind = Literal["duration", "int", "list", "text"]

_UNITS = {
    "ms": 0.001,
    "s": 1, "sec": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_PLAIN = re.compile(_NUMBER)
_PARTS = re.compile(rf"(?:{_NUMBER} ?[a-z]+ ?)+")
_PART = re.compile(rf"({_NUMBER}) ?([a-z]+)")
_ISO = re.compile(
    rf"P(?=.)(?:({_NUMBER})W)?(?:({_NUMBER})D)?"
    rf"(?:T(?=.)(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?"
)
_ISO_SECONDS = (604800, 86400, 3600, 60, 1)
_INT = re.compile(r"[+-]?[0-9]{1,20}")


def duration(text: str, what: str) -> float:
    """Seconds of "90", "30d", "1h 30min" or ISO 8601 like "PT15M"; raises InvalidConfig.

    Months and years are no durations: they differ in length.
    """
    word = text.strip()
    if _PLAIN.fullmatch(word):
        return float(word)
    if (found := _ISO.fullmatch(word)) is not None:
        return sum(float(n) * s for n, s in zip(found.groups(), _ISO_SECONDS, strict=True) if n)
    parts: list[tuple[str, str]] = _PART.findall(word) if _PARTS.fullmatch(word) else []
    if not parts or any(unit not in _UNITS for _, unit in parts):
        raise InvalidConfig(
            f'{what} must be a duration like "90" (seconds), "15min", "30d", "1h 30min" or '
            f'"PT15M", not {text!r:.60}'
        )
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _kind(hint: Any) -> Kind:
    if hint == Duration:
        return "duration"
    if hint is int:
        return "int"
    return "text" if hint is str or get_origin(hint) is Literal else "list"


_HINTS = get_type_hints(ServerSettings)
KINDS: dict[str, Kind] = {name: _kind(hint) for name, hint in _HINTS.items()}
"""How each setting is spelled, from its type in ServerSettings."""


def choices(name: str) -> tuple[str, ...]:
    """The words that a setting can be, () when it is not one of a few."""
    hint = _HINTS[name]
    return tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()


def parse(name: str, text: str) -> Any:
    """The value of a setting that is given as text; raises InvalidConfig.

    A list is JSON, or words between commas.
    """
    match KINDS[name]:
        case "duration":
            return duration(text, name)
        case "int":
            if not _INT.fullmatch(text.strip()):
                raise InvalidConfig(f"{name} must be an int, not {text!r:.60}")
            return int(text)
        case "list":
            return _list(name, text)
        case "text":
            return text


def _list(name: str, text: str) -> Any:
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidConfig(
                f'{name} must be a JSON list like ["a", "b"] or words between commas, '
                f"not {text!r:.60}"
            ) from None
    return [word.strip() for word in text.split(",") if word.strip()]
