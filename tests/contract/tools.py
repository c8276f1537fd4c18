"""Small words that contract tests share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pyesdb import NewEvent


def new_events(count: int = 1, type: str = "Happened", **more: Any) -> list[NewEvent]:
    return [NewEvent(type, {"n": n}, **more) for n in range(count)]


def one(type: str = "Happened", data: Any = None, **more: Any) -> NewEvent:
    return NewEvent(type, data, **more)


def versions(events: Iterable[Any]) -> list[int]:
    return [event.version for event in events]


def positions(events: Iterable[Any]) -> list[int]:
    return [event.position for event in events]


def types(events: Iterable[Any]) -> list[str]:
    return [event.type for event in events]


def named(case: Any) -> str:
    """A test's id: short, printable, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", ascii(case))[:50]


def head(store: Any) -> int:
    """The position of the last event of the store, 0 when there is none."""
    with store.read_all(limit=None) as events:
        return events.head


def everything(store: Any) -> list[tuple[Any, ...]]:
    """All there is in a store, in a form that can be compared."""
    return [
        (e.position, e.stream, e.version, e.id, e.type, e.data, dict(e.metadata), e.tags, e.created)
        for e in store.read_all(system=True)
    ]


def seconds(duration: float | timedelta) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def python(
    code: str, *args: str, timeout: float = 60, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run code in another Python process and wait for its end."""
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def output_of(code: str, *args: str, **env: str) -> str:
    """What another Python process prints; its failure is this test's failure."""
    done = python(code, *args, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
