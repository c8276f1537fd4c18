"""How many events a consumer claims at once: what is claimed and not handed out yet grows old.

What must never happen here: pages whose bytes grow without bound, or that shrink while nothing has
to be handled.
"""

import time
from collections.abc import Sequence

from pyesdb.model.events import RecordedEvent
from pyesdb.model.limits import CLAIM_EVENTS_MAX

_FIRST = 32
_QUICK_S, _SLOW_S = 0.25, 1.0
_BYTES = 4 << 20


class Pace:
    """Pages as large as are handled in a short time, and fit into memory."""

    def __init__(self) -> None:
        self.page = _FIRST
        self._got: tuple[int, int, float] | None = None
        """How many events the last claim gave, their bytes, and when (monotonic seconds)."""

    def received(self, events: Sequence[RecordedEvent]) -> None:
        """A claim gave these, to be handled."""
        if events:
            size = sum([len(event.data) for event in events])
            self._got = len(events), size, time.monotonic()

    def passed(self, taken: int) -> None:
        """A claim took so many and gave none: all of them wait for others."""
        if taken >= self.page:
            self.page = min(CLAIM_EVENTS_MAX, self.page * 2)

    def handled(self, lease_s: float) -> None:
        """What was received is handed out, all of it."""
        if self._got is None:
            return
        count, size, since = self._got
        self._got = None
        took = time.monotonic() - since
        slow = min(_SLOW_S, lease_s / 8)
        fits = count * _BYTES // max(1, size)
        if took > slow or fits < count:
            self.page = max(1, min(fits, int(count * slow / took) if took > slow else count))
        elif took < min(_QUICK_S, slow / 2) and count >= self.page:
            self.page = min(CLAIM_EVENTS_MAX, self.page * 2, max(1, fits))
