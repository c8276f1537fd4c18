"""Following: a cursor, and pages behind it. What both faces of a follower share.

The cursor moves by what was examined, not by what was selected, and only together with the page
that it stands behind. What must never happen here: an event that is passed over or given twice,
whatever is raised into it; a page in memory beside the one that is read from.
"""

from collections.abc import Sequence

from pyesdb.model.events import RecordedEvent
from pyesdb.model.selectors import Selector
from pyesdb.model.versions import Cursor
from pyesdb.store.reads import AllRead, Source
from pyesdb.store.runtime import StoreRuntime

BUDGET = 50_000
"""So many positions are examined in one read at most, however rare what is selected is: a read
cannot be stopped, and holds up whoever moves the log into the file."""

Piece = tuple[Sequence[RecordedEvent], int, int, int, AllRead | None]
"""Events, the position examined, the head that was read up to, doubts, and what goes on."""


class Follow:
    """Where a follower stands. Used by one thread at a time; `source`: what it reads from."""

    def __init__(
        self,
        runtime: StoreRuntime,
        after: int,
        selector: Selector | None,
        *,
        system: bool,
        source: Source | None = None,
        head: int = -1,
    ) -> None:
        self.runtime = runtime
        self._source: Source = source or runtime
        self._selector = selector
        self._system = system
        self._scanned = after
        self._mark = head if after >= head else -1
        """The head that the last read went up to; -1: there was none."""
        self._doubts = runtime.doubts
        self._read: AllRead | None = None
        self._page: Sequence[RecordedEvent] = ()
        self._next = 0

    def take(self) -> RecordedEvent | None:
        """The next event of the page; None when it is used up."""
        number = self._next
        if number >= len(self._page):
            self._page = ()  # who waits keeps no page
            return None
        self._next = number + 1
        return self._page[number]

    def check(self) -> None:
        """Raise what ended the store."""
        if self.runtime.ended is not None:
            raise self.runtime.ended.with_traceback(None)

    @property
    def behind(self) -> bool:
        """Whether `fill` may find something."""
        return (
            self._read is not None
            or self.runtime.head.position > self._mark
            or self.runtime.doubts != self._doubts
        )

    def look(self) -> int:
        """How far the store reaches, for one who does not wait until he is told."""
        self.runtime.look()
        return self.runtime.head.position

    def fill(self) -> None:
        """Examine the next piece of the store, once the page is used up; one short read.

        The page may stay empty though there is more to examine (`behind`). An error leaves the
        cursor where it was: the piece is examined once more.
        """
        try:
            self.put(self.fetch())
        except BaseException:
            self.again()
            raise

    def fetch(self) -> Piece:
        """The next piece. On any thread: nothing changes here before it is `put`."""
        doubts = self.runtime.doubts
        read, events = self._piece()
        self.runtime.head.seen(read.reach)
        scanned = max(self._scanned, read.scanned_to)
        return events, scanned, read.head, doubts, None if read.over else read

    def put(self, piece: Piece) -> None:
        """Have a piece as the page, and the cursor behind it."""
        events, scanned, mark, doubts, read = piece
        # together: nothing is called here, so no signal comes in between
        self._page = events
        self._next = 0
        self._scanned = scanned
        self._mark = mark
        self._doubts = doubts
        self._read = read

    def again(self) -> None:
        """What was fetched and not put is lost: the next piece starts at the cursor."""
        self._read, self._mark = None, -1

    def _piece(self) -> tuple[AllRead, list[RecordedEvent]]:
        read = self._read
        if read is not None:
            return read, read.piece()
        read = AllRead(
            self._source,
            self._scanned,
            None if self._selector is None else self._scanned + BUDGET + 1,
            None,
            self._selector,
            None,
            backwards=False,
            system=self._system,
        )
        return read, read.begin()

    @property
    def scanned(self) -> int:
        """The last position examined."""
        return self._scanned

    @property
    def position(self) -> int:
        """The last position examined of which everything was taken."""
        if self._next < len(self._page):
            return self._page[self._next].position - 1
        return self._scanned

    @property
    def cursor(self) -> Cursor:
        """The same, with the history that it belongs to."""
        return Cursor(self.runtime.incarnation, self.position)

    @property
    def caught_up(self) -> bool:
        """Whether everything was taken that this process knows of."""
        return self._next >= len(self._page) and not self.behind

    @property
    def lag(self) -> int:
        """How many positions lie between here and the end that this process knows of."""
        return max(0, self.runtime.head.position - self.position)
