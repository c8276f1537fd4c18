"""Refusals in one form: code, text for people, fields for programs."""

from typing import Any

from pyesdb.model.outcomes import Refused
from pyesdb.model.versions import expected_of, version_of


def refuse(code: str, message: str, **fields: Any) -> Refused:
    """A refusal; `code` is that of an error of model.errors."""
    return Refused(code, message, fields)


def wrong_version(stream: str, expected: int, actual: int) -> Refused:
    """The stream is not at the expected version."""
    return refuse(
        "wrong_expected_version",
        f"stream {stream!r} is at {version_of(actual)!r}, not at {expected_of(expected)!r}: "
        "read it again and decide anew",
        stream=stream,
        expected=expected,
        actual=actual,
    )


def not_found(stream: str) -> Refused:
    """The stream never existed."""
    return refuse("stream_not_found", f"there is no stream {stream!r}")


def deleted(stream: str) -> Refused:
    """The stream was deleted."""
    return refuse(
        "stream_deleted", f"stream {stream!r} was deleted; append with ANY brings it back"
    )


def tombstoned(stream: str) -> Refused:
    """The stream was tombstoned."""
    return refuse("stream_tombstoned", f"stream {stream!r} was tombstoned: use another name")


def over_limit(what: str, setting: str, limit: int, value: int, advice: str) -> Refused:
    """Something is larger than its limit."""
    return refuse(
        "limit_exceeded",
        f"{what}: {value:,} is more than {setting} = {limit:,}; {advice}; nothing was stored",
        limit=limit,
        value=value,
        setting=setting,
    )
