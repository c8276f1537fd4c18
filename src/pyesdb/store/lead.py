"""The lead of a lane on its way from one thread to another, and what a signal must not break.

What must never happen here: waiting for another thread, or a lock.
"""

import _thread
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


def start_thread(function: Callable[..., None], *args: object) -> None:
    """Start a thread without waiting for it: one C call, so a signal comes before or after it."""
    _thread.start_new_thread(function, args)


def surely(step: Callable[[], None]) -> None:
    """Do something that may be done twice, whatever signals come meanwhile.

    Where the stack has no room for it, another thread's has.
    """
    while True:
        try:
            return step()
        except RecursionError:
            return start_thread(surely, step)
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001  (another signal: finish first)
            logger.debug("interrupted again while handing on the lead: %r", error)
