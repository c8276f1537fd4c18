"""The work every contestant is given: the same events, streams and order.

What must never happen here: something that one contestant gets and another does not.
"""

import random

import msgspec

Body = dict[str, object]

EVENT_BYTES = 256
TYPES = ("OrderPlaced", "OrderPaid", "OrderPacked", "OrderShipped", "OrderClosed")
EVENTS_PER_STREAM = 10

encode = msgspec.json.Encoder().encode


def body(number: int) -> Body:
    """A dict whose JSON has exactly 256 bytes."""
    fields: Body = {
        "order": f"{number:012d}",
        "customer": f"{number * 7919 % 1_000_000:08d}",
        "total": 1000 + number % 9000,
        "currency": "EUR",
        "lines": [{"sku": f"sku-{number % 500:04d}", "count": 1 + number % 9}],
        "note": "",
    }
    fields["note"] = "." * (EVENT_BYTES - len(encode(fields)))
    return fields


BODIES = [body(number) for number in range(1000)]


def kind(version: int) -> str:
    """The event type at a version of a stream."""
    return TYPES[version % len(TYPES)]


def stream_name(number: int) -> str:
    """The name of a stream, a UUID so that every contestant can use it as it is."""
    return f"00000000-0000-4000-8000-{number:012x}"


def picks(streams: int, count: int) -> list[int]:
    """Numbers of streams to replay: the same choice for everyone."""
    return random.Random(20130101).choices(range(streams), k=count)
