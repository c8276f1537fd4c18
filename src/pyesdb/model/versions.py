"""Versions, expected versions, tokens and cursors: where something stands in a history."""

from enum import Enum
from functools import total_ordering
from typing import Literal, Self

import msgspec


class StreamState(Enum):
    """What an append may expect of a stream, besides a version (API "Append")."""

    ANY = "any"
    NO_STREAM = "no_stream"
    EXISTS = "exists"

    def __repr__(self) -> str:
        return f"StreamState.{self.name}"


ExpectedVersion = int | StreamState
StreamVersion = int | Literal[StreamState.NO_STREAM]

# As commands carry them: a version, or one of these.
NO_STREAM, ANY, EXISTS = -1, -2, -3
_BY_STATE = {StreamState.NO_STREAM: NO_STREAM, StreamState.ANY: ANY, StreamState.EXISTS: EXISTS}
_BY_CODE = {code: state for state, code in _BY_STATE.items()}


def expected_code(expected: object) -> int:
    """The number that a command carries for `expected`; raises RequestError."""
    if isinstance(expected, StreamState):
        return _BY_STATE[expected]
    if type(expected) is int and 0 <= expected < 2**62:
        return expected
    from pyesdb.model.errors import RequestError

    raise RequestError(
        f"expected must be a version (0, 1, 2, ...) or a StreamState, not {expected!r:.100}"
    )


def expected_of(code: int) -> ExpectedVersion:
    """The user's form of a code."""
    return _BY_CODE.get(code, code)


def version_of(version: int) -> StreamVersion:
    """The user's form of a stream's last version (-1: the stream does not exist)."""
    return StreamState.NO_STREAM if version < 0 else version


def _parse(text: object, prefix: str, what: str) -> tuple[int, int]:
    parts = text.split(".") if isinstance(text, str) and len(text) < 64 else []
    if (
        len(parts) == 3
        and parts[0] == prefix
        and all(p.isascii() and p.isdigit() for p in parts[1:])
    ):
        return int(parts[1]), int(parts[2])
    from pyesdb.model.errors import RequestError

    raise RequestError(f"not a {what}: {text!r:.80}; pass the text that str({what}) gave")


class _Mark(msgspec.Struct, frozen=True, gc=False):
    incarnation: int

    def _other(self, other: object) -> int:
        if not isinstance(other, type(self)):
            raise TypeError(f"cannot compare {type(self).__name__} with {type(other).__name__}")
        if other.incarnation != self.incarnation:
            from pyesdb.model.errors import HistoryChanged

            raise HistoryChanged(f"{other} and {self} belong to different histories")
        return other._value()

    def _value(self) -> int:
        return 0

    def __lt__(self, other: object) -> bool:
        return self._value() < self._other(other)


@total_ordering
class Token(_Mark, frozen=True, gc=False):
    """What a write leaves: a history and how far it is applied; comparable within a history."""

    applied: int

    def _value(self) -> int:
        return self.applied

    def __str__(self) -> str:
        return f"t1.{self.incarnation}.{self.applied}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The token that `str(token)` described; raises RequestError."""
        return cls(*_parse(text, "t1", "token"))


@total_ordering
class Cursor(_Mark, frozen=True, gc=False):
    """Where a reader stands: a history and a position in it. Comparable within one history."""

    position: int

    def _value(self) -> int:
        return self.position

    def __str__(self) -> str:
        return f"c1.{self.incarnation}.{self.position}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that `str(cursor)` described; raises RequestError."""
        return cls(*_parse(text, "c1", "cursor"))
