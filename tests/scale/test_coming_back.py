"""A store goes to the trash and comes back while others use it: each meets its own moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.node import reconcile
from pyesdb.store import readers
from tests.scale.tools import let_rest, node_of, store_files


@pytest.fixture
def db(data_dir: Path) -> Any:
    with pyesdb.open(data_dir, durability="os") as database:
        database.create_store("acme").append("s", NewEvent("E"))
        yield database


def go(data_dir: Path) -> None:
    (data_dir / "stores" / "acme").rename(data_dir / "away")


def come_back(data_dir: Path) -> None:
    (data_dir / "away").rename(data_dir / "stores" / "acme")


def test_removed_while_a_read_opens_the_file(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = db.store("acme")
    let_rest(store)
    real = readers.Reader

    def opening(*args: Any, **options: Any) -> Any:
        monkeypatch.undo()
        db.remove_store("acme")
        return real(*args, **options)

    monkeypatch.setattr(readers, "Reader", opening)
    with pytest.raises(pyesdb.StoreRemoved):
        store.version("s")


def test_removed_while_a_read_is_under_way(db: Any) -> None:
    runtime = db.store("acme")._handle.runtime()

    def question(_: Any) -> None:
        db.remove_store("acme")
        raise OSError("disk I/O error")

    with pytest.raises(pyesdb.StoreRemoved):
        runtime.ask(question)


def test_back_before_anybody_asked_why_it_went(
    db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is there again when the catalog is asked: no reason to call it failed."""
    store = db.store("acme")
    assert store.version("s") == 0
    node = node_of(db)
    real = node.catalog.get
    go(data_dir)

    def get(store_id: str) -> Any:
        if (data_dir / "away").exists():
            come_back(data_dir)
        return real(store_id)

    monkeypatch.setattr(node.catalog, "get", get)
    with pytest.raises(pyesdb.StoreStarting, match="try again"):
        store.version("s")
    assert store.version("s") == 0
    assert db.get_store_status("acme") == pyesdb.StoreStatus.RUNNING


def test_it_goes_and_comes_back_while_it_is_looked_up(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("acme").append("s", NewEvent("E"))
    with pyesdb.open(data_dir, durability="os") as db:
        real = reconcile.check_present

        def check(node: Any, record: Any) -> None:
            monkeypatch.undo()
            db.remove_store("acme")
            try:
                real(node, record)
            finally:
                db.recover_store("acme")

        monkeypatch.setattr(reconcile, "check_present", check)
        assert db.store("acme").version("s") == 0


def test_a_file_that_is_lost_is_called_missing(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("acme")
        go(data_dir)
        with pytest.raises(pyesdb.StoreFailed, match="missing"):
            db.store("acme").version("s")


@pytest.mark.parametrize("use", ["append", "version"])
def test_an_error_that_is_kept_keeps_no_file_open(data_dir: Path, use: str) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("acme")
        with (data_dir / "stores" / "acme" / "store.db").open("r+b") as file:
            file.seek(60)
            file.write(b"damaged")
        with pytest.raises(pyesdb.Corrupt) as kept:
            store.append("s", NewEvent("E")) if use == "append" else store.version("s")
        assert [name for name in store_files(data_dir) if "/stores/" in name] == []
        assert kept.value.code == "corrupt"
