"""A caller deep in recursion runs out of stack in a call: it alone is told, nobody hangs."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb import NewEvent
from tests.stress.tools import contents

DEPTHS = range(1, 90)
"""Frames that are left to the call: from none of its own to more than it needs."""


def depth() -> int:
    """How many frames the caller has below it."""
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1  # type: ignore[assignment]
    return count


def deep(frames: int, work: Any) -> Any:
    return work() if frames == 0 else deep(frames - 1, work)


def test_a_stack_that_ends_anywhere_in_an_append(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, ThreadPoolExecutor(2) as pool:
        store, acknowledged, ended = db.store(), [], 0

        def append(name: str) -> None:
            acknowledged.append((name, store.append("s", NewEvent("E", name)).position))

        append("warm")
        for left in DEPTHS:
            room = sys.getrecursionlimit() - depth() - left
            try:
                deep(room, lambda left=left: append(f"deep-{left}"))
            except (RecursionError, pyesdb.PyesdbError):
                ended += 1
            for other in [pool.submit(append, f"other-{left}-{n}") for n in range(2)]:
                other.result(60)
        assert 0 < ended < len(DEPTHS)
        stored = {row[3]: row[0] for row in contents(store)}
        assert [(name, stored.get(name)) for name, _ in acknowledged] == acknowledged
        assert len(stored) == store.version("s") + 1
        assert store.verify().ok
