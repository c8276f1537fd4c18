"""What `verify` found: where, what, and what its operator should do; bounded in number.

What must never happen here: a finding without advice, or a list that grows with the damage.
"""

from collections.abc import Callable
from pathlib import Path

from pyesdb.model.results import Problem

KEPT = 25
"""Findings of one kind that are listed; the others are counted."""

RESTORE = (
    "keep a copy of this directory, then restore the newest backup that verifies; what it lacks "
    "can be read from here as far as it is readable"
)
COPY = (
    "the events are whole, what finds them is not: export the store and import it into a new one, "
    "or restore the newest backup that verifies"
)
REINDEX = (
    "the events are whole: index them anew with update_store(store_id, indexed_payload=[]) and "
    "then again with the paths"
)
COUNTERS = (
    "the events are whole; figures and quotas are wrong: export the store and import it into a "
    "new one, or restore the newest backup that verifies"
)
FORGET = "the events are whole: delete_snapshot() it; the next one is made from the events"
SUBSCRIPTION = "the events are whole: reset_subscription() it to where its consumers stand"
IDENTITY = (
    "this is the file of another store: put back what belongs here, or restore a backup of this one"
)


class Findings:
    """The problems of one file, at most KEPT of each kind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unreadable = False
        """Whether what the store says of itself could not be read: then nothing is compared."""
        self._problems: list[Problem] = []
        self._counts: dict[str, int] = {}
        self._advice: dict[str, str] = {}

    @property
    def any(self) -> bool:
        """Whether anything was found."""
        return bool(self._problems)

    def add(self, kind: str, place: str, what: str, advice: str) -> None:
        """A finding; `kind` groups those of one cause, `place` is inside the file."""
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count <= KEPT:
            self._advice[kind] = advice
            where = f"{self.path}: {place}" if place else str(self.path)
            self._problems.append(Problem(where, what, advice))

    def problems(self) -> tuple[Problem, ...]:
        """All of them, with a line for those that were only counted."""
        more = [
            Problem(str(self.path), f"{count - KEPT:,} more like it: {kind}", self._advice[kind])
            for kind, count in self._counts.items()
            if count > KEPT
        ]
        return (*self._problems, *more)


Pulse = Callable[[int], None]
"""Called between two pages with the steps done since the last call; it may raise to end it."""
