"""Event and command ids: UUID version 7, time-ordered (RFC 9562, section 5.7).

The time part keeps the table of recorded commands nearly sequential; 74 random bits make two equal
ids of one millisecond a matter of 10^22.
"""

import os
from collections import deque
from time import time_ns

_random: deque[bytes] = deque()
"""Random bytes in stock: one call to the system serves many ids; popleft is atomic."""
_BYTES, _STOCK = 10, 256


def _refill() -> bytes:
    stock = os.urandom(_BYTES * _STOCK)
    _random.extend(stock[i : i + _BYTES] for i in range(_BYTES, len(stock), _BYTES))
    return stock[:_BYTES]


os.register_at_fork(after_in_child=_random.clear)  # a child must not repeat its parent's ids


def uuid7_bytes() -> bytes:
    """A new UUID version 7 as 16 bytes."""
    try:
        random = int.from_bytes(_random.popleft())
    except IndexError:
        random = int.from_bytes(_refill())
    value = (time_ns() // 1_000_000 & 0xFFFFFFFFFFFF) << 80 | random
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return value.to_bytes(16)
