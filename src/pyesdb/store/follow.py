"""Following: a cursor, and pages behind it. What both faces of a follower share.

The cursor moves by what was examined, not by what was selected, and only together with the page
that it stands behind. What must never happen here: an event that is passed over or given twice,
whatever is raised into it; a page in memory beside the one that is read from.
"""

from pyesdb.model.events import RecordedEvent
from pyesdb.model.selectors import Selector
from pyesdb.model.versions import Cursor
from pyesdb.store.reads import AllRead, Source
from pyesdb.store.runtime import StoreRuntime


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
    ) -> None:
        self.runtime = runtime
        self._source: Source = source or runtime
        self._selector = selector
        self._system = system
        self._scanned = after
        self._mark = -1
        """The head that the last read went up to; -1: there was none."""
        self._read: AllRead | None = None
        self._page: list[RecordedEvent] = []
        self._next = 0

    def take(self) -> RecordedEvent | None:
        """The next event of the page; None when it is used up."""
        number = self._next
        if number >= len(self._page):
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
        return self._read is not None or self.runtime.head.position > self._mark

    def fill(self) -> None:
        """Examine the next piece of the store, once the page is used up; one short read.

        The page may stay empty though there is more to examine (`behind`). An error leaves the
        cursor where it was: the piece is examined once more.
        """
        try:
            read, events = self._piece()
            scanned = max(self._scanned, read.scanned_to)
            mark = read.head
            read = None if read.over else read
        except BaseException:
            self._read, self._mark = None, -1
            raise
        # together: nothing is called here, so no signal comes in between
        self._page = events
        self._next = 0
        self._scanned = scanned
        self._mark = mark
        self._read = read
        self.runtime.head.seen(mark)

    def _piece(self) -> tuple[AllRead, list[RecordedEvent]]:
        read = self._read
        if read is not None:
            return read, read.piece()
        read = AllRead(
            self._source,
            self._scanned,
            None,
            None,
            self._selector,
            None,
            backwards=False,
            system=self._system,
        )
        return read, read.begin()

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
