"""Small, fast proofs of single rules; most of them are what a mutant must break."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.node import lifecycle, reconcile, trash
from pyesdb.sqlite import files
from pyesdb.sqlite.locks import LockFile
from pyesdb.store.applier import Applier, MovedError
from tests.crash.faults import applier_of, grouped, outbox_of
from tests.stress.interrupts import at_step, interrupt
from tests.stress.tools import contents


@pytest.fixture
def db(data_dir: Path) -> Any:
    with pyesdb.open(data_dir) as database:
        yield database


@pytest.mark.parametrize(("durability", "wanted"), [("fsync", 2), ("os", 1)])
def test_the_writer_waits_for_the_disk(db: Any, durability: str, wanted: int) -> None:
    store = db.create_store("x", durability=durability)
    store.append("s", NewEvent("E"))
    connection = applier_of(store)._connection
    asked = {
        name: connection.execute(f"PRAGMA {name}").get for name in ("synchronous", "fullfsync")
    }
    assert asked == {"synchronous": wanted, "fullfsync": 1}
    assert connection.execute("PRAGMA journal_mode").get == "wal"


def test_a_file_that_was_moved_away_takes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "here" / "store.db"
    path.parent.mkdir()
    files.create(path, {"database": "d", "store": "x", "incarnation": 1})
    applier = Applier(path, "os", lambda *_: None, 1)
    applier.begin()
    applier.rollback()
    path.parent.rename(tmp_path / "there")
    with pytest.raises(MovedError):
        applier.begin()
    path.parent.mkdir()
    files.create(path, {"database": "d", "store": "x", "incarnation": 2})
    with pytest.raises(MovedError):
        applier.begin()
    applier.close()


def test_what_is_removed_goes_to_its_place_before_the_id_is_taken_again(
    db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody creates between the event StoreRemoved and the move of the directory."""
    db.create_store("x").append("s", NewEvent("Old"))

    def hook(step: str) -> None:
        if step == "noted StoreRemoved":
            db.create_store("x")

    monkeypatch.setattr(reconcile, "hook", hook)
    db.remove_store("x", purge=True)
    assert list((data_dir / "trash").iterdir()) == []
    assert contents(db.store("x")) == []


def test_a_store_made_between_the_look_and_the_event_has_one_maker(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_one_more = lifecycle.note_one_more

    def late(*args: Any) -> int:
        monkeypatch.setattr(lifecycle, "note_one_more", note_one_more)
        db.create_store("x")
        return note_one_more(*args)

    monkeypatch.setattr(lifecycle, "note_one_more", late)
    with pytest.raises(pyesdb.StoreAlreadyExists):
        db.create_store("x")
    assert [event.type for event in db.audit(store_id="x")] == ["StoreCreated", "StoreReady"]


def test_who_makes_a_store_that_is_removed_at_once_has_made_it(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hook(step: str) -> None:
        if step == "noted StoreReady":
            db.remove_store("x", purge=True)

    monkeypatch.setattr(reconcile, "hook", hook)
    made = db.create_store("x")
    with pytest.raises(pyesdb.StoreNotFound, match="removed and erased"):
        made.append("s", NewEvent("E"))


def test_who_makes_a_store_that_is_replaced_at_once_has_made_it(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one of the same id is being made when the first maker looks."""
    bring = reconcile.reconcile

    def crash(_: str) -> None:
        raise InterruptedError

    def late(*args: Any) -> None:
        bring(*args)
        monkeypatch.setattr(reconcile, "reconcile", bring)
        db.remove_store("x")
        monkeypatch.setattr(reconcile, "hook", crash)
        with pytest.raises(InterruptedError):
            db.create_store("x")

    monkeypatch.setattr(reconcile, "reconcile", late)
    db.create_store("x")
    monkeypatch.undo()
    assert db.get_store_status("x") == "starting"


@pytest.mark.parametrize("place", ["file made", "unsealed"])
def test_a_directory_on_its_way_arrives_before_its_store_is_removed(
    db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Else it arrives where the next store of this id is being made, and is set aside."""
    if place == "unsealed":
        db.create_store("x").append("s", NewEvent("Old"))
        db.remove_store("x")
    others: list[threading.Thread] = []
    asked, locked = threading.Event(), reconcile.locked

    def asking(*args: Any) -> Any:
        if others and threading.current_thread() is others[0]:
            asked.set()
        return locked(*args)

    def replace() -> None:
        db.remove_store("x")
        db.create_store("x")

    def hook(step: str) -> None:
        if step == place and not others:
            others.append(threading.Thread(target=replace))
            others[0].start()
            assert asked.wait(60)  # it is on the heels of this thread now

    monkeypatch.setattr(reconcile, "locked", asking)
    monkeypatch.setattr(reconcile, "hook", hook)
    if place == "unsealed":
        db.recover_store("x")
    else:
        db.create_store("x")
    others[0].join()
    [found] = db.trash()
    assert [path.name for path in (data_dir / "trash").iterdir()] == [f"x.{found.incarnation}"]
    db.remove_store("x", purge=True)
    kept = [event.type for event in db.recover_store("x").read_all()]
    assert kept == (["Old"] if place == "unsealed" else [])


@pytest.mark.parametrize("purge", [False, True])
def test_a_store_that_cannot_be_made_can_be_removed(
    db: Any, monkeypatch: pytest.MonkeyPatch, purge: bool
) -> None:
    """A crash left it half-made, and now the disk is full."""

    def crash(_: str) -> None:
        raise InterruptedError

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "hook", crash)
        with pytest.raises(InterruptedError):
            db.create_store("x")
        patch.setattr(reconcile, "_make", full)
        db.remove_store("x", purge=purge)
    assert [event.type for event in db.audit(store_id="x")] == ["StoreCreated", "StoreCreateFailed"]
    assert "x" not in db.list_stores()
    db.create_store("x").append("s", NewEvent("E"))


@pytest.mark.parametrize("known", [True, False])
def test_a_store_made_between_two_looks_is_not_replaced_by_a_recovery(
    db: Any, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """An older incarnation in the trash has its id's version of now, whatever is there now."""
    find = trash.find

    def fill() -> None:
        for name in ("Oldest", "Older"):
            db.create_store("x").append("s", NewEvent(name))
            db.remove_store("x")

    if known:  # else the first look finds no store of this id at all
        fill()

    noted, go_on = threading.Event(), threading.Event()

    def hook(step: str) -> None:
        if step == "noted StoreCreated":
            noted.set()
            assert go_on.wait(60)  # its directory is not there yet

    def late(*args: Any) -> Any:
        monkeypatch.setattr(trash, "find", find)
        if not known:
            fill()
        monkeypatch.setattr(reconcile, "hook", hook)
        making.append(pool.submit(db.create_store, "x"))
        assert noted.wait(60)
        return find(*args)

    monkeypatch.setattr(trash, "find", late)
    making: list[Future[Any]] = []
    with ThreadPoolExecutor(1) as pool:
        try:
            with pytest.raises(pyesdb.StoreAlreadyExists):
                db.recover_store("x")
        finally:
            go_on.set()
    making[0].result().append("s", NewEvent("New"))
    assert [event.type for event in db.store("x").read_all()] == ["New"]
    assert len(db.trash()) == 2


def test_data_is_deleted_behind_the_event_that_says_so(
    db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incarnation = db.create_store("x").append("s", NewEvent("Old")).token.incarnation
    trashed = data_dir / "trash" / f"x.{incarnation}"
    seen: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        reconcile, "hook", lambda step: seen.append((step, (trashed / "store.db").exists()))
    )
    db.remove_store("x", purge=True)
    assert seen[-2:] == [("in the trash", True), ("noted StoreErased", True)]
    assert not trashed.exists()


def test_a_withdrawn_command_is_not_stored(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = db.create_store("x")

    def late() -> Any:
        with pytest.raises(pyesdb.DeadlineExceeded):
            store.append("late", NewEvent("Late"), timeout=0.01)

    def before() -> Any:
        return store.append("s", NewEvent("Before"))

    def behind() -> Any:
        return store.append("s", NewEvent("Behind"))

    with grouped(monkeypatch, store, [before, late, behind]) as (gate, futures):
        futures[1].result(60)
        gate.go_on.set()
        assert [futures[n].result(60).position for n in (0, 2)] == [3, 4]
    assert [row[1] for row in contents(store)] == ["warm", "first", "s", "s"]


def test_a_group_shares_one_commit(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = db.create_store("x")
    calls = [lambda n=n: store.append(f"s{n}", NewEvent("E")) for n in range(20)]
    with grouped(monkeypatch, store, calls) as (gate, futures):
        gate.go_on.set()
        tokens = {future.result(60).token.applied for future in futures}
    assert gate.groups == [1, 20]
    assert len(tokens) == 1


def test_an_interrupted_leader_is_replaced(db: Any) -> None:
    store = db.create_store("x")
    store.append("s", NewEvent("E"))
    with ThreadPoolExecutor(1) as pool:
        for step in range(1, 150, 4):
            with suppress(KeyboardInterrupt):
                at_step(step, interrupt, lambda: store.append("s", NewEvent("E")))
            found = pool.submit(store.append, "s", NewEvent("E"), timeout=5).result(60)
            assert found.position == store.version("s") + 1


def test_an_interrupted_caller_stores_nothing_later(db: Any) -> None:
    """What an interrupted append did is settled when the interrupt comes out of it."""
    store = db.create_store("x")
    store.append("s", NewEvent("E"))
    for step in range(1, 150, 7):
        with suppress(KeyboardInterrupt):
            at_step(step, interrupt, lambda: store.append("s", NewEvent("E")))
        before = store.version("s")
        while outbox_of(store)._leader is not None:
            threading.Event().wait(0.001)
        assert store.version("s") == before


def test_a_lock_file_passes_the_gate_and_gives_both_back(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "a.lock")
    owner, other = object(), object()
    assert lock.try_acquire(owner)
    assert not lock.try_acquire(other)
    lock.release(other)
    assert lock.owned(owner)
    assert holders(tmp_path / "a.lock") == 1
    lock.release(owner)
    lock.release(owner)
    assert holders(tmp_path / "a.lock") == 0
    assert lock.try_acquire(other)
    lock.close()


def test_a_lock_file_that_is_held_is_not_closed(tmp_path: Path) -> None:
    """Closing a descriptor gives all record locks of its file back."""
    lock = LockFile(tmp_path / "a.lock")
    owner = object()
    assert lock.try_acquire(owner)
    lock.rest()
    assert holders(tmp_path / "a.lock") == 1
    lock.let_go(owner)
    assert holders(tmp_path / "a.lock") == 0
    assert lock.try_acquire(owner)
    lock.close()


def holders(path: Path) -> int:
    """How many bytes of a lock file are locked, as another process sees it."""
    pid = os.getpid()
    place = f"{os.major(path.stat().st_dev):02x}:{os.minor(path.stat().st_dev):02x}"
    wanted = f"{place}:{path.stat().st_ino}"
    rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    # a row that the kernel moves while the file is read may be there twice
    return len({tuple(row[6:8]) for row in rows if row[4:6] == [str(pid), wanted]})


def test_an_interrupt_leaves_no_lock_file_locked(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.touch()
    lock = LockFile(path)
    for step in range(1, 60):
        owner = object()
        with suppress(KeyboardInterrupt):
            at_step(step, interrupt, lambda owner=owner: lock.try_acquire(owner))
        assert not lock._mutex.locked()
        assert not lock._opening.locked()
        lock.let_go(owner)
        assert holders(path) == 0
    lock.close()
