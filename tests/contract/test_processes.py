"""API "Opening": several processes, exclusive, fork."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from tests.contract.tools import everything, one, output_of, versions

HOLD = """
import sys, pyesdb
db = pyesdb.open(sys.argv[1], exclusive=True, durability="os")
db.store().append("s", pyesdb.NewEvent("Held"))
print("held", flush=True)
sys.stdin.readline()
db.close()
"""
APPEND = """
import sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    store = db.store(sys.argv[2])
    for n in range(int(sys.argv[3])):
        result = store.append("s", pyesdb.NewEvent("There", {"n": n}))
    print(result.version, result.position)
"""
FORK = """
import os, sys, warnings, pyesdb
warnings.simplefilter("ignore")
db = pyesdb.open(sys.argv[1], durability="os")
store = db.store()
store.append("s", pyesdb.NewEvent("Parent"))
pid = os.fork()
if pid == 0:
    answers = []
    for call in (lambda: store.append("s", pyesdb.NewEvent("Child")), lambda: store.version("s"),
                 lambda: store.read("s"), lambda: db.list_stores()):
        try:
            call()
            answers.append("nothing raised")
        except pyesdb.Forked as error:
            answers.append(type(error).__name__)
    own = pyesdb.open(sys.argv[1])
    answers.append(str(own.store().append("s", pyesdb.NewEvent("Child")).version))
    own.close()
    print(",".join(answers), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
print(store.append("s", pyesdb.NewEvent("Parent")).version)
db.close()
"""


@contextmanager
def held(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the directory open with exclusive=True."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "held"
        yield process
        process.stdin.write("\n")
        process.stdin.flush()
    finally:
        process.stdin.close()
        process.stdout.read()
        process.stdout.close()
        process.wait(30)


def test_another_process_sees_and_continues_what_this_one_wrote(db: Any, data_dir: Path) -> None:
    store = db.create_store("a")
    for n in range(3):
        assert store.append("s", one()).version == 3 * n
        said = output_of(APPEND, str(data_dir), "a", "2")
        assert said == f"{3 * n + 2} {3 * n + 3}"
    assert versions(store.read("s")) == list(range(9))
    assert [row[0] for row in everything(store)] == list(range(1, 10))


def test_a_store_created_by_another_process_is_there(db: Any, data_dir: Path) -> None:
    code = "import sys, pyesdb\nwith pyesdb.open(sys.argv[1]) as db: db.create_store('far')"
    output_of(code, str(data_dir))
    assert "far" in db.list_stores()
    assert db.get_store_status("far") == "running"
    assert db.store("far").append("s", one()).version == 0
    with pytest.raises(pyesdb.StoreAlreadyExists):
        db.create_store("far")


def test_a_store_removed_by_another_process_is_gone(db: Any, data_dir: Path) -> None:
    store = db.create_store("far")
    store.append("s", one())
    code = "import sys, pyesdb\nwith pyesdb.open(sys.argv[1]) as db: db.remove_store('far')"
    output_of(code, str(data_dir))
    with pytest.raises(pyesdb.StoreRemoved):
        store.append("s", one())
    with pytest.raises(pyesdb.StoreRemoved):
        store.read("s")
    assert "far" not in db.list_stores()


def test_exclusive_keeps_others_out_and_says_who_holds_it(open_db: Any, data_dir: Path) -> None:
    with held(data_dir) as process:
        with pytest.raises(pyesdb.DatabaseLocked) as caught:
            open_db(data_dir).store().append("s", one())
        error = caught.value
        assert (error.pid, error.host) == (process.pid, socket.gethostname())
        assert error.command
        assert str(process.pid) in str(error)
        assert error.retryable is True
    assert open_db(data_dir).store().append("s", one()).version == 1


def test_a_killed_holder_does_not_lock_for_ever(open_db: Any, data_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    process.kill()
    process.wait(30)
    process.stdin.close()
    process.stdout.close()
    assert open_db(data_dir).store().append("s", one()).version == 1


def test_exclusive_is_refused_while_another_process_has_it_open(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.store().append("s", one())
        code = (
            "import sys, pyesdb\n"
            "try:\n    pyesdb.open(sys.argv[1], exclusive=True).store().append('s', [])\n"
            "except pyesdb.DatabaseLocked as e: print(e.pid)\n"
        )
        assert output_of(code, str(data_dir)) == str(os.getpid())


def test_after_fork_an_inherited_handle_raises_forked(data_dir: Path) -> None:
    child, parent = output_of(FORK, str(data_dir)).splitlines()
    assert child == "Forked,Forked,Forked,Forked,1"
    assert parent == "2"


def test_multiprocessing_opens_in_the_child(data_dir: Path) -> None:
    code = """
import sys, multiprocessing, pyesdb
def work(place):
    with pyesdb.open(place) as db:
        return db.store().append("s", pyesdb.NewEvent("T")).position
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(sorted(pool.map(work, [sys.argv[1]] * 6)))
"""
    assert output_of(code, str(data_dir)) == "[1, 2, 3, 4, 5, 6]"


def test_a_process_that_ends_without_close_has_stored_everything(data_dir: Path) -> None:
    code = """
import os, sys, pyesdb
db = pyesdb.open(sys.argv[1])
for n in range(20):
    db.store().append("s", pyesdb.NewEvent("T", {"n": n}))
os._exit(0)
"""
    output_of(code, str(data_dir))
    with pyesdb.open(data_dir) as db:
        assert [e.json()["n"] for e in db.store().read("s")] == list(range(20))
        assert db.store().append("s", one(), expected=19).position == 21


def test_memory_is_erased_when_the_process_ends(tmp_path: Path) -> None:
    code = """
import warnings, pyesdb
warnings.simplefilter("ignore")
db = pyesdb.open(":memory:")
db.store().append("s", pyesdb.NewEvent("T"))
print(db.get_store_config("default").data_dir)
"""
    place = Path(output_of(code, TMPDIR=str(tmp_path)))
    assert not place.exists()
    assert list(tmp_path.iterdir()) == []
