"""What hypothesis draws: operations on few stores, streams, types and tags, so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

STORES = ("default",) * 5 + ("one",) * 3 + ("two",)
STREAMS = ("a", "b", "ab", "c")
TYPES = ("T1", "T2", "T3", "T4")
TAGS = ("x", "y", "z", "u", "v")
SOURCES = ("src", "other")

stores = st.sampled_from(STORES)
streams = st.sampled_from(STREAMS)
versions = st.integers(0, 8)
expectations = st.sampled_from(["any"] * 5 + ["last"] * 5 + ["none", "exists", 0, 1, 3, 5])
"""`last` becomes the last version of the stream when the operation is made."""

behind_head = st.sampled_from([0, 0, 1, 2, 3, 5, 10, None])
"""How far behind the head a condition starts; None: from the first event."""
selectors: st.SearchStrategy[dict[str, list[str]]] = st.fixed_dictionaries(
    {},
    optional={
        "types": st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True),
        "tags": st.lists(st.sampled_from(TAGS), min_size=1, max_size=2, unique=True),
        "stream": streams.map(lambda name: [name]),
    },
)
new = st.lists(
    st.tuples(st.sampled_from(TYPES), st.lists(st.sampled_from(TAGS), max_size=4, unique=True)),
    max_size=4,
)
parts = st.tuples(streams, expectations, new)
conditions = st.one_of(st.none(), st.none(), st.none(), st.tuples(selectors, behind_head).map(list))
trackings = st.one_of(
    st.none(), st.none(), st.tuples(st.sampled_from(SOURCES), st.integers(0, 5)).map(list)
)
commands = st.one_of(st.none(), st.none(), st.integers(1, 12))


def _ranges(**numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=numbers)


stream_ranges = _ranges(
    from_version=versions,
    to_version=versions,
    as_of=st.integers(0, 40),
    limit=st.integers(0, 5),
    backwards=st.booleans(),
    missing_ok=st.booleans(),
)
all_ranges = _ranges(
    after=st.integers(0, 40),
    before=st.integers(0, 40),
    as_of=st.integers(0, 40),
    limit=st.integers(0, 5),
    backwards=st.booleans(),
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "max_count": st.one_of(st.none(), st.integers(1, 4)),
        "custom": st.sampled_from([None, {}, {"k": 1}]),
    },
)


def of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An operation on a store, through a new handle or one that is kept."""
    return st.fixed_dictionaries(
        {"op": st.just(kind), "store": stores, "kept": st.booleans(), **fields}
    )


appends = of(
    "append", parts=st.lists(parts, min_size=1, max_size=1), condition=conditions,
    tracking=trackings, command=commands,
)  # fmt: skip
appends_many = of(
    "append_many",
    parts=st.lists(parts, min_size=1, max_size=3, unique_by=lambda part: part[0]),
    condition=conditions, tracking=trackings, command=commands,
)  # fmt: skip
looks = st.one_of(
    of("outcome", command=st.integers(1, 12)),
    of("tracked", source=st.sampled_from(SOURCES)),
    of("head"),
    of("version", stream=streams),
    of("streams", prefix=st.sampled_from([None, "a", "ab"]), limit=st.sampled_from([None, 0, 1])),
    of("stream_info", stream=streams),
    st.just({"op": "list_stores"}),
)
reads = st.one_of(
    of("read", stream=streams, range=stream_ranges),
    of("read", stream=streams, range=st.fixed_dictionaries({"as_of": st.integers(0, 20)})),
    of("read_all", select=st.one_of(st.none(), selectors), range=all_ranges),
    of("read_all", select=st.none(), range=st.just({})),
    of("load", stream=streams, source=st.sampled_from(SOURCES)),
)
deletes = of(
    "delete", stream=streams, expected=expectations,
    tombstone=st.sampled_from([False] * 6 + [True]),
)  # fmt: skip
retention = st.one_of(
    of("truncate", stream=streams, before=versions),
    of("metadata", stream=streams, changes=changes),
    of("metadata", stream=streams, changes=st.just({"max_count": 2})),
    of("scavenge"),
)
_key = {"source": st.sampled_from(["src", "src", "other"]), "stream": st.sampled_from(["a", "b"])}
snapshots = st.one_of(
    of("record_snapshot", **_key, version=st.integers(0, 3), data=st.integers(0, 2)),
    of(
        "record_snapshot",
        source=st.just("src"),
        stream=st.just("a"),
        version=st.just(0),
        data=st.integers(0, 1),
    ),
    of("read_snapshot", **_key, version=st.one_of(st.none(), versions)),
    of("list_snapshots"),
    of("delete_snapshot", **_key, version=st.one_of(st.none(), versions)),
)
_own = st.sampled_from(["one", "two"])
create = st.fixed_dictionaries(
    {"op": st.just("create_store"), "store": _own, "exist_ok": st.booleans()}
)
remove = st.fixed_dictionaries(
    {"op": st.just("remove_store"), "store": _own, "purge": st.booleans()}
)
reopen = st.just({"op": "reopen"})
repeat = st.fixed_dictionaries(
    {"op": st.just("repeat"), "back": st.integers(0, 7), "fresh": st.booleans()}
)
"""A call made before, again: with its command id, or without any."""

WEIGHTS = (
    (appends, 14), (appends_many, 6), (repeat, 4), (reads, 12), (looks, 5), (deletes, 4),
    (retention, 7), (snapshots, 7), (create, 2), (remove, 1), (reopen, 1),
)  # fmt: skip
operations = st.sampled_from([kind for kind, weight in WEIGHTS for _ in range(weight)]).flatmap(
    lambda kind: kind
)
