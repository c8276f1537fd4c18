"""The work every contestant is given: that of `pyesdb bench`, so that both tell of the same."""

from pyesdb.operations.bench.work import (
    BODIES,
    EVENT_BYTES,
    EVENTS_PER_STREAM,
    TYPES,
    Body,
    body,
    encode,
    kind,
    picks,
    stream_name,
)

__all__ = [
    "BODIES",
    "EVENTS_PER_STREAM",
    "EVENT_BYTES",
    "TYPES",
    "Body",
    "body",
    "encode",
    "kind",
    "picks",
    "stream_name",
]
