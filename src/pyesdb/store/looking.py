"""What a consumer finds when it looks: the subscription, what is due, and what it selects next.

One look is one moment of the file, on a read connection. What it finds is a proposal: the log
decides. What must never happen here: a look that examines the store without bound.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pyesdb.machine.subscriptions import Kept, decode_rules
from pyesdb.model.events import Origin, RecordedEvent
from pyesdb.model.limits import CLAIM_EVENTS_MAX
from pyesdb.model.selectors import Selector
from pyesdb.store import queries
from pyesdb.store.readers import Names, Reader
from pyesdb.store.reads import AllRead, Source, build
from pyesdb.telemetry.clock import now_us

PIECES = 16
"""So many pieces of the store are examined at most in one look, each as large as a page grows."""


Row = tuple[Any, ...]


class Wanted(msgspec.Struct, frozen=True):
    """What a consumer looks for: up to `most` events behind where it has examined the store.

    `unsaid`: how many events it will settle with its claim.
    """

    number: int
    consumer: bytes
    selector: Selector | None
    most: int
    unsaid: int
    cursor: int
    scanned: int


class Look(msgspec.Struct, frozen=True):
    """What was found. Times in seconds from now on; None: nothing is known to come."""

    kept: Kept
    cursor: int
    scanned: int
    events: list[RecordedEvent]
    more: bool
    """Whether there is more to examine."""
    due: bool
    """Whether something is due that this consumer may have."""
    late: bool
    """Whether a lease has run out."""
    full: bool
    """Whether the window leaves no room."""
    idle: bool
    """Whether there is nothing at all for any consumer."""
    wait_s: float | None


class _Here:
    """A source of reads on the connection that is at hand."""

    def __init__(self, reader: Reader, source: Source) -> None:
        self.reader = reader
        self.origin: Origin = source.origin
        self.names: Names = source.names

    def ask(self, question: Callable[[Reader], Any]) -> Any:
        """Answer a question."""
        return question(self.reader)


class _Page(AllRead):
    """A read whose first piece is already as large as the page that is wanted."""

    def __init__(self, source: Source, after: int, selector: Selector | None, most: int) -> None:
        super().__init__(source, after, None, None, selector, None, backwards=False, system=False)
        self._page = max(1, most)


def look(source: Source, wanted: Wanted, reader: Reader) -> Look | None:
    """Look; None when the subscription is not there any more."""
    with reader.moment():
        rows = reader.all("subscription_at", wanted.number)
        if not rows:
            return None
        kept, cursor = decode_rules(rows[0][2]), rows[0][3]
        state = queries.state(reader)
        now = max(state.clock, now_us())
        in_flight = reader.all("deliveries_in_flight", wanted.number)
        free = kept.window - len(in_flight) + wanted.unsaid
        next_due, next_late = reader.all("next_times", wanted.number, now)[0]
        rows = reader.all("due_deliveries", wanted.number, now, len(in_flight) + 1)
        due = free > 0 and _may_have(rows, wanted, kept, in_flight)
        scanned = max(cursor, wanted.scanned) if cursor == wanted.cursor else cursor
        events: list[RecordedEvent] = []
        more = False
        if free > 0 and wanted.most > 0 and scanned < state.position:
            most = min(wanted.most, free, CLAIM_EVENTS_MAX)
            page = _Page(_Here(reader, source), scanned, wanted.selector, most)
            events = page.begin()
            for _ in range(PIECES):
                if events or page.over:
                    break
                events = page.piece()
            if len(events) > most:  # later pieces are larger
                events = events[:most]
                scanned, more = events[-1].position, True
            else:
                scanned, more = page.scanned_to, not page.over
    times = [moment for moment in (next_due, next_late) if moment is not None]
    return Look(
        kept=kept,
        cursor=cursor,
        scanned=scanned,
        events=events,
        more=more,
        due=due,
        late=next_late is not None and next_late <= now,
        full=free <= 0,
        idle=not (rows or events or more) and free > 0,
        wait_s=max(0, min(times) - now) / 1_000_000 if times else None,
    )


def _may_have(rows: list[Row], wanted: Wanted, kept: Kept, in_flight: list[Row]) -> bool:
    if not kept.in_order:
        return bool(rows)
    elsewhere = {stream for _, stream, consumer, _ in in_flight if consumer != wanted.consumer}
    return any(row[1] not in elsewhere for row in rows)


def events_at(reader: Reader, source: Source, positions: list[int]) -> list[RecordedEvent]:
    """The events at these positions, as far as they are there."""
    return build(reader, source, reader.find("events_at", positions))
