"""Verifying while others write: bounds stand at the start, a scavenge meanwhile is no damage."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.sqlite import files
from pyesdb.store import history, queries, references, verify
from pyesdb.store.readers import Reader
from pyesdb.store.verify import verify_file
from tests.contract.tools import new_events
from tests.machine.lab import Lab, event
from tests.verify.tools import change, checkpoint, fill, told


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_ROWS", 7)
    monkeypatch.setattr(references, "_ROWS", 7)


@pytest.fixture
def busy(data_dir: Path) -> Any:
    """A store with a hundred events, hidden ones among them, and something to do meanwhile."""
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("x", indexed_payload=["n"])
        for number in range(40):
            store.append(f"s{number % 3}", new_events(number % 11 + 1, tags=["t", f"u{number}"]))
        yield store


def steps(store: Any) -> list[Callable[[], Any]]:
    return [
        lambda: store.append("s0", new_events(3, tags=["t"])),
        lambda: store.truncate_stream("s0", before_version=30),
        store.scavenge,
        lambda: store.append("new", new_events(20)),
        lambda: store.record_snapshot("src", "s1", 3, {}),
        lambda: store.delete_stream("s1"),
        store.scavenge,
        lambda: store.append("s1", new_events(3)),
    ]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("begin", [0, 1, 7, 14, 30, 60, 90])
def test_whatever_is_done_between_two_pages_is_no_damage(busy: Any, begin: int) -> None:
    todo = steps(busy)
    calls = 0

    def meanwhile(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls > begin and todo:
            todo.pop(0)()

    assert told(busy.verify(on_progress=meanwhile)) == []
    assert todo == []
    assert told(busy.verify()) == []


@pytest.mark.usefixtures("small_pages")
def test_pages_of_any_size_find_the_same(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    lab = Lab(path)
    fill(lab)
    lab.close()
    assert told(verify_file(path)) == []
    change(path, "UPDATE event SET data = x'7b7d20' WHERE position = 9", "DELETE FROM event_tag")
    assert sum("digest differs" in line for line in told(verify_file(path))) == 1


def test_memory_does_not_grow_with_the_store(tmp_path: Path) -> None:
    """Eight times the events, in large and in small appends, in the same memory."""
    highest = []
    for name, count in (("small", 2), ("large", 12)):
        path = tmp_path / f"{name}.db"
        lab = Lab(path)
        for number in range(count):
            lab.append("many", [event(data=b"[%d]" % n) for n in range(1000)])
            lab.append("big", [event(data=b'"%s"' % (b"x" * 500_000))] * 4)
            lab.append(f"s{number}", 1)
        lab.close()
        checkpoint(path)
        tracemalloc.start()
        assert verify_file(path).ok
        highest.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert highest[1] < highest[0] * 1.5
    assert highest[1] < 30 << 20


def test_stats_take_the_same_steps_whatever_the_number_of_events(tmp_path: Path) -> None:
    taken = []
    for count in (10, 3000):
        lab = Lab(tmp_path / f"{count}.db")
        for _ in range(count // 10):
            lab.append("s", 10)
        lab.close()
        reader = Reader(lab.path, read_only=False)
        queries.stats(reader)
        seen: list[dict[str, Any]] = []
        reader.connection.trace_v2(2, seen.append)
        assert queries.stats(reader).events == count
        reader.connection.close()
        names = ("SQLITE_STMTSTATUS_VM_STEP", "SQLITE_STMTSTATUS_FULLSCAN_STEP")
        taken.append([sum(one["stmt_status"][name] for one in seen) for name in names])
        assert len(seen) >= 3
    assert taken[0] == taken[1]


def test_a_missing_file_is_no_damage_but_an_error(tmp_path: Path, data_dir: Path) -> None:
    with pytest.raises(pyesdb.StoreFailed, match="missing"):
        verify_file(tmp_path / "store.db")
    with pyesdb.open(data_dir) as db:
        db.create_store("x")
    (data_dir / "stores" / "x" / "store.db").unlink()
    with pyesdb.open(data_dir) as db:
        store = db.store("x")
        with pytest.raises(pyesdb.StoreFailed, match="missing"):
            store.verify()


def test_a_newer_format_is_an_error(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "store.db")
    lab.append("s", 1)
    lab.close()
    change(lab.path, f"PRAGMA user_version={files.FORMAT + 1}")
    with pytest.raises(pyesdb.NewerFormat):
        verify_file(lab.path)


def test_a_store_that_cannot_even_be_opened_is_told(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("x").append("s", new_events(3))
    path = data_dir / "stores" / "x" / "store.db"
    checkpoint(path)
    path.write_bytes(b"nothing of ours" * 1000)
    with pyesdb.open(data_dir) as db:
        db.create_store("y").append("s", new_events(1))
        told_of: list[int] = []
        found = db.store("x").verify(on_progress=lambda done, total: told_of.append(done))
        assert not found.ok
        assert "restore" in found.problems[0].advice
        assert told_of
        assert db.store("y").verify().ok


def test_the_state_is_read_in_one_moment(busy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in one of two rows, and a commit between the two looks would hide both."""
    real = verify._ask
    looks: list[bool] = []

    def ask(reader: Reader, found: Any, name: str) -> Any:
        if name in ("last_state", "last_event_state"):
            looks.append(reader.connection.in_transaction)
        return real(reader, found, name)

    monkeypatch.setattr(verify, "_ask", ask)
    assert busy.verify().ok
    assert looks == [True] * 4
