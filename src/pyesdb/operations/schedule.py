"""A duty again and again: for scheduled backups and clean-ups in a process of their own."""

import threading
from collections.abc import Callable


def every(
    interval_s: float,
    duty: Callable[[], object],
    *,
    stop: threading.Event,
) -> int:
    """Do a duty now and then every `interval_s` seconds until `stop` is set; how often it was done.

    The interval counts from the end of one round to the start of the next. What the duty raises
    ends the schedule: let it answer for what may fail.
    """
    rounds = 0
    while not stop.is_set():
        duty()
        rounds += 1
        stop.wait(interval_s)
    return rounds
