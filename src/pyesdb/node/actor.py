"""Who does something to the catalog, and from where: what the audit shows."""

import getpass
import os
import socket
import sys
from functools import lru_cache
from typing import Any


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
    """User, host, process and program, as metadata of a catalog event."""
    return {"actor": _fixed(os.getpid())}
