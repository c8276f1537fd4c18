"""The lead of a lane on its way from one thread to another, and what a signal must not break.

From Python 3.12 on no thread can be started any more once the main thread has ended: others may go
on for long, and `atexit` calls what is registered. Then whoever has something to hand on does it.

What must never happen here: waiting for another thread, or a lock; a lead that waits for a thread
which nobody could start.
"""

import _thread
import sys
import threading
from collections.abc import Callable

from pyesdb.telemetry.log import logger


class Handing:
    """The lead on its way from a caller to another thread, which claims it."""

    __slots__ = ("owner",)

    def __init__(self, owner: object) -> None:
        self.owner = owner


class Interlude:
    """The leader of `Outbox.alone`: it has something to do while nothing is committed."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()


def start_thread(function: Callable[..., None], *args: object) -> bool:
    """Start a thread without waiting for it: one C call, so a signal comes before or after it.

    False: none can be had.
    """
    if sys.is_finalizing():  # it would never run
        return False
    try:
        _thread.start_new_thread(function, args)
    except RuntimeError:
        return False
    return True


def elsewhere(function: Callable[..., None], *args: object) -> None:
    """On a thread of its own; on this one, where none can be had."""
    if not start_thread(function, *args):
        function(*args)


def surely(step: Callable[[], None]) -> None:
    """Do something that may be done twice, whatever signals come meanwhile.

    Where the stack has no room for it, another thread's has.
    """
    while True:
        try:
            return step()
        except RecursionError:
            if start_thread(surely, step):
                return None
            raise
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001  (another signal: finish first)
            logger.debug("interrupted again while handing on the lead: %r", error)
