"""The lessons of the systems before this one, each as a test (the others have tiers of their own).

1 every write answers, 2 the catalog is durable and the same everywhere, 3 removal removes,
4 the version is checked inside the transaction, 5 a batch is one, 6 versions are stored,
7 a retry stores nothing twice, 15 an error is an error, 16 what the docs name exists.
"""

from __future__ import annotations

import inspect
import json
import re
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.sqlite import files
from pyesdb.store import applier, outbox
from tests.contract.tools import output_of
from tests.stress.tools import contents

ROOT = Path(__file__).parents[2]
LIST = """
import json, sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    stores = db.list_stores(system=True)
    print(json.dumps({name: [info.incarnation, info.status] for name, info in stores.items()}))
"""
APPEND = """
import sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    print(db.store(sys.argv[2]).append("s", pyesdb.NewEvent("E", "far")).version)
"""


@pytest.fixture
def plain(data_dir: Path) -> Any:
    with pyesdb.open(data_dir, durability="os") as db:
        yield db


# -- 1: creating and removing were casts that always said ok


def test_lesson_1_every_write_answers_or_raises(plain: Any) -> None:
    store = plain.create_store("x")
    event = NewEvent("E", "x")
    assert store.append("s", event).position == 1
    refused = [
        (pyesdb.StoreAlreadyExists, lambda: plain.create_store("x")),
        (pyesdb.StoreNotFound, lambda: plain.remove_store("missing")),
        (pyesdb.InvalidStoreId, lambda: plain.create_store("../x")),
        (pyesdb.WrongExpectedVersion, lambda: store.append("s", NewEvent("E"), expected=7)),
        (pyesdb.StreamNotFound, lambda: store.delete_stream("missing")),
        (pyesdb.StreamNotFound, lambda: store.truncate_stream("missing", before_version=1)),
        (pyesdb.InvalidEvent, lambda: store.append("s", NewEvent("E", float("nan")))),
    ]
    for error, call in refused:
        with pytest.raises(error):
            call()
    plain.remove_store("x")
    for call in (lambda: store.append("s", event), lambda: store.delete_stream("s")):
        with pytest.raises(pyesdb.StoreRemoved):
            call()
    plain.close()
    for call in (lambda: plain.create_store("y"), lambda: plain.remove_store("x")):
        with pytest.raises(pyesdb.DatabaseClosed):
            call()


# -- 2: the list of stores lived in one node's memory


def test_lesson_2_the_catalog_is_the_same_everywhere_and_after_a_restart(data_dir: Path) -> None:
    with pyesdb.open(data_dir) as db:
        for name in ("a", "b", "c"):
            db.create_store(name)
        db.remove_store("b")
        here = {name: [i.incarnation, i.status] for name, i in db.list_stores(system=True).items()}
        assert output_of(LIST, str(data_dir)) == json.dumps(here)
    with pyesdb.open(data_dir) as db:
        again = {name: [i.incarnation, i.status] for name, i in db.list_stores(system=True).items()}
    assert again == here
    assert sorted(here) == ["$system", "a", "c", "default"]


# -- 3: removal deleted nothing, and making the store again brought old data back


def test_lesson_3_a_store_made_again_is_empty_and_another_one(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        old = db.create_store("x").append("s", NewEvent("E", "old data"))
        folder = data_dir / "stores" / "x"
        assert folder.is_dir()
        db.remove_store("x")
        assert not folder.exists()
        new = db.create_store("x").append("s", NewEvent("E", "new data"))
        assert (new.version, new.position) == (0, 1)
        assert new.token.incarnation > old.token.incarnation
        assert [row[3] for row in contents(db.store("x"))] == ["new data"]
        db.remove_store("x", purge=True)
    [trashed] = (data_dir / "trash").iterdir()
    assert trashed.name == f"x.{old.token.incarnation}"
    with closing(sqlite3.connect(trashed / "store.db")) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'sealed'").fetchone() == (1,)


# -- 4: the expected version was checked outside the transaction, on a stale copy


def test_lesson_4_a_version_seen_before_is_not_a_version_now(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("x")
        assert store.append("s", NewEvent("E", "here")).version == 0
        assert output_of(APPEND, str(data_dir), "x") == "1"
        with pytest.raises(pyesdb.WrongExpectedVersion) as caught:
            store.append("s", NewEvent("E", "stale"), expected=0)
        assert caught.value.actual == 1
        assert store.append("s", NewEvent("E", "fresh"), expected=1).position == 3
        assert [row[3] for row in contents(store)] == ["here", "far", "fresh"]


def test_lesson_4_the_version_is_judged_in_the_transaction(
    plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever decides has the file's write lock: nobody can come between check and write."""
    store = plain.create_store("x")
    store.append("s", NewEvent("E"))
    seen: list[bool] = []
    real = applier.apply

    def apply(tx: Any, entry: Any) -> Any:
        other = files.open_writer(plain._core.node.layout.file("x"), durability="os")
        other.set_busy_timeout(0)
        with pytest.raises(apsw.BusyError):
            other.execute("BEGIN IMMEDIATE")
        other.close()
        seen.append(True)
        return real(tx, entry)

    monkeypatch.setattr(applier, "apply", apply)
    store.append("s", NewEvent("E"), expected=0)
    with pytest.raises(pyesdb.WrongExpectedVersion):
        store.append("s", NewEvent("E"), expected=0)
    assert seen == [True, True]


# -- 5: batches were written event by event


def test_lesson_5_a_batch_is_one_commit(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = plain.create_store("x")
    store.append("s", NewEvent("E", "first"))
    entries: list[int] = []
    real = applier.apply

    def apply(tx: Any, entry: Any) -> Any:
        entries.append(sum(len(part.events) for c in entry.commands for part in c.appends))
        outcomes = real(tx, entry)
        if len(entries) == 1:
            raise MemoryError  # behind all that was written, before the COMMIT
        return outcomes

    monkeypatch.setattr(applier, "apply", apply)
    batch = [NewEvent("E", n) for n in range(500)]
    with pytest.raises(pyesdb.Unavailable):
        store.append("s", batch)
    assert [row[3] for row in contents(store)] == ["first"]
    assert store.append("s", batch).position == 501
    assert entries == [500, 500]


# -- 6: the version was the number of rows


def test_lesson_6_versions_survive_scavenging(plain: Any) -> None:
    store = plain.create_store("x")
    store.append("s", [NewEvent("E", n) for n in range(20)])
    store.append("t", [NewEvent("E", n) for n in range(5)])
    kept = contents(store)[10:]
    store.truncate_stream("s", before_version=10)
    assert store.scavenge().events == 10
    assert contents(store) == kept
    after = store.append("s", NewEvent("E", "after"), expected=19)
    assert (after.version, after.position) == (20, 26)
    assert contents(store)[:-1] == kept
    store.delete_stream("t")
    store.scavenge()
    assert store.append("t", NewEvent("E", "back")).version == 5


# -- 7: retries of appends that had timed out stored the events again


def test_lesson_7_every_answer_lost_once(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = plain.create_store("x")
    lose = [False]
    real = outbox.answer

    def answer(slot: Any) -> Any:
        found = real(slot)
        lose[0] = not lose[0]
        if lose[0]:
            raise pyesdb.OutcomeUnknown("lost", command_id=uuid4())
        return found

    store.append("warm", NewEvent("Warm"))
    monkeypatch.setattr(outbox, "answer", answer)
    for n in range(30):
        command, event = uuid4(), NewEvent("E", n)
        with pytest.raises(pyesdb.OutcomeUnknown):
            store.append(f"s{n % 3}", event, command_id=command)
        with pytest.MonkeyPatch.context() as between:  # somebody comes in between
            between.setattr(outbox, "answer", real)
            store.append(f"s{n % 3}", NewEvent("Other"))
        found = store.append(f"s{n % 3}", event, command_id=command)
        assert (found.duplicate, found.position) == (True, 2 * n + 2)
    assert [e.json() for e in store.read_all() if e.type == "E"] == list(range(30))


# -- 15: events that could not be decoded were dropped, missing streams were empty


def test_lesson_15_what_is_missing_is_not_empty(plain: Any) -> None:
    store = plain.create_store("x")
    store.append("gone", NewEvent("E"))
    store.delete_stream("gone")
    store.append("ended", NewEvent("E"))
    store.tombstone_stream("ended")
    for stream, error in (
        ("missing", pyesdb.StreamNotFound),
        ("gone", pyesdb.StreamDeleted),
        ("ended", pyesdb.StreamTombstoned),
    ):
        with pytest.raises(error):
            store.read(stream)
        assert store.read(stream, missing_ok=True).to_list() == []


def test_lesson_15_an_event_that_cannot_be_decoded_raises(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("x").append("s", [NewEvent("E", n, tags=["t"]) for n in range(5)])
    writer = files.open_writer(data_dir / "stores" / "x" / "store.db", durability="os")
    writer.execute("UPDATE event SET tags = x'c1' WHERE position = 3").fetchall()
    writer.close()
    with pyesdb.open(data_dir) as db:
        for call in (lambda: db.store("x").read("s"), lambda: db.store("x").read_all()):
            with pytest.raises(pyesdb.PyesdbError, match="tags"):
                [event.tags for event in call()]


# -- 16: documentation named what did not exist


def python_blocks() -> list[tuple[Path, str]]:
    fence = re.compile(r"```\{?(?:code-block\} )?python\n(.*?)```", re.DOTALL)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [(page, block) for page in pages for block in fence.findall(page.read_text())]


def test_lesson_16_every_name_in_the_docs_exists() -> None:
    missing = set()
    methods = {
        "db": {n for n, _ in inspect.getmembers(pyesdb.Database)},
        "store": {n for n, _ in inspect.getmembers(pyesdb.Store)},
    }
    blocks = python_blocks()
    assert len(blocks) > 5
    for page, block in blocks:
        for name in re.findall(r"\bpyesdb\.([A-Za-z_]\w*)", block):
            room = find_spec(f"pyesdb.{name}") is not None
            if not room and not hasattr(pyesdb, name) and name != "toml":  # a file's name
                missing.add((page.name, f"pyesdb.{name}"))
        for owner, known in methods.items():
            for name in re.findall(rf"\b{owner}\.([a-z]\w*)\(", block):
                if name not in known:
                    missing.add((page.name, f"{owner}.{name}"))
    assert missing == set()
