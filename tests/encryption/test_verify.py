"""`verify` and `doctor` on encrypted stores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pyesdb import NewEvent
from pyesdb.operations import doctor
from tests.encryption.conftest import Open
from tests.verify.tools import told

pytestmark = pytest.mark.encryption


def test_an_encrypted_store_verifies_and_damage_is_told(open_db: Open, data_dir: Path) -> None:
    with open_db() as db:
        store = db.create_store("x")
        for number in range(60):
            store.append("s", [
                NewEvent("E", {"n": number, "text": "x" * 300}, tags=["t"]) for _ in range(5)
            ])  # fmt: skip
        assert told(store.verify()) == []
        assert store.verify().events == 300
    path = data_dir / "stores" / "x" / "store.db"
    whole = path.read_bytes()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    unnoticed = []
    for page in range(1, len(whole) // 4096, 2):
        descriptor = os.open(path, os.O_RDWR)
        os.pwrite(descriptor, bytes([whole[page * 4096 + 2000] ^ 0xFF]), page * 4096 + 2000)
        os.close(descriptor)
        with open_db() as db:
            found = db.store("x").verify()
        if found.ok:
            unnoticed.append(page + 1)
        path.write_bytes(whole)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    assert unnoticed == []


def test_the_doctor_without_the_key_says_so(
    open_db: Open, data_dir: Path, keys: dict[str, Any]
) -> None:
    with open_db() as db:
        db.create_store("x").append("s", NewEvent("E"))
    found = doctor(data_dir, environ={})
    assert found.ok
    (hint,) = [one for one in found.findings if one.level != "ok"]
    assert hint.what.startswith("x is encrypted")
    found = doctor(data_dir, environ={}, config={"encryption": {"key": keys.get}})
    assert {one.level for one in found.findings} == {"ok"}
    wrong = doctor(data_dir, environ={}, config={"encryption": {"key": lambda _: "c3" * 32}})
    assert not wrong.ok
