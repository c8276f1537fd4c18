"""How a selector becomes index reads: one or more ordered walks over positions, merged.

A clause is walked through its narrowest index: tag, indexed payload, stream, type, else all
positions. What no index can say (patterns with a leading *, other payload paths) is left to
`residual`, evaluated in Python on the rows.
"""

from collections.abc import Sequence
from json import dumps
from typing import Any

import msgspec

from pyesdb.machine.state import Settings
from pyesdb.model.selectors import Clause, Selector, glob
from pyesdb.sqlite.statements import rows, statement
from pyesdb.store.readers import Reader

WALKS_MAX = 400
"""SQLite allows 500 parts of a compound SELECT; a selector with more is a scan with residual."""

PARAMETERS_MAX = 30_000
"""SQLite allows 32,766 parameters of a statement."""

_STREAMS_MAX = 64
_NARROW = 1000
_TOP = chr(0x10FFFF) * 129  # behind every name with the prefix: names have at most 128 of them


class Walk:
    """One ordered walk: SQL whose only open parameters are the range of positions."""

    def __init__(self, text: str, before: Sequence[Any], after: Sequence[Any] = ()) -> None:
        self.text = text
        self.before = tuple(before)
        self.after = tuple(after)

    def args(self, reader: Reader, low: int, high: int) -> tuple[Any, ...]:
        """The parameters for positions between low and high, both exclusive."""
        del reader
        return (*self.before, low, high, *self.after)


class StreamWalk(Walk):
    """A walk along one stream: versions and positions grow together, so it starts with a seek."""

    def __init__(self, stream: int, filters: "_Filters") -> None:
        super().__init__(statement("pick_stream") + filters.text, (stream,), filters.args)
        self.stream = stream

    def args(self, reader: Reader, low: int, high: int) -> tuple[Any, ...]:
        """The parameters, with the versions that the positions mean."""
        first = _version_behind(reader, self.stream, low)
        last = _version_behind(reader, self.stream, high - 1)
        return (self.stream, first, last, low, high, *self.after)


def _version_behind(reader: Reader, stream: int, position: int) -> int:
    """The first version of a stream behind a position (one more than the last, if none is)."""
    found = reader.all("last_version", stream)[0][0]
    low, high = 0, 0 if found is None else found + 1
    while low < high:
        middle = (low + high) // 2
        row = reader.all("version_behind", stream, middle)
        if row and row[0][1] <= position:
            low = row[0][0] + 1
        else:
            high = middle
    return low


class _Filters:
    """Conditions on a walk's positions."""

    def __init__(self) -> None:
        self.text = ""
        self.args: list[Any] = []

    def add(self, name: str, *args: Any, count: int = 0) -> None:
        self.text += " " + (rows(name, count) if count else statement(name))
        self.args += args


class Plan:
    """The walks of a selector, and whether rows must be matched once more in Python."""

    def __init__(self, reader: Reader, selector: Selector) -> None:
        self.residual = False
        self.sparse = False
        """Whether a walk may pass over very many positions without a word: it is made in spans."""
        self.walks: list[Walk] = []
        names = _Names(reader, selector)
        self._revision: int | None = None
        indexed: tuple[str, ...] = ()
        if any(clause.payload for clause in selector.clauses):
            self._revision, indexed = _indexed(reader)
        for clause in selector.clauses:
            self._add(reader, clause, names, indexed)
        parameters = sum(len(walk.before) + len(walk.after) + 4 for walk in self.walks)
        if len(self.walks) > WALKS_MAX or parameters > PARAMETERS_MAX:
            self.residual = True
            self.walks = [Walk(statement("pick_any"), ())]

    def _add(
        self, reader: Reader, clause: Clause, names: "_Names", indexed: tuple[str, ...]
    ) -> None:
        types = names.types_of(clause)
        streams = names.streams_of(clause)
        tags = [names.tags.get(tag) for tag in clause.tags]
        if types == [] or streams == [] or None in tags:
            return
        filters = _Filters()
        payload = [field for field in clause.payload if field[0] in indexed]
        ranges = _prefixes(clause)
        self.residual |= len(payload) < len(clause.payload) or any(
            pattern[:-1] != prefix for pattern, prefix in ranges
        )
        if streams is None:
            streams, ranges = _resolve(reader, ranges)
        few = True  # positions of what is walked, or it is not known
        if tags:
            (driver, *others), few = _rarest_first(reader, [t for t in tags if t is not None])
            walks = [("pick_tag", (driver,))]
        elif payload:
            others = []
            walks = [("pick_payload", payload.pop(0))]
        else:
            others = []
            walks = []
        for tag in others:
            filters.add("and_tag", tag)
        for field in payload:
            filters.add("and_payload", *field)
        for _, prefix in ranges:
            if prefix:
                filters.add("and_stream_prefix", prefix, prefix + _TOP)
        self._drive(walks, streams, types, filters, few=few and bool(walks))

    def _drive(
        self,
        walks: list[tuple[str, tuple[Any, ...]]],
        streams: list[int] | None,
        types: list[int] | None,
        filters: _Filters,
        *,
        few: bool,
    ) -> None:
        if not walks and streams is not None and len(streams) <= _STREAMS_MAX:
            if types is not None:
                filters.add("and_type", *types, count=len(types))
            self.walks += [StreamWalk(stream, filters) for stream in streams]
            return
        if streams is not None:
            filters.add("and_stream", *streams, count=len(streams))
        if not walks and types is not None:
            walks = [("pick_type", (type_,)) for type_ in types]
        elif types is not None:
            filters.add("and_type", *types, count=len(types))
        self.sparse |= bool(filters.text) and not few
        for name, before in walks or [("pick_any", ())]:
            self.walks.append(Walk(statement(name) + filters.text, before, filters.args))

    def stale(self, reader: Reader) -> bool:
        """Whether the settings changed since: an index that was walked may have been dropped."""
        return self._revision is not None and _indexed(reader)[0] != self._revision

    def positions(
        self, reader: Reader, low: int, high: int, limit: int, *, backwards: bool
    ) -> list[int]:
        """The next positions between low and high, both exclusive, in order, each once."""
        if not self.walks:
            return []
        order = "DESC" if backwards else "ASC"
        parts = [
            f"SELECT position FROM ({walk.text} ORDER BY d.position {order} LIMIT {limit})"
            for walk in self.walks
        ]
        text = f"SELECT DISTINCT position FROM ({' UNION ALL '.join(parts)})"
        args = [arg for walk in self.walks for arg in walk.args(reader, low, high)]
        text += f" ORDER BY position {order} LIMIT {limit}"
        found: list[Any] = reader.execute(text, args).fetchall()
        return [row[0] for row in found]


def _indexed(reader: Reader) -> tuple[int, tuple[str, ...]]:
    """The revision of the file's settings, and the payload paths that it indexes."""
    meta = dict(reader.all("meta"))
    raw = meta.get("settings")
    settings = msgspec.msgpack.decode(raw, type=Settings) if raw else Settings()
    return meta.get("revision", 0), settings.indexed_payload


class _Names:
    """Ids of all names in a selector."""

    def __init__(self, reader: Reader, selector: Selector) -> None:
        clauses = selector.clauses
        wanted = [
            sorted({name for c in clauses for name in c.streams or ()}),
            sorted({name for c in clauses for name in c.types or ()}),
            sorted({name for c in clauses for name in c.tags}),
        ]
        found: tuple[dict[str, int], ...] = ({}, {}, {})
        if any(wanted):
            for kind, id_, name in reader.all("name_ids", *map(dumps, wanted)):
                found[kind][name] = id_
        self.streams, self.types, self.tags = found
        self.all_types: list[tuple[Any, ...]] = []
        if any(c.type_patterns for c in clauses):
            self.all_types = reader.all("type_names")

    def streams_of(self, clause: Clause) -> list[int] | None:
        """The streams of a clause; None for any."""
        if clause.streams is None:
            return None
        matching = [
            name
            for name in clause.streams
            if all(glob(pattern).match(name) for pattern in clause.stream_patterns)
        ]
        return sorted(self.streams[name] for name in matching if name in self.streams)

    def types_of(self, clause: Clause) -> list[int] | None:
        """The types of a clause, its patterns resolved against all types; None for any."""
        if clause.types is None and not clause.type_patterns:
            return None
        if not clause.type_patterns:
            return sorted(self.types[n] for n in clause.types or () if n in self.types)
        return sorted(
            id_
            for id_, name in self.all_types
            if (clause.types is None or name in clause.types)
            and all(glob(pattern).match(name) for pattern in clause.type_patterns)
        )


def _prefixes(clause: Clause) -> list[tuple[str, str]]:
    if clause.streams is not None:
        return []  # the patterns were applied to the names
    return [(pattern, pattern.partition("*")[0]) for pattern in clause.stream_patterns]


def _resolve(
    reader: Reader, ranges: list[tuple[str, str]]
) -> tuple[list[int] | None, list[tuple[str, str]]]:
    """Streams of a prefix by name when they are few; else the prefix stays a filter of a scan."""
    for index, (pattern, prefix) in enumerate(ranges):
        top = prefix + _TOP if "*" in pattern else prefix + "\0"
        if prefix:
            found = reader.all("streams_matching", prefix, top, _STREAMS_MAX + 1)
            if len(found) <= _STREAMS_MAX:
                return [row[0] for row in found], ranges[:index] + ranges[index + 1 :]
    return None, ranges


def _rarest_first(reader: Reader, tags: list[int]) -> tuple[list[int], bool]:
    """The tags in that order, and whether the first one is rare, or alone (then nobody counts)."""
    if len(tags) == 1:
        return tags, True
    counts = sorted([(reader.all("count_tag", tag, 0, _NARROW)[0][0], tag) for tag in tags])
    return [tag for _, tag in counts], counts[0][0] < _NARROW
