"""Which events of a store are transferred: those that a read of their stream shows.

`read_all` has hidden ones too (of deleted streams, truncated, expired) until a scavenge reclaims
them. What must never happen here: what was deleted comes to life in another store.
"""

from collections.abc import Iterable, Iterator

import pyesdb

_KNOWN_MAX = 65_536


def visible(
    store: pyesdb.Store, events: Iterable[pyesdb.RecordedEvent]
) -> Iterator[pyesdb.RecordedEvent]:
    """The events of a `read_all` that are not hidden in their streams.

    A stream is asked once, when its first event comes: what is hidden during the transfer may be
    in it, as it was when the transfer began.
    """
    firsts: dict[str, int] = {}
    for event in events:
        first = firsts.get(event.stream)
        if first is None:
            if len(firsts) == _KNOWN_MAX:
                firsts.clear()
            first = firsts[event.stream] = store.stream_info(event.stream).first_version
        if event.version >= first:
            yield event
