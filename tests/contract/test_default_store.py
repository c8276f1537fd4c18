"""The default store, which every open makes, gives way to another one as long as it is unused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.node import lifecycle, reconcile, replacing
from tests.contract.other import other
from tests.contract.tools import everything, new_events, one

Bring = Callable[[Any], Any]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Of the default store of another machine."""
    with pyesdb.open(tmp_path / "lost", durability="os") as db:
        db.store().append("s", new_events(3))
        db.update_store("default", description="kept")
        db.backup_store("default", tmp_path / "default.backup")
    return tmp_path / "default.backup"


def restore(db: Any, backup: Path) -> Any:
    return db.restore_backup(backup)


def copy(db: Any, backup: Path) -> Any:
    db.restore_backup(backup, as_="source")
    return db.copy_store("source", "default")


def split(db: Any, backup: Path) -> Any:
    db.restore_backup(backup, as_="source")
    return db.copy_store("source", "default", select=select.stream("s"))


def recover(db: Any, backup: Path) -> Any:
    db.restore_backup(backup, as_="source")
    db.remove_store("source")
    return db.recover_store("source", as_="default")


BRINGING = [restore, copy, split, recover]


@pytest.mark.parametrize("bring", BRINGING)
@pytest.mark.parametrize("exclusive", [False, True])
def test_it_gives_way_while_nobody_has_used_it(
    open_db: Any, data_dir: Path, backup: Path, bring: Any, *, exclusive: bool
) -> None:
    with open_db(data_dir, durability="os", exclusive=exclusive) as db:
        early = db.store()
        follower = early.follow()
        assert (early.exists("s"), follower.get(0)) == (False, None)
        store = bring(db, backup)
        assert (store.id, store.version("s")) == ("default", 2)
        assert db.get_store_config("default").description == "kept"
        assert store.verify().problems == ()
        with pytest.raises(pyesdb.StoreRemoved):
            early.append("s", one())
        with pytest.raises(pyesdb.StoreRemoved):
            follower.get(0)
        assert db.store().append("s", one()).version == 3
        assert [found.store_id for found in db.trash()] == ["default"]
        with pytest.raises(pyesdb.StoreAlreadyExists, match="PYESDB_STORE_ID"):
            bring(db, backup) if bring is restore else db.copy_store("default", "default")
    with open_db(data_dir) as db:
        assert db.store().version("s") == 3


def test_one_of_the_same_id_comes_back(open_db: Any, data_dir: Path, monkeypatch: Any) -> None:
    """It was no default store when it was removed."""
    with open_db(data_dir, durability="os") as db:
        db.create_store("main").append("s", new_events(2))
        db.remove_store("main")
    monkeypatch.setenv("PYESDB_STORE_ID", "main")
    with open_db(data_dir, durability="os") as db:
        assert not db.store().exists("s")
        before = db.trash()
        assert db.recover_store("main").version("s") == 1
        assert len(before) == len(db.trash()) == 1
        assert before != db.trash()
        with pytest.raises(pyesdb.StoreAlreadyExists):
            db.recover_store("main")


USES: dict[str, Callable[[Any], object]] = {
    "an event": lambda store: store.append("s", one()),
    "what is gone": lambda store: (
        store.append("s", one()),
        store.tombstone_stream("s"),
        store.scavenge(),
    ),
    "a subscription": lambda store: store.save_subscription("sub", select.everything),
    "a cursor": lambda store: store.append("s", [], tracking=("source", 1)),
}


@pytest.mark.parametrize("use", USES)
def test_it_stays_when_it_was_used(
    db: Any, data_dir: Path, backup: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when that came between the first look and the lock."""
    found = replacing.replace

    def late(*arguments: Any) -> Any:
        with pyesdb.open(data_dir) as again:
            USES[use](again.store())
        return found(*arguments)

    before = db.store()
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "replace", late)
        with pytest.raises(pyesdb.StoreAlreadyExists, match="has been used"):
            db.restore_backup(backup)
    for bring in (restore, recover):
        with pytest.raises(pyesdb.StoreAlreadyExists, match="give another id"):
            bring(db, backup)
    assert (before.info().status, db.store().stats()) == ("running", before.stats())
    assert all(found.store_id == "source" for found in db.trash())
    assert db.restore_backup(backup, as_="other").version("s") == 2


def test_another_process_notices(data_dir: Path, backup: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        assert say("handles.update(d=db.store()) or handles['d'].exists('s')") == "False"
        db.restore_backup(backup)
        assert say("handles['d'].append('s', one())") == "StoreRemoved"
        assert say("db.store().append('s', one()).version") == "3"


def test_of_many_one_takes_its_place(data_dir: Path, backup: Path) -> None:
    outcomes: list[str] = []
    with pyesdb.open(data_dir, durability="os") as db:

        def bring() -> None:
            try:
                outcomes.append(str(db.restore_backup(backup).version("s")))
            except pyesdb.StoreAlreadyExists:
                outcomes.append("exists")

        threads = [threading.Thread(target=bring) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["2", *["exists"] * 3]


def test_max_stores_counts_it_once(data_dir: Path, backup: Path) -> None:
    with pyesdb.open(data_dir, durability="os", config={"max_stores": 1}) as db:
        assert db.restore_backup(backup).version("s") == 2


def test_one_that_was_lost_or_damaged(data_dir: Path, backup: Path) -> None:
    """A damaged one says how it makes room, and then it does."""
    folder = data_dir / "stores" / "default"
    with pyesdb.open(data_dir, durability="os") as db:
        db.store().append("s", NewEvent("Lost"))
    (folder / "store.db").write_bytes(b"damage" * 1000)
    with (
        pyesdb.open(data_dir) as db,
        pytest.raises(pyesdb.StoreAlreadyExists, match=f"move {folder} away and keep it"),
    ):
        db.restore_backup(backup)
    folder.rename(data_dir.parent / "kept")
    with pyesdb.open(data_dir) as db:
        assert db.get_store_status("default") == "failed"
        before = db.restore_backup(backup)
        assert [event[2] for event in everything(before)] == [0, 1, 2]


def test_one_whose_change_of_key_was_cut_short_is_used(data_dir: Path, backup: Path) -> None:
    """Its directory is between two places, before the first look or behind it."""
    folder, aside = data_dir / "stores" / "default", data_dir / "swap" / "default.old"
    found = replacing.replace

    def late(*arguments: Any) -> Any:
        folder.rename(aside)
        return found(*arguments)

    with pyesdb.open(data_dir, durability="os") as db:
        db.store().append("s", new_events(3))
    aside.parent.mkdir()
    with pyesdb.open(data_dir) as db:
        folder.rename(aside)
        with pytest.raises(pyesdb.StoreAlreadyExists, match="has been used"):
            db.restore_backup(backup)
        assert [event.version for event in db.store().read("s")] == [0, 1, 2]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lifecycle, "replace", late)
            patch.setattr(lifecycle, "used", lambda *_: False)
            with pytest.raises(pyesdb.StoreAlreadyExists, match="has been used"):
                db.restore_backup(backup)
        assert db.trash() == []
        assert db.store().append("s", one()).version == 3


@pytest.mark.parametrize("bring", [restore, copy, split])
def test_what_fails_late_leaves_a_default_store(
    db: Any, backup: Path, bring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(step: str) -> None:
        if step == "draft identified" and db.trash():
            raise pyesdb.DiskFull("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "hook", full)
        with pytest.raises(pyesdb.DiskFull):
            bring(db, backup)
    assert db.store().append("s", one()).version == 0
    assert db.get_store_status("default") == "running"


SETTING_UP: dict[str, Callable[[Any], object]] = {
    "a setting": lambda db: db.update_store("default", max_count=5),
    "a description": lambda db: db.update_store("default", description="mine"),
    "a freeze": lambda db: db.freeze_store("default"),
}


@pytest.mark.parametrize("what", SETTING_UP)
def test_one_that_was_set_up_stays(db: Any, backup: Path, what: str) -> None:
    SETTING_UP[what](db)
    with pytest.raises(pyesdb.StoreAlreadyExists, match="used or set up"):
        db.restore_backup(backup)


def test_what_made_room_is_erased_where_nothing_is_kept(data_dir: Path, backup: Path) -> None:
    with pyesdb.open(data_dir, durability="os", config={"trash_keep": 0}) as db:
        assert db.restore_backup(backup).version("s") == 2
        assert (db.trash(), list((data_dir / "trash").iterdir())) == ([], [])


def test_one_that_cannot_be_moved_at_once_makes_room_later(
    db: Any, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had it open is told, and what comes moves it."""
    early, move, calls = db.store(), reconcile.to_trash, [0]
    assert not early.exists("s")

    def failing(*arguments: Any) -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise OSError(5, "Input/output error")
        move(*arguments)

    monkeypatch.setattr(reconcile, "to_trash", failing)
    assert db.restore_backup(backup).version("s") == 2
    with pytest.raises(pyesdb.StoreRemoved):
        early.append("s", one())
    assert [found.store_id for found in db.trash()] == ["default"]
