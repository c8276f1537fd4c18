"""Clean-up policies: which stores, what happens to them, what the audit says, who is left alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.operations import CleanUp, clean_up
from pyesdb.operations import cleanup as module

DAY = timedelta(days=1)


@pytest.fixture
def aged(clock: Any, data_dir: Path) -> Any:
    """Stores old (40 days, idle), busy (40 days, written today), young (today)."""
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("old", tags=["eu"]).append("s", NewEvent("E"))
        db.create_store("empty")
        busy = db.create_store("busy")
        clock.move(days=40)
        busy.append("s", NewEvent("E"))
        db.create_store("young")
        db.now = clock.now  # type: ignore[attr-defined]
        yield db


def ids(rows: list[Any]) -> list[str]:
    return [row.store_id for row in rows]


def test_a_dry_run_says_and_does_nothing(aged: Any) -> None:
    policy = CleanUp(action="remove", idle_for=30 * DAY)
    before = [e.position for e in aged.audit()]
    rows = clean_up(aged, policy, dry_run=True, now=aged.now)
    assert ids(rows) == ["empty", "old"]
    assert not any(row.done or row.error for row in rows)
    assert [e.position for e in aged.audit()] == before


def test_idle_stores_go_to_the_trash_and_come_back(aged: Any) -> None:
    rows = clean_up(aged, CleanUp(action="remove", idle_for=30 * DAY), now=aged.now)
    assert [(row.store_id, row.done, row.error) for row in rows] == [
        ("empty", True, ""),
        ("old", True, ""),
    ]
    assert list(aged.list_stores()) == ["busy", "default", "young"]
    assert sorted(ids(aged.trash())) == ["empty", "old"]
    store = aged.recover_store("old")
    aged.thaw_store("old")
    assert store.append("s", NewEvent("E"), expected=0).position == 2
    removed = [e for e in aged.audit(store_id="empty") if e.type == "StoreRemoved"]
    reasons = {e.metadata.get("reason") for e in removed}
    assert reasons == {"policy: remove what is idle for 30 days, 0:00:00"}


def test_freezing_leaves_what_is_frozen(aged: Any) -> None:
    policy = CleanUp(action="freeze", older_than=30 * DAY, keep=frozenset({"default"}))
    assert ids(clean_up(aged, policy, now=aged.now)) == ["busy", "empty", "old"]
    assert aged.get_store_status("busy") == "frozen"
    assert clean_up(aged, policy, now=aged.now) == []


def test_what_is_asked_for_must_all_be_true(aged: Any) -> None:
    both = CleanUp(action="remove", idle_for=30 * DAY, older_than=30 * DAY, tags=("eu",))
    assert ids(clean_up(aged, both, now=aged.now, dry_run=True)) == ["old"]
    prefix = CleanUp(action="remove", idle_for=30 * DAY, prefix="em")
    assert ids(clean_up(aged, prefix, now=aged.now, dry_run=True)) == ["empty"]
    kept = CleanUp(action="remove", idle_for=30 * DAY, keep=frozenset({"old"}))
    assert ids(clean_up(aged, kept, now=aged.now, dry_run=True)) == ["empty"]


def test_a_store_written_to_meanwhile_stays(aged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write between the look and the freeze: the second look sees it."""
    looked = module.written_at

    def late(db: Any, info: Any) -> Any:
        found = looked(db, info)
        if info.store_id == "old" and info.status == "running" and not writes:
            writes.append(db.store("old").append("s", NewEvent("Late")))
        return found

    writes: list[Any] = []
    monkeypatch.setattr(module, "written_at", late)
    rows = clean_up(aged, CleanUp(action="remove", idle_for=30 * DAY), now=aged.now)
    assert ids(rows) == ["empty"]
    assert len(writes) == 1
    assert aged.get_store_status("old") == "running"
    assert aged.store("old").append("s", NewEvent("E")).position == 3


def test_one_broken_store_is_a_row_and_the_others_go_on(aged: Any, data_dir: Path) -> None:
    aged.close()
    (data_dir / "stores" / "empty" / "store.db").unlink()
    with pyesdb.open(data_dir) as db:
        rows = clean_up(db, CleanUp(action="remove", idle_for=30 * DAY), now=aged.now)
        assert [(row.store_id, row.done) for row in rows] == [("empty", False), ("old", True)]
        assert "missing" in rows[0].error


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "burn", "idle_for": DAY},
        {"action": "remove"},
        {"action": "remove", "idle_for": timedelta(0)},
        {"action": "remove", "idle_for": 30},
    ],
)
def test_a_policy_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pyesdb.InvalidConfig):
        CleanUp(**wrong)


@pytest.mark.parametrize("hide", ["truncate", "delete"])
def test_a_store_whose_events_are_scavenged_was_written_to(aged: Any, hide: str) -> None:
    """No event is left of what was written today: it is not idle since its creation."""
    busy = aged.store("busy")
    if hide == "truncate":
        busy.truncate_stream("s", before_version=1)
    else:
        busy.delete_stream("s")
    busy.scavenge()
    assert busy.stats().events == 0
    rows = clean_up(aged, CleanUp(action="remove", idle_for=30 * DAY), now=aged.now)
    assert ids(rows) == ["empty", "old"]


def test_a_frozen_store_that_was_thawed_and_written_to_stays(
    aged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody thaws it after the first look, writes, and goes on."""
    looked, writes = module.written_at, []

    def late(db: Any, info: Any) -> Any:
        found = looked(db, info)
        if info.store_id == "old" and not writes:
            db.thaw_store("old")
            writes.append(db.store("old").append("s", NewEvent("Late")))
        return found

    aged.freeze_store("old")
    monkeypatch.setattr(module, "written_at", late)
    rows = clean_up(aged, CleanUp(action="remove", idle_for=30 * DAY), now=aged.now)
    assert ids(rows) == ["empty"]
    assert aged.get_store_status("old") == "running"


def test_a_frozen_store_that_nobody_writes_to_is_removed(aged: Any) -> None:
    aged.freeze_store("old")
    rows = clean_up(aged, CleanUp(action="remove", idle_for=30 * DAY), now=aged.now)
    assert [(row.store_id, row.done) for row in rows] == [("empty", True), ("old", True)]


def test_now_is_a_moment(aged: Any) -> None:
    with pytest.raises(pyesdb.RequestError, match="time zone"):
        clean_up(aged, CleanUp(action="freeze", older_than=DAY), now=aged.now.replace(tzinfo=None))
