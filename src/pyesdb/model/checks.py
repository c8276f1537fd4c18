"""Checks of plain arguments; each raises RequestError with what to pass instead."""

from typing import Any
from uuid import UUID

from pyesdb.model.errors import RequestError
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.versions import Cursor

_PLACES = {"after", "before", "as_of", "at_least"}
"""Arguments that are positions, which a Cursor has and is not."""


def check_int(value: object, what: str, *, least: int = 0) -> int:
    """An int of at least `least` (bool is none)."""
    if type(value) is not int or not least <= value < POSITION_MAX:
        place = what in _PLACES and isinstance(value, Cursor)
        hint = ": give its .position" if place else ""
        raise RequestError(f"{what} must be an int of at least {least}, not {value!r:.60}{hint}")
    return value


def check_optional_int(value: object, what: str, *, least: int = 0) -> int | None:
    """An int of at least `least`, or None."""
    return None if value is None else check_int(value, what, least=least)


def check_uuid(value: object, what: str) -> UUID:
    """A UUID."""
    if not isinstance(value, UUID):
        raise RequestError(f"{what} must be a uuid.UUID, not {value!r:.60}")
    return value


def check_bool(value: object, what: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise RequestError(f"{what} must be True or False, not {value!r:.60}")
    return value


def check_one_of(value: object, what: str, allowed: tuple[str, ...]) -> Any:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        raise RequestError(
            f"{what} must be one of {', '.join(map(repr, allowed))}, not {value!r:.60}"
        )
    return value


def check_progress(value: object) -> None:
    """A function that is told (done, total), or None."""
    if value is not None and not callable(value):
        raise RequestError(
            f"on_progress must be callable, not {value!r:.60}: it is called with (done, total)"
        )
