"""A store that opens its files looks at the catalog first, whatever happens at that moment."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.node import catalog as c
from tests.scale.tools import let_rest, node_of, rests

TWO = [NewEvent("E"), NewEvent("E")]


@pytest.fixture
def db(data_dir: Path) -> Any:
    with pyesdb.open(data_dir, durability="os") as database:
        database.save_template("t", max_append_events=9)
        database.create_store("acme", template="t").append("s", NewEvent("E"))
        yield database


def save_as_another_process(db: Any, most: int) -> None:
    """The event alone: the stores that are open here are not shown it."""
    node = node_of(db)
    version = node.catalog.template("t").version
    data = {"settings": {"max_append_events": most}}
    c.append_to_catalog(node.system, c.template_stream("t"), version, c.TEMPLATE_SAVED, data)


def test_a_change_while_a_store_looks_is_not_lost(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision goes with the settings of its own moment: equal revisions say nothing new."""
    store, node = db.store("acme"), node_of(db)
    let_rest(store)
    real = node.catalog.template
    left = [1]

    def template(name: str) -> Any:
        found = real(name)
        if left:
            left.clear()
            save_as_another_process(db, 1)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(node.catalog, "template", template)
        store.append("s", NewEvent("E"))
        template("t")
    node.duties.run("refresh")
    with pytest.raises(pyesdb.LimitExceeded):
        store.append("s", TWO)


def test_who_could_not_look_looks_again(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store, node = db.store("acme"), node_of(db)
    let_rest(store)
    save_as_another_process(db, 1)

    def broken() -> None:
        raise pyesdb.Unavailable("the disk hiccups")

    with monkeypatch.context() as patch:
        patch.setattr(node.catalog, "_update", broken)
        for call in (lambda: store.append("s", TWO), lambda: store.version("s")):
            with pytest.raises(pyesdb.Unavailable):
                call()
    with pytest.raises(pyesdb.LimitExceeded):
        store.append("s", TWO)
    assert store.version("s") == 0


@pytest.mark.parametrize("use", ["append", "version"])
def test_an_error_behind_the_opening_closes_the_file_again(
    db: Any, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    store, node = db.store("acme"), node_of(db)
    runtime = store._handle.runtime()
    let_rest(store)
    real = node.catalog.get
    asked: list[str] = []

    def get(store_id: str) -> Any:
        asked.append(store_id)
        if len(asked) == 1:
            node.opened.close(runtime)  # a duty: it has nothing open yet
            return real(store_id)
        raise pyesdb.Unavailable("the disk hiccups")

    with monkeypatch.context() as patch:
        patch.setattr(node.catalog, "get", get)
        with pytest.raises(pyesdb.Unavailable):
            store.append("s", NewEvent("E")) if use == "append" else store.version("s")
        assert not runtime.open
    assert store.append("s", NewEvent("E")).version == 1


def test_who_comes_while_another_one_looks_looks_too(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, node = db.store("acme"), node_of(db)
    let_rest(store)
    save_as_another_process(db, 1)
    inside, go_on = threading.Event(), threading.Event()
    real = node.catalog.get

    def get(store_id: str) -> Any:
        if threading.current_thread() is reader:
            inside.set()
            assert go_on.wait(30)
        return real(store_id)

    reader = threading.Thread(target=lambda: store.version("s"))
    monkeypatch.setattr(node.catalog, "get", get)
    reader.start()
    assert inside.wait(30)
    try:
        with pytest.raises(pyesdb.LimitExceeded):
            store.append("s", TWO)
    finally:
        go_on.set()
        reader.join()


def test_a_file_that_was_put_back_while_its_store_rested_is_read(db: Any, data_dir: Path) -> None:
    store = db.store("acme")
    assert store.version("s") == 0
    let_rest(store)
    folder = data_dir / "stores" / "acme"
    shutil.copytree(folder, data_dir / "copy")
    shutil.rmtree(folder)
    (data_dir / "copy").rename(folder)
    assert store.append("s", NewEvent("E")).version == 1
    assert len(store.read("s").to_list()) == 2


def test_expiry_that_failed_is_still_owed(
    clock: Any, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, node = db.create_store("ageing", max_age=60), node_of(db)
    store.append("s", NewEvent("E"))
    let_rest(store)
    clock.move(seconds=61)

    def broken(_: float) -> None:
        raise pyesdb.Unavailable("the disk hiccups")

    with monkeypatch.context() as patch:
        patch.setattr(store._handle.runtime(), "expire", broken)
        node.duties.run("age")
    node.duties.run("age")
    assert store.read("s").to_list() == []


def test_nothing_is_owed_to_a_frozen_store(clock: Any, db: Any) -> None:
    store, node = db.create_store("ageing", max_age=60), node_of(db)
    store.append("s", NewEvent("E"))
    db.freeze_store("ageing")
    let_rest(store)
    clock.move(seconds=61)
    node.duties.run("age")
    runtime = store._handle.runtime()
    assert not runtime.open
    assert not runtime.owes_expiry
    db.thaw_store("ageing")
    assert runtime.owes_expiry


def test_a_read_that_ends_behind_the_end_leaves_nothing_open(db: Any) -> None:
    """The store ends between the look at its state and the return of the connection."""
    store = db.store("acme")
    assert store.version("s") == 0
    readers = store._handle.runtime().readers

    class Idle(list[Any]):
        def append(self, reader: Any) -> None:
            readers.close(pyesdb.StoreRemoved("removed"))
            super().append(reader)

    readers._idle = Idle(readers._idle)
    assert store.version("s") == 0
    assert readers.open == 0


def test_interrupts_that_come_twice_leave_the_lane_free(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = db.store("acme")
    runtime = store._handle.runtime()
    real = runtime.outbox._announce
    signals: list[None] = [None, None]

    def announce(former: object) -> None:
        if signals:
            signals.pop()
            raise KeyboardInterrupt
        real(former)

    def closing() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime.outbox, "_announce", announce)
    with pytest.raises(KeyboardInterrupt):
        runtime.outbox.alone(closing)
    assert store.append("s", NewEvent("E"), timeout=10).version == 1
    let_rest(store)
    assert rests(store)


def test_others_close_for_a_store_before_it_takes_its_lane(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a file may take a checkpoint: nobody waits for that in a lane or for a lock file."""
    node = node_of(db)
    store, other = db.store("acme"), db.create_store("other")
    let_rest(store)
    other.append("s", NewEvent("E"))
    node.max_open_stores = 1
    outbox = store._handle.runtime().outbox
    real, free = node.opened.close, []

    def close(runtime: Any) -> bool:
        free.append(outbox._leader is None)
        return real(runtime)

    monkeypatch.setattr(node.opened, "close", close)
    assert store.append("s", NewEvent("E")).version == 1
    assert free == [True]
    assert len(node.opened) == 1
