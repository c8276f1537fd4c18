"""Backups of all stores with rotation, and the schedule that repeats them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.operations import back_up, backups_in, every


@pytest.fixture
def two(data_dir: Path) -> Any:
    with pyesdb.open(data_dir, durability="os") as db:
        for name in ("a", "b"):
            db.create_store(name).append("s", NewEvent("E", name))
        yield db


def test_every_store_is_backed_up_and_the_newest_are_kept(two: Any, tmp_path: Path) -> None:
    target, seen = tmp_path / "backups", []
    for _ in range(4):
        rows = back_up(two, target, keep=2, on_progress=lambda *at: seen.append(at))
        assert [(row.store_id, row.error) for row in rows] == [
            ("a", ""),
            ("b", ""),
            ("default", ""),
        ]
    assert seen[-3:] == [(1, 3), (2, 3), (3, 3)]
    kept = backups_in(target, "a")
    assert len(kept) == 2
    assert str(kept[-1]) == rows[0].info.path
    assert len(rows[0].deleted) == 1


def test_a_kept_backup_restores(two: Any, tmp_path: Path) -> None:
    back_up(two, tmp_path / "backups", stores=["a"])
    [path] = backups_in(tmp_path / "backups", "a")
    again = two.restore_backup(path, as_="again")
    assert [e.json() for e in again.read_all()] == ["a"]


def test_only_backups_of_this_store_are_deleted(two: Any, tmp_path: Path) -> None:
    folder = tmp_path / "backups" / "a"
    folder.mkdir(parents=True)
    foreign = [
        "notes.txt",
        "b.20200101T000000000000Z.pyesdb",
        "a.pyesdb",
        "a.20200101T000000000000Z.pyesdb.part",
        "a.2020.pyesdb",
    ]
    for name in foreign:
        (folder / name).write_text("x")
    for _ in range(3):
        back_up(two, tmp_path / "backups", keep=1, stores=["a"])
    names = {path.name for path in folder.iterdir()}
    assert set(foreign) < names
    assert len(names) == len(foreign) + 1


def test_one_failing_store_leaves_the_others(two: Any, data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "backups"
    back_up(two, target, keep=1)
    [old] = backups_in(target, "a")
    two.close()
    (data_dir / "stores" / "a" / "store.db").unlink()
    with pyesdb.open(data_dir) as db:
        rows = {row.store_id: row for row in back_up(db, target, keep=1)}
    assert rows["a"].info is None
    assert "missing" in rows["a"].error
    assert rows["b"].info is not None
    assert backups_in(target, "a") == [old]  # nothing is deleted for a backup that failed


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"keep": 0}, pyesdb.InvalidConfig),
        ({"keep": True}, pyesdb.InvalidConfig),
        ({"stores": "a"}, pyesdb.RequestError),
        ({"stores": ["missing"]}, pyesdb.StoreNotFound),
    ],
)
def test_wrong_calls_write_nothing(
    two: Any, tmp_path: Path, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        back_up(two, tmp_path / "backups", **arguments)
    assert not (tmp_path / "backups").exists()


def test_a_schedule_ends_when_it_is_told_to() -> None:
    stop, done = threading.Event(), []

    def duty() -> None:
        done.append(len(done))
        if len(done) == 3:
            stop.set()

    assert every(0.0, duty, stop=stop) == 3
    assert done == [0, 1, 2]


def test_what_a_duty_raises_ends_the_schedule() -> None:
    def duty() -> None:
        raise pyesdb.DatabaseClosed

    with pytest.raises(pyesdb.DatabaseClosed):
        every(0.0, duty, stop=threading.Event())


def test_another_history_under_the_same_id_is_left_alone(two: Any, tmp_path: Path) -> None:
    """A second database with the same directory; a store that was removed and made anew."""
    target = tmp_path / "backups"
    back_up(two, target, keep=1)
    with pyesdb.open(tmp_path / "other", durability="os") as db:
        back_up(db, target, keep=1)
    assert len(backups_in(target, "default")) == 2
    [good] = backups_in(target, "a")
    two.remove_store("a")
    two.create_store("a")
    for _ in range(2):
        [row] = back_up(two, target, keep=1, stores=["a"])
    kept = backups_in(target, "a")
    assert kept == [good, Path(row.info.path)]


def test_a_backup_dated_in_the_future_does_not_push_out_the_new_one(
    two: Any, tmp_path: Path
) -> None:
    target = tmp_path / "backups"
    back_up(two, target, stores=["a"])
    [old] = backups_in(target, "a")
    later = old.rename(old.with_name("a.29990101T000000000000Z.pyesdb"))
    for _ in range(3):
        [row] = back_up(two, target, keep=1, stores=["a"])
    assert backups_in(target, "a") == [Path(row.info.path), later]


def test_a_damaged_backup_takes_nobody_s_place(two: Any, tmp_path: Path) -> None:
    target = tmp_path / "backups"
    back_up(two, target, stores=["a"])
    [good] = backups_in(target, "a")
    damaged = good.with_name("a.20300101T000000000000Z.pyesdb".replace("2030", "2020"))
    damaged.write_bytes(good.read_bytes()[:-1])
    [row] = back_up(two, target, keep=2, stores=["a"])
    assert row.deleted == ()
    assert backups_in(target, "a") == [damaged, good, Path(row.info.path)]
