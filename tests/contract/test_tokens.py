"""API "Read": tokens and cursors."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import pyesdb
from pyesdb import Append, Cursor, Token
from tests.contract.tools import one


def test_a_token_survives_its_text(store: Any) -> None:
    token = store.append("s", one()).token
    assert Token.parse(str(token)) == token
    assert isinstance(str(token), str)
    assert " " not in str(token)


def test_a_cursor_survives_its_text(store: Any) -> None:
    store.append("s", one())
    cursor = store.read("s").first().cursor
    assert cursor.position == 1
    assert Cursor.parse(str(cursor)) == cursor


def test_tokens_of_one_incarnation_are_ordered(store: Any) -> None:
    first = store.append("s", one()).token
    second = store.append("s", one()).token
    assert first < second
    assert max(first, second) == second
    assert first.incarnation == second.incarnation
    assert first.applied < second.applied


def test_a_token_names_the_incarnation_of_the_store(db: Any) -> None:
    for name in ("one", "two"):
        result = db.create_store(name).append("s", one())
        info = db.list_stores()[name]
        assert result.token.incarnation == info.incarnation
        assert db.store(name).read("s").first().cursor.incarnation == info.incarnation


def test_append_many_carries_a_token(store: Any) -> None:
    before = store.append("a", one()).token
    assert store.append_many([Append("b", one())]).token > before


def test_at_least_takes_a_token_or_a_position(store: Any) -> None:
    result = store.append("s", one())
    for mark in (result.token, result.position, Token.parse(str(result.token))):
        assert len(store.read("s", at_least=mark).to_list()) == 1
        assert len(store.read_all(at_least=mark).to_list()) == 1


def test_a_position_that_is_not_there_yet_is_waited_for_until_the_deadline(store: Any) -> None:
    store.append("s", one())
    with pytest.raises(pyesdb.DeadlineExceeded):
        store.read("s", at_least=50, timeout=0.05)


def test_a_token_of_another_history_raises_history_changed(db: Any) -> None:
    token = db.create_store("one").append("s", one()).token
    other = db.create_store("two")
    other.append("s", one())
    with pytest.raises(pyesdb.HistoryChanged):
        other.read("s", at_least=token)
    with pytest.raises(pyesdb.HistoryChanged):
        other.read_all(at_least=token)


def test_a_re_created_store_refuses_the_tokens_of_the_removed_one(db: Any) -> None:
    token = db.create_store("a").append("s", one()).token
    db.remove_store("a")
    again = db.create_store("a")
    again.append("s", one())
    with pytest.raises(pyesdb.HistoryChanged):
        again.read("s", at_least=token)


@pytest.mark.parametrize("bad", ["", "x", "1", "1-", "-1", "999999999999999999999999:x", "\x00"])
@pytest.mark.parametrize("kind", [Token, Cursor])
def test_text_that_is_no_token_is_a_named_error(kind: Any, bad: str) -> None:
    with pytest.raises(pyesdb.RequestError):
        kind.parse(bad)


@pytest.mark.parametrize("kind", [Token, Cursor])
@pytest.mark.parametrize("bad", [None, 5, b"1-1"])
def test_what_is_no_text_is_a_named_error(kind: Any, bad: Any) -> None:
    with pytest.raises(pyesdb.RequestError):
        kind.parse(bad)


@pytest.mark.parametrize("bad", ["1-1", True, -1, 1.5])
def test_at_least_refuses_other_things(store: Any, bad: Any) -> None:
    store.append("s", one())
    with pytest.raises(pyesdb.RequestError) as caught:
        store.read("s", at_least=bad)
    assert "at_least" in str(caught.value)


def test_tokens_and_cursors_pickle_and_hash(store: Any) -> None:
    token = store.append("s", one()).token
    cursor = store.read("s").first().cursor
    for value in (token, cursor):
        assert pickle.loads(pickle.dumps(value)) == value
        assert len({value, pickle.loads(pickle.dumps(value))}) == 1
