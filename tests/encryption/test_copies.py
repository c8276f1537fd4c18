"""Backups and copies of encrypted stores: encrypted too, and nothing without a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from tests.encryption.conftest import A, B, Open
from tests.encryption.test_stores import SECRETS, fill, found_in

pytestmark = pytest.mark.encryption
C = "c3" * 32


def numbers(store: pyesdb.Store) -> list[int]:
    return [event.json()["number"] for event in store.read("needle-stream")]


def test_a_backup_is_encrypted_and_comes_back_with_its_key(
    open_db: Open, tmp_path: Path, data_dir: Path
) -> None:
    backup = tmp_path / "x.backup"
    with open_db() as db:
        fill(db.create_store("x"))
        db.backup_store("x", backup)
        db.remove_store("x", purge=True)
        db.restore_backup(backup)
        assert numbers(db.store("x")) == list(range(30))
        assert db.store("x").verify().ok
        assert found_in(tmp_path, SECRETS) == []
    assert found_in(tmp_path, SECRETS) == []
    with open_db() as db:
        assert numbers(db.store("x")) == list(range(30))


def test_a_backup_without_its_key_is_nothing(
    open_db: Open, tmp_path: Path, keys: dict[str, Any], data_dir: Path
) -> None:
    backup = tmp_path / "x.backup"
    with open_db() as db:
        fill(db.create_store("x"), 3)
        db.backup_store("x", backup)
        db.remove_store("x", purge=True)
        keys["x"] = B
        with pytest.raises(pyesdb.AccessDenied, match="wrong key"):
            db.restore_backup(backup)
        del keys["x"]
        with pytest.raises(pyesdb.AccessDenied, match="no key was given"):
            db.restore_backup(backup)
        assert "x" not in db.list_stores()
        assert not list((data_dir / "drafts").iterdir())


def test_a_backup_restored_under_another_id_gets_the_key_of_that_id(
    open_db: Open, tmp_path: Path, keys: dict[str, Any]
) -> None:
    backup = tmp_path / "x.backup"
    with open_db() as db:
        fill(db.create_store("x"), 3)
        db.backup_store("x", backup)
        with pytest.raises(pyesdb.AccessDenied, match="no key was given for 'y'"):
            db.restore_backup(backup, as_="y")
        keys["y"] = B
        assert numbers(db.restore_backup(backup, as_="y")) == [0, 1, 2]
        del keys["x"]  # y is under a key of its own
        with open_db() as again:
            assert numbers(again.store("y")) == [0, 1, 2]
    with open_db() as db:
        assert numbers(db.store("y")) == [0, 1, 2]
        with pytest.raises(pyesdb.AccessDenied):
            db.store("x").version("needle-stream")


def test_a_plain_backup_restored_where_there_is_a_key(
    open_db: Open, tmp_path: Path, keys: dict[str, Any], data_dir: Path
) -> None:
    backup = tmp_path / "plain.backup"
    with open_db() as db:
        fill(db.create_store("plain"), 3)
        db.backup_store("plain", backup)
        keys["plain"] = B
        db.remove_store("plain", purge=True)
        assert numbers(db.restore_backup(backup)) == [0, 1, 2]
        assert found_in(data_dir, SECRETS) == []
        assert db.store("plain").verify().ok


@pytest.mark.parametrize("how", ["clone", "fork", "split"])
def test_a_copy_is_under_the_key_of_its_own_id(
    open_db: Open, keys: dict[str, Any], data_dir: Path, how: str
) -> None:
    options: dict[str, Any] = {
        "clone": {}, "fork": {"as_of": 5}, "split": {"select": select.tags("needle-tag")}
    }[how]  # fmt: skip
    with open_db() as db:
        fill(db.create_store("x"), 8)
        with pytest.raises(pyesdb.AccessDenied, match="no key was given for 'y'"):
            db.copy_store("x", "y", **options)
        assert "y" not in db.list_stores()
        keys["y"] = B
        wanted = list(range(5 if how == "fork" else 8))
        assert numbers(db.copy_store("x", "y", **options)) == wanted
        assert found_in(data_dir, SECRETS) == []
    del keys["x"]
    with open_db() as db:
        assert numbers(db.store("y")) == wanted
        assert db.store("y").verify().ok
        assert db.store("y").append("s", NewEvent("E")).version == 0
    assert found_in(data_dir, SECRETS) == []


def test_without_its_key_everything_that_was_made_of_a_store_is_gone(
    open_db: Open, tmp_path: Path, keys: dict[str, Any]
) -> None:
    """Crypto-shredding: the key is erased, and with it the store, its backups and its trash."""
    with open_db() as db:
        fill(db.create_store("x"))
        db.backup_store("x", tmp_path / "x.backup")
        db.remove_store("x")
        fill(db.create_store("x"))
        keys.clear()
    assert found_in(tmp_path, [*SECRETS, bytes.fromhex(A), A.encode()]) == []
    with open_db() as db:
        for call in (
            lambda: db.store("x").read("needle-stream"),
            lambda: db.restore_backup(tmp_path / "x.backup", as_="z"),
            lambda: db.backup_store("x", tmp_path / "again.backup"),
            lambda: db.copy_store("x", "y"),
        ):
            with pytest.raises(pyesdb.AccessDenied, match="no key was given"):
                call()
        db.remove_store("x")
        with pytest.raises(pyesdb.AccessDenied, match="no key was given"):
            db.recover_store("x")
        keys["x"] = A  # it was only mislaid
        assert numbers(db.store("x")) == list(range(30))


def test_recovered_under_another_id_it_needs_its_key_there(
    open_db: Open, keys: dict[str, Any]
) -> None:
    with open_db() as db:
        fill(db.create_store("x"), 3)
        db.remove_store("x")
        store = db.recover_store("x", as_="y")
        with pytest.raises(pyesdb.AccessDenied):
            store.version("needle-stream")
        keys["y"] = [C, A]
        assert numbers(db.store("y")) == [0, 1, 2]
