"""API "Opening": read_only=True changes and creates nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import Append, NewEvent, select
from pyesdb.store import reads
from tests.contract.other import other
from tests.contract.tools import new_events, one, positions, versions
from tests.verify.tools import checkpoint


def content(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def filled(open_db: Any, data_dir: Path) -> Path:
    db = open_db(data_dir, durability="os")
    for store in (db.store(), db.create_store("a")):
        store.append("s", new_events(3))
        store.record_snapshot("A", "s", 1, {})
    db.close()
    return data_dir


def test_read_only_reads_and_changes_no_file(open_db: Any, filled: Path) -> None:
    before = content(filled)
    db = open_db(filled, read_only=True)
    for name in ("default", "a"):
        store = db.store(name)
        assert versions(store.read("s")) == [0, 1, 2]
        assert len(store.read_all().to_list()) == 3
        assert store.version("s") == 2
        assert list(store.streams()) == ["s"]
        assert store.load("s", source="A").snapshot.version == 1
    assert set(db.list_stores()) == {"default", "a"}
    assert db.get_store_status("a") == "running"
    db.close()
    assert content(filled) == before


WRITES: dict[str, Any] = {
    "append": lambda db: db.store().append("s", one()),
    "append_many": lambda db: db.store().append_many([Append("s", one())]),
    "delete_stream": lambda db: db.store().delete_stream("s"),
    "tombstone_stream": lambda db: db.store().tombstone_stream("s"),
    "truncate_stream": lambda db: db.store().truncate_stream("s", before_version=1),
    "set_stream_metadata": lambda db: db.store().set_stream_metadata("s", max_count=1),
    "record_snapshot": lambda db: db.store().record_snapshot("A", "s", 2, {}),
    "delete_snapshot": lambda db: db.store().delete_snapshot("A", "s"),
    "scavenge": lambda db: db.store().scavenge(),
    "create_store": lambda db: db.create_store("b"),
    "remove_store": lambda db: db.remove_store("a"),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_is_access_denied(open_db: Any, filled: Path, name: str) -> None:
    before = content(filled)
    db = open_db(filled, read_only=True)
    with pytest.raises(pyesdb.AccessDenied) as caught:
        WRITES[name](db)
    assert "read" in str(caught.value)
    assert isinstance(caught.value, PermissionError)
    db.close()
    assert content(filled) == before


def test_read_only_creates_no_database(open_db: Any, data_dir: Path) -> None:
    with pytest.raises(pyesdb.DatabaseNotFound):
        open_db(data_dir, read_only=True)
    assert not data_dir.exists()


def test_a_read_only_open_does_not_bind_others(open_db: Any, filled: Path) -> None:
    reader, writer = open_db(filled, read_only=True), open_db(filled)
    assert writer.store().append("s", one()).version == 3
    assert reader.store().version("s") == 3
    with pytest.raises(pyesdb.AccessDenied):
        reader.store().append("s", one())


def test_what_is_written_beside_a_reader_of_this_process(open_db: Any, filled: Path) -> None:
    """Who reads first does not keep who comes to write from writing."""
    reader = open_db(filled, read_only=True)
    assert reader.store("a").version("s") == 2
    writer = open_db(filled)
    assert writer.store("a").append("s", one()).version == 3
    assert writer.create_store("b").append("s", one()).version == 0
    assert reader.store("a").version("s") == 3
    assert reader.store("b").follow().get(30).version == 0
    writer.close()
    assert reader.store("b").version("s") == 0
    before = content(filled)
    assert len(reader.store("a").read_all().to_list()) == 4
    assert content(filled) == before


def test_a_store_that_nobody_has_written_to_yet(data_dir: Path) -> None:
    """Its file can only be opened as one that never changes; another process changes it."""
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("a")
    with pyesdb.open(data_dir, read_only=True) as db, other(data_dir) as say:
        store = db.store("a")
        follower = store.follow()
        assert (follower.get(0), store.read_all().to_list(), store.exists("s")) == (None, [], False)
        asked: list[int] = []

        def meanwhile(reader: Any) -> int:
            asked.append(1)
            if len(asked) == 1:  # enough for a checkpoint, under the pages that are read now
                say('[store.append("s", [one(data="x" * 900_000)] * 4) for _ in range(6)]')
            return int(reader.all("head")[0][0])

        assert store._handle.ask(meanwhile) == 24
        assert len(asked) == 2
        assert store.version("s") == 23
        assert say('store.append("t", one()).position') == "25"
        assert positions([follower.get(30) for _ in range(3)]) == [1, 2, 3]
        assert positions(store.read_all(after=22)) == [23, 24, 25]
        assert (store.stats().events, store.verify().ok) == (25, True)


def alone(base: Path, *stores: str) -> None:
    """As in an archive: the files of stores, without the index of a log."""
    for name in stores:
        file = base / "stores" / name / "store.db"
        checkpoint(file)
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)


READS: dict[str, tuple[Any, list[int]]] = {
    "all": (lambda s: s.read("s"), [*range(300)]),
    "first": (lambda s: s.read("s", limit=70), [*range(70)]),
    "last": (lambda s: s.read("s", backwards=True), [*range(299, -1, -1)]),
    "store": (lambda s: s.read_all(after=100, limit=80), [*range(100, 180)]),
    "chosen": (lambda s: s.read_all(select=select.event_type("E0"), limit=5), [0, 3, 6, 9, 12]),
}


def test_a_read_that_is_overtaken_passes_over_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer comes while a page is read: the page is read again, all of it."""
    with pyesdb.open(data_dir, durability="os") as db:
        for name in READS:
            store = db.create_store(name)
            store.append("s", [NewEvent(f"E{n % 3}") for n in range(300)])
    alone(data_dir, *READS)
    build, asked = reads.build, [""]

    with pyesdb.open(data_dir, read_only=True) as db, other(data_dir) as say:

        def meanwhile(*arguments: Any) -> Any:
            if asked[-1] != name:
                asked.append(name)
                assert say(f'db.store("{name}").append("t", one()).version') == "0"
            return build(*arguments)

        monkeypatch.setattr(reads, "build", meanwhile)
        for name, (read, expected) in READS.items():
            assert versions(read(db.store(name))) == expected
        assert asked == ["", *READS]


def test_a_backup_of_pages_of_several_moments_is_none(data_dir: Path, tmp_path: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("a")
    file = data_dir / "stores" / "a" / "store.db"
    with pyesdb.open(data_dir, read_only=True) as db:
        with pytest.raises(pyesdb.Unavailable, match="call again"):
            db.backup_store(
                "a", tmp_path / "a", on_progress=lambda *_: file.with_name("store.db-shm").touch()
            )
        assert not (tmp_path / "a").exists()


def test_a_log_that_a_crash_left_empty_says_what_to_do(open_db: Any, filled: Path) -> None:
    """The process died behind the log's header; the log's index is still there."""
    file = filled / "stores" / "a" / "store.db"
    file.with_name("store.db-wal").write_bytes(bytes.fromhex("377f0682") + b"x" * 28)
    file.with_name("store.db-shm").write_bytes(bytes(32768))
    with pytest.raises(pyesdb.Unavailable, match="open it once without read_only"):
        open_db(filled, read_only=True).store("a").read_all()
    assert len(open_db(filled).store("a").read_all().to_list()) == 3
