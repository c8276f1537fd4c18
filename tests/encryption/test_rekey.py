"""A new key for a store that is in use, and what a crash leaves of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, encryption
from pyesdb.node import reconcile
from tests.encryption.conftest import A, B, Open
from tests.encryption.test_copies import numbers
from tests.encryption.test_stores import SECRETS, fill, found_in

pytestmark = pytest.mark.encryption


class DiedError(BaseException):
    """Stands for the end of the process."""


def test_a_store_gets_a_new_key_and_the_old_one_opens_nothing(
    open_db: Open, keys: dict[str, Any], data_dir: Path
) -> None:
    with open_db() as db:
        store = db.create_store("x")
        fill(store)
        assert not encryption.rekey_store(db, "x")  # it has this key already
        keys["x"] = [B, A]
        assert encryption.rekey_store(db, "x")
        keys["x"] = B
        assert numbers(store) == list(range(30))
        assert store.append("needle-stream", NewEvent("E", {"number": 30})).version == 30
        assert store.verify().ok
        assert "StoreRekeyed" in [event.type for event in db.audit(store_id="x")]
        assert not list((data_dir / "swap").iterdir())
    with open_db() as db:
        assert numbers(db.store("x")) == list(range(31))
    keys["x"] = A
    with open_db() as db, pytest.raises(pyesdb.AccessDenied, match="wrong key"):
        db.store("x").read("needle-stream")


def test_a_plain_store_gets_its_first_key(
    open_db: Open, keys: dict[str, Any], data_dir: Path
) -> None:
    with open_db() as db:
        store = db.create_store("plain")
        fill(store)
        assert found_in(data_dir, SECRETS)
        assert not encryption.is_encrypted(db, "plain")
        with pytest.raises(pyesdb.InvalidConfig, match="no key is offered"):
            encryption.rekey_store(db, "plain")
        keys["plain"] = B
        assert encryption.rekey_store(db, "plain")
        assert encryption.is_encrypted(db, "plain")
        assert numbers(store) == list(range(30))
        assert store.append("needle-stream", NewEvent("NeedleType")).version == 30
        assert found_in(data_dir, SECRETS) == []
    assert found_in(data_dir, SECRETS) == []


def test_the_present_key_must_be_offered_too(open_db: Open, keys: dict[str, Any]) -> None:
    with open_db() as db:
        fill(db.create_store("x"), 3)
    keys["x"] = B
    with open_db() as db, pytest.raises(pyesdb.AccessDenied, match="wrong key"):
        encryption.rekey_store(db, "x")
    keys["x"] = A
    with open_db() as db:
        assert numbers(db.store("x")) == [0, 1, 2]
        with pytest.raises(pyesdb.StoreNotFound):
            encryption.rekey_store(db, "y")
        with pytest.raises(pyesdb.RequestError, match="keeps the key"):
            encryption.rekey_store(db, "$system")


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_new_key_while_threads_write_and_read(
    open_db: Open, keys: dict[str, Any], exclusive: bool
) -> None:
    with open_db(exclusive=exclusive) as db:
        store = db.create_store("x")
        fill(store, 3)
        stop = threading.Event()
        written: list[int] = []
        errors: list[BaseException] = []

        def write(name: str) -> None:
            try:
                while not stop.wait(0.001):
                    written.append(store.append(name, NewEvent("E", {"n": 1})).position)
            except BaseException as error:  # noqa: BLE001  (the test looks at it)
                errors.append(error)

        def read() -> None:
            try:
                while not stop.wait(0.001):
                    assert numbers(store) == [0, 1, 2]
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(2)]
        threads.append(threading.Thread(target=read))
        for thread in threads:
            thread.start()
        for offered in ([B, A], [A, B], [B, A]):
            keys["x"] = offered
            assert encryption.rekey_store(db, "x")
        stop.set()
        for thread in threads:
            thread.join()
        assert errors == []
        assert sorted(written) == list(range(4, 4 + len(written)))
        assert {event.position for event in store.read_all(after=3)} == set(written)
        assert store.verify().ok


CHILD = """
import sys, pyesdb
from pyesdb import NewEvent
keys = {"x": sys.argv[2].split(",")}
with pyesdb.open(sys.argv[1], config={"encryption": {"key": keys.get}}) as db:
    store = db.store("x")
    print(store.version("needle-stream"), flush=True)
    for line in sys.stdin:
        store.append("child", NewEvent("E"))
        print(store.version("needle-stream"), store.version("child"), flush=True)
"""


def test_other_processes_go_on_in_the_new_file(
    open_db: Open, keys: dict[str, Any], data_dir: Path
) -> None:
    with open_db() as db:
        fill(db.create_store("x"), 3)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(data_dir), f"{A},{B}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with child:
            assert child.stdin
            assert child.stdout
            assert child.stdout.readline() == "2\n"
            for turn, offered in enumerate(([B, A], [A, B])):
                keys["x"] = offered
                assert encryption.rekey_store(db, "x")
                assert db.store("x").append("here", NewEvent("E")).version == turn
                child.stdin.write("go\n")
                child.stdin.flush()
                assert child.stdout.readline() == f"2 {turn}\n"
                assert db.store("x").version("child") == turn
            child.stdin.close()
        assert child.returncode == 0
        assert db.store("x").verify().ok
        assert db.store("x").append("here", NewEvent("E")).position == 8


@pytest.mark.parametrize("place", ["rekeyed", "old one aside", "new one in place"])
@pytest.mark.parametrize("after", ["open", "same", "remove", "rekey"])
def test_a_crash_leaves_the_old_file_or_the_new_one(
    open_db: Open,
    keys: dict[str, Any],
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    after: str,
) -> None:
    def die(step: str) -> None:
        if step == place:
            raise DiedError

    def dying() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(reconcile, "hook", die)
            with pytest.raises(DiedError):
                encryption.rekey_store(db, "x")

    with open_db() as db:
        fill(db.create_store("x"), 3)
        keys["x"] = [B, A]
        dying()
        if after == "same":  # this process lives on
            for _ in range(2):
                try:
                    assert numbers(db.store("x")) == [0, 1, 2]
                    break
                except pyesdb.StoreStarting:
                    continue
            assert db.store("x").append("s", NewEvent("E")).version == 0
            return
    with open_db() as db:
        if after == "remove":
            db.remove_store("x", purge=True)
            fill(db.create_store("x"), 1)
            assert numbers(db.store("x")) == [0]
        elif after == "rekey":
            encryption.rekey_store(db, "x")
        if after != "remove":
            assert numbers(db.store("x")) == [0, 1, 2]
        assert db.store("x").append("s", NewEvent("E")).version == 0
        assert not list((data_dir / "swap").iterdir())
        assert db.store("x").verify().ok
