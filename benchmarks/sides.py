"""What a contestant is, and who takes part.

A contestant is opened on an empty directory and appends; some can also be filled and read.
`Missing` says why one could not be started: it is reported, never skipped in silence.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

from benchmarks.work import Body
from pyesdb.operations.bench.callers import Writer


class Missing(Exception):
    """A contestant that cannot be started; the text says why and what to do."""


class Unoffered(Exception):
    """A contestant that has no such operation."""


class Refused(Exception):
    """A conditional append whose condition did not hold."""


class Reader(Writer, Protocol):
    """Can be filled quickly and read back. What is read is looked at: the bytes of its data."""

    def fill(self, batch: Sequence[tuple[str, int, Sequence[Body]]]) -> None:
        """Append many streams' events at once."""
        ...

    def scan(self) -> tuple[int, int]:
        """Read every event in order: how many, and their bytes."""
        ...

    def scan_backwards(self) -> tuple[int, int]:
        """Read every event, newest first."""
        ...

    def replay(self, stream: str) -> tuple[int, int]:
        """Read one stream from its first event."""
        ...


class Conditional(Writer, Protocol):
    """Appends only if nothing was written meanwhile that the decision depends on."""

    def append_if(self, stream: str, version: int, body: Body, after: int) -> int:
        """Append a tagged event, unless an event after `after` matches `work.matching`.

        Returns its position; raises Refused.
        """
        ...


Opener = Callable[[Path], AbstractContextManager[Writer]]


def looked_at(datas: Iterator[bytes]) -> tuple[int, int]:
    """Count events and bytes of an iterator of data."""
    count = total = 0
    for data in datas:
        count += 1
        total += len(data)
    return count, total


def open_all(
    stack: ExitStack, openers: dict[str, Opener], folder: Path
) -> tuple[dict[str, Writer], dict[str, str]]:
    """Open every contestant in a directory of its own; who is missing, and why."""
    opened: dict[str, Writer] = {}
    missing: dict[str, str] = {}
    for name, opener in openers.items():
        place = folder / name
        place.mkdir(parents=True)
        try:
            opened[name] = stack.enter_context(opener(place))
        except Missing as reason:
            missing[name] = str(reason)
    return opened, missing
