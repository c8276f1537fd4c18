"""API "Stores": update_store changes settings that hold from then on, in every process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.config.settings import BY_NAME, as_tuple
from pyesdb.store import reads
from tests.config.samples import stored
from tests.contract.other import other
from tests.contract.test_recovery import core, life
from tests.contract.test_stores import BAD_SETTINGS
from tests.contract.tools import named, new_events, one, positions, versions

# -- what is said


def test_every_setting_can_be_changed_and_taken_back(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, timeout=20, config={"durability": "os", "max_events": 1000})
    db.create_store("a")
    before = db.get_store_config("a")
    for name in BY_NAME:
        changed = db.update_store("a", **{name: stored(name)})
        assert getattr(changed, name) == as_tuple(stored(name)), name
        assert changed.origin(name) == "store", name
    assert db.get_store_config("a") == changed
    db.close()
    db = open_db(data_dir)
    assert db.get_store_config("a") == changed
    assert db.list_stores()["a"].config == changed
    back = db.update_store("a", **dict.fromkeys(BY_NAME))
    assert back == before == db.get_store_config("a")
    assert (back.timeout, back.origin("timeout")) == (20.0, "server")
    assert (back.max_events, back.origin("max_events")) == (1000, "server")
    assert (back.snapshots_keep, back.origin("snapshots_keep")) == (0, "default")


def test_none_goes_back_to_the_template_if_it_says_something(db: Any) -> None:
    db.save_template("t", timeout=3)
    db.create_store("a", template="t", timeout=5)
    config = db.update_store("a", timeout=None)
    assert (config.timeout, config.origin("timeout")) == (3.0, "template")


def test_several_at_once_and_the_others_stay(db: Any) -> None:
    db.create_store("a", description="Acme", tags=["eu"])
    config = db.update_store("a", timeout=timedelta(seconds=5), tags=["us", "paid"])
    assert (config.timeout, config.description) == (5.0, "Acme")
    assert list(config.tags) == ["us", "paid"]
    assert "a" in db.list_stores(tags=["paid"])
    assert "a" not in db.list_stores(tags=["eu"])


def test_it_is_audited_with_what_changed(db: Any) -> None:
    db.create_store("a", description="Acme")
    db.update_store("a", description="Acme", timeout=5, max_events=None)
    db.update_store("a", timeout=None)
    first, second = list(db.audit(store_id="a"))[2:]
    assert first.type == second.type == "StoreUpdated"
    assert first.json()["settings"] == {"timeout": 5.0}
    assert second.json()["settings"] == {"timeout": None}
    assert first.metadata


def test_an_update_that_changes_nothing_is_not_written(db: Any) -> None:
    db.create_store("a", description="Acme", tags=["eu"])
    before = db.get_store_config("a")
    for same in ({}, {"description": "Acme"}, {"timeout": None}, {"tags": ["eu"]}):
        assert db.update_store("a", **same) == before
    assert life(db) == ["StoreCreated", "StoreReady"]


@pytest.mark.parametrize(
    "bad", [*BAD_SETTINGS, {"time_out": 5}, {"data_dir": "/x"}, {"max_stores": 5}], ids=named
)
def test_what_is_wrong_changes_nothing(db: Any, bad: dict[str, Any]) -> None:
    before = db.get_store_config("default")
    with pytest.raises(pyesdb.RequestError) as caught:
        db.update_store("default", **{"description": "new", **bad})
    assert next(iter(bad)) in str(caught.value)
    assert db.get_store_config("default") == before
    assert life(db, "default") == ["StoreCreated", "StoreReady"]


def test_which_stores_can_be_updated(db: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="catalog"):
        db.update_store("$system", timeout=5)
    with pytest.raises(pyesdb.StoreNotFound, match="nowhere"):
        db.update_store("nowhere", timeout=5)
    for bad in ("A", 5, None):
        with pytest.raises(pyesdb.InvalidStoreId):
            db.update_store(bad, timeout=5)
    db.create_store("a")
    db.remove_store("a")
    with pytest.raises(pyesdb.StoreNotFound, match="trash"):
        db.update_store("a", timeout=5)
    assert db.update_store("default", timeout=5).timeout == 5.0


def test_read_only_is_read_only(open_db: Any, data_dir: Path) -> None:
    open_db(data_dir, durability="os").close()
    db = open_db(data_dir, read_only=True)
    for call in (
        lambda: db.update_store("default", timeout=5),
        lambda: db.freeze_store("default"),
        lambda: db.thaw_store("default"),
        lambda: db.save_template("t"),
        lambda: db.remove_template("t"),
    ):
        with pytest.raises(pyesdb.AccessDenied):
            call()
    assert db.templates() == {}


# -- what it does


LIMITS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "max_events": ({"max_events": 3}, lambda s: s.append("s", one())),
    "max_bytes": ({"max_bytes": 500}, lambda s: s.append("s", one(data="x" * 500))),
    "max_streams": ({"max_streams": 1}, lambda s: s.append("new", one())),
    "max_event_bytes": ({"max_event_bytes": 100}, lambda s: s.append("s", one(data="x" * 200))),
    "max_append_events": ({"max_append_events": 1}, lambda s: s.append("s", new_events(2))),
    "max_append_bytes": ({"max_append_bytes": 100}, lambda s: s.append("s", one(data="x" * 200))),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_holds_when_it_returns_and_no_longer(db: Any, name: str) -> None:
    settings, over = LIMITS[name]
    store = db.create_store("a")
    store.append("s", new_events(3))
    unused = db.store("a")
    db.update_store("a", **settings)
    for handle in (store, unused, db.store("a")):
        with pytest.raises(pyesdb.LimitExceeded) as caught:
            over(handle)
        assert caught.value.setting == name
    assert store.version("s") == 2
    db.update_store("a", **dict.fromkeys(settings))
    over(store)


def test_limits_hold_in_a_process_that_has_the_store_open(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        store = db.create_store("a")
        assert say("store.append('s', one()).version") == "0"
        for settings, call in (
            ({"max_events": 1}, "store.append('s', one())"),
            ({"max_append_events": 1}, "store.append('s', [one(), one()])"),
            ({"max_streams": 1}, "store.append('t', one())"),
        ):
            db.update_store("a", **settings)
            assert say(call) == "LimitExceeded"
            db.update_store("a", **dict.fromkeys(settings))
        assert say("store.append('s', one()).version") == "1"
        assert say("db.update_store('a', max_events=2).max_events") == "2"
        with pytest.raises(pyesdb.LimitExceeded):
            store.append("s", one())


def test_retention_and_snapshots_follow(clock: Any, db: Any) -> None:
    store = db.create_store("a")
    store.append("s", new_events(5))
    for version in range(3):
        store.record_snapshot("A", "s", version, {})
    db.update_store("a", max_count=2, snapshots_keep=1)
    store.append("s", one())
    assert versions(store.read("s")) == [4, 5]
    store.record_snapshot("A", "s", 3, {})
    assert [found.version for found in store.list_snapshots()] == [3]
    duties = core(db).duties
    core(db).start_duties()
    duties.run("age")
    clock.move(hours=1)
    duties.run("age")
    assert versions(store.read("s")) == [4, 5]
    db.update_store("a", max_age=60)
    duties.run("age")
    assert store.read("s").to_list() == []


def test_the_dedup_window_follows(clock: Any, db: Any) -> None:
    from uuid import UUID

    store = db.create_store("a")
    db.update_store("a", dedup_window=3600)
    store.append("s", one(), command_id=UUID(int=1))
    clock.move(minutes=50)
    store.append("s", new_events(1))
    assert store.outcome(UUID(int=1)) is not None


def test_durability_holds_from_the_next_commit(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("a")
        for n, (durability, pragma) in enumerate((("os", 1), ("fsync", 2), ("os", 1))):
            db.update_store("a", durability=durability)
            assert store.append("s", one()).version == n
            connection = store._handle.runtime().applier._connection
            assert connection is not None
            assert connection.execute("PRAGMA synchronous").get == pragma
            assert versions(store.read("s")) == list(range(n + 1))


def test_the_timeout_is_the_deadline_of_the_next_call(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("a")
        store.append("s", one())
        db.update_store("a", timeout=0.05)
        applier = store._handle.runtime().applier
        inside, go_on, real = threading.Event(), threading.Event(), applier.begin

        def slow() -> tuple[int, int]:
            inside.set()
            assert go_on.wait(30)
            return real()

        applier.begin = slow  # type: ignore[method-assign]
        leader = threading.Thread(target=store.append, args=("s", one()), kwargs={"timeout": 30})
        leader.start()
        assert inside.wait(30)
        with pytest.raises(pyesdb.DeadlineExceeded):
            store.append("s", one())
        go_on.set()
        leader.join()
        assert store.version("s") == 1


def test_a_frozen_store_takes_settings(db: Any) -> None:
    store = db.create_store("a")
    store.append("s", one())
    db.freeze_store("a")
    assert db.update_store("a", max_events=1).max_events == 1
    with pytest.raises(pyesdb.StoreFrozen):
        store.append("s", one())
    db.thaw_store("a")
    with pytest.raises(pyesdb.LimitExceeded):
        store.append("s", one())


# -- indexes


def filled(db: Any, count: int, **settings: Any) -> Any:
    store = db.create_store("a", **settings)
    store.append("s", [NewEvent("E", {"n": n % 3, "m": n}) for n in range(count)])
    return store


@pytest.mark.parametrize("backwards", [False, True])
def test_an_index_is_added_to_and_taken_from_what_is_stored(db: Any, backwards: bool) -> None:
    store = filled(db, 30)
    wanted = [n + 1 for n in range(30) if n % 3 == 1]
    wanted = wanted[::-1] if backwards else wanted
    chosen = select.payload({"n": 1})

    def found() -> list[int]:
        return positions(store.read_all(select=chosen, backwards=backwards))

    for paths in ([], ["n"], ["m", "n"], ["m"], None):
        db.update_store("a", indexed_payload=paths)
        assert found() == wanted
        assert positions(store.read_all(select=chosen, limit=4, backwards=backwards)) == wanted[:4]
        assert store.verify().problems == ()
    assert positions(store.read_all(select=select.payload({"n": 1, "m": 4}))) == [5]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "steps", [([], ["n"]), (["n"], []), (["n"], [], ["n"]), (["n"], ["m"]), (["m"], ["n"], [])]
)
def test_a_read_under_way_misses_nothing(
    db: Any, steps: tuple[list[str], ...], backwards: bool
) -> None:
    """The first page has 64 events: the rest is read when the index is another one."""
    store = filled(db, 600, indexed_payload=steps[0])
    chosen = select.payload({"n": 1}) | select.payload({"m": 0})
    wanted = [n + 1 for n in range(600) if n % 3 == 1 or n == 0]
    events = iter(store.read_all(select=chosen, backwards=backwards))
    found = [next(events).position for _ in range(10)]
    for paths in steps[1:]:
        db.update_store("a", indexed_payload=paths)
        found += [next(events).position for _ in range(60)]
    found += positions(events)
    assert found == (wanted[::-1] if backwards else wanted)


def test_an_index_that_goes_between_the_plan_and_the_page(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan was made, and the index is dropped before its walk: planned anew."""
    with pyesdb.open(data_dir, durability="os") as db:
        store = filled(db, 30, indexed_payload=["n"])
        real = reads.Plan.positions
        steps = [[], ["n"], []]

        def late(plan: Any, *args: Any, **kwargs: Any) -> list[int]:
            if steps:
                db.update_store("a", indexed_payload=steps.pop())
            return real(plan, *args, **kwargs)

        monkeypatch.setattr(reads.Plan, "positions", late)
        assert positions(store.read_all(select=select.payload({"n": 1}))) == list(range(2, 31, 3))
        assert steps == []


def test_an_index_in_a_process_that_has_the_store_open(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        filled(db, 9)
        count = "len(store.read_all(select=select.payload({'n': 1})).to_list())"
        assert say(count) == "3"
        for paths in (["n"], [], ["n"]):
            db.update_store("a", indexed_payload=paths)
            assert say(count) == "3"
        assert say("store.append('s', one(data={'n': 1})).version") == "9"
        assert say(count) == "4"
        assert positions(db.store("a").read_all(select=select.payload({"n": 1})))[-1] == 10


# -- many at once


def test_two_processes_change_different_settings(data_dir: Path) -> None:
    with (
        pyesdb.open(data_dir, durability="os") as db,
        other(data_dir) as say,
        ThreadPoolExecutor(1) as pool,
    ):
        db.create_store("a")
        for n in range(1, 13):
            theirs = pool.submit(say, f"db.update_store('a', max_events={n}).max_events")
            ours = db.update_store("a", max_streams=n)
            assert (theirs.result(60), ours.max_streams) == (str(n), n)
            config = db.get_store_config("a")
            assert (config.max_events, config.max_streams) == (n, n)
        store = db.store("a")
        store.append("s", new_events(12))
        with pytest.raises(pyesdb.LimitExceeded):
            store.append("s", one())
        assert say("store.append('s', one())") == "LimitExceeded"


def test_threads_change_freeze_and_thaw_and_the_last_word_holds(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, ThreadPoolExecutor(6) as pool:
        store = db.create_store("a")
        store.append("s", one())
        for n in range(1, 9):
            calls: list[Callable[[], Any]] = [
                lambda: db.freeze_store("a"),
                lambda: db.thaw_store("a"),
                lambda n=n: db.update_store("a", max_events=1000 + n),  # type: ignore[misc]
                lambda n=n: db.update_store("a", max_streams=n),  # type: ignore[misc]
                lambda: db.freeze_store("a"),
                lambda: db.thaw_store("a"),
            ]
            for future in [pool.submit(call) for call in calls]:
                future.result(60)
            config = db.get_store_config("a")
            assert (config.max_events, config.max_streams) == (1000 + n, n)
            frozen = [kind for kind in life(db) if kind in ("StoreFrozen", "StoreThawed")][-1:]
            assert (db.get_store_status("a") == "frozen") == (frozen == ["StoreFrozen"])
            # what the file says, not what is remembered here
            with pyesdb.open(data_dir) as again:
                try:
                    again.store("a").append("s", one())
                except pyesdb.StoreFrozen:
                    assert frozen == ["StoreFrozen"]
                else:
                    assert frozen != ["StoreFrozen"]
