"""API "Append": never twice, for ever: tracking=(source, position)."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb import Append, StreamState
from tests.contract.tools import everything, head, one


def test_tracking_is_stored_with_the_events(store: Any) -> None:
    assert store.tracked("orders") is None
    store.append("s", one(), tracking=("orders", 7))
    assert store.tracked("orders") == 7
    assert store.tracked("others") is None


@pytest.mark.parametrize("position", [7, 6, 0])
def test_a_position_not_above_the_recorded_one_stores_nothing(store: Any, position: int) -> None:
    store.append("s", one(), tracking=("orders", 7))
    before = everything(store)
    with pytest.raises(pyesdb.TrackingConflict) as caught:
        store.append("s", one(), tracking=("orders", position))
    error = caught.value
    assert (error.source, error.position, error.recorded) == ("orders", position, 7)
    assert everything(store) == before
    assert store.tracked("orders") == 7


def test_positions_may_jump_but_must_increase(store: Any) -> None:
    for position in (1, 2, 500):
        store.append("s", one(), tracking=("orders", position))
    assert store.tracked("orders") == 500


def test_sources_are_independent(store: Any) -> None:
    store.append("s", one(), tracking=("a", 10))
    store.append("s", one(), tracking=("b", 1))
    assert (store.tracked("a"), store.tracked("b")) == (10, 1)


def test_a_refused_append_does_not_move_tracking(store: Any) -> None:
    store.append("s", one(), tracking=("orders", 1))
    with pytest.raises(pyesdb.WrongExpectedVersion):
        store.append("s", one(), expected=StreamState.NO_STREAM, tracking=("orders", 2))
    assert store.tracked("orders") == 1
    assert store.append("s", one(), tracking=("orders", 2)).version == 1


def test_append_many_tracks_once_for_all(store: Any) -> None:
    both = [Append("a", one()), Append("b", one())]
    store.append_many(both, tracking=("orders", 3))
    assert store.tracked("orders") == 3
    with pytest.raises(pyesdb.TrackingConflict):
        store.append_many([Append("c", one())], tracking=("orders", 3))
    assert head(store) == 2
    assert not store.exists("c")


def test_an_empty_append_may_record_that_nothing_was_to_do(store: Any) -> None:
    assert store.append("s", [], tracking=("orders", 5)).count == 0
    assert store.tracked("orders") == 5


def test_tracking_survives_reopening(open_db: Any, data_dir: Any) -> None:
    db = open_db(data_dir, durability="os")
    db.store().append("s", one(), tracking=("orders", 5))
    db.close()
    store = open_db(data_dir).store()
    with pytest.raises(pyesdb.TrackingConflict):
        store.append("s", one(), tracking=("orders", 5))
