"""The engine: events of a supply into a store, in order, each once, whatever dies when.

Every batch carries `tracking=(source, position of its last event)`, so the cursor is committed in
the transaction of its events. Batches go one after the other: what is stored is always a prefix.
What must never happen here: a batch behind one that failed; events regrouped out of their order.
"""

from collections.abc import Callable, Iterator

import pyesdb
from pyesdb.transfer import form
from pyesdb.transfer.errors import InvalidExport, SourceConflict
from pyesdb.transfer.results import ImportResult
from pyesdb.transfer.supply import Arrival, Known, Supply

BATCH = 2_000
"""Events in one append, at most: a few tens of milliseconds, in which others can append, too."""
BATCH_BYTES = 1 << 20


class Batch:
    """Events that one append_many stores in their order, stream by stream.

    In it a stream appears once and its events stand together. So a batch ends where a stream comes
    up again behind another one.
    """

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._streams: dict[str | None, list[pyesdb.NewEvent]] = {}
        self._current: list[pyesdb.NewEvent] = []
        self._bytes = 0
        self.count = 0
        self.position = 0

    def fits(self, arrival: Arrival) -> bool:
        """Whether an event can be added without breaking the order or a limit."""
        if not self.count:
            return True
        known = self._streams.get(arrival.stream)
        return (
            (known is None or known is self._current)
            and self.count < self._events_max
            and self._bytes + arrival.size <= self._bytes_max
        )

    def add(self, arrival: Arrival) -> None:
        """Take an event."""
        events = self._streams.get(arrival.stream)
        if events is None:
            events = self._streams[arrival.stream] = []
        events.append(arrival.event)
        self._current = events
        self._bytes += arrival.size
        self.count += 1
        self.position = arrival.position

    @property
    def first_stream(self) -> str:
        """The stream of its first event, as recorded."""
        return next(iter(self._streams)) or form.EVENTS

    def appends(self) -> list[pyesdb.Append]:
        """What append_many takes."""
        return [pyesdb.Append(stream, events) for stream, events in self._streams.items()]


class Writer:
    """Stores batches under a source name, unless somebody else does so meanwhile."""

    def __init__(self, store: pyesdb.Store, source: str, after: int) -> None:
        self._store = store
        self._head = _head(store)  # before the cursor is read: see `store`
        self.source, self.recorded = _cursor(store, source, after)
        self.events = self.duplicates = 0

    def store(self, batch: Batch) -> None:
        """Store a batch behind the last one.

        Tracked positions must increase, but may leap, and a second import of the same source may
        cut its batches elsewhere. It stores a prefix, too: so it cannot have gone on without
        storing the first event of this batch, in whose stream nobody else's event may stand behind
        the head at which the cursor was known.
        """
        done = self._append(batch)
        if done.duplicate:
            self.duplicates += batch.count
            return
        self.events += batch.count
        self.recorded = batch.position
        self._head = done.position or self._head

    def _append(self, batch: Batch) -> pyesdb.AppendManyResult:
        stream = pyesdb.select.stream(batch.first_stream)
        while True:  # each turn means that another writer has appended to that stream
            try:
                return self._store.append_many(
                    batch.appends(),
                    tracking=(self.source, batch.position),
                    condition=pyesdb.AppendCondition(stream, after=self._head),
                )
            except pyesdb.ConditionFailed:
                self._look_again()

    def _look_again(self) -> None:
        """Somebody appended to that stream: any other writer, or an import of this source."""
        self._head = _head(self._store)
        recorded = self._store.tracked(self.source) or 0
        if recorded != self.recorded:
            raise pyesdb.TrackingConflict(
                f"another import of {self.source!r} is under way, it has come to {recorded}: "
                "let it end, then repeat this one; each event is stored once",
                source=self.source,
                position=self.recorded,
                recorded=recorded,
            )


def run(
    store: pyesdb.Store,
    supply: Supply,
    source: str | None,
    batch_events: int,
    on_progress: Callable[[int, int], None] | None,
) -> ImportResult:
    """Store everything a supply gives that is not stored yet."""
    limits = store.info().config
    events_max = min(batch_events, limits.max_append_events)
    bytes_max = min(BATCH_BYTES, limits.max_append_bytes)
    writer = Writer(store, supply.source if source is None else source, supply.after)
    batch = Batch(events_max, bytes_max)
    arrivals = supply.events(writer.recorded, writer.source)
    try:
        for arrival in _compared(store, writer.source, supply, arrivals):
            if not batch.fits(arrival):
                writer.store(batch)
                batch = Batch(events_max, bytes_max)
                if on_progress is not None:
                    on_progress(*supply.progress())
            batch.add(arrival)
    except InvalidExport as error:
        if batch.count:
            writer.store(batch)
        error.after_storing(writer.events, writer.source)
        raise
    if batch.count:
        writer.store(batch)
    if on_progress is not None:
        on_progress(*supply.progress())
    return ImportResult(
        writer.source, writer.events, supply.skipped, writer.duplicates, writer.recorded
    )


def _compared(
    store: pyesdb.Store, source: str, supply: Supply, arrivals: Iterator[Arrival]
) -> Iterator[Arrival]:
    """The arrivals, once it is known that what was passed over is what the store has."""
    first = next(arrivals, None)
    if supply.known is not None:
        _check_known(store, source, supply.known)
    if first is not None:
        yield first
        yield from arrivals


def _check_known(store: pyesdb.Store, source: str, known: Known) -> None:
    """The last event passed over must be in the store, if its stream is there from its start."""
    try:
        info = store.stream_info(known.stream)
    except pyesdb.StreamNotFound:
        info = None
    if info is not None:
        if info.state != "active" or info.first_version > 0:
            return  # truncated or deleted since: nothing can be said
        for event in store.read(known.stream, backwards=True, missing_ok=True):
            if event.id == known.id:
                return
    raise SourceConflict(
        f"source {source!r} is recorded up to a position behind {known.position}, but the event "
        f"that stands there now ({known.id} of {known.stream!r}) was never stored: other events "
        "were imported under this name; give this import a source name of its own",
        source=source,
        position=known.position,
    )


def _head(store: pyesdb.Store) -> int:
    return store.read_all(backwards=True, limit=1).head


def _cursor(store: pyesdb.Store, source: str, after: int) -> tuple[str, int]:
    """The name to track, and what the store has recorded under it.

    An export that begins behind a position goes on with the whole one if the store has come that
    far. If not, there is a gap: it gets a name of its own, so that the gap can be filled later.
    """
    recorded = store.tracked(source) or 0
    if not after:
        return source, recorded
    own = f"{source}+{after}"
    begun = store.tracked(own)
    if begun is None and recorded >= after:
        return source, recorded
    return own, begun or 0
