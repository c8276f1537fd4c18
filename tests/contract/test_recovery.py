"""API "Stores": the trash, recovery, and the end of what nobody recovers."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import StoreStatus
from pyesdb.node import trash
from tests.contract.other import other
from tests.contract.tools import everything, new_events, one, types


def life(db: Any, store_id: str = "a") -> list[str]:
    """The types of the events of a store's life."""
    return [event.type for event in db.audit(store_id=store_id)]


def trashed(db: Any) -> list[tuple[str, int]]:
    return [(found.store_id, found.incarnation) for found in db.trash()]


def core(db: Any) -> Any:
    """The node behind a database of either face."""
    return getattr(db, "_target", db)._core.node


def made(db: Any, store_id: str = "a", type: str = "First", **settings: Any) -> int:
    """Make a store with an event, and remove it; returns its incarnation."""
    store = db.create_store(store_id, **settings)
    store.append("s", one(type))
    incarnation: int = store.info().incarnation
    db.remove_store(store_id)
    return incarnation


# -- what comes back


def test_a_recovered_store_is_as_it_was(db: Any) -> None:
    store = db.create_store("a", description="Acme")
    store.append("s", new_events(3, tags=["t"]))
    store.record_snapshot("A", "s", 1, {"n": 1})
    store.set_stream_metadata("s", max_count=2)
    before, info = everything(store), store.info()
    db.remove_store("a")
    again = db.recover_store("a")
    assert again.id == "a"
    assert everything(again) == before
    assert again.info() == info
    assert db.get_store_status("a") is StoreStatus.RUNNING
    assert again.read_snapshot("A", "s").version == 1
    assert again.append("s", one(), expected=2).position == 4
    assert life(db) == ["StoreCreated", "StoreReady", "StoreRemoved", "StoreRecovered"]
    assert db.trash() == []


def test_handles_tokens_and_reads_of_before_go_on(db: Any) -> None:
    store = db.create_store("a")
    token = store.append("s", new_events(2)).token
    unbound = db.store("a")
    db.remove_store("a")
    with pytest.raises(pyesdb.StoreRemoved):
        store.version("s")
    with pytest.raises(pyesdb.StoreNotFound):
        unbound.version("s")
    db.recover_store("a")
    assert store.version("s") == 1
    assert unbound.version("s") == 1
    assert len(store.read_all(at_least=token).to_list()) == 2
    assert store.append("s", one(), expected=1).token.incarnation == token.incarnation


def test_another_id(db: Any) -> None:
    store = db.create_store("a", tags=["eu"], description="Acme")
    store.append("s", one())
    created, incarnation = store.info().created, store.info().incarnation
    db.remove_store("a")
    found = db.recover_store("a", as_="b")
    assert found.id == "b"
    assert found.verify().problems == ()
    info = found.info()
    assert (info.store_id, info.incarnation, info.created) == ("b", incarnation, created)
    assert list(info.config.tags) == ["eu"]
    assert Path(info.config.data_dir).name == "b"
    assert found.read_all().first().store == "b"
    assert found.append("s", one(), expected=0).version == 1
    with pytest.raises(pyesdb.StoreRemoved, match="'b'"):
        store.version("s")
    with pytest.raises(pyesdb.StoreNotFound, match="recovered as 'b'"):
        db.store("a").version("s")
    assert list(db.list_stores()) == ["b", "default"]
    assert db.create_store("a").read_all().to_list() == []
    db.remove_store("b")
    assert trashed(db) == [("b", incarnation)]
    assert db.recover_store("b").version("s") == 1


def test_it_is_the_same_after_reopening(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    for name in ("a", "b", "c"):
        made(db, name)
    db.recover_store("a")
    db.recover_store("b", as_="d")
    before = db.list_stores()
    left = db.trash()
    db.close()
    again = open_db(data_dir, durability="os")
    assert again.list_stores() == before
    assert again.trash() == left
    for name in ("a", "d"):
        assert types(again.store(name).read_all()) == ["First"]
        assert again.store(name).append("s", one()).version == 1
    assert again.recover_store("c").version("s") == 0


def test_settings_template_and_frozen_are_kept(db: Any) -> None:
    db.save_template("small", max_events=2)
    db.create_store("a", template="small", timeout=7).append("s", one())
    db.update_store("a", description="updated")
    db.freeze_store("a")
    for target in (None, "b"):
        config = db.get_store_config("a")
        db.remove_store("a")
        store = db.recover_store("a", as_=target)
        info = store.info()
        assert (info.status, info.template) == (StoreStatus.FROZEN, "small")
        with pytest.raises(pyesdb.StoreFrozen):
            store.append("s", one())
        for name in ("timeout", "description", "max_events"):
            assert getattr(info.config, name) == getattr(config, name)
            assert info.config.origin(name) == config.origin(name)
    db.thaw_store("b")
    store.append("s", one())
    with pytest.raises(pyesdb.LimitExceeded):
        store.append("s", one())
    db.save_template("small", max_events=3)
    assert store.append("s", one()).version == 2


def test_a_template_that_changed_meanwhile_holds(db: Any) -> None:
    db.save_template("t", max_events=1)
    made(db, template="t")
    db.save_template("t", max_events=2)
    store = db.recover_store("a")
    store.append("s", one())
    with pytest.raises(pyesdb.LimitExceeded):
        store.append("s", one())


# -- several of one id


def test_the_one_removed_last_comes_first(clock: Any, db: Any) -> None:
    first, second, third = (made(db, type=name) for name in ("First", "Second", "Third"))
    assert trashed(db) == [("a", first), ("a", second), ("a", third)]
    assert types(db.recover_store("a").read_all()) == ["Third"]
    with pytest.raises(pyesdb.StoreAlreadyExists, match="as_"):
        db.recover_store("a")
    assert types(db.recover_store("a", as_="b").read_all()) == ["Second"]
    assert types(db.recover_store("a", as_="c").read_all()) == ["First"]
    with pytest.raises(pyesdb.StoreAlreadyExists, match="none is in the trash"):
        db.recover_store("a", as_="d")
    assert list(db.list_stores()) == ["a", "b", "c", "default"]
    assert db.trash() == []


def test_last_is_by_removal_not_by_creation(clock: Any, db: Any) -> None:
    first, second = made(db, type="First"), made(db, type="Second")
    db.recover_store("a", as_="b")
    assert types(db.recover_store("a").read_all()) == ["First"]
    db.remove_store("b")
    db.recover_store("b", as_="c")
    db.remove_store("a")
    db.remove_store("c")
    assert trashed(db) == [("a", first), ("c", second)]
    db.recover_store("c", as_="a")
    db.remove_store("a")
    assert trashed(db) == [("a", first), ("a", second)]
    assert types(db.recover_store("a").read_all()) == ["Second"]


def test_a_store_made_anew_and_the_old_one_live_on(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    old = db.create_store("a")
    old.append("s", one("Old"))
    db.remove_store("a")
    new = db.create_store("a")
    new.append("s", one("New"))
    for _ in range(2):
        assert len(db.trash()) == 1
        db.close()
        db = open_db(data_dir, durability="os")
    assert types(db.recover_store("a", as_="b").read_all()) == ["Old"]
    assert types(db.store("a").read_all()) == ["New"]
    assert db.store("a").append("s", one()).version == 1
    assert db.store("b").append("s", one()).version == 1


def test_an_older_one_with_its_own_id(db: Any) -> None:
    made(db, type="First")
    made(db, type="Second")
    db.recover_store("a", as_="b")
    assert types(db.recover_store("a").read_all()) == ["First"]
    db.remove_store("a")
    db.remove_store("a", purge=True)
    assert life(db)[-1] == "StoreErased"
    db.remove_store("b")
    assert types(db.recover_store("b", as_="a").read_all()) == ["Second"]


def test_an_id_that_was_recovered_over_another_ones_trash(db: Any) -> None:
    kept = made(db, "b", "Kept")
    made(db, "a", "Moved")
    assert types(db.recover_store("a", as_="b").read_all()) == ["Moved"]
    assert trashed(db) == [("b", kept)]
    assert types(db.recover_store("b", as_="c").read_all()) == ["Kept"]


# -- refusals


def test_nothing_to_recover(db: Any) -> None:
    with pytest.raises(pyesdb.StoreNotFound, match="there is no store 'a'"):
        db.recover_store("a")
    db.create_store("a")
    for target in (None, "b"):
        with pytest.raises(pyesdb.StoreAlreadyExists):
            db.recover_store("a", as_=target)
    db.remove_store("a", purge=True)
    with pytest.raises(pyesdb.StoreNotFound, match="erased"):
        db.recover_store("a")
    assert [kind for kind in life(db) if kind == "StoreRecovered"] == []


def test_a_target_that_exists(db: Any) -> None:
    made(db)
    db.store().append("s", one())
    for target in ("default", "b"):
        db.create_store(target, exist_ok=True)
        with pytest.raises(pyesdb.StoreAlreadyExists, match=target):
            db.recover_store("a", as_=target)
    assert len(db.trash()) == 1
    assert db.store("b").read_all().to_list() == []
    assert db.recover_store("a", as_="a").version("s") == 0


@pytest.mark.parametrize("bad", ["$system", "A", "", "../a", 5, b"a"])
def test_an_id_that_is_none(db: Any, bad: Any) -> None:
    made(db)
    with pytest.raises(pyesdb.InvalidStoreId):
        db.recover_store(bad)
    with pytest.raises(pyesdb.InvalidStoreId):
        db.recover_store("a", as_=bad)
    assert len(db.trash()) == 1


def test_max_stores_counts_the_recovered(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os", config={"max_stores": 2})
    made(db)
    db.create_store("b")
    for target in (None, "c"):
        with pytest.raises(pyesdb.LimitExceeded) as caught:
            db.recover_store("a", as_=target)
        assert caught.value.setting == "max_stores"
    assert len(db.trash()) == 1
    db.remove_store("b")
    assert db.recover_store("a").version("s") == 0
    with pytest.raises(pyesdb.LimitExceeded):
        db.create_store("b")


def test_read_only_changes_nothing(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    made(db)
    db.close()
    db = open_db(data_dir, read_only=True)
    assert [found.store_id for found in db.trash()] == ["a"]
    with pytest.raises(pyesdb.AccessDenied):
        db.recover_store("a")


# -- the trash


def test_what_the_trash_says(clock: Any, db: Any, data_dir: Path) -> None:
    db.create_store("b", trash_keep=timedelta(hours=1)).append("s", one())
    incarnation = db.store("b").info().incarnation
    clock.move(minutes=1)
    removed = clock.now
    db.remove_store("b")
    clock.move(minutes=1)
    other = made(db, "a")
    b, a = db.trash()
    assert (b.store_id, b.incarnation, a.store_id, a.incarnation) == ("b", incarnation, "a", other)
    assert (b.removed, b.expires) == (removed, removed + timedelta(hours=1))
    assert (a.removed, a.expires) == (clock.now, clock.now + timedelta(days=1))
    files = list((data_dir / "trash" / f"b.{incarnation}").iterdir())
    assert b.bytes == sum(path.stat().st_size for path in files) > 4096
    with pytest.raises(pyesdb.StoreNotFound, match=b.expires.isoformat(timespec="seconds")[:16]):
        db.get_store_status("b")


def test_trash_keep_follows_updates_and_templates(clock: Any, db: Any) -> None:
    db.save_template("short", trash_keep=60)
    db.create_store("a", template="short")
    db.create_store("b")
    db.update_store("b", trash_keep=120)
    for name in ("a", "b"):
        db.remove_store(name)
    assert [found.expires - found.removed for found in db.trash()] == [
        timedelta(seconds=60),
        timedelta(seconds=120),
    ]


def test_a_trash_keep_of_0_erases_at_once(db: Any, data_dir: Path) -> None:
    made(db, trash_keep=0)
    assert db.trash() == []
    assert list((data_dir / "trash").iterdir()) == []
    assert life(db)[-2:] == ["StoreRemoved", "StoreErased"]
    with pytest.raises(pyesdb.StoreNotFound, match="erased"):
        db.recover_store("a")
    assert db.create_store("a").read_all().to_list() == []


@pytest.mark.parametrize("how", ["open", "duty"])
def test_it_is_erased_when_its_time_is_over_and_not_before(
    clock: Any, open_db: Any, data_dir: Path, how: str
) -> None:
    db = open_db(data_dir, durability="os")
    made(db, "a", trash_keep=60)
    made(db, "a", trash_keep=60)
    made(db, "b", trash_keep=61)

    def look() -> Any:
        if how == "duty":
            core(db).expire_trash()
            return db
        db.close()
        return open_db(data_dir)

    clock.move(seconds=59)
    db = look()
    assert [found.store_id for found in db.trash()] == ["a", "a", "b"]
    clock.move(seconds=1)
    db = look()
    assert [found.store_id for found in db.trash()] == ["b"]
    assert len(list((data_dir / "trash").iterdir())) == 1
    assert life(db)[-2:] == ["StoreErased", "StoreErased"]
    with pytest.raises(pyesdb.StoreNotFound):
        db.recover_store("a")
    clock.move(seconds=1)
    db = look()
    assert db.trash() == []
    assert list((data_dir / "trash").iterdir()) == []
    assert life(db, "b")[-1] == "StoreErased"


def test_a_recovered_store_is_not_erased_at_its_old_time(clock: Any, db: Any) -> None:
    made(db, trash_keep=60)
    store = db.recover_store("a")
    clock.move(hours=1)
    core(db).expire_trash()
    assert store.version("s") == 0
    db.remove_store("a")
    core(db).expire_trash()
    assert len(db.trash()) == 1


def test_the_time_is_looked_at_again_when_somebody_was_faster(
    clock: Any, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was recovered and removed again while the duty was about to erase it."""
    made(db, trash_keep=60)
    clock.move(seconds=60)
    real = trash.reconcile.erase

    def late(*args: Any) -> None:
        monkeypatch.undo()
        db.recover_store("a")
        db.remove_store("a")
        real(*args)

    monkeypatch.setattr(trash.reconcile, "erase", late)
    core(db).expire_trash()
    assert life(db)[-1] == "StoreRemoved"
    assert db.recover_store("a").version("s") == 0


def test_purge_of_what_is_only_in_the_trash(db: Any, data_dir: Path) -> None:
    made(db)
    made(db)
    kept = made(db, "b")
    db.remove_store("a", purge=True)
    assert trashed(db) == [("b", kept)]
    assert [path.name for path in (data_dir / "trash").iterdir()] == [f"b.{kept}"]
    with pytest.raises(pyesdb.StoreNotFound, match="erased"):
        db.remove_store("a", purge=True)
    db.remove_store("a", purge=True, missing_ok=True)
    with pytest.raises(pyesdb.StoreNotFound, match="trash"):
        db.remove_store("b")


def test_purge_of_the_store_that_is_there_leaves_the_trash(db: Any) -> None:
    old = made(db)
    db.create_store("a")
    db.remove_store("a", purge=True)
    assert trashed(db) == [("a", old)]
    assert types(db.recover_store("a").read_all()) == ["First"]


# -- races


ROUNDS = 12


def test_recovery_and_erasure_have_one_winner(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, ThreadPoolExecutor(3) as pool:
        for n in range(ROUNDS):
            made(db)
            start = threading.Barrier(3)

            def racing(call: Any, start: threading.Barrier = start) -> bool:
                start.wait(30)
                try:
                    call()
                except (pyesdb.StoreNotFound, pyesdb.StoreAlreadyExists):
                    return False
                return True

            recovered = [
                pool.submit(racing, lambda: db.recover_store("a")),
                pool.submit(racing, lambda n=n: db.recover_store("a", as_=f"b{n}")),
            ]
            erasing = pool.submit(racing, lambda: trash.purge(core(db), "a"))
            won = [future.result(60) for future in recovered]
            assert erasing.result(60)
            assert sum(won) + life(db).count("StoreErased") <= n + 1
            if any(won):
                store = db.store("a" if won[0] else f"b{n}")
                assert types(store.read_all()) == ["First"]
                assert store.append("s", one()).version == 1
                db.remove_store(store.id, purge=True)
            assert db.trash() == []
            assert list((data_dir / "trash").iterdir()) == []
            assert list(db.list_stores()) == ["default"]


def test_two_processes_one_winner(data_dir: Path) -> None:
    """This process erases what the other one recovers, many times, at the same moment."""
    with (
        pyesdb.open(data_dir, durability="os") as db,
        other(data_dir) as say,
        ThreadPoolExecutor(1) as pool,
    ):
        for _ in range(ROUNDS):
            made(db)
            theirs = pool.submit(say, "db.recover_store('a').append('s', one()).version")
            trash.purge(core(db), "a")
            said = theirs.result(60)
            if life(db)[-1] == "StoreErased":
                assert said in ("StoreNotFound", "StoreRemoved")
            else:
                assert said == "1"
                assert db.store("a").version("s") == 1
                db.remove_store("a", purge=True)
            assert list((data_dir / "trash").iterdir()) == []


# -- another process that had it open


def test_a_process_that_had_it_open_all_the_time_goes_on(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        db.create_store("a")
        assert say("store.append('s', one()).version") == "0"
        db.remove_store("a")
        db.recover_store("a")
        # nobody here has written since: what sealed it must not hold there
        assert say("store.append('s', one()).version") == "1"
        db.remove_store("a")
        assert say("store.append('s', one()).version") == "StoreRemoved"
        assert say("store.version('s')") == "StoreRemoved"
        db.recover_store("a")
        assert say("store.append('s', one()).version") == "2"
        assert db.store("a").version("s") == 2


def test_a_process_that_writes_while_it_comes_back_may_try_again(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recovery died between its event and the move: who has it open finishes it."""
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        store = db.create_store("a")
        store.append("s", one())
        assert say("store.version('s')") == "0"
        db.remove_store("a")
        with monkeypatch.context() as patch:
            patch.setattr(trash.reconcile, "reconcile", lambda *_: None)
            db.recover_store("a")
        assert db.get_store_status("a") is StoreStatus.STARTING
        assert say("store.version('s')") == "StoreStarting"
        assert say("store.append('s', one()).version") == "1"
        assert store.append("s", one()).version == 2
        assert db.get_store_status("a") is StoreStatus.RUNNING


# -- removals that were cut short


@pytest.fixture
def half_removed(db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Store "a", whose remover died between its event and the move."""
    db.create_store("a", trash_keep=60).append("s", one("First"))
    with monkeypatch.context() as patch:
        patch.setattr(trash.reconcile, "reconcile", lambda *_: None)
        db.remove_store("a")
    assert (data_dir / "stores" / "a").exists()
    return db


@pytest.mark.parametrize("target", [None, "b"])
def test_recovery_of_a_store_whose_removal_was_cut_short(half_removed: Any, target: Any) -> None:
    store = half_removed.recover_store("a", as_=target)
    assert types(store.read_all()) == ["First"]
    assert store.append("s", one()).version == 1


def test_recovery_over_a_store_whose_removal_was_cut_short(half_removed: Any) -> None:
    made(half_removed, "b", "Second")
    assert types(half_removed.recover_store("b", as_="a").read_all()) == ["Second"]
    assert types(half_removed.recover_store("a", as_="b").read_all()) == ["First"]


def test_erasure_of_a_store_whose_removal_was_cut_short(half_removed: Any, data_dir: Path) -> None:
    half_removed.remove_store("a", purge=True)
    assert not (data_dir / "stores" / "a").exists()
    assert list((data_dir / "trash").iterdir()) == []
    assert half_removed.create_store("a").read_all().to_list() == []


def test_expiry_of_a_store_whose_removal_was_cut_short(
    clock: Any, half_removed: Any, open_db: Any, data_dir: Path
) -> None:
    half_removed.close()
    clock.move(hours=1)
    db = open_db(data_dir, durability="os")
    assert life(db)[-1] == "StoreErased"
    assert not (data_dir / "stores" / "a").exists()
    assert list((data_dir / "trash").iterdir()) == []


# -- damage


@pytest.mark.parametrize("damage", ["garbage", "missing file", "missing folder"])
def test_damage_is_removed_and_recovered_as_it_is(
    open_db: Any, data_dir: Path, damage: str
) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("a").append("s", one())
    db.close()
    folder = data_dir / "stores" / "a"
    if damage == "missing folder":
        shutil.rmtree(folder)
    for path in list(folder.glob("*")):
        path.unlink() if damage == "missing file" else path.write_bytes(b"garbage" * 999)
    db = open_db(data_dir)
    db.remove_store("a")
    assert len(db.trash()) == 1
    store = db.recover_store("a")
    with pytest.raises(pyesdb.Fault):
        store.append("s", one())
    assert db.get_store_status("a") == "failed"
    db.remove_store("a", purge=True)
    assert not folder.exists()
    assert db.create_store("a").append("s", one()).position == 1
