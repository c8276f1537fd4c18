"""Durations and moments as users give them (float seconds or timedelta; aware datetimes)."""

from datetime import UTC, datetime, timedelta

from pyesdb.model import limits
from pyesdb.model.errors import InvalidConfig, RequestError

Duration = float | timedelta
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_YEAR_S = 366 * 86_400
_LONGEST_S = 1e9
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _US
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _US


def to_us(moment: object, what: str = "time") -> int:
    """Microseconds since 1970 UTC of an aware datetime; raises RequestError.

    Also for what is in another year in UTC than a datetime can have: it could not be read again.
    """
    if not isinstance(moment, datetime):
        raise RequestError(f"{what} must be a datetime, not {type(moment).__name__}")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise RequestError(f"{what} must have a time zone: datetime.now(UTC), not datetime.now()")
    us = (moment - _EPOCH) // _US
    if not _FIRST <= us <= _LAST:
        raise RequestError(
            f"{what} must be in the years 1 to 9999 of UTC, not {moment.isoformat()}"
        )
    return us


def to_datetime(us: int) -> datetime:
    """The UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def seconds(value: object, what: str) -> float:
    """A duration in seconds, more than 0; raises InvalidConfig."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidConfig(f"{what} must be seconds or a timedelta, not {value!r:.60}")
    if not 0 < value < 10**10:
        raise InvalidConfig(f"{what} must be more than 0 seconds, not {value!r:.60}")
    return float(value)


def timeout_s(value: object) -> float:
    """A deadline in seconds, at most 120; raises InvalidConfig."""
    found = seconds(value, "timeout")
    if found > limits.TIMEOUT_MAX_S:
        raise InvalidConfig(
            f"timeout must be at most {limits.TIMEOUT_MAX_S:.0f}, not {found:g}: "
            "it is in seconds, not milliseconds"
        )
    return found


def delay_us(value: object) -> int:
    """The delay of a retry in microseconds: None and 0 are none, at most a year."""
    if value is None:
        return 0
    found = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise RequestError(f"delay must be seconds or a timedelta, not {value!r:.60}")
    if not 0 <= found <= _YEAR_S:
        raise RequestError(
            f"delay must be from 0 seconds to a year, not {value!r:.60}: it is in seconds, not "
            "milliseconds"
        )
    return round(found * 1_000_000)


def wait_s(value: object) -> float | None:
    """The longest wait of `get(timeout=)` in seconds, 0: do not wait, None: no limit."""
    if value is None:
        return None
    found = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not found >= 0:
        raise RequestError(
            f"timeout must be seconds (0: do not wait) or a timedelta, not {value!r:.60}"
        )
    return float(min(found, _LONGEST_S))
