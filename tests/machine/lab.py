"""A store file and the machine on it: commands in, outcomes out, the clock in the test's hand."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from pyesdb.model import commands as c
from pyesdb.model.events import Record
from pyesdb.model.limits import EXPIRES_US
from pyesdb.model.outcomes import Appended, Done, Outcome, Refused
from pyesdb.model.selectors import Selector
from pyesdb.model.versions import ANY
from pyesdb.sqlite import files
from pyesdb.store.applier import Applier
from tests.machine.digest import dump, logical_digest

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def event(
    type: str = "Happened",
    *,
    id: int | None = None,
    data: bytes = b"{}",
    tags: Iterable[str] = (),
    kind: str | None = None,
    metadata: bytes = b"",
) -> Record:
    """An event as commands carry it; `id` is a small number, by default one never used before."""
    event.count += 1  # type: ignore[attr-defined]
    number = 1_000_000 + event.count if id is None else id  # type: ignore[attr-defined]
    return (type, number.to_bytes(16), None, kind, data, metadata, tuple(tags))


event.count = 0  # type: ignore[attr-defined]


def events(count: int, type: str = "Happened", **more: Any) -> list[Record]:
    return [event(type, **more) for _ in range(count)]


class Lab:
    """One file. Each `send` is one entry, one second after the last one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START
        self.made = 0
        self.answers: list[list[Outcome]] = []
        self.entries: list[c.Entry] = []
        if not path.exists():
            files.create(path, {"database": "lab", "store": "lab", "incarnation": 1})
        self.applier = self._applier()

    def _applier(self) -> Applier:
        return Applier(self.path, "os", lambda _, outcomes: self.answers.append(outcomes))

    # -- commands

    def id(self) -> bytes:
        self.made += 1
        return self.made.to_bytes(16)

    def make(self, kind: type[Any], *args: Any, id: bytes | None = None, **fields: Any) -> Any:
        """A command of a kind, as the edge makes it."""
        return c.with_digest(kind, id or self.id(), *args, **fields)

    def appending(
        self,
        *parts: tuple[str, int, list[Record]],
        id: bytes | None = None,
        condition: Selector | None = None,
        after: int | None = None,
        tracking: tuple[str, int] | None = None,
        many: bool = False,
    ) -> c.AppendEvents:
        found = None if condition is None else c.condition_of(condition, after)
        made = [c.stream_append(*part) for part in parts]
        return c.append_events(id or self.id(), made, found, tracking, many=many)

    def send(self, *commands: c.Command, at: int | None = None) -> list[Outcome]:
        """Apply one entry; commands without a deadline expire 120 s after it."""
        self.now = self.now + SECOND if at is None else at
        seq, clock = self.applier.begin()
        expires = max(self.now, clock) + EXPIRES_US
        stamped = [
            command if command.expires else msgspec.structs.replace(command, expires=expires)
            for command in commands
        ]
        entry = c.Entry(seq + 1, self.now, stamped)
        self.applier.deliver([entry])
        self.entries.append(entry)
        return self.answers[-1]

    def do(self, kind: type[Any], *args: Any, **fields: Any) -> Outcome:
        """One command in one entry."""
        return self.send(self.make(kind, *args, **fields))[0]

    def append(
        self,
        stream: str,
        new: list[Record] | int = 1,
        expected: int = ANY,
        **more: Any,
    ) -> Outcome:
        """Append events, or as many as said."""
        found = events(new) if isinstance(new, int) else new
        return self.send(self.appending((stream, expected, found), **more))[0]

    def configure(self, **settings: Any) -> Outcome:
        revision = self.meta().get("revision", 0) + 1
        return self.do(c.Configure, revision, settings)

    # -- looking

    @property
    def tx(self) -> Any:
        if self.applier._tx is None:
            self.applier.begin()
            self.applier.rollback()
        return self.applier._tx

    def rows(self, text: str, *args: Any) -> list[tuple[Any, ...]]:
        assert self.tx is not None
        assert self.applier._connection is not None
        return self.applier._connection.execute(text, args).fetchall()

    def meta(self) -> dict[str, Any]:
        return dict(self.rows("SELECT key, value FROM meta"))

    def versions(self, stream: str) -> list[int]:
        """The versions that are in the file, hidden or not."""
        return [
            v
            for (v,) in self.rows(
                "SELECT version FROM event WHERE stream = (SELECT id FROM stream WHERE name = ?) "
                "ORDER BY version",
                stream,
            )
        ]

    def stream(self, name: str) -> tuple[int, int, int]:
        """State, first visible version and first version that is not reclaimed."""
        return self.rows("SELECT state, first, swept FROM stream WHERE name = ?", name)[0]  # type: ignore[return-value]

    def content(self) -> list[str]:
        """All rows but those that every entry changes: the state and the recorded commands."""
        assert self.tx is not None
        return [
            line
            for line in dump(self.applier._connection)
            if not line.startswith(("state ", "command ", "mark "))
        ]

    def end(self) -> tuple[bytes, dict[str, str]]:
        """Chain and digests of the whole file."""
        return self.tx.state.chain, logical_digest(self.applier._connection)

    def reopen(self) -> None:
        """Forget everything that is not in the file."""
        self.applier.close()

    def close(self) -> None:
        self.applier.close()


def refused(outcome: Outcome) -> str:
    """The code of a refusal."""
    assert isinstance(outcome, Refused), outcome
    return outcome.code


def stored(outcome: Outcome) -> tuple[int, int, int]:
    """Count, last version and last position of an append to one stream."""
    assert isinstance(outcome, Appended), outcome
    return outcome.results[0][1:]


def value(outcome: Outcome) -> Any:
    """The answer of a command that is no append."""
    assert isinstance(outcome, Done), outcome
    return outcome.value
