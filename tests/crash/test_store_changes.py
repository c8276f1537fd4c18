"""Killed at every step of recover, expiry, freeze, update and templates: done or undone, whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent, select
from tests.crash.test_store_life import disk, dying

RECOVERY = ["noted StoreRecovered", "unsealed", "out of the trash", "recovered"]
STEPS = {
    "recover": RECOVERY,
    "recover as": RECOVERY,
    "expire": ["noted StoreErased"],
    "freeze": ["noted StoreFrozen"],
    "thaw": ["noted StoreThawed"],
    "update": ["noted StoreUpdated"],
    "template": ["noted TemplateSaved"],
}
TRASH = ("recover", "recover as", "expire")
STRIDE = {"recover": 380, "recover as": 410, "expire": 90, "freeze": 230, "update": 270}
"""The rest differs from these only in the event."""


def prepare(directory: Path, operation: str) -> None:
    """Store "x" as the operation wants it; "kept" is a bystander, and "x" was there before."""
    with pyesdb.open(directory, durability="os") as db:
        db.create_store("kept", exist_ok=True)
        db.save_template("t", max_streams=5)
        for name in ("x", "x", "y"):  # what is there, then what is in the trash
            db.remove_store(name, purge=True, missing_ok=True)
        if operation in TRASH:
            db.create_store("x").append("s", NewEvent("Older"))
            db.remove_store("x")
        store = db.create_store("x", template="t", trash_keep=60)
        store.append("s", NewEvent("Old", {"n": 1}))
        if operation in TRASH:
            db.remove_store("x")
        if operation == "thaw":
            db.freeze_store("x")


def writable(store: pyesdb.Store, stream: str = "s") -> type[Exception] | None:
    """What refuses a write, if anything does."""
    try:
        store.append(stream, NewEvent("More", {"n": 1}))
    except (pyesdb.StoreFrozen, pyesdb.LimitExceeded) as error:
        return type(error)
    return None


def recovered(db: pyesdb.Database, name: str) -> bool:
    done = name in db.list_stores()
    if not done:
        assert [found.store_id for found in db.trash()] == ["x", "x"]
        db.recover_store("x", as_=name)
    store = db.store(name)
    assert [event.type for event in store.read_all()] == ["Old"]
    assert writable(store) is None
    assert store.append("s", NewEvent("More"), expected=1).position == 3
    return done


def expired(db: pyesdb.Database) -> bool:
    erased = [event.type for event in db.audit(store_id="x")][-1] == "StoreErased"
    assert len(db.trash()) == (1 if erased else 2)
    found = [event.type for event in db.recover_store("x").read_all()]
    assert found == (["Older"] if erased else ["Old"])
    return erased


def changed(refusal: type[Exception], stream: str) -> Callable[[pyesdb.Database], bool]:
    """Whether the write is refused now; what the catalog says must be what the file says."""

    def look(db: pyesdb.Database) -> bool:
        config, store = db.get_store_config("x"), db.store("x")
        done = (
            db.get_store_status("x") == "frozen"
            if refusal is pyesdb.StoreFrozen
            else (config.max_events, config.max_streams) != (None, 5)
        )
        if config.max_events is not None:
            assert (config.max_events, config.description) == (2, "new")
            assert config.indexed_payload == ("n",)
            assert writable(store) is None
        assert (config.timeout == 20.0) == (config.max_streams == 1)
        assert writable(store, stream) is (refusal if done else None)
        assert len(store.read_all(select=select.payload({"n": 1})).to_list()) >= 1
        assert store.verify().problems == ()
        return done

    return look


LOOKS: dict[str, Callable[[pyesdb.Database], bool]] = {
    "recover": lambda db: recovered(db, "x"),
    "recover as": lambda db: recovered(db, "y"),
    "expire": expired,
    "freeze": changed(pyesdb.StoreFrozen, "s"),
    "thaw": lambda db: not changed(pyesdb.StoreFrozen, "s")(db),
    "update": changed(pyesdb.LimitExceeded, "s"),
    "template": changed(pyesdb.LimitExceeded, "new"),
}


def check(directory: Path, operation: str) -> bool:
    """Catalog equals disk, all or nothing, and everything goes on; whether it was done."""
    with pyesdb.open(directory, durability="os") as db:
        listed = db.list_stores(system=True)
        assert {info.status for info in listed.values()} <= {"running", "frozen"}
        assert disk(directory) == set(listed)
        trash = {f"{found.store_id}.{found.incarnation}" for found in db.trash()}
        assert {path.name for path in (directory / "trash").iterdir()} == trash
        done = LOOKS[operation](db)
        assert writable(db.store("kept")) is None
    return done


@pytest.mark.slow
@pytest.mark.parametrize("operation", STEPS)
def test_killed_between_two_steps(data_dir: Path, operation: str) -> None:
    prepare(data_dir, operation)
    with dying(data_dir, operation, STEPS[operation]) as following:
        for _ in STEPS[operation]:
            prepare(data_dir, operation)
            assert following() == "died"
            # every hook stands behind the event, so it must be done
            assert check(data_dir, operation)


def killed_everywhere(directory: Path, operation: str, first: int, stride: int) -> set[bool]:
    places = [f"step:{n}" for n in range(first, 20_000, stride)]
    seen: set[bool] = set()
    prepare(directory, operation)
    with dying(directory, operation, places) as following:
        prepare(directory, operation)
        while following() == "died":
            seen.add(check(directory, operation))
            prepare(directory, operation)
    return seen


@pytest.mark.parametrize("operation", STRIDE)
def test_killed_at_any_step(data_dir: Path, operation: str) -> None:
    assert killed_everywhere(data_dir, operation, 11, STRIDE[operation]) == {True, False}


@pytest.mark.stress
@pytest.mark.parametrize("operation", STEPS)
def test_killed_at_every_third_step(
    data_dir: Path, operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert killed_everywhere(data_dir, operation, 1, 3) == {True, False}
