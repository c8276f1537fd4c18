"""Backup: online, of one moment, one file that proves itself, and nothing is overwritten."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, RequestError
from pyesdb.sqlite import archive, backup, files
from tests.contract.tools import new_events, output_of


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "store.backup"


def left(folder: Path) -> list[str]:
    """What lies in a folder, but for the database."""
    return sorted(path.name for path in folder.iterdir() if path.name != "data")


def test_a_backup_says_what_it_is(db: Any, target: Path) -> None:
    store = db.store()
    store.append("s", new_events(3))
    info = db.backup_store("default", target)
    content = target.read_bytes()
    assert info == pyesdb.BackupInfo(
        str(target),
        "default",
        store.info().incarnation,
        3,
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    assert left(target.parent) == ["store.backup"]
    assert target.stat().st_mode & 0o777 == 0o600


def test_any_sqlite_tool_reads_a_backup(db: Any, target: Path) -> None:
    db.store().append("order-1", new_events(3))
    db.backup_store("default", target)
    before = target.read_bytes()
    target.chmod(0o400)
    file = sqlite3.connect(f"file:{target}?mode=ro", uri=True)
    assert file.execute("SELECT stream, version FROM events").fetchall() == [
        ("order-1", version) for version in range(3)
    ]
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    file.close()
    assert target.read_bytes() == before
    assert left(target.parent) == ["store.backup"]


def test_progress_ends_at_the_total(db: Any, target: Path) -> None:
    db.store().append("s", [NewEvent("Big", b"x" * 300_000) for _ in range(8)])
    seen: list[tuple[int, int]] = []
    db.backup_store("default", target, on_progress=lambda *step: seen.append(step))
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == archive.read_manifest(target).bytes


def test_what_progress_raises_ends_the_backup(db: Any, target: Path) -> None:
    def enough(done: int, total: int) -> None:
        raise BrokenPipeError(f"{done} of {total}")

    with pytest.raises(BrokenPipeError):
        db.backup_store("default", target, on_progress=enough)
    assert left(target.parent) == []
    db.backup_store("default", target)


def test_what_is_written_meanwhile_is_not_in_it(
    db: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two pages somebody commits: the backup is of one moment."""
    store = db.store()
    store.append("s", [NewEvent("Kept", {"n": n, "x": "x" * 900}) for n in range(200)])
    monkeypatch.setattr(backup, "STEP_PAGES", 4)
    extra = 0

    def write(done: int, total: int) -> None:
        nonlocal extra
        store.append("s", new_events(1, "Later"))
        extra += done < total

    info = db.backup_store("default", target, on_progress=write)
    assert extra > 10
    assert info.position == 200
    with closing(sqlite3.connect(f"file:{target}?mode=ro", uri=True)) as file:
        found = file.execute("SELECT count(*), max(position), max(type) FROM events").fetchall()
        assert found == [(200, 200, "Kept")]


def test_nothing_is_overwritten(db: Any, target: Path) -> None:
    target.write_bytes(b"mine")
    with pytest.raises(RequestError, match="exists"):
        db.backup_store("default", target)
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("links", [True, False])
def test_a_path_that_is_taken_meanwhile_is_not_overwritten(
    db: Any, target: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def no_links(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
        db.backup_store("default", target.with_name("first"))
        assert archive.read_manifest(target.with_name("first")).store_id == "default"
    with pytest.raises(RequestError, match="exists"):
        db.backup_store("default", target, on_progress=lambda *_: target.write_bytes(b"mine"))
    assert target.read_bytes() == b"mine"
    assert not [name for name in left(target.parent) if name.endswith(".part")]


@pytest.mark.parametrize("path", ["", "a\0b", b"bytes", 7, None, "missing/folder/file"])
def test_paths_that_name_no_file(db: Any, path: Any) -> None:
    with pytest.raises(RequestError):
        db.backup_store("default", path)


def test_paths_that_are_refused(db: Any, data_dir: Path, tmp_path: Path) -> None:
    for path in (tmp_path, data_dir / "stores" / "x", data_dir / "trash" / "y"):
        with pytest.raises(RequestError):
            db.backup_store("default", path)
    with pytest.raises(RequestError, match="on_progress"):
        db.backup_store("default", tmp_path / "x", on_progress=7)
    with pytest.raises(pyesdb.StoreNotFound):
        db.backup_store("nobody", tmp_path / "x")
    with pytest.raises(pyesdb.InvalidStoreId):
        db.backup_store("$system", tmp_path / "x")
    assert left(tmp_path) == []


def test_a_full_disk_leaves_nothing(db: Any, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    with pytest.raises(pyesdb.DiskFull, match=r"store\.backup"):
        db.backup_store("default", target)
    monkeypatch.undo()
    assert left(target.parent) == []


def test_a_damaged_store_is_named(db: Any, data_dir: Path, target: Path) -> None:
    file = data_dir / "stores" / "default" / "store.db"
    db.store().append("s", [NewEvent("Big", b"x" * 3000) for _ in range(500)])
    db.close()
    connection = files.open_writer(file, durability="os")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    expected = pytest.raises(pyesdb.Corrupt, match=r"stores/default/store\.db")
    with pyesdb.open(data_dir) as again, expected:
        again.backup_store("default", target)
    assert left(target.parent) == []


def test_a_killed_backup_is_no_backup(db: Any, data_dir: Path, target: Path) -> None:
    code = (
        "import os, signal, sys, pyesdb\n"
        "from pyesdb.node import reconcile\n"
        "reconcile.hook = lambda step: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if os.fork() == 0:\n"
        "    pyesdb.open(sys.argv[1]).backup_store('default', sys.argv[2])\n"
        "print(os.WTERMSIG(os.wait()[1]))\n"
    )
    db.close()
    assert output_of(code, str(data_dir), str(target)) == "9"
    assert [name.rpartition(".")[2] for name in left(target.parent)] == ["part"]


def test_read_only_and_other_threads(db: Any, data_dir: Path, target: Path) -> None:
    store = db.store()
    store.append("s", new_events(2))
    threads = [
        threading.Thread(target=db.backup_store, args=("default", f"{target}.{n}"))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.close()
    with pyesdb.open(data_dir, read_only=True) as reading:
        assert reading.backup_store("default", target).position == 2
    assert len(left(target.parent)) == 4
    shutil.rmtree(target.parent / "data")
    assert archive.read_manifest(target).position == 2
