"""Files written by any landed version open in this one (never regenerated here)."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.sqlite import files
from pyesdb.store.verify import verify_file
from pyesdb.telemetry.clock import set_source
from tests.golden.look import HERE, continued, look
from tests.verify.tools import told

FORMATS = [int(path.stem.removeprefix("format-")) for path in sorted(HERE.glob("format-*.json"))]


def test_the_format_of_today_is_among_them() -> None:
    assert files.FORMAT in FORMATS


@pytest.fixture(params=FORMATS)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A copy of the database and what was seen in it when it was written, at that time."""
    with tarfile.open(HERE / f"format-{request.param}.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
        written_s = max(member.mtime for member in tar)
    seen = json.loads((HERE / f"format-{request.param}.json").read_text("utf-8"))
    set_source(lambda: int(written_s + 60) * 1_000_000_000)  # later, its trash would be erased
    yield tmp_path / "data", seen
    set_source(None)


def test_everything_is_as_it_was_seen(golden: tuple[Path, dict[str, Any]]) -> None:
    base, seen = golden
    found = json.loads(json.dumps(look(base)))
    del seen["continued"]
    for key, wanted in seen.items():
        assert found[key] == wanted, key
    assert look(base) == look(base)


def test_every_file_of_it_verifies(golden: tuple[Path, dict[str, Any]]) -> None:
    base, seen = golden
    paths = sorted(base.rglob("store.db"))
    assert len(paths) > len(seen["stores"])
    for path in paths:
        found = verify_file(path, {"store": path.parent.name.split(".")[0]})
        assert told(found) == []
    with pyesdb.open(base) as db:
        for name in seen["stores"]:
            assert db.store(name).verify().ok


def test_it_can_be_read_without_writing(golden: tuple[Path, dict[str, Any]]) -> None:
    base, seen = golden
    with pyesdb.open(base, read_only=True) as db:
        for name, content in seen["content"].items():
            assert [e.position for e in db.store(name).read_all(system=True)] == [
                event[0] for event in content["events"]
            ]


def test_it_takes_persistent_subscriptions(golden: tuple[Path, dict[str, Any]]) -> None:
    """Its file may lack the indexes of deliveries."""
    base, seen = golden
    with pyesdb.open(base) as db:
        for name, content in seen["content"].items():
            store = db.store(name)
            store.save_subscription("sub", pyesdb.select.everything, max_retries=0)
            wanted = [event[0] for event in content["events"]]
            got = []
            with store.consume("sub") as consumer:
                while (event := consumer.get(0)) is not None:
                    got.append(event.position)
                    consumer.nack(event, "park" if event.position == wanted[0] else "skip")
            assert set(got) <= set(wanted)
            assert [parked.event.position for parked in store.parked("sub")] == [wanted[0]]
            assert store.verify().ok


def test_appends_go_on_where_it_ended(golden: tuple[Path, dict[str, Any]]) -> None:
    base, seen = golden
    with pyesdb.open(base) as db:
        for name, content in seen["content"].items():
            store = db.store(name)
            last = content["versions"]["order-1"]
            result = store.append("order-1", NewEvent("More"), expected=last)
            assert (result.version, result.position) == (last + 1, content["head"] + 1)
            with pytest.raises(pyesdb.StreamTombstoned):
                store.append("never-again", NewEvent("More"))
            with pytest.raises(pyesdb.TrackingConflict):
                store.append("order-1", NewEvent("More"), tracking=("feed", 17))
            with pytest.raises(pyesdb.CommandMismatch):
                store.append("order-1", NewEvent("More"), command_id=UUID(int=1000))
            assert store.scavenge().events >= 1
        with pytest.raises(pyesdb.StoreNotFound, match="trash"):
            db.store("removed").version("s")
        made = db.create_store("removed")
        assert list(made.read_all()) == []


def test_the_machine_decides_as_it_did_and_the_chain_goes_on(
    golden: tuple[Path, dict[str, Any]],
) -> None:
    base, seen = golden
    assert json.loads(json.dumps(continued(base))) == seen["continued"]
