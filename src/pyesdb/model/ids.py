"""Event and command ids: UUID version 7, time-ordered (RFC 9562, section 5.7).

Behind the millisecond stands its fraction in 1/4096 (section 6.2, method 3), so the ids of one
process come in order: the table of recorded commands grows at its end, and an id that is larger
than all recorded ones need not be looked up there. 62 random bits make two equal ids of one such
moment a matter of 10^18.
"""

import os
from collections import deque
from time import time_ns

_random: deque[bytes] = deque()
"""Random bytes in stock: one call to the system serves many ids; popleft is atomic."""
_BYTES, _STOCK = 8, 256
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def _refill() -> bytes:
    raw = bytearray(os.urandom(_BYTES * _STOCK))
    raw[::_BYTES] = raw[::_BYTES].translate(_VARIANT)
    stock = bytes(raw)
    _random.extend([stock[i : i + _BYTES] for i in range(_BYTES, len(stock), _BYTES)])
    return stock[:_BYTES]


os.register_at_fork(after_in_child=_random.clear)  # a child must not repeat its parent's ids


def uuid7_bytes() -> bytes:
    """A new UUID version 7 as 16 bytes."""
    try:
        random = _random.popleft()
    except IndexError:
        random = _refill()
    ms, rest = divmod(time_ns(), 1_000_000)
    moment = (ms & 0xFFFFFFFFFFFF) << 16 | 0x7000 | (rest << 12) // 1_000_000
    return moment.to_bytes(8) + random
