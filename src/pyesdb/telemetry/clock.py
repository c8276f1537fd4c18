"""The wall clock, replaceable for tests. Nothing else in the package asks what time it is."""

import time
from collections.abc import Callable

_source: Callable[[], int] = time.time_ns


def now_us() -> int:
    """Microseconds since 1970 UTC."""
    return _source() // 1000


def set_source(source: Callable[[], int] | None) -> Callable[[], int]:
    """Take the time from `source` (nanoseconds since 1970 UTC); None: the system's clock again.

    Returns the one before. For tests: a frozen or jumping clock. Affects every database of this
    process.
    """
    global _source
    before, _source = _source, source or time.time_ns
    return before
