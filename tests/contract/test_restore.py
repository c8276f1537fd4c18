"""Restore: proved before it appears, overwrites nothing, and is a history of its own."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from struct import Struct
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, RequestError, Token
from pyesdb.node import alone, drafts
from pyesdb.sqlite import archive
from tests.contract.tools import everything, new_events, positions, versions

TRAILER = Struct(">8sIQ32s")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "store.backup"


def remade(path: Path, version: int = archive.VERSION, **changes: Any) -> None:
    """Change the manifest of a backup, with the right proof."""
    content = path.read_bytes()
    length = TRAILER.unpack(content[-TRAILER.size :])[2]
    manifest = json.loads(content[-TRAILER.size - length : -TRAILER.size])
    encoded = json.dumps({**manifest, **changes}).encode()
    trailer = TRAILER.pack(archive.MAGIC, version, len(encoded), archive._proof(version, encoded))
    path.write_bytes(content[: -TRAILER.size - length] + encoded + trailer)


def stores(db: Any, data_dir: Path) -> list[str]:
    """The ids that exist; what is half-made is nowhere."""
    assert list((data_dir / "drafts").iterdir()) == []
    found = sorted(db.list_stores(system=True))
    assert sorted(path.name for path in (data_dir / "stores").iterdir()) == found
    return [store_id for store_id in found if store_id[0] != "$"]


def test_a_restored_store_is_what_was_backed_up(db: Any, target: Path, data_dir: Path) -> None:
    made = db.create_store("tenant", description="Acme", tags=["gold"], max_append_events=7)
    made.append("s", new_events(5, tags=["t"]))
    made.append("other", new_events(2))
    made.record_snapshot("src", "s", 2, {"sum": 3})
    before = everything(made)
    db.backup_store("tenant", target)
    made.append("s", new_events(2))
    db.remove_store("tenant")
    restored = db.restore_backup(target)
    assert everything(restored) == before
    assert restored.read_snapshot("src", "s").json() == {"sum": 3}
    config = db.get_store_config("tenant")
    assert (config.description, config.tags) == ("Acme", ("gold",))
    assert restored.verify().ok
    with pytest.raises(pyesdb.LimitExceeded):
        restored.append("s", new_events(8))
    assert restored.append("s", new_events(1)).version == 5
    assert stores(db, data_dir) == ["default", "tenant"]
    assert [e.type for e in db.audit(store_id="tenant")][-2:] == ["StoreCreated", "StoreReady"]


def test_nothing_is_overwritten(db: Any, target: Path, data_dir: Path) -> None:
    store = db.store()
    store.append("s", new_events(2))
    db.backup_store("default", target)
    store.append("s", new_events(1))
    with pytest.raises(pyesdb.StoreAlreadyExists, match="default"):
        db.restore_backup(target)
    assert versions(store.read("s")) == [0, 1, 2]
    other = db.restore_backup(target, as_="other")
    assert versions(other.read("s")) == [0, 1]
    assert stores(db, data_dir) == ["default", "other"]


def test_a_restored_store_is_a_history_of_its_own(db: Any, target: Path) -> None:
    old = db.create_store("tenant")
    token = old.append("s", new_events(2)).token
    db.backup_store("tenant", target)
    db.remove_store("tenant")
    new = db.restore_backup(target)
    assert new.info().incarnation > token.incarnation
    with pytest.raises(pyesdb.HistoryChanged):
        new.read("s", at_least=token).to_list()
    with pytest.raises(pyesdb.StoreRemoved):
        old.read("s").to_list()
    assert new.read("s", at_least=Token(new.info().incarnation, 1)).first() is not None
    assert db.recover_store("tenant", as_="former").version("s") == 1


def test_the_clock_and_command_ids_go_on(db: Any, target: Path) -> None:
    store = db.store()
    first = NewEvent("Once")
    store.append("s", first)
    db.backup_store("default", target)
    restored = db.restore_backup(target, as_="other")
    assert restored.append("s", first).duplicate
    again = restored.append("s", new_events(1))
    assert (again.version, again.position) == (1, 2)
    created = [event.created for event in restored.read_all()]
    assert created == sorted(created)


def test_frozen_stays_frozen_and_a_template_comes_along(
    db: Any, target: Path, tmp_path: Path
) -> None:
    db.save_template("small", max_append_events=3, description="of the template")
    db.create_store("tenant", template="small", description="its own")
    db.freeze_store("tenant")
    db.backup_store("tenant", target)
    here = db.restore_backup(target, as_="here")
    assert db.get_store_status("here") == "frozen"
    with pytest.raises(pyesdb.StoreFrozen):
        here.append("s", new_events(1))
    db.thaw_store("here")
    here.append("s", new_events(1))
    assert db.list_stores()["here"].template == "small"
    with pyesdb.open(tmp_path / "elsewhere", durability="os") as other:
        there = other.restore_backup(target)
        config = other.get_store_config("tenant")
        assert (config.max_append_events, config.origin("max_append_events")) == (3, "store")
        assert config.description == "its own"
        assert there.info().template is None


def test_the_seal_of_a_removal_is_lifted(db: Any, target: Path, data_dir: Path) -> None:
    """A backup that is taken while its store is being removed restores to one that runs."""
    db.create_store("tenant").append("s", new_events(1))
    path = data_dir / "stores" / "tenant" / "store.db"
    alone.commit_into(path, alone.seal(sealed=True), None)
    db.backup_store("tenant", target)
    db.remove_store("tenant", purge=True)
    assert db.restore_backup(target).append("s", new_events(1)).version == 1


def test_progress_reaches_the_total(db: Any, target: Path) -> None:
    db.store().append("s", [NewEvent("Big", b"x" * 300_000) for _ in range(8)])
    size = db.backup_store("default", target).bytes
    seen: list[tuple[int, int]] = []
    db.restore_backup(target, as_="other", on_progress=lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > size


def test_what_progress_raises_ends_the_restore(db: Any, target: Path, data_dir: Path) -> None:
    db.backup_store("default", target)

    def enough(done: int, total: int) -> None:
        raise KeyError(done, total)

    with pytest.raises(KeyError):
        db.restore_backup(target, as_="other", on_progress=enough)
    assert stores(db, data_dir) == ["default"]


def test_a_flipped_byte_is_found_wherever_it_is(db: Any, target: Path, data_dir: Path) -> None:
    db.store().append("s", [NewEvent("E", {"n": n, "x": "x" * 500}) for n in range(40)])
    db.backup_store("default", target)
    good = target.read_bytes()
    chance = random.Random(4)
    places = [chance.randrange(len(good)) for _ in range(20)]
    places += [chance.randrange(len(good) - 600, len(good)) for _ in range(10)]
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << chance.randrange(8)
        target.write_bytes(bad)
        with pytest.raises(pyesdb.Corrupt, match=r"store\.backup"):
            db.restore_backup(target, as_="other")
    assert stores(db, data_dir) == ["default"]
    target.write_bytes(good)
    db.restore_backup(target, as_="other")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_backup_that_was_cut_off(db: Any, target: Path, share: float) -> None:
    db.backup_store("default", target)
    content = target.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    with pytest.raises((pyesdb.Corrupt, RequestError), match=r"store\.backup"):
        db.restore_backup(target, as_="other")


def test_files_that_are_no_backup(db: Any, data_dir: Path, target: Path, tmp_path: Path) -> None:
    target.write_text("dear diary" * 100)
    for path in (target, tmp_path, tmp_path / "nowhere", "", 7):
        with pytest.raises(RequestError):
            db.restore_backup(path)
    with pytest.raises(pyesdb.Corrupt, match="no manifest"):
        db.restore_backup(data_dir / "stores" / "default" / "store.db")
    target.unlink()
    db.backup_store("default", target)
    with pytest.raises(pyesdb.InvalidStoreId):
        db.restore_backup(target, as_="Not Legal")
    with pytest.raises(RequestError):
        db.restore_backup(target, as_="other", on_progress=7)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 2}, pyesdb.NewerFormat),
        ({"format": 9}, pyesdb.NewerFormat),
        ({"bytes": 1}, pyesdb.Corrupt),
        ({"sha256": "0" * 64}, pyesdb.Corrupt),
        ({"position": 7}, pyesdb.Corrupt),
        ({"chain": "00"}, pyesdb.Corrupt),
        ({"incarnation": 99}, pyesdb.Corrupt),
        ({"database": "another"}, pyesdb.Corrupt),
        ({"settings": {"of_the_future": 1}}, pyesdb.InvalidConfig),
    ],
)
def test_a_manifest_that_does_not_fit(
    db: Any, data_dir: Path, target: Path, changes: dict[str, Any], error: type[Exception]
) -> None:
    db.store().append("s", new_events(3))
    db.backup_store("default", target)
    remade(target, **changes)
    with pytest.raises(error):
        db.restore_backup(target, as_="other")
    assert stores(db, data_dir) == ["default"]


def test_a_backup_under_full_write_load(db: Any, target: Path, data_dir: Path) -> None:
    """Four threads append at full speed; the backup is a prefix of what they wrote."""
    store, halt = db.create_store("busy"), threading.Event()

    def write(name: str) -> None:
        while not halt.is_set():
            store.append(name, [NewEvent("W", {"x": "x" * 2000}) for _ in range(5)])

    threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(4)]
    store.append("s0", [NewEvent("W", b"x" * 200_000) for _ in range(20)])
    for thread in threads:
        thread.start()
    heads: list[int] = []
    db.backup_store("busy", target, on_progress=lambda *_: heads.append(store.stats().position))
    halt.set()
    for thread in threads:
        thread.join()
    restored = db.restore_backup(target, as_="prefix")
    assert restored.verify().ok
    written, kept = everything(store), everything(restored)
    assert kept == written[: len(kept)]
    assert positions(restored.read_all()) == list(range(1, len(kept) + 1))
    assert len(kept) <= heads[0] < heads[-1]


def test_many_restore_one_id_at_once(db: Any, target: Path, data_dir: Path) -> None:
    db.store().append("s", new_events(3))
    db.backup_store("default", target)
    outcomes: list[Any] = []

    def restore() -> None:
        try:
            outcomes.append(db.restore_backup(target, as_="one").version("s"))
        except pyesdb.StoreAlreadyExists:
            outcomes.append("exists")

    threads = [threading.Thread(target=restore) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["2"] + ["exists"] * 5
    assert stores(db, data_dir) == ["default", "one"]
    assert not drafts._mine


def test_memory_stays_durable_by_os(db: Any, open_db: Any, target: Path) -> None:
    db.create_store("a", durability="fsync")
    db.backup_store("a", target)
    config = open_db(":memory:").restore_backup(target).info().config
    assert config.durability == "os"


def test_max_stores_and_read_only(data_dir: Path, target: Path) -> None:
    with pyesdb.open(data_dir, durability="os", config={"max_stores": 1}) as db:
        db.backup_store("default", target)
        with pytest.raises(pyesdb.LimitExceeded):
            db.restore_backup(target, as_="other")
        with pytest.raises(pyesdb.LimitExceeded):
            db.copy_store("default", "other")
        assert stores(db, data_dir) == ["default"]
    with pyesdb.open(data_dir, read_only=True) as db, pytest.raises(pyesdb.AccessDenied):
        db.restore_backup(target, as_="other")


def test_cancelling_ends_the_work(data_dir: Path, target: Path) -> None:
    """The thread behind it stops at its next step, and what it has made is gone."""

    def gone() -> None:
        while [*target.parent.glob("*.part"), *(data_dir / "drafts").iterdir()]:
            time.sleep(0.01)

    async def cancelled(call: Callable[[Callable[[int, int], None]], Awaitable[Any]]) -> None:
        begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        def held(done: int, total: int) -> None:
            if begun.is_set():
                ended.set()
            begun.set()
            assert go_on.wait(60)

        task = asyncio.ensure_future(call(held))
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await asyncio.to_thread(gone)
        assert not ended.is_set()

    async def both() -> None:
        async with pyesdb.open_async(data_dir, durability="os") as db:
            await db.store().append("s", [NewEvent("Big", b"x" * 300_000) for _ in range(8)])
            await cancelled(lambda told: db.backup_store("default", target, on_progress=told))
            await db.backup_store("default", target)  # there is no such file
            await cancelled(lambda told: db.restore_backup(target, as_="x", on_progress=told))
            assert list(await db.list_stores()) == ["default"]

    asyncio.run(both())
