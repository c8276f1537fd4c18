"""A clock that stands still until a test moves it."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from pyesdb.model.durations import to_datetime, to_us
from pyesdb.telemetry.clock import set_source

START = datetime(2030, 1, 1, tzinfo=UTC)


class FrozenClock:
    """The time of every database of this process while `frozen_clock` holds.

    A store's `created` never decreases: set it back, and new events have the last moment again.
    """

    def __init__(self, start: datetime) -> None:
        self._us = to_us(start, "start")

    @property
    def now(self) -> datetime:
        """The moment at which it stands, UTC."""
        return to_datetime(self._us)

    def set(self, moment: datetime) -> None:
        """Stand at another moment (aware)."""
        self._us = to_us(moment, "moment")

    def move(self, by: timedelta | None = None, **units: float) -> None:
        """Move by a timedelta, or by what makes one: `move(hours=2)`."""
        self._us += (timedelta(**units) if by is None else by) // timedelta(microseconds=1)

    def ns(self) -> int:
        """Nanoseconds since 1970 UTC."""
        return self._us * 1000

    def __repr__(self) -> str:
        return f"<FrozenClock {self.now.isoformat()}>"


@contextmanager
def frozen_clock(start: datetime = START) -> Generator[FrozenClock]:
    """Stop the clock of every database of this process, at 2030-01-01 UTC or another moment.

    It is what `created`, `max_age`, the trash and `dedup_window` go by, and the delays of `nack`
    and `ack_timeout`: what is due later is delivered again when the clock was moved there. The ids
    that events get by default, and deadlines, go by the machine's clocks.
    """
    clock = FrozenClock(start)
    before = set_source(clock.ns)
    try:
        yield clock
    finally:
        set_source(before)
