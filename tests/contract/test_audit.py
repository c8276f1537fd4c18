"""API "Stores": audit() tells who did what, when, from where."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from tests.contract.tools import types


def test_the_life_of_a_store_is_in_the_audit(db: Any) -> None:
    db.create_store("a", description="Acme")
    db.remove_store("a")
    db.create_store("a")
    db.remove_store("a", purge=True)
    seen = types(db.audit(store_id="a"))
    assert [t for t in seen if t in ("StoreCreated", "StoreRemoved")] == [
        "StoreCreated",
        "StoreRemoved",
    ] * 2
    assert seen.count("StoreReady") == 2
    assert seen[-1] == "StoreErased"


def test_audit_is_in_order_and_continues_after_a_position(db: Any) -> None:
    for name in ("a", "b", "c"):
        db.create_store(name)
    whole = list(db.audit())
    positions = [e.position for e in whole]
    assert positions == sorted(set(positions))
    assert len(whole) >= 8
    middle = positions[3]
    assert [e.position for e in db.audit(after=middle)] == positions[4:]


def test_audit_of_one_store_is_only_about_it(db: Any) -> None:
    for name in ("a", "ab", "b"):
        db.create_store(name)
    about = list(db.audit(store_id="a"))
    assert about
    assert {e.stream for e in about} == {"$store-a"}


def test_an_entry_tells_who_when_what_from_where(clock: Any, db: Any) -> None:
    clock.move(days=1)
    db.create_store("a", description="Acme")
    created = next(e for e in db.audit(store_id="a") if e.type == "StoreCreated")
    assert created.created == clock.now
    assert "Acme" in str(created.json())
    told = str(dict(created.metadata)) + str(created.json())
    assert str(os.getpid()) in told
    assert socket.gethostname() in told


def test_the_incarnation_is_the_position_of_created(db: Any) -> None:
    db.create_store("a")
    created = next(e for e in db.audit(store_id="a") if e.type == "StoreCreated")
    assert db.list_stores()["a"].incarnation == created.position


def test_refused_calls_are_not_in_the_history_of_a_store(db: Any) -> None:
    db.create_store("a")
    before = types(db.audit(store_id="a"))
    with pytest.raises(pyesdb.StoreAlreadyExists):
        db.create_store("a")
    with pytest.raises(pyesdb.InvalidConfig):
        db.create_store("a", exist_ok=True, description="x")
    assert types(db.audit(store_id="a")) == before


def test_audit_survives_purge_and_restart(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("a")
    db.remove_store("a", purge=True)
    before = [(e.position, e.type, e.created) for e in db.audit()]
    db.close()
    after = [(e.position, e.type, e.created) for e in open_db(data_dir).audit()]
    assert after[: len(before)] == before


@pytest.mark.parametrize("after", [-1, True, "1", 1.5])
def test_after_of_audit_is_a_position(db: Any, after: Any) -> None:
    with pytest.raises(pyesdb.RequestError):
        list(db.audit(after=after))
