"""API "Append": the table of expected versions, cell by cell."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb import StreamState
from tests.contract.tools import everything, head, new_events, one

ANY, NO_STREAM, EXISTS = StreamState.ANY, StreamState.NO_STREAM, StreamState.EXISTS
V = 2  # the last version in every state but "missing"
LOWER, HIGHER = V - 1, V + 5

STATES = ("missing", "active", "deleted", "tombstoned")

# (state, expected) -> the version the event gets, or the refusal and what it says is there
TABLE: dict[tuple[str, Any], int | tuple[str, Any] | str] = {
    ("missing", ANY): 0,
    ("missing", NO_STREAM): 0,
    ("missing", EXISTS): ("WrongExpectedVersion", NO_STREAM),
    ("missing", 0): ("WrongExpectedVersion", NO_STREAM),
    ("missing", V): ("WrongExpectedVersion", NO_STREAM),
    ("active", ANY): V + 1,
    ("active", NO_STREAM): ("WrongExpectedVersion", V),
    ("active", EXISTS): V + 1,
    ("active", V): V + 1,
    ("active", LOWER): ("WrongExpectedVersion", V),
    ("active", HIGHER): ("WrongExpectedVersion", V),
    ("deleted", ANY): V + 1,
    ("deleted", NO_STREAM): V + 1,
    ("deleted", EXISTS): "StreamDeleted",
    ("deleted", V): V + 1,
    ("deleted", LOWER): ("WrongExpectedVersion", V),
    ("deleted", HIGHER): ("WrongExpectedVersion", V),
    ("tombstoned", ANY): "StreamTombstoned",
    ("tombstoned", NO_STREAM): "StreamTombstoned",
    ("tombstoned", EXISTS): "StreamTombstoned",
    ("tombstoned", V): "StreamTombstoned",
    ("tombstoned", LOWER): "StreamTombstoned",
    ("tombstoned", HIGHER): "StreamTombstoned",
}


def cell_name(cell: tuple[str, Any]) -> str:
    state, expected = cell
    return f"{state}-{expected.name if isinstance(expected, StreamState) else expected}"


ALLOWED = [cell for cell, answer in TABLE.items() if isinstance(answer, int)]
REFUSED = [cell for cell, answer in TABLE.items() if not isinstance(answer, int)]


def bring_to(store: Any, state: str) -> None:
    store.append("other", new_events(1))
    if state == "missing":
        return
    store.append("s", new_events(V + 1))
    if state == "deleted":
        store.delete_stream("s")
    elif state == "tombstoned":
        store.tombstone_stream("s")


@pytest.mark.parametrize("cell", ALLOWED, ids=cell_name)
def test_allowed_append_gets_the_version_of_the_table(store: Any, cell: tuple[str, Any]) -> None:
    state, expected = cell
    bring_to(store, state)
    before = head(store)
    result = store.append("s", one("Added"), expected=expected)
    assert result.version == TABLE[cell]
    assert result.first_version == TABLE[cell]
    assert result.position == before + 1 == head(store)
    assert (result.stream, result.count, result.duplicate) == ("s", 1, False)
    last = store.read("s", backwards=True).first()
    assert (last.version, last.position, last.type) == (TABLE[cell], before + 1, "Added")
    assert store.version("s") == TABLE[cell]


@pytest.mark.parametrize("cell", REFUSED, ids=cell_name)
def test_refused_append_names_its_reason_and_leaves_nothing(
    store: Any, cell: tuple[str, Any]
) -> None:
    state, expected = cell
    bring_to(store, state)
    before, listed = everything(store), list(store.streams())
    existed = store.exists("s")
    answer = TABLE[cell]
    if isinstance(answer, tuple):
        with pytest.raises(pyesdb.WrongExpectedVersion) as caught:
            store.append("s", new_events(2), expected=expected)
        error = caught.value
        assert (error.stream, error.expected, error.actual) == ("s", expected, answer[1])
    else:
        with pytest.raises(getattr(pyesdb, answer)) as caught:
            store.append("s", new_events(2), expected=expected)
    assert "s" in str(caught.value)
    assert everything(store) == before
    assert list(store.streams()) == listed
    assert store.exists("s") is existed
    assert store.append("other", one()).position == len(before) + 1


def test_the_default_expectation_is_any(store: Any) -> None:
    assert store.append("s", one()).version == 0
    assert store.append("s", one()).version == 1


def test_a_refused_stream_is_still_missing(store: Any) -> None:
    with pytest.raises(pyesdb.WrongExpectedVersion):
        store.append("never", one(), expected=EXISTS)
    with pytest.raises(pyesdb.StreamNotFound):
        store.read("never")
    assert store.version("never") is NO_STREAM
    assert store.append("never", one(), expected=NO_STREAM).version == 0


@pytest.mark.parametrize("state", STATES)
def test_version_is_legal_as_expected_except_on_a_tombstoned_stream(store: Any, state: str) -> None:
    bring_to(store, state)
    version = store.version("s")
    if state == "tombstoned":
        assert version is NO_STREAM
        with pytest.raises(pyesdb.StreamTombstoned):
            store.append("s", one(), expected=version)
    else:
        assert version == (V if state == "active" else NO_STREAM)
        assert store.append("s", one(), expected=version).version == (
            0 if state == "missing" else V + 1
        )


def test_two_writers_with_one_expected_version_have_one_winner(store: Any) -> None:
    seen = store.append("s", one()).version
    store.append("s", one("First"), expected=seen)
    with pytest.raises(pyesdb.WrongExpectedVersion) as caught:
        store.append("s", one("Second"), expected=seen)
    assert caught.value.actual == seen + 1
    assert [e.type for e in store.read("s")] == ["Happened", "First"]
