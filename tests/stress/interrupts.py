"""Something happens at a chosen step of the package, exactly where a signal can come.

CPython looks at signals when a function starts and behind each call of a C function; those are the
events of `sys.setprofile`, and what a profile function raises is raised there. So a test can
interrupt every step of a call, one after the other, and nothing is left to chance.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def ours(frame: FrameType | None) -> bool:
    """Whether a frame is the package's."""
    return frame is not None and "/pyesdb/" in frame.f_code.co_filename


def at_step(step: int, happens: Callable[[], None], work: Callable[[], Any]) -> bool:
    """Do some work, in which something happens at one step; False if there are fewer steps."""
    count = 0
    happened = False

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal count, happened
        if event not in ("call", "c_return") or not (ours(frame) or ours(frame.f_back)):
            return
        count += 1
        if count == step and not happened:
            happened = True
            happens()

    gc.disable()  # its callbacks (of test tools) would run as steps, and swallow what happens there
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return happened


def interrupt() -> None:
    """What Python's own handler of SIGINT does."""
    raise KeyboardInterrupt
