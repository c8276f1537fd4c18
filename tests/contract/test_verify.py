"""API `stats`, `verify`: figures of a store, and whether its file says what was written."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from tests.contract.tools import new_events, one


def test_stats_are_what_is_stored(store: Any) -> None:
    assert store.stats() == pyesdb.StoreStats(
        events=0, streams=0, bytes=0, position=0, snapshots=0, subscriptions=0
    )
    store.append("a", new_events(3))
    store.append("b", one())
    store.record_snapshot("src", "a", 1, {})
    store.record_snapshot("src", "a", 2, {})
    found = store.stats()
    assert (found.events, found.streams, found.position) == (4, 2, 4)
    assert (found.snapshots, found.subscriptions) == (2, 0)
    assert found.bytes > 4 * 16


def test_stats_count_hidden_events_until_they_are_reclaimed(own_store: Any) -> None:
    own_store.append("a", new_events(10))
    before = own_store.stats()
    own_store.truncate_stream("a", before_version=6)
    assert own_store.stats() == before
    own_store.scavenge()
    after = own_store.stats()
    assert (after.events, after.position) == (4, 10)
    assert after.bytes < before.bytes


def test_store_stats_are_those_of_the_store(db: Any) -> None:
    db.create_store("x").append("s", one())
    assert db.store_stats("x") == db.store("x").stats()
    with pytest.raises(pyesdb.StoreNotFound):
        db.store_stats("never")


def test_verify_of_a_store_in_use(store: Any) -> None:
    assert store.verify() == pyesdb.VerifyResult(
        ok=True, events=0, streams=0, entries=store.verify().entries, problems=()
    )
    store.append("a", new_events(7, tags=["t"]))
    store.append("b", new_events(3))
    store.truncate_stream("a", before_version=4)
    store.scavenge()
    found = store.verify()
    assert (found.ok, found.events, found.streams, found.problems) == (True, 6, 2, ())
    assert found.entries >= 4


def test_verify_tells_its_progress(own_store: Any) -> None:
    own_store.append("a", new_events(10))
    told: list[tuple[int, int]] = []
    own_store.verify(on_progress=lambda done, total: told.append((done, total)))
    done = [step for step, _ in told]
    assert len({total for _, total in told}) == 1
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1] > 10


def test_verify_refuses_a_progress_that_cannot_be_called(own_store: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="callable"):
        own_store.verify(on_progress=3)


def test_what_on_progress_raises_ends_it(own_store: Any) -> None:
    class Enough(Exception):
        pass

    def enough(done: int, total: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        own_store.verify(on_progress=enough)
    assert own_store.verify().ok


def test_verify_of_a_removed_store(db: Any) -> None:
    store = db.create_store("x")
    store.append("s", one())
    db.remove_store("x")
    with pytest.raises(pyesdb.StoreRemoved):
        store.verify()


def test_verify_reads_only(db: Any, open_db: Any, data_dir: Any) -> None:
    db.store().append("a", new_events(3))
    db.close()
    found = open_db(data_dir, read_only=True).store().verify()
    assert (found.ok, found.events) == (True, 3)
