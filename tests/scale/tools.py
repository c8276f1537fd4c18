"""What the tests of many stores look at."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from pyesdb.node.engine import Node


def node_of(database: Any) -> Node:
    return database._core.node


def rests(store: Any) -> bool:
    """Whether a duty that closes what nobody uses closes this store now, through either face."""
    handle = store._handle
    return handle.node.opened.close(handle.runtime())


def let_rest(store: Any) -> None:
    """What a duty does with a store that nobody used for a while.

    Whoever led the last commit may still be about to hand on the lead.
    """
    for _ in range(10_000):
        if rests(store):
            return
        time.sleep(0.001)
    raise AssertionError("the store is in use for ever")


def store_files(directory: Path) -> list[str]:
    """Files in the directory that this process has open, `$system` and the database's own aside."""
    found: list[str] = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith(str(directory.resolve())) and "$" not in target:
            found.append(target)
    return found


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


class Idle:
    """A store of either face that nobody used for a while before each call."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._store._handle.bound:
                rests(self._store)
            return value(*args, **kwargs)

        return call
