"""The look behind a log's end: no good store is called damaged."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.sqlite import files, tail
from tests.stress.tools import environment

_KILLED = """
import os, signal, sys, pyesdb
store = pyesdb.open(sys.argv[1]).create_store("x", durability="os")
for number in range(40):
    store.append("s", pyesdb.NewEvent("E", number))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_log_that_begins_anew_during_the_look_is_no_damage(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has as many frames again, and what was seen in between belongs to neither of them."""
    with pyesdb.open(data_dir) as db:
        store = db.create_store("x")
        path = data_dir / "stores" / "x" / "store.db"
        looking = files.open_writer(path, durability="fsync")
        looks: list[int] = []

        def damaged(log: Path, end: int) -> bool:
            looks.append(end)
            if len(looks) > 1:
                return False
            looking.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            while tail._end(looking) < end:
                store.append("s", NewEvent("E"))
            assert tail._end(looking) == end
            return True

        store.append("s", NewEvent("E"))
        looking.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        store.append("s", NewEvent("E"))
        monkeypatch.setattr(tail, "_damaged", damaged)
        tail.check(looking, path)
        looking.close()
        assert len(looks) == 2


def test_a_store_whose_commits_are_not_synced_is_sealed_whatever_its_log_lost(
    data_dir: Path,
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(data_dir)], env=environment(), check=False
    )
    assert killed.returncode == -signal.SIGKILL
    log = data_dir / "stores" / "x" / "store.db-wal"
    frame = 24 + 4096
    place = 32 + frame * ((log.stat().st_size - 32) // frame // 2) + 500
    with log.open("r+b") as file:
        file.seek(place)
        file.write(b"\xa5" * 50)
    Path(f"{log.with_suffix('')}.db-shm").unlink(missing_ok=True)
    with pyesdb.open(data_dir) as db:
        db.remove_store("x")
        [trashed] = (data_dir / "trash").iterdir()
        sealed = files.open_reader(trashed / "store.db")
        assert files.identity_of(sealed)["sealed"] == 1
        sealed.close()
        db.recover_store("x")
        left = [event.json() for event in db.store("x").read("s")]
        assert left == list(range(len(left)))
        assert db.store("x").append("s", NewEvent("E")).version == len(left)
