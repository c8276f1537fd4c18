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
    "matching",
    "picks",
    "stream_name",
    "tags",
]


def tags(stream: str, version: int) -> tuple[str, str, str]:
    """Three tags of an event: one for ten events, one for a hundred, one of five hundred values."""
    number = int(stream[-12:], 16)
    return f"order:{number}", f"customer:{number // 10}", f"sku:{(number * 7 + version) % 500}"


def matching(stream: str, version: int) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """What a decision about an order depends on: (any of these types, all of these tags), or."""
    order, customer, _sku = tags(stream, version)
    return ((TYPES[0], TYPES[1]), (order,)), ((TYPES[4],), (customer,))
