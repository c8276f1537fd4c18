"""API "Stores": a frozen store answers reads only, in every process, until it is thawed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import Append, StoreStatus
from pyesdb.node import reconcile
from tests.contract.other import other
from tests.contract.test_recovery import core, life
from tests.contract.tools import everything, new_events, one

WRITES: dict[str, Callable[[Any], Any]] = {
    "append": lambda s: s.append("s", one()),
    "append to a new stream": lambda s: s.append("new", one(tags=["new"])),
    "append of nothing": lambda s: s.append("s", []),
    "append with expected": lambda s: s.append("s", one(), expected=0),
    "append_many": lambda s: s.append_many([Append("s", [one()]), Append("t", [one()])]),
    "delete_stream": lambda s: s.delete_stream("s"),
    "tombstone_stream": lambda s: s.tombstone_stream("s"),
    "truncate_stream": lambda s: s.truncate_stream("s", before_version=2),
    "set_stream_metadata": lambda s: s.set_stream_metadata("s", max_count=1),
    "record_snapshot": lambda s: s.record_snapshot("A", "s", 1, {}),
    "delete_snapshot": lambda s: s.delete_snapshot("A", "s", 0),
    "scavenge": lambda s: s.scavenge(),
}
READS: dict[str, Callable[[Any], Any]] = {
    "read": lambda s: len(s.read("s").to_list()),
    "read_all": lambda s: len(s.read_all(select=pyesdb.select.event_type("Happened")).to_list()),
    "linearizable": lambda s: len(s.read_all(consistency="linearizable").to_list()),
    "version": lambda s: s.version("s"),
    "streams": lambda s: list(s.streams()),
    "stream_info": lambda s: s.stream_info("s").version,
    "list_snapshots": lambda s: len(s.list_snapshots()),
    "read_snapshot": lambda s: s.read_snapshot("A", "s").version,
    "load": lambda s: len(list(s.load("s", source="A").events)),
    "stats": lambda s: s.stats().events,
    "verify": lambda s: s.verify().problems,
    "info": lambda s: s.info().store_id,
}


@pytest.fixture
def filled(db: Any) -> Any:
    store = db.create_store("a")
    store.append("s", new_events(3))
    store.record_snapshot("A", "s", 0, {"n": 1})
    return store


def test_every_write_is_refused_and_stores_nothing(db: Any, filled: Any) -> None:
    before = everything(filled), list(filled.streams()), filled.stream_info("s")
    db.freeze_store("a")
    for name, write in WRITES.items():
        with pytest.raises(pyesdb.StoreFrozen, match="thaw_store") as caught:
            write(filled)
        assert caught.value.code == "store_frozen", name
    assert (everything(filled), list(filled.streams()), filled.stream_info("s")) == before
    assert filled.read_all(select=pyesdb.select.tags("new")).to_list() == []
    db.thaw_store("a")
    assert (everything(filled), list(filled.streams()), filled.stream_info("s")) == before
    for name, write in WRITES.items():
        if name not in ("delete_stream", "tombstone_stream", "append with expected"):
            write(filled)


def test_what_was_refused_stays_so_under_its_command_id(db: Any, filled: Any) -> None:
    event, command = one(), uuid4()
    db.freeze_store("a")
    with pytest.raises(pyesdb.StoreFrozen):
        filled.append("s", event, command_id=command)
    db.thaw_store("a")
    with pytest.raises(pyesdb.StoreFrozen):  # who was told that nothing is stored relies on it
        filled.append("s", event, command_id=command)
    assert filled.outcome(command) == "not applied"
    assert filled.append("s", event, command_id=uuid4()).version == 3


def test_every_read_answers_as_before(db: Any, filled: Any) -> None:
    before = {name: read(filled) for name, read in READS.items()}
    db.freeze_store("a")
    assert {name: read(filled) for name, read in READS.items()} == before
    fresh = db.store("a")
    assert {name: read(fresh) for name, read in READS.items()} == before


def test_a_repeated_command_gets_its_first_answer(db: Any, filled: Any) -> None:
    from uuid import UUID

    event, command = one(), UUID(int=7)
    first = filled.append("s", event, command_id=command)
    db.freeze_store("a")
    again = filled.append("s", event, command_id=command)
    assert (again.version, again.duplicate) == (first.version, True)


def test_twice_is_harmless_and_written_once(db: Any, filled: Any) -> None:
    for call in (db.thaw_store, db.freeze_store, db.freeze_store, db.thaw_store, db.thaw_store):
        assert call("a") is None
    assert life(db)[2:] == ["StoreFrozen", "StoreThawed"]


def test_the_status_says_it(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("a").append("s", one())
    db.freeze_store("a")
    for _ in range(2):
        assert db.get_store_status("a") is StoreStatus.FROZEN
        assert db.list_stores()["a"].status == "frozen"
        assert db.store("a").info().status == "frozen"
        assert db.list_stores()["default"].status == "running"
        with pytest.raises(pyesdb.StoreFrozen):
            db.store("a").append("s", one())
        db.close()
        db = open_db(data_dir)
    db.thaw_store("a")
    assert db.get_store_status("a") is StoreStatus.RUNNING
    db.close()
    assert open_db(data_dir).store("a").append("s", one()).version == 1


def test_the_default_store_can_be_frozen(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.freeze_store("default")
    db.close()
    db = open_db(data_dir)
    with pytest.raises(pyesdb.StoreFrozen):
        db.store().append("s", one())
    db.create_store("a").append("s", one())
    db.thaw_store("default")
    assert db.store().append("s", one()).version == 0


@pytest.mark.parametrize("call", ["freeze_store", "thaw_store"])
def test_what_cannot_be_frozen(db: Any, call: str) -> None:
    with pytest.raises(pyesdb.RequestError, match="catalog"):
        getattr(db, call)("$system")
    with pytest.raises(pyesdb.StoreNotFound):
        getattr(db, call)("nowhere")
    for bad in ("A", "../a", 5, None):
        with pytest.raises(pyesdb.InvalidStoreId):
            getattr(db, call)(bad)
    db.create_store("a")
    db.remove_store("a")
    with pytest.raises(pyesdb.StoreNotFound, match="trash"):
        getattr(db, call)("a")
    assert db.create_store("b").append("s", one()).version == 0


def test_a_frozen_store_can_be_configured_backed_up_and_removed(
    db: Any, filled: Any, tmp_path: Path
) -> None:
    db.freeze_store("a")
    assert db.update_store("a", max_events=3, description="x").max_events == 3
    db.backup_store("a", tmp_path / "backup")
    assert db.restore_backup(tmp_path / "backup", as_="b").version("s") == 2
    db.thaw_store("a")
    with pytest.raises(pyesdb.LimitExceeded):
        filled.append("s", one())
    db.freeze_store("a")
    db.remove_store("a")
    assert db.create_store("a").append("s", one()).version == 0


def test_a_store_that_was_made_anew_is_not_frozen(db: Any, filled: Any) -> None:
    db.freeze_store("a")
    db.remove_store("a")
    assert db.create_store("a").append("s", one()).version == 0
    assert db.get_store_status("a") is StoreStatus.RUNNING
    assert db.recover_store("a", as_="b").info().status is StoreStatus.FROZEN


# -- other processes


class DiedError(Exception):
    """A process that dies between two steps."""


def die(step: str) -> None:
    raise DiedError


def test_a_process_that_has_it_open_is_refused_at_once(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        store = db.create_store("a")
        append = "store.append('s', one()).version"
        assert say(append) == "0"
        for version in range(1, 4):
            db.freeze_store("a")
            assert say(append) == "StoreFrozen"
            assert say("db.get_store_status('a')") == repr(StoreStatus.FROZEN)
            assert say("store.version('s')") == str(version - 1)
            db.thaw_store("a")
            assert say(append) == str(version)
        assert say("db.freeze_store('a')") == "None"
        with pytest.raises(pyesdb.StoreFrozen):
            store.append("s", one())


def test_a_process_that_is_behind_undoes_nothing(data_dir: Path) -> None:
    """It knows an older revision, and looks at the catalog only when it opens its files."""
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        db.create_store("a").append("s", one())
        assert say("db.freeze_store('a')") == "None"
        db.thaw_store("a")
        db.update_store("a", max_events=2)
        assert say("store.append('s', one()).version") == "1"
        assert say("store.append('s', one()).version") == "LimitExceeded"
        db.freeze_store("a")
        assert say("store.append('s', one()).version") == "StoreFrozen"
        with pytest.raises(pyesdb.StoreFrozen):
            db.store("a").append("s", one())
        assert say("db.thaw_store('a')") == "None"
        db.update_store("a", max_events=3)
        assert say("store.append('s', one()).version") == "2"
        assert db.store("a").version("s") == 2
        with pytest.raises(pyesdb.LimitExceeded):
            db.store("a").append("s", one())


def test_a_freeze_whose_process_died_holds_from_the_next_opening(
    data_dir: Path, open_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("a").append("s", one())
    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "hook", die)
        with pytest.raises(DiedError):
            db.freeze_store("a")
    db.close()
    db = open_db(data_dir)
    assert db.get_store_status("a") is StoreStatus.FROZEN
    with pytest.raises(pyesdb.StoreFrozen):
        db.store("a").append("s", one())
    assert db.store("a").version("s") == 0


def test_a_store_that_was_frozen_while_it_was_being_made(
    data_dir: Path, open_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its maker died behind StoreCreated; somebody freezes it, and so it comes to life."""
    db = open_db(data_dir, durability="os")

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "hook", die)
        with pytest.raises(DiedError):
            db.create_store("a")
    assert db.get_store_status("a") is StoreStatus.STARTING
    db.freeze_store("a")
    assert db.get_store_status("a") is StoreStatus.FROZEN
    with pytest.raises(pyesdb.StoreFrozen):
        db.store("a").append("s", one())
    db.thaw_store("a")
    assert db.store("a").append("s", one()).version == 0


# -- duties


def test_duties_pass_over_what_is_frozen(
    clock: Any, db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store = db.create_store("a", max_age=60)
    store.append("s", new_events(2))
    db.freeze_store("a")
    clock.move(hours=1)
    duties = core(db).duties
    core(db).start_duties()
    with caplog.at_level(logging.DEBUG, "pyesdb"):
        for name in ("age", "refresh", "trash"):
            duties.run(name)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert len(store.read("s").to_list()) == 2
    db.thaw_store("a")
    duties.run("age")
    assert store.read("s").to_list() == []
