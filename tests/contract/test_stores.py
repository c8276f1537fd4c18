"""API "Stores": creating, listing, status, configuration."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import StoreStatus
from pyesdb.node import reconcile
from tests.contract.tools import new_events, one, output_of, python, seconds, versions


def test_create_store_returns_a_running_empty_durable_store(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    store = db.create_store("tenant-acme")
    assert store.id == "tenant-acme"
    assert db.get_store_status("tenant-acme") is StoreStatus.RUNNING
    assert store.read_all().to_list() == []
    assert store.append("s", one()).position == 1
    db.close()
    assert open_db(data_dir).store("tenant-acme").version("s") == 0


def test_one_that_is_being_made_is_waited_for_as_long_as_the_call_says(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = getattr(db, "_core", None) or db._raw._core
    node = node.node

    def die(step: str) -> None:
        raise InterruptedError(step)

    with monkeypatch.context() as dying:
        dying.setattr(reconcile, "hook", die)
        with pytest.raises(InterruptedError):
            db.create_store("made", timeout=0.01)
    lock, maker = node.lock_file("made"), object()
    assert lock.try_acquire(maker)
    waited: list[float] = []
    actual = reconcile.reconcile

    def noted(node: Any, store_id: str, deadline: float) -> None:
        waited.append(deadline - time.monotonic())
        actual(node, store_id, time.monotonic())

    monkeypatch.setattr(reconcile, "reconcile", noted)
    store = db.store("made")
    for call, limit in (
        (lambda: store.append("s", one(), timeout=5), 5),
        (lambda: store.read("s", timeout=3).to_list(), 3),
        (lambda: store.version("s"), 0.01),
    ):
        with pytest.raises(pyesdb.StoreStarting, match="try again"):
            call()
        assert waited[-1] <= limit
    lock.release(maker)
    assert store.append("s", one()).position == 1


def test_a_created_store_survives_a_crash_the_moment_after(data_dir: Path) -> None:
    code = """
import os, sys, pyesdb
db = pyesdb.open(sys.argv[1])
db.create_store("made", description="kept")
os.kill(os.getpid(), 9)
"""
    assert python(code, str(data_dir)).returncode == -9
    assert (
        output_of(
            "import sys, pyesdb\nwith pyesdb.open(sys.argv[1], create=False) as db:"
            " print(db.get_store_status('made'), db.get_store_config('made').description)",
            str(data_dir),
        )
        == "running kept"
    )


def test_stores_share_nothing(db: Any) -> None:
    a, b = db.create_store("a"), db.create_store("b")
    a.append("s", new_events(3, tags=["t"]))
    b.append("s", one("Other"))
    assert versions(a.read("s")) == [0, 1, 2]
    assert [e.type for e in b.read_all()] == ["Other"]
    assert db.store().exists("s") is False
    assert b.read_all(select=pyesdb.select.tags("t")).to_list() == []


def test_an_existing_store_is_not_created_again(db: Any) -> None:
    db.create_store("a").append("s", one())
    with pytest.raises(pyesdb.StoreAlreadyExists) as caught:
        db.create_store("a")
    assert "a" in str(caught.value)
    assert "exist_ok" in str(caught.value)
    assert db.store("a").version("s") == 0


def test_exist_ok_returns_it_as_it_is(db: Any) -> None:
    db.create_store("a", description="first").append("s", one())
    for settings in ({}, {"description": "first"}):
        assert db.create_store("a", exist_ok=True, **settings).version("s") == 0
    assert db.create_store("new", exist_ok=True).append("s", one()).version == 0


def test_exist_ok_with_other_settings_names_update_store(db: Any) -> None:
    db.create_store("a", description="first")
    with pytest.raises(pyesdb.InvalidConfig) as caught:
        db.create_store("a", exist_ok=True, description="second")
    assert "update_store" in str(caught.value)
    assert "description" in str(caught.value)
    assert db.get_store_config("a").description == "first"


@pytest.mark.parametrize("id", ["a", "a1", "a-b_c", "tenant-acme", "x" * 63, "com", "con1", "a--"])
def test_legal_store_ids(db: Any, id: str) -> None:
    assert db.create_store(id).append("s", one()).version == 0
    assert id in db.list_stores()


NEAREST = {
    "Tenant": "tenant",
    "Tenant Acme": "tenant-acme",
    "tenant.acme": "tenant-acme",
    "tenant/acme": "tenant-acme",
    "1st": None,
    "-a": None,
    "_a": None,
    "x" * 64: "x" * 63,
    "zoë": None,
    "日本": None,
    "": None,
    ".": None,
    "..": None,
    "../up": None,
    "/etc": None,
    "a\x00b": None,
    "a\n": None,
    "con": None,
    "nul": None,
    "aux": None,
    "prn": None,
    "com1": None,
    "lpt9": None,
    "$system": None,
    "$mine": None,
    "\ud800": None,
    "x" * 1_000_000: None,
}


@pytest.mark.parametrize("id", NEAREST, ids=lambda id: ascii(id)[:20])
def test_an_illegal_store_id_is_refused_and_the_nearest_proposed(
    db: Any, data_dir: Path, id: str
) -> None:
    before = set(data_dir.rglob("*"))
    with pytest.raises(pyesdb.InvalidStoreId) as caught:
        db.create_store(id)
    message = str(caught.value)
    assert len(message) < 2000
    if NEAREST[id]:
        assert NEAREST[id] in message
    assert {p for p in set(data_dir.rglob("*")) - before if "-wal" not in p.name} == set()
    assert list(db.list_stores()) == ["default"]


def test_a_proposed_id_is_itself_legal(db: Any) -> None:
    import re

    for id in ("Tenant Acme", "1st", "_a", "con", "zoë", "A" * 80):
        with pytest.raises(pyesdb.InvalidStoreId) as caught:
            db.create_store(id)
        proposed = re.findall(r"[\"'`]([a-z][a-z0-9_-]{0,62})[\"'`]", str(caught.value))
        assert proposed, str(caught.value)
        db.create_store(proposed[-1], exist_ok=True)


@pytest.mark.parametrize("id", [5, None, b"a", True, ["a"], Path("a")])
def test_a_store_id_is_text(db: Any, id: Any) -> None:
    with pytest.raises(pyesdb.InvalidStoreId):
        db.create_store(id)


@pytest.mark.parametrize(
    "call",
    [
        lambda db, id: db.remove_store(id),
        lambda db, id: db.get_store_status(id),
        lambda db, id: db.get_store_config(id),
        lambda db, id: db.store(id).version("s"),
    ],
)
@pytest.mark.parametrize("id", ["../default", "NO", "a\x00", "x" * 1000])
def test_an_illegal_id_is_never_a_path(db: Any, call: Any, id: str) -> None:
    with pytest.raises((pyesdb.InvalidStoreId, pyesdb.StoreNotFound)):
        call(db, id)


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ("descripton", "description"),
        ("snapshot_keep", "snapshots_keep"),
        ("time_out", "timeout"),
        ("durable", "durability"),
        ("index_payload", "indexed_payload"),
    ],
)
def test_an_unknown_setting_names_the_nearest(db: Any, setting: str, nearest: str) -> None:
    with pytest.raises(pyesdb.InvalidConfig) as caught:
        db.create_store("a", **{setting: 1})
    assert setting in str(caught.value)
    assert nearest in str(caught.value)
    assert "a" not in db.list_stores()


def test_data_dir_is_refused(db: Any, tmp_path: Path) -> None:
    with pytest.raises(pyesdb.InvalidConfig) as caught:
        db.create_store("a", data_dir=str(tmp_path / "elsewhere"))
    assert "data_dir" in str(caught.value)
    assert "stores" in str(caught.value)
    assert not (tmp_path / "elsewhere").exists()
    assert "a" not in db.list_stores()


BAD_SETTINGS: list[dict[str, Any]] = [
    {"timeout": 0},
    {"timeout": -1},
    {"timeout": 121},
    {"timeout": "15"},
    {"timeout": True},
    {"timeout": float("nan")},
    {"durability": "none"},
    {"durability": 1},
    {"description": 5},
    {"description": "\ud800"},
    {"tags": "eu"},
    {"tags": [5]},
    {"tags": 5},
    {"indexed_payload": "customer"},
    {"indexed_payload": [5]},
    {"indexed_payload": [""]},
    {"max_event_bytes": (1 << 20) + 1},
    {"max_append_events": 10_001},
    {"max_append_bytes": (4 << 20) + 1},
    {"max_event_bytes": 0},
    {"max_append_events": True},
    {"max_append_events": "10"},
    {"dedup_window": 60},
]


@pytest.mark.parametrize("settings", BAD_SETTINGS, ids=str)
def test_a_bad_value_of_a_setting_is_refused_by_name(db: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        db.create_store("a", **settings)
    assert next(iter(settings)) in str(caught.value)
    assert "a" not in db.list_stores()


def test_settings_are_kept_and_say_where_they_come_from(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("a", timeout=timedelta(seconds=5), description="Acme", tags=["eu", "paid"])
    for _ in range(2):
        config = db.get_store_config("a")
        assert seconds(config.timeout) == 5
        assert (config.description, list(config.tags)) == ("Acme", ["eu", "paid"])
        for key in ("timeout", "description", "tags"):
            assert config.origin(key) == "store", key
        assert config.origin("snapshots_keep") == "default"
        db.close()
        db = open_db(data_dir)


def test_every_setting_has_an_effective_value_and_an_origin(db: Any) -> None:
    config = db.get_store_config("default")
    for key in pyesdb.StoreSettings.__annotations__:
        assert hasattr(config, key), key
        assert config.origin(key) in ("default", "server", "template", "store")


def test_origin_of_an_unknown_setting_is_refused(db: Any) -> None:
    with pytest.raises(pyesdb.InvalidConfig) as caught:
        db.get_store_config("default").origin("time_out")
    assert "timeout" in str(caught.value)


def test_data_dir_tells_where_the_store_lives(db: Any, data_dir: Path) -> None:
    db.create_store("a")
    place = Path(db.get_store_config("a").data_dir)
    assert place == (data_dir / "stores" / "a").resolve()
    assert place.is_dir()


def test_listing_by_prefix_and_tags(db: Any) -> None:
    db.create_store("tenant-b", tags=["eu"])
    db.create_store("tenant-a", tags=["eu", "paid"])
    db.create_store("other", tags=["paid"])
    assert list(db.list_stores()) == ["default", "other", "tenant-a", "tenant-b"]
    assert list(db.list_stores(prefix="tenant-")) == ["tenant-a", "tenant-b"]
    assert list(db.list_stores(tags=["eu"])) == ["tenant-a", "tenant-b"]
    assert list(db.list_stores(tags=["eu", "paid"])) == ["tenant-a"]
    assert list(db.list_stores(prefix="o", tags=["eu"])) == []
    with pytest.raises(pyesdb.RequestError):
        db.list_stores(tags="eu")


def test_listing_tells_about_each_store(clock: Any, db: Any) -> None:
    db.create_store("a", description="Acme")
    info = db.list_stores()["a"]
    assert (info.store_id, info.status, info.template) == ("a", StoreStatus.RUNNING, None)
    assert info.config.description == "Acme"
    assert info.created == clock.now
    assert (info.reason, info.stale_since) == ("", None)
    assert info.incarnation > db.list_stores()["default"].incarnation > 0
    assert db.store("a").info().incarnation == info.incarnation


def test_the_system_store_is_listed_only_when_asked_for(db: Any) -> None:
    assert "$system" not in db.list_stores()
    assert "$system" in db.list_stores(system=True)


def test_list_status_and_config_are_the_same_after_restart(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("a", description="Acme")
    db.create_store("gone")
    db.remove_store("gone")

    def facts(db: Any) -> Any:
        return {
            id: (info.incarnation, info.status, info.created, info.config.description)
            for id, info in db.list_stores().items()
        }

    before = facts(db)
    second = open_db(data_dir)
    assert facts(second) == before
    second.close()
    db.close()
    assert facts(open_db(data_dir)) == before
    assert set(before) == {"default", "a"}


@pytest.mark.parametrize("call", ["get_store_status", "get_store_config", "remove_store"])
def test_a_store_that_is_not_there(db: Any, call: str) -> None:
    with pytest.raises(pyesdb.StoreNotFound) as caught:
        getattr(db, call)("nowhere")
    assert "nowhere" in str(caught.value)


def test_the_status_is_also_a_string(db: Any) -> None:
    assert db.get_store_status("default") == "running"
    assert StoreStatus("running") is StoreStatus.RUNNING


def test_handle_of_a_missing_store_raises_at_its_first_operation(db: Any) -> None:
    handle = db.store("later")
    with pytest.raises(pyesdb.StoreNotFound) as caught:
        handle.append("s", one())
    assert "create_store" in str(caught.value)
    db.create_store("later")
    assert handle.append("s", one()).version == 0


def test_a_new_store_is_one_whole_file_that_uses_a_log_from_then_on(db: Any) -> None:
    store = db.create_store("fresh")
    folder = Path(db.get_store_config("fresh").data_dir)
    assert [path.name for path in folder.iterdir()] == ["store.db"]
    assert (folder / "store.db").read_bytes()[18:20] == b"\x02\x02"  # SQLite: WAL to write and read
    assert store.verify().ok
    store.append("s", one())
    assert (folder / "store.db-wal").stat().st_size > 0
