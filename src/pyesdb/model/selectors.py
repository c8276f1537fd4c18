"""Selectors: which events a read, a condition or a subscription means.

A selector is kept in disjunctive form: any of its clauses; a clause is all of its parts. The same
object is evaluated by the store through indexes (store.plans) and in Python (`matches`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from pyesdb.model import limits
from pyesdb.model.encoding import payload_key, payload_value
from pyesdb.model.errors import InvalidEvent, InvalidSelector, PyesdbError
from pyesdb.model.names import check_stream, check_tags, check_type


class Clause(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of: one of `streams`, one of `types`, all `tags`, all patterns, all payload fields."""

    streams: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    stream_patterns: tuple[str, ...] = ()
    type_patterns: tuple[str, ...] = ()
    payload: tuple[tuple[str, str], ...] = ()

    def and_(self, other: "Clause") -> "Clause":
        """What matches both."""
        return Clause(
            _both(self.streams, other.streams),
            _both(self.types, other.types),
            _merge(self.tags, other.tags),
            _merge(self.stream_patterns, other.stream_patterns),
            _merge(self.type_patterns, other.type_patterns),
            _merge(self.payload, other.payload),
        )

    @property
    def impossible(self) -> bool:
        """Whether no event can match (the intersection of two name lists was empty)."""
        return self.streams == () or self.types == ()

    def matches(
        self, stream: str, type_: str, tags: Iterable[str], document: Callable[[], Any]
    ) -> bool:
        """Whether an event matches; `document` gives its JSON data (None when it has none)."""
        return (
            (self.streams is None or stream in self.streams)
            and (self.types is None or type_ in self.types)
            and (not self.tags or set(self.tags).issubset(tags))
            and all(glob(p).match(stream) for p in self.stream_patterns)
            and all(glob(p).match(type_) for p in self.type_patterns)
            and (not self.payload or self.matches_payload(document()))
        )

    def matches_payload(self, document: Any) -> bool:
        """Whether all payload fields are equal."""
        return all(payload_value(document, path) == value for path, value in self.payload)


def _merge(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted({*left, *right})) if right else left


def _both(left: tuple[str, ...] | None, right: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if left is None or right is None:
        return right if left is None else left
    return tuple(sorted(set(left) & set(right)))


@lru_cache(maxsize=1024)
def glob(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern in which * matches any run of characters."""
    first, *rest = map(re.escape, pattern.split("*"))
    if not rest:
        return re.compile(first + r"\Z")
    # atomic groups: the earliest match of each piece is enough, so no backtracking
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}\\Z", re.DOTALL)


class Selector(msgspec.Struct, frozen=True):
    """A set of events; combine with & and |. Made by `select` and `Query`."""

    clauses: tuple[Clause, ...]

    def __and__(self, other: "Selector") -> "Selector":
        if not isinstance(other, Selector):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        return _selector(a.and_(b) for a in self.clauses for b in other.clauses)

    def __or__(self, other: "Selector") -> "Selector":
        if not isinstance(other, Selector):  # pyright: ignore[reportUnnecessaryIsInstance]
            return NotImplemented
        if EVERYTHING in self.clauses or EVERYTHING in other.clauses:
            return select.everything
        return _selector((*self.clauses, *other.clauses))

    def matches(
        self, stream: str, type_: str, tags: Iterable[str], document: Callable[[], Any]
    ) -> bool:
        """Whether an event matches any clause."""
        return any(clause.matches(stream, type_, tags, document) for clause in self.clauses)


EVERYTHING = Clause()


def _selector(clauses: Iterable[Clause]) -> Selector:
    found: dict[Clause, None] = {}
    names = 0
    for clause in clauses:
        if clause.impossible or clause in found:
            continue
        found[clause] = None
        names += len(clause.streams or ()) + len(clause.types or ()) + len(clause.tags)
        if len(found) > limits.CLAUSES_MAX or names > limits.SELECTOR_NAMES_MAX:
            raise InvalidSelector(
                f"the selector has more than {limits.CLAUSES_MAX:,} alternatives or "
                f"{limits.SELECTOR_NAMES_MAX:,} names: split it"
            )
    return Selector(tuple(found))


def _named(names: Iterable[object], check: Callable[[object], str], what: str) -> tuple[str, ...]:
    try:
        found = tuple(sorted({check(name) for name in names}))
    except InvalidSelector:
        raise
    except PyesdbError as error:
        raise InvalidSelector(str(error)) from None
    except TypeError:
        raise InvalidSelector(f"{what} names must be strings") from None
    if not found:
        raise InvalidSelector(f"name at least one {what}, or use select.everything")
    return found


def _tags(tags: object) -> tuple[str, ...]:
    try:
        return tuple(sorted(check_tags(tags)))
    except InvalidEvent as error:
        raise InvalidSelector(str(error)) from None


def _pattern(pattern: object) -> tuple[str, ...]:
    if pattern is None:
        return ()
    if not isinstance(pattern, str) or not pattern or len(pattern) > limits.STREAM_NAME_BYTES_MAX:
        raise InvalidSelector(
            f"a pattern must be a str of 1-{limits.STREAM_NAME_BYTES_MAX} characters, "
            f"not {pattern!r:.60}"
        )
    return (re.sub(r"\*+", "*", pattern),)


class select:  # noqa: N801  (binding name: a namespace)
    """What to select: `select.event_type("A", "B") & select.tags("x") | select.stream("s")`."""

    everything: Selector = Selector((EVERYTHING,))

    @staticmethod
    def stream(stream: str) -> Selector:
        """The events of one stream; "$all" means everything."""
        if stream == "$all":
            return select.everything
        return Selector((Clause(streams=_named([stream], check_stream, "stream")),))

    @staticmethod
    def event_type(*types: str) -> Selector:
        """Events of any of these types."""
        return Selector((Clause(types=_named(types, check_type, "event type")),))

    @staticmethod
    def tags(*tags: str) -> Selector:
        """Events that carry all of these tags."""
        if not tags:
            raise InvalidSelector("name at least one tag, or use select.everything")
        return Selector((Clause(tags=_tags(tags)),))

    @staticmethod
    def pattern(*, stream: str | None = None, type: str | None = None) -> Selector:  # noqa: A002
        """Events whose stream and type match; * matches any run of characters.

        A pattern with text before its first * uses an index; another one is a full scan.
        """
        if stream is None and type is None:
            raise InvalidSelector("give a pattern for stream or type")
        return Selector((Clause(stream_patterns=_pattern(stream), type_patterns=_pattern(type)),))

    @staticmethod
    def payload(fields: Mapping[str, Any]) -> Selector:
        """Events whose JSON data has all these values: {"customer.id": 42}.

        Paths named in the store's setting `indexed_payload` use an index; any other path reads and
        decodes every event that the rest of the selector leaves (alone: a full scan).
        """
        if not isinstance(fields, Mapping) or not fields:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidSelector("payload takes a mapping of paths to values, with at least one")
        found: list[tuple[str, str]] = []
        for path, value in fields.items():
            key = payload_key(value) if value == value else None  # NaN equals nothing
            if not isinstance(path, str) or not path or key is None:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidSelector(
                    f"payload compares paths with strings, numbers, booleans or None, "
                    f"not {path!r:.40}: {value!r:.40}"
                )
            found.append((path, key))
        return Selector((Clause(payload=tuple(sorted(found))),))


def QueryItem(*, types: Iterable[str] = (), tags: Iterable[str] = ()) -> Selector:  # noqa: N802
    """A DCB query item: any of `types` and all of `tags` (dcb.events specification)."""
    if isinstance(types, str):
        raise InvalidSelector(f"types must be an iterable of strings: write types=[{types!r}]")
    names = tuple(types)
    return Selector(
        (
            Clause(
                types=_named(names, check_type, "event type") if names else None,
                tags=_tags(tags),
            ),
        )
    )


def Query(items: Iterable[Selector] = ()) -> Selector:  # noqa: N802
    """A DCB query: any of the items; without items, everything (dcb.events specification)."""
    found = tuple(items)
    for item in found:
        if not isinstance(item, Selector):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidSelector(f"Query takes QueryItem objects, not {type(item).__name__}")
    if not found or any(EVERYTHING in item.clauses for item in found):
        return select.everything
    return _selector(clause for item in found for clause in item.clauses)


def check_selector(selector: object, what: str = "select=") -> Selector:
    """A selector; raises InvalidSelector."""
    if not isinstance(selector, Selector):
        raise InvalidSelector(
            f"{what} takes a selector, not {type(selector).__name__}: for one stream write "
            "select.stream('order-1')"
        )
    return selector


class AppendCondition:
    """A dynamic consistency boundary: the append fails if a matching event exists (dcb.events).

    `after`: only events after this position count (the `head` of the read that decided). The
    selector may name types, tags and streams.
    """

    __slots__ = ("after", "fail_if_events_match")
    after: int | None
    fail_if_events_match: Selector

    def __init__(self, fail_if_events_match: Selector, *, after: int | None = None) -> None:
        selector = check_selector(fail_if_events_match, "a condition")
        if any(c.payload or c.stream_patterns or c.type_patterns for c in selector.clauses):
            raise InvalidSelector(
                "a condition selects by types, tags and streams; patterns and payload fields "
                "cannot be checked while an append holds the store"
            )
        if after is not None and (type(after) is not int or not 0 <= after < limits.POSITION_MAX):
            raise InvalidSelector(f"after must be a position (0, 1, 2, ...), not {after!r:.60}")
        self.fail_if_events_match = selector
        self.after = after

    def __repr__(self) -> str:
        return f"AppendCondition({self.fail_if_events_match!r}, after={self.after})"
