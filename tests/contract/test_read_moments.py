"""A read of one stream is of one moment, also where others change the store while it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pyesdb
from pyesdb.store.readers import Reader
from tests.contract.tools import new_events, one, versions

Meanwhile = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements that readers ask."""
    names: list[str] = []
    real = Reader.all

    def all_(reader: Reader, name: str, *args: object) -> list[tuple[Any, ...]]:
        names.append(name)
        return real(reader, name, *args)

    monkeypatch.setattr(Reader, "all", all_)
    return names


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Do something, once, between a statement of a reader and its next one."""

    def arrange(statement: str, change: Callable[[], object]) -> None:
        real, once = Reader.all, iter([True])

        def all_(reader: Reader, name: str, *args: object) -> list[tuple[Any, ...]]:
            found = real(reader, name, *args)
            if name == statement and next(once, False):
                change()
            return found

        monkeypatch.setattr(Reader, "all", all_)

    return arrange


def test_a_short_stream_and_the_newest_events_take_one_statement(
    own_store: Any, asked: list[str]
) -> None:
    own_store.append("s", new_events(20))
    own_store.append("t", new_events(3))
    own_store.read("s").to_list()  # learns the names of types
    asked.clear()
    with own_store.read("s") as whole:
        assert (versions(whole), whole.version, whole.head) == (list(range(20)), 19, 23)
    with own_store.read("s", from_version=18) as behind:
        assert (versions(behind), behind.version, behind.head) == ([18, 19], 19, 23)
    with own_store.read("s", backwards=True, limit=2) as newest:
        assert (versions(newest), newest.version, newest.head) == ([19, 18], 19, 23)
    assert asked == ["stream_from", "stream_from", "stream_to"]


def test_the_names_of_types_that_others_added_are_learned(own_store: Any) -> None:
    own_store.append("s", one("First"))
    assert [e.type for e in own_store.read("s")] == ["First"]
    own_store.append("s", one("Second"))
    assert [(e.stream, e.type) for e in own_store.read("s")] == [("s", "First"), ("s", "Second")]
    own_store.append("t", one("Third"))
    assert own_store.read("t", backwards=True, limit=1).first().type == "Third"


@pytest.mark.parametrize("count", [63, 64, 65, 200])
def test_a_page_that_is_just_full(own_store: Any, count: int) -> None:
    own_store.append("s", new_events(count))
    own_store.append("t", one())
    with own_store.read("s") as whole:
        assert (whole.version, whole.head) == (count - 1, count + 1)
        assert versions(whole) == list(range(count))
    with own_store.read("s", backwards=True, limit=64) as newest:
        assert (newest.version, newest.head) == (count - 1, count + 1)
        assert versions(newest) == list(range(count - 1, max(-1, count - 65), -1))


def test_what_comes_behind_the_first_page_belongs_to_the_read(
    own_store: Any, behind: Meanwhile
) -> None:
    own_store.append("s", new_events(64))
    behind("stream_from", lambda: own_store.append("s", new_events(100)))
    read = own_store.read("s")
    own_store.append("s", one())
    assert (read.version, read.head) == (163, 164)
    assert versions(read.to_list()) == list(range(164))


def test_a_stream_that_is_truncated_behind_the_first_page(
    own_store: Any, behind: Meanwhile
) -> None:
    own_store.append("s", new_events(100))
    behind("stream_from", lambda: own_store.truncate_stream("s", before_version=40))
    assert versions(own_store.read("s").to_list()) == list(range(40, 100))


def test_a_stream_that_is_truncated_beyond_the_first_page(
    own_store: Any, behind: Meanwhile
) -> None:
    own_store.append("s", new_events(100))
    behind("stream_from", lambda: own_store.truncate_stream("s", before_version=90))
    assert versions(own_store.read("s").to_list()) == list(range(90, 100))


def test_a_stream_that_is_deleted_behind_the_first_page(own_store: Any, behind: Meanwhile) -> None:
    own_store.append("s", new_events(100))
    behind("stream_from", lambda: own_store.delete_stream("s"))
    with pytest.raises(pyesdb.StreamDeleted):
        own_store.read("s")
    own_store.append("t", new_events(100))
    behind("stream_from", lambda: own_store.delete_stream("t"))
    assert own_store.read("t", missing_ok=True).to_list() == []


def test_a_stream_that_comes_while_it_is_looked_for(own_store: Any, behind: Meanwhile) -> None:
    behind("stream_from", lambda: own_store.append("s", new_events(2)))
    with own_store.read("s") as read:
        assert (versions(read), read.version, read.head) == ([0, 1], 1, 2)


def test_what_comes_behind_one_page_is_not_hidden_from_a_condition(
    own_store: Any, behind: Meanwhile
) -> None:
    own_store.append("s", new_events(3))
    behind("stream_from", lambda: own_store.append("s", one("Taken")))
    read = own_store.read("s")
    assert (len(read.to_list()), read.head) == (3, 3)
    condition = pyesdb.AppendCondition(pyesdb.select.stream("s"), after=read.head)
    with pytest.raises(pyesdb.ConditionFailed):
        own_store.append("mine", one(), condition=condition)
