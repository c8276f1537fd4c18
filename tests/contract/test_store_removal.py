"""API "Stores": removing, and what handles, status and disk say afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyesdb
from tests.contract.tools import new_events, one, output_of

# In another process: opening a live file of SQLite here would drop its locks.
FIND = """
import pathlib, sys
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    if path.is_file() and sys.argv[2].encode() in path.read_bytes():
        print(path)
"""


def test_a_removed_store_is_not_found_and_said_to_be_in_the_trash(db: Any) -> None:
    db.create_store("a").append("s", one())
    assert db.remove_store("a") is None
    for call in (db.get_store_status, db.get_store_config, db.remove_store):
        with pytest.raises(pyesdb.StoreNotFound) as caught:
            call("a")
    with pytest.raises(pyesdb.StoreNotFound) as caught:
        db.store("a").version("s")
    assert "trash" in str(caught.value)
    assert "until" in str(caught.value)
    assert "a" not in db.list_stores()


def test_missing_ok(db: Any) -> None:
    db.remove_store("never", missing_ok=True)
    db.create_store("a")
    db.remove_store("a")
    db.remove_store("a", missing_ok=True)


def test_a_handle_bound_to_the_removed_store_raises_store_removed(db: Any) -> None:
    store = db.create_store("a")
    store.append("s", one())
    db.remove_store("a")
    calls = [
        lambda: store.append("s", one()),
        lambda: store.read("s"),
        store.read_all,
        lambda: store.version("s"),
        lambda: list(store.streams()),
        lambda: store.stream_info("s"),
        lambda: store.delete_stream("s"),
        store.list_snapshots,
        store.info,
    ]
    for call in calls:
        with pytest.raises(pyesdb.StoreRemoved) as caught:
            call()
        assert "a" in str(caught.value)


def test_a_re_created_store_is_empty_and_has_a_new_incarnation(db: Any) -> None:
    old = db.create_store("a")
    old.append("s", new_events(3))
    old.record_snapshot("A", "s", 1, {})
    before = db.list_stores()["a"].incarnation
    db.remove_store("a")
    new = db.create_store("a")
    assert db.list_stores()["a"].incarnation > before
    assert new.read_all(system=True).to_list() == []
    assert new.list_snapshots() == []
    assert new.append("s", one()).version == 0
    assert new.read("s").first().position == 1


def test_an_old_handle_stays_removed_when_the_id_is_taken_again(db: Any) -> None:
    old = db.create_store("a")
    old.append("s", one())
    db.remove_store("a")
    new = db.create_store("a")
    with pytest.raises(pyesdb.StoreRemoved):
        old.append("s", one())
    with pytest.raises(pyesdb.StoreRemoved):
        old.read_all()
    assert new.read_all().to_list() == []
    assert db.store("a").append("s", one()).version == 0


def test_the_data_of_a_removed_store_is_kept_aside(db: Any, data_dir: Path) -> None:
    db.create_store("a").append("s", one("Precious"))
    place = Path(db.get_store_config("a").data_dir)
    files = {p.name for p in place.iterdir() if not p.name.endswith(("-wal", "-shm"))}
    db.remove_store("a")
    assert not place.exists()
    kept = {p.name for p in data_dir.rglob("*") if p.is_file()}
    assert files <= kept


def test_purge_erases_now(db: Any, data_dir: Path) -> None:
    db.create_store("a").append("s", one(data="find-me-" * 20))
    db.remove_store("a", purge=True)
    assert output_of(FIND, str(data_dir), "find-me-find-me") == ""
    with pytest.raises(pyesdb.StoreNotFound) as caught:
        db.get_store_status("a")
    assert "trash" not in str(caught.value)
    assert db.create_store("a").read_all().to_list() == []


def test_removal_and_purge_hold_after_restart(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    for name, purge in (("a", False), ("b", True)):
        db.create_store(name).append("s", one())
        db.remove_store(name, purge=purge)
    db.close()
    again = open_db(data_dir)
    assert list(again.list_stores()) == ["default"]
    for name in ("a", "b"):
        with pytest.raises(pyesdb.StoreNotFound):
            again.get_store_status(name)
        assert again.create_store(name).read_all().to_list() == []


def test_the_default_store_cannot_be_removed(db: Any) -> None:
    for purge in (False, True):
        with pytest.raises(pyesdb.RequestError) as caught:
            db.remove_store("default", purge=purge)
        assert "default" in str(caught.value)
    assert db.store().append("s", one()).version == 0


def test_the_system_store_cannot_be_removed_or_created(db: Any) -> None:
    with pytest.raises(pyesdb.RequestError):
        db.remove_store("$system")
    with pytest.raises(pyesdb.RequestError):
        db.remove_store("$system", missing_ok=True, purge=True)
    assert "$system" in db.list_stores(system=True)


def test_the_system_store_takes_no_events_of_users(db: Any) -> None:
    with pytest.raises(pyesdb.PyesdbError):
        db.store("$system").append("mine", one())
    assert db.create_store("still-works").append("s", one()).version == 0


def test_other_stores_do_not_notice_a_removal(db: Any) -> None:
    a, b = db.create_store("a"), db.create_store("b")
    a.append("s", one())
    b.append("s", one())
    read = b.read("s")
    db.remove_store("a")
    assert len(read.to_list()) == 1
    assert b.append("s", one()).version == 1


def test_create_remove_create_many_times(db: Any) -> None:
    seen = set()
    for n in range(12):
        store = db.create_store("cycle")
        assert store.append("s", one()).position == 1
        seen.add(store.info().incarnation)
        db.remove_store("cycle", purge=bool(n % 2))
    assert len(seen) == 12


def test_one_stores_damage_is_its_own(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    for name in ("good", "bad"):
        db.create_store(name).append("s", new_events(5))
    place = Path(db.get_store_config("bad").data_dir)
    db.close()
    for path in place.iterdir():
        path.write_bytes(b"not a database at all" * 500)
    again = open_db(data_dir)
    assert again.store("good").append("s", one()).version == 5
    with pytest.raises(pyesdb.Fault) as caught:
        again.store("bad").read("s")
    assert "bad" in str(caught.value)
    assert again.get_store_status("bad") == "failed"
    assert again.list_stores()["bad"].reason
    assert again.store("good").version("s") == 5


def test_missing_data_is_a_failure_never_a_new_empty_store(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("a").append("s", one())
    place = Path(db.get_store_config("a").data_dir)
    db.close()
    place.rename(data_dir.parent / "moved-away")
    again = open_db(data_dir)
    with pytest.raises(pyesdb.StoreFailed) as caught:
        again.store("a").append("s", one())
    assert "missing" in str(caught.value)
    assert again.get_store_status("a") == "failed"
    again.close()
    (data_dir.parent / "moved-away").rename(place)
    assert open_db(data_dir).store("a").version("s") == 0
