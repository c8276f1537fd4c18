"""A store is removed and made again while others write to it: nothing is lost in the trash."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.stress.tools import children, contents, stress_seconds


def stored_in(path: Path) -> list[str]:
    """The data of all events in a file, which nobody has open."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT data FROM events ORDER BY position").fetchall()
    return [json.loads(data) for (data,) in rows]


Lines = list[list[str]]


def rewrite(
    directory: Path, rounds: int, *, purge: bool = False
) -> tuple[list[tuple[int, int]], Lines]:
    """Remove and make again; when each incarnation was gone, and what the writers printed."""
    gone: list[tuple[int, int]] = []
    with pyesdb.open(directory) as db, children(2, "rewrite", directory) as started:
        for _ in range(rounds):
            incarnation = db.list_stores()["contested"].incarnation
            events = db.store("contested").read_all
            while not events(limit=1).to_list():
                time.sleep(0.001)
            db.remove_store("contested", purge=purge)
            gone.append((incarnation, time.monotonic_ns()))
            db.create_store("contested")
        for child in started:
            child.go()
        for child in started:
            child.rest()
        assert [child.process.returncode for child in started] == [0, 0]
    files = [Path(f"{directory}-acknowledged-{number}") for number in range(2)]
    lines = [line.split(" ") for file in files for line in file.read_text().splitlines()]
    return gone, lines


def check(directory: Path, rounds: int) -> tuple[int, int]:
    with pyesdb.open(directory) as db:
        db.create_store("contested")
    gone, lines = rewrite(directory, rounds)
    acknowledged = [(n, int(i), int(t)) for n, i, t in lines if n != "removed"]
    removed = sum(int(count) for name, count, _ in lines if name == "removed")
    assert removed >= rounds
    assert len({name for name, _, _ in acknowledged}) == len(acknowledged)
    found: dict[int, list[str]] = {}
    for incarnation, when in gone:
        stored = found[incarnation] = stored_in(
            directory / "trash" / f"contested.{incarnation}" / "store.db"
        )
        late = [n for n, i, called in acknowledged if i == incarnation and called > when]
        assert late == []
        assert len(stored) == len(set(stored))
    with pyesdb.open(directory) as db:
        live = db.list_stores()["contested"].incarnation
        found[live] = [row[3] for row in contents(db.store("contested"))]
    lost = [(n, i) for n, i, _ in acknowledged if n not in found[i]]
    assert lost == []
    unknown = [path.name for path in (directory / "trash").iterdir() if ".unknown." in path.name]
    assert unknown == []
    return len(acknowledged), removed


def test_nothing_acknowledged_is_lost_in_the_trash(data_dir: Path) -> None:
    check(data_dir, 5)


def test_a_handle_of_the_removed_store_never_writes_into_the_new_one(data_dir: Path) -> None:
    """Found by this suite: another process makes the store anew between two appends."""
    with pyesdb.open(data_dir) as db:
        old = db.create_store("contested")
        old.append("s", NewEvent("Old"))
        with children(1, "remake", data_dir) as [child]:
            child.go()
            assert child.report() == 1
        for _ in range(2):
            with pytest.raises(pyesdb.StoreRemoved):
                old.append("s", NewEvent("Lost"))
            with pytest.raises(pyesdb.StoreRemoved):
                old.read_all()
        assert [e.type for e in db.store("contested").read_all()] == ["New"]


def test_purged_while_others_write(data_dir: Path) -> None:
    with pyesdb.open(data_dir) as db:
        db.create_store("contested")
    rewrite(data_dir, 3, purge=True)
    assert list((data_dir / "trash").iterdir()) == []


@pytest.mark.stress
def test_removed_and_made_again_for_long(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end = time.monotonic() + stress_seconds(0.1)
    rounds = acknowledged = removed = 0
    while time.monotonic() < end:
        found = check(data_dir / str(rounds), 40)
        rounds, acknowledged, removed = rounds + 1, acknowledged + found[0], removed + found[1]
    with capsys.disabled():
        print(
            f"\nremoved and made again {rounds * 40} times: {acknowledged} events acknowledged, "
            f"{removed} StoreRemoved, none in a wrong file"
        )
