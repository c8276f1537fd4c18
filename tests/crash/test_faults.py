"""Failing commits, full disks, damaged pages, defects of ours: typed, and the store goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.sqlite import files
from pyesdb.store import applier
from tests.crash.faults import applier_of, grouped, outcome, put_fault
from tests.stress.tools import contents


@pytest.fixture
def victim(data_dir: Path) -> Any:
    with pyesdb.open(data_dir) as db:
        store = db.create_store("x")
        store.append("s", NewEvent("E", "first"))
        yield store


def failing(stored: int, times: int) -> Callable[[str, Callable[[], Any]], Any]:
    """COMMIT fails some times: before it did anything, or (stored) behind it."""
    left = [times]

    def fault(text: str, run: Callable[[], Any]) -> Any:
        if text == "COMMIT" and left[0]:
            left[0] -= 1
            if stored:
                run()
            raise apsw.IOError("disk I/O error")
        return run()

    return fault


def test_a_commit_that_failed_and_stored_nothing(
    victim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_fault(monkeypatch, victim, failing(stored=False, times=1))
    event = NewEvent("E", "second")
    with pytest.raises(pyesdb.Unavailable, match="nothing was stored"):
        victim.append("s", event, expected=0)
    assert [row[3] for row in contents(victim)] == ["first"]
    again = victim.append("s", event, expected=0)
    assert (again.version, again.position, again.duplicate) == (1, 2, False)


def test_a_commit_that_failed_and_stored_everything(
    victim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_fault(monkeypatch, victim, failing(stored=True, times=1))
    result = victim.append("s", NewEvent("E", "second"), expected=0)
    assert (result.version, result.position, result.duplicate) == (1, 2, False)
    assert [row[3] for row in contents(victim)] == ["first", "second"]
    assert victim.append("s", NewEvent("E", "third"), expected=1).position == 3


@pytest.mark.parametrize("stored", [False, True])
def test_a_disk_that_cannot_commit_leaves_the_outcome_unknown(
    victim: Any, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    put_fault(monkeypatch, victim, failing(stored, times=2))
    event = NewEvent("E", "second")
    with pytest.raises(pyesdb.OutcomeUnknown) as caught:
        victim.append("s", event)
    again = victim.append("s", event, command_id=caught.value.command_id)
    assert (again.version, again.position, again.duplicate) == (1, 2, stored)
    assert [row[3] for row in contents(victim)] == ["first", "second"]


def test_a_full_disk_stores_nothing_and_the_store_goes_on(
    victim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim.append("s", NewEvent("E", "second"))
    connection = applier_of(victim)._connection
    pages = connection.execute("PRAGMA page_count").get
    connection.execute(f"PRAGMA max_page_count={pages + 2}").fetchall()
    with pytest.raises(pyesdb.DiskFull, match="nothing was stored"):
        victim.append("s", [NewEvent("E", "x" * 2000) for _ in range(40)])
    assert [row[3] for row in contents(victim)] == ["first", "second"]
    applier_of(victim)._connection.execute("PRAGMA max_page_count=100000").fetchall()
    assert victim.append("s", [NewEvent("E", "x" * 2000) for _ in range(40)]).position == 42


def test_a_small_disk(tmp_path: Path) -> None:
    mount = tmp_path / "disk"
    mount.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)],
            check=False,
            capture_output=True,
        ).returncode
    ):
        pytest.skip("mounting a small disk needs root")
    try:
        with pyesdb.open(mount / "data", durability="os") as db:
            store, acknowledged = db.create_store("x"), 0
            full = False
            while not full:
                try:  # large: what it leaves free has room for the entry behind a failed commit
                    store.append("s", NewEvent("E", "x" * 200_000))
                    acknowledged += 1
                except pyesdb.DiskFull:
                    full = True
            assert acknowledged > 3
            assert store.version("s") == acknowledged - 1
        subprocess.run(["mount", "-o", "remount,size=16m", str(mount)], check=True)
        with pyesdb.open(mount / "data") as db:
            assert db.store("x").append("s", NewEvent("E")).version == acknowledged
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_flipped_byte_fails_that_store_only(data_dir: Path) -> None:
    with pyesdb.open(data_dir) as db:
        for name in ("good", "bad"):
            db.create_store(name).append("s", [NewEvent("E", f"precious {n}") for n in range(50)])
    path = data_dir / "stores" / "bad" / "store.db"
    connection = files.open_writer(path, durability="os")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    content = path.read_bytes()
    place = content.index(b"precious 25")
    path.write_bytes(content[:place] + b"q" + content[place + 1 :])
    with pyesdb.open(data_dir) as db:
        with pytest.raises(pyesdb.Corrupt, match="bad"):
            db.store("bad").read("s").to_list()
        with pytest.raises(pyesdb.Corrupt):
            db.store("bad").read_all().to_list()
        assert db.get_store_status("bad") == "failed"
        assert db.get_store_status("good") == "running"
        assert db.store("good").append("s", NewEvent("E")).version == 50
        assert len(db.store("good").read("s").to_list()) == 51


def test_a_defect_hits_its_own_command_only(victim: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = applier.apply

    def apply(tx: Any, entry: Any) -> Any:
        outcomes = real(tx, entry)
        if any("poison" in str(command) for command in entry.commands):
            raise RuntimeError("a defect")
        return outcomes

    monkeypatch.setattr(applier, "apply", apply)
    names = ["a", "b", "poison", "c", "d"]
    calls = [lambda name=name: victim.append(name, NewEvent("E", name)) for name in names]
    with grouped(monkeypatch, victim, calls) as (gate, futures):
        gate.go_on.set()
        found = [outcome(future) for future in futures]
    assert found[2] is pyesdb.Internal
    assert [result.version for n, result in enumerate(found) if n != 2] == [0, 0, 0, 0]
    assert gate.groups == [1, 5, 1, 1, 1, 1, 1]
    assert sorted(victim.streams()) == sorted(["a", "b", "c", "d", "first", "s", "warm"])
    assert [row[0] for row in contents(victim)] == list(range(1, 8))


def test_a_failed_commit_answers_each_of_its_group(
    victim: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed: list[bool] = []

    def fault(text: str, run: Callable[[], Any]) -> Any:
        found = run()
        if text == "COMMIT" and armed:
            armed.clear()
            raise apsw.IOError("disk I/O error")
        return found

    put_fault(monkeypatch, victim, fault)
    calls = [
        lambda: victim.append("a", NewEvent("E", "a")),
        lambda: victim.append("a", NewEvent("E", "late"), expected=7),
        lambda: victim.append("b", NewEvent("E", "b")),
    ]
    with grouped(monkeypatch, victim, calls) as (gate, futures):
        original = applier.apply

        def apply(tx: Any, entry: Any) -> Any:
            if len(entry.commands) == len(calls):
                armed.append(True)
            return original(tx, entry)

        monkeypatch.setattr(applier, "apply", apply)
        gate.go_on.set()
        first, refused, last = [outcome(future) for future in futures]
    assert (first.version, first.duplicate) == (0, False)
    assert refused is pyesdb.WrongExpectedVersion
    assert (last.version, last.position) == (0, first.position + 1)
