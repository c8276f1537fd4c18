"""Encrypted stores: nothing readable on disk, a wrong key said so, damage found and named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.operations import rebuild_catalog
from pyesdb.sqlite import cipher
from tests.encryption.conftest import A, B, Open

pytestmark = pytest.mark.encryption
SECRETS = [b"needle-data", b"needle-stream", b"NeedleType", b"needle-tag", b"needle-meta"]


def fill(store: pyesdb.Store, count: int = 30) -> None:
    for number in range(count):
        event = NewEvent(
            "NeedleType",
            {"text": "needle-data", "number": number, "long": "x" * 3000},
            metadata={"user": "needle-meta"},
            tags=["needle-tag"],
        )
        store.append("needle-stream", event)
    store.record_snapshot("needle-source", "needle-stream", count - 1, {"sum": "needle-data"})


def read_all_of(store: pyesdb.Store) -> None:
    store.read_all(select=pyesdb.select.tags("needle-tag")).to_list()
    store.read("needle-stream").to_list()


def found_in(folder: Path, words: list[bytes]) -> list[tuple[str, bytes]]:
    return [
        (str(path.relative_to(folder)), word)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for word in words
        if word in path.read_bytes()
    ]


def test_an_encrypted_store_works_and_leaves_nothing_readable_on_disk(
    open_db: Open, data_dir: Path
) -> None:
    with open_db() as db:
        store = db.create_store("x")
        plain = db.create_store("plain")
        fill(store)
        plain.append("s", NewEvent("PlainType", {"text": "needle-plain"}))
        assert (data_dir / "stores/x/store.db-wal").stat().st_size > 100_000
        assert found_in(data_dir, SECRETS) == []  # with the write-ahead log as it is in use
        assert {where for where, _ in found_in(data_dir, [b"needle-plain"])}
        tag = pyesdb.select.tags("needle-tag")
        assert len(store.read_all(select=tag, limit=5).to_list()) == 5
    assert found_in(data_dir, SECRETS) == []
    with open_db() as db:
        store = db.store("x")
        assert [e.json()["number"] for e in store.read("needle-stream")] == list(range(30))
        assert store.append("needle-stream", NewEvent("More")).version == 30
        db.remove_store("x")
    assert (data_dir / "trash").exists()
    assert found_in(data_dir, SECRETS) == []


def test_what_is_made_of_a_store_is_encrypted_before_it_is_in_place(
    open_db: Open, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyesdb.node import reconcile

    seen: dict[str, bytes] = {}

    def look(step: str) -> None:
        if step == "file made":
            for path in data_dir.glob("stores/.x*/*"):
                seen[path.name] = path.read_bytes()

    monkeypatch.setattr(reconcile, "hook", look)
    with open_db() as db:
        db.create_store("x", description="needle-description", indexed_payload=["needle.path"])
    assert {"store.db", "key.json"} <= set(seen)
    assert not [name for name, content in seen.items() if b"SQLite format" in content]
    assert not [name for name, content in seen.items() if b"needle" in content]
    assert not [name for name, content in seen.items() if b"CREATE TABLE" in content]


def test_what_was_promised_a_key_is_never_made_without_one(
    open_db: Open, data_dir: Path, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies behind StoreCreated, and the next one has no key."""
    from pyesdb.node import reconcile

    def die(step: str) -> None:
        if step == "noted StoreCreated":
            raise KeyboardInterrupt

    with open_db() as db, monkeypatch.context() as patched:
        patched.setattr(reconcile, "hook", die)
        with pytest.raises(KeyboardInterrupt):
            db.create_store("x")
    with open_db(config=None) as db:
        with pytest.raises(pyesdb.PyesdbError):
            db.store("x").append("s", NewEvent("E"))
        assert not list(data_dir.glob("stores/*x*"))
        assert db.get_store_status("x") == "starting"
    with open_db() as db:
        fill(db.create_store("x", exist_ok=True), 2)
        assert found_in(data_dir, SECRETS) == []


def test_without_its_key_a_store_is_locked_and_the_others_run(open_db: Open) -> None:
    with open_db() as db:
        fill(db.create_store("x"), 2)
    with open_db(config=None) as db:
        store = db.store("x")
        for call in (lambda: store.read("needle-stream"), lambda: store.append("s", NewEvent("E"))):
            with pytest.raises(pyesdb.AccessDenied, match="encrypted, and no key was given"):
                call()
        assert db.get_store_status("x") == "failed"
        assert "no key was given" in db.list_stores()["x"].reason
        assert db.get_store_config("x").durability == "os"
        assert db.store().append("s", NewEvent("E")).version == 0
    with open_db() as db:
        assert db.get_store_status("x") == "running"
        assert db.store("x").version("needle-stream") == 1


def test_a_wrong_key_is_called_so(open_db: Open, keys: dict[str, Any]) -> None:
    with open_db() as db:
        fill(db.create_store("x"), 2)
    keys["x"] = B
    with open_db() as db:
        with pytest.raises(pyesdb.AccessDenied, match="wrong key") as caught:
            db.store("x").read("needle-stream")
        with pytest.raises(pyesdb.AccessDenied, match="wrong key"):
            db.store("x").append("s", NewEvent("E"))
        assert "wrong key" in db.list_stores()["x"].reason
    assert not any(key in str(caught.value) + repr(caught.value) for key in (A, B))
    keys["x"] = [B, A]  # while a store gets a new key, both are offered
    with open_db() as db:
        assert db.store("x").version("needle-stream") == 1


def test_a_store_can_be_removed_and_purged_without_its_key(
    open_db: Open, data_dir: Path, keys: dict[str, Any]
) -> None:
    keys["y"] = B
    with open_db() as db:
        fill(db.create_store("x"), 2)
        db.create_store("y")
    keys.clear()
    with open_db() as db:
        db.remove_store("x", purge=True)
        db.remove_store("y")
        assert "x" not in db.list_stores()
        assert not list(data_dir.glob("trash/x*"))
        assert len(list(data_dir.glob("trash/y*"))) == 1
        db.create_store("x").append("s", NewEvent("E"))  # a new one, and without a key


def test_an_encrypted_store_verifies(open_db: Open) -> None:
    with open_db() as db:
        fill(db.create_store("x"))
        found = db.store("x").verify()
    assert (found.ok, found.events, found.problems) == (True, 30, ())


@pytest.mark.parametrize("offset", [24, 4096 + 100, -100])
def test_a_flipped_byte_is_found_and_fails_that_store_only(
    open_db: Open, data_dir: Path, offset: int
) -> None:
    with open_db() as db:
        fill(db.create_store("x"))
    path = data_dir / "stores/x/store.db"
    for suffix in ("-wal", "-shm"):  # it is all in the file: the log would hide the damage
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)
    with open_db() as db:
        with pytest.raises(pyesdb.Corrupt, match="damaged"):
            read_all_of(db.store("x"))
        assert not db.store("x").verify().ok
        assert db.get_store_status("x") == "failed"
        assert db.store().append("s", NewEvent("E")).version == 0


def test_the_catalog_is_encrypted_if_there_is_a_key_for_it(
    open_db: Open, data_dir: Path, keys: dict[str, Any]
) -> None:
    keys["$system"] = B
    with open_db() as db:
        db.create_store("x", description="needle-description")
        db.create_store("needle-name")
    assert found_in(data_dir / "stores/$system", [b"needle"]) == []
    with pytest.raises(pyesdb.AccessDenied, match="no key was given"):
        open_db(config=None)
    with open_db() as db:
        assert db.list_stores()["x"].config.description == "needle-description"


def test_the_key_is_in_no_file_event_or_repr(
    open_db: Open, data_dir: Path, keys: dict[str, Any]
) -> None:
    raw = bytes.fromhex(A)
    keys["x"] = raw
    with open_db() as db:
        fill(db.create_store("x"), 2)
        shown = [repr(db), repr(db._core.node.keys.of("x")()), repr(db.get_store_config("x"))]
        shown += [repr(event) for event in db.audit()]
        assert [e.json().get("encrypted") for e in db.audit() if e.type == "StoreCreated"] == [
            None,
            True,
        ]
    assert not [text for text in shown if A in text or repr(raw) in text]
    assert found_in(data_dir, [raw, A.encode()]) == []


def test_a_read_only_open_of_an_encrypted_store(open_db: Open) -> None:
    with open_db() as db:
        fill(db.create_store("x"), 2)
        with open_db(read_only=True) as reading:
            assert reading.store("x").version("needle-stream") == 1
    with open_db(read_only=True) as reading:
        assert len(reading.store("x").read("needle-stream").to_list()) == 2


def test_a_memory_database_with_keys(keys: dict[str, Any]) -> None:
    with pyesdb.open(":memory:", config={"encryption": {"key": keys.get}}) as db:
        store = db.create_store("x")
        fill(store, 3)
        assert found_in(Path(db.get_store_config("x").data_dir), SECRETS) == []
        assert store.version("needle-stream") == 2


def test_exclusive_and_several_writers(open_db: Open) -> None:
    with open_db(exclusive=True) as db:
        fill(db.create_store("x"), 3)
        assert db.store("x").version("needle-stream") == 2


def test_the_key_is_not_taken_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over another VFS `PRAGMA key` answers ok, and the pages are written in plain."""
    from pyesdb.model.keys import Key
    from pyesdb.sqlite import files

    files.load_vfs()
    real = cipher.apsw.Connection

    def elsewhere(*args: Any, **options: Any) -> Any:
        return real(*args, **(options | {"vfs": files.VFS}))

    monkeypatch.setattr(cipher.apsw, "Connection", elsewhere)
    with pytest.raises(pyesdb.AccessDenied, match="was opened with the VFS"):
        files.create(tmp_path / "store.db", {"store": "x"}, Key(b"k" * 32))


def test_a_catalog_made_anew_needs_the_keys_and_is_encrypted(
    open_db: Open, data_dir: Path, keys: dict[str, Any]
) -> None:
    keys["$system"] = B
    with open_db() as db:
        fill(db.create_store("x"), 2)
    shutil.rmtree(data_dir / "stores" / "$system")
    with pytest.raises(pyesdb.AccessDenied, match="no key was given"):
        rebuild_catalog(data_dir)
    config = {"encryption": {"key": keys.get}}
    assert rebuild_catalog(data_dir, config=config).stores == ("default", "x")
    assert cipher.read_check(data_dir / "stores" / "$system" / "store.db") is not None
    with open_db() as db:
        read_all_of(db.store("x"))
    assert found_in(data_dir / "stores" / "$system", [b"StoreRecovered", *SECRETS]) == []
