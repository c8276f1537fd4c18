"""Who does something to the catalog, and from where: what the audit shows."""

import getpass
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

_reason: ContextVar[str] = ContextVar("pyesdb_reason", default="")


@lru_cache(maxsize=1)
def _fixed(pid: int) -> dict[str, Any]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return {
        "user": user,
        "host": socket.gethostname(),
        "pid": pid,
        "program": os.path.basename(sys.argv[0]) if sys.argv else "",
    }


def actor() -> dict[str, Any]:
    """User, host, process and program, as metadata of a catalog event; and why, if it was said."""
    reason = _reason.get()
    return {"actor": _fixed(os.getpid())} | ({"reason": reason} if reason else {})


@contextmanager
def because(reason: str) -> Generator[None]:
    """The catalog events of this block carry a reason: the policy that acts, say."""
    token = _reason.set(reason)
    try:
        yield
    finally:
        _reason.reset(token)
