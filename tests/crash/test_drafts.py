"""Killed at every step of restore and copy: the store is there and whole, or there is no trace."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.node import drafts, reconcile
from tests.contract.tools import everything, output_of
from tests.crash.test_store_life import disk, dying
from tests.stress.tools import environment

BEFORE = ["draft made", "draft filled"]
BEHIND = ["noted StoreCreated", "draft identified", "draft in place", "noted StoreReady"]
STEPS = {
    "restore": [*BEFORE, "draft proved", *BEHIND],
    "copy": [*BEFORE, *BEHIND],
    "fork": [*BEFORE, *BEHIND],
    "split": [*BEFORE, *BEHIND],
}
STRIDES = {"restore": 701, "copy": 131, "fork": 293, "split": 331}
"""Of the lines of Python that each takes: some ten places."""


def left_over(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "drafts").iterdir())


def begin(directory: Path) -> None:
    with pyesdb.open(directory, durability="os") as db:
        kept = db.create_store("kept")
        for n in range(6):
            kept.append("st"[n % 2], NewEvent("E", {"n": n}))
        db.backup_store("kept", f"{directory}.backup")


def check(directory: Path, operation: str, *, may_be_undone: bool) -> None:
    """Done or undone; catalog equals disk; what is there is whole; then it is removed."""
    with pyesdb.open(directory, durability="os") as db:
        listed = db.list_stores(system=True)
        assert {info.status for info in listed.values()} == {"running"}
        assert disk(directory) == set(listed)
        assert left_over(directory) == []
        assert "x" in listed or may_be_undone
        if "x" in listed:
            made, expected = db.store("x"), everything(db.store("kept"))
            if operation == "split":
                expected = [
                    (n + 1, "s", n, *event[3:])
                    for n, event in enumerate(e for e in expected if e[1] == "s")
                ]
            assert everything(made) == (expected[:3] if operation == "fork" else expected)
            assert made.verify().ok
            made.append("s", NewEvent("More"))
            db.remove_store("x", purge=True)
    assert not list((directory / "trash").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("operation", STEPS)
def test_killed_between_two_steps(data_dir: Path, operation: str) -> None:
    begin(data_dir)
    with dying(data_dir, operation, STEPS[operation]) as following:
        for step in STEPS[operation]:
            assert following() == "died", step
            check(data_dir, operation, may_be_undone=step not in BEHIND)


def killed_everywhere(directory: Path, operation: str, stride: int) -> int:
    begin(directory)
    died = 0
    places = [f"step:{n}" for n in range(stride // 3, 100_000, stride)]
    with dying(directory, operation, places) as following:
        while following() == "died":
            died += 1
            check(directory, operation, may_be_undone=True)
    return died


@pytest.mark.parametrize("operation", STEPS)
def test_killed_at_any_step(data_dir: Path, operation: str) -> None:
    assert killed_everywhere(data_dir, operation, STRIDES[operation]) >= 4


REPLACING = {
    "restore default": ["draft proved", "noted its replacement", "sealed", "in the trash", *BEHIND],
    "copy default": ["noted its replacement", "sealed", "in the trash"],
    "recover default": ["noted its replacement", "sealed", "in the trash", "unsealed",
        "out of the trash"],
}  # fmt: skip


@pytest.mark.parametrize("operation", REPLACING)
def test_killed_while_the_default_store_makes_room(data_dir: Path, operation: str) -> None:
    """What was brought is there, or the unused store; and what made room is in the trash."""
    begin(data_dir)
    with pyesdb.open(data_dir, durability="os") as db:
        if operation == "recover default":
            db.restore_backup(f"{data_dir}.backup", as_="gone")
            db.remove_store("gone")
    shutil.copytree(data_dir, f"{data_dir}.begin")
    with dying(data_dir, operation, REPLACING[operation]) as following:
        for step in REPLACING[operation]:
            shutil.rmtree(data_dir)
            shutil.copytree(f"{data_dir}.begin", data_dir)
            assert following() == "died", step
            with pyesdb.open(data_dir, durability="os") as db:
                done = step != "draft proved"
                assert (db.store().stats().events == 6) is done, step
                assert not done or everything(db.store()) == everything(db.store("kept"))
                assert db.store().verify().ok
                listed = db.list_stores(system=True)
                assert {info.status for info in listed.values()} == {"running"}
                assert disk(data_dir) == set(listed) == {"$system", "default", "kept"}
                assert left_over(data_dir) == []
                trash = {f"{found.store_id}.{found.incarnation}" for found in db.trash()}
                assert trash == {path.name for path in (data_dir / "trash").iterdir()}
                assert len(trash) == done
                if done:
                    assert db.recover_store("default", as_="x").stats().events == 0


@pytest.mark.stress
@pytest.mark.parametrize("operation", STEPS)
def test_killed_at_every_seventh_step(
    data_dir: Path, operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    died = killed_everywhere(data_dir, operation, 7)
    with capsys.disabled():
        print(f"\n{operation}: killed at {died} places, always done or undone")


OPEN = "import sys, pyesdb\nwith pyesdb.open(sys.argv[1]) as db: db.copy_store('kept', sys.argv[2])"


@pytest.mark.parametrize("who", ["this process", "another process"])
def test_a_draft_whose_owner_lives_is_not_swept(data_dir: Path, who: str) -> None:
    begin(data_dir)
    swept: list[list[str]] = []
    with pyesdb.open(data_dir, durability="os") as db:

        def meanwhile(done: int, total: int) -> None:
            if not swept and who == "this process":
                thread = threading.Thread(target=db.copy_store, args=("kept", "other"))
                thread.start()
                thread.join()
            elif not swept:
                output_of(OPEN, str(data_dir), "other")
            swept.append(left_over(data_dir))

        made = db.restore_backup(f"{data_dir}.backup", as_="x", on_progress=meanwhile)
        assert everything(made) == everything(db.store("kept")) == everything(db.store("other"))
    assert len(swept[0]) == 2  # the draft and its lock
    check(data_dir, "restore", may_be_undone=False)


def test_the_drafts_of_the_dead_are_swept_before_the_next_one(data_dir: Path) -> None:
    begin(data_dir)
    (data_dir / "drafts" / "of somebody else").mkdir()
    with pyesdb.open(data_dir, durability="os") as db:
        for _ in range(2):
            name = uuid4().hex
            (data_dir / "drafts" / name).mkdir()
            (data_dir / "drafts" / name / "store.db").write_bytes(b"half")
            (data_dir / "drafts" / f"{uuid4().hex}.lock").touch()
        db.copy_store("kept", "x")
    assert left_over(data_dir) == ["of somebody else"]


def killed_when_noted(data_dir: Path) -> Path:
    """The draft of a copy whose owner died when the catalog knew of it."""
    begin(data_dir)
    with dying(data_dir, "copy", ["noted StoreCreated"]) as following:
        assert following() == "died"
    return next(path for path in (data_dir / "drafts").iterdir() if path.is_dir())


def test_a_draft_that_is_lost(data_dir: Path) -> None:
    shutil.rmtree(killed_when_noted(data_dir))
    with pyesdb.open(data_dir, durability="os") as db:
        assert sorted(db.list_stores()) == ["default", "kept"]
        assert [e.type for e in db.audit(store_id="x")] == ["StoreCreated", "StoreCreateFailed"]
        with pytest.raises(pyesdb.StoreNotFound, match="lost"):
            db.get_store_status("x")
        assert db.create_store("x").append("s", NewEvent("E")).position == 1


def test_a_draft_that_the_catalog_waits_for_is_not_swept(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be put into its place now: so it waits."""

    def busy(*_: Any) -> None:
        raise pyesdb.Unavailable("somebody holds the store")

    draft = killed_when_noted(data_dir)
    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "reconcile", busy)
        with pyesdb.open(data_dir, durability="os"):
            assert (draft / "store.db").exists()
    check(data_dir, "copy", may_be_undone=False)


def killed_while_made(data_dir: Path) -> Path:
    """An empty store of which the catalog knows, and that lies aside."""
    begin(data_dir)
    with dying(data_dir, "create", ["file made"]) as following:
        assert following() == "died"
    return next((data_dir / "stores").glob(".x.*.new"))


def test_what_nobody_makes_any_more_is_swept(data_dir: Path) -> None:
    begin(data_dir)
    left = [data_dir / "stores" / f".{name}.new" for name in ("a.b.7", "kept.1", "$system.0")]
    for path in left:
        path.mkdir()
        (path / "store.db").write_bytes(b"half")
    with pyesdb.open(data_dir, read_only=True):
        assert all(path.exists() for path in left)
    with pyesdb.open(data_dir, durability="os"):
        assert disk(data_dir) == {"$system", "default", "kept"}


def test_an_empty_store_that_the_catalog_waits_for_is_not_swept(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> None:
        raise pyesdb.Unavailable("somebody holds the store")

    made = killed_while_made(data_dir)
    with monkeypatch.context() as patch:
        patch.setattr(reconcile, "reconcile", busy)
        with pyesdb.open(data_dir, durability="os"):
            assert (made / "store.db").exists()
    with pyesdb.open(data_dir, durability="os"):
        assert disk(data_dir) == {"$system", "default", "kept", "x"}


HOLD = """
import sys, pyesdb
from pathlib import Path
from pyesdb.sqlite.locks import LockFile
lock = LockFile(Path(sys.argv[1]))
print(lock.try_acquire(lock), flush=True)
sys.stdin.read()
"""


def test_an_empty_store_that_another_process_makes_is_not_swept(data_dir: Path) -> None:
    begin(data_dir)
    made = data_dir / "stores" / ".x.7.new"
    made.mkdir()
    command = [sys.executable, "-c", HOLD, str(data_dir / "locks" / "x.lock")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, env=environment()) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"True\n"
        with pyesdb.open(data_dir, durability="os"):
            assert made.exists()
        maker.communicate()
    with pyesdb.open(data_dir, durability="os"):
        assert not made.exists()


def test_a_race_with_create_store_has_one_winner(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(data_dir)
    with pyesdb.open(data_dir, durability="os") as db:

        def faster(step: str) -> None:
            if step == "draft filled":
                db.create_store("x").append("mine", NewEvent("Mine"))

        monkeypatch.setattr(reconcile, "hook", faster)
        with pytest.raises(pyesdb.StoreAlreadyExists):
            db.copy_store("kept", "x")
        assert [e.stream for e in db.store("x").read_all()] == ["mine"]
    assert left_over(data_dir) == []
    assert not drafts._mine


def test_a_lock_that_a_sweep_has_taken_away_is_no_lock(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a draft's lock file and its lock a sweep may come: another name is taken."""
    begin(data_dir)
    real, taken = drafts.LockFile.try_acquire, []

    def swept_before(self: Any, owner: object) -> bool:
        if len(taken) < 2 and self.path.parent.name == "drafts":
            taken.append(self.path.name)
            done = real(self, owner)
            self.path.unlink()
            return done
        return real(self, owner)

    monkeypatch.setattr(drafts.LockFile, "try_acquire", swept_before)
    with pyesdb.open(data_dir, durability="os") as db:
        db.copy_store("kept", "x")
    assert len(set(taken)) == 2
    check(data_dir, "copy", may_be_undone=False)


def test_a_disk_that_fills_up_fails_the_copy_only(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(data_dir)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "no space left on device")

    with pyesdb.open(data_dir, durability="os") as db:
        with monkeypatch.context() as patch:
            patch.setattr("pyesdb.node.reconcile.adopt", full)
            with pytest.raises(pyesdb.DiskFull):
                db.copy_store("kept", "x")
        assert sorted(db.list_stores()) == ["default", "kept"]
        assert left_over(data_dir) == []
        db.copy_store("kept", "x")
    check(data_dir, "copy", may_be_undone=False)
