"""Where keys come from: files, variables, functions; and what is not a key."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import encryption
from pyesdb.config.keys import KeySource
from pyesdb.model.keys import Key, parse_key
from pyesdb.sqlite import cipher

RAW = bytes(range(32))
FORMS = [RAW, RAW.hex(), RAW.hex().upper(), base64.b64encode(RAW), base64.urlsafe_b64encode(RAW)]
FORMS += [f" {RAW.hex()}\n", base64.b64encode(RAW).decode().rstrip("="), bytearray(RAW)]


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_32_bytes_or_a_text_for_them(form: Any) -> None:
    assert KeySource.from_config({"key": lambda _: form}).keys("x") == (Key(RAW),)


BAD: list[Any] = [b"", "", "password", b"\xff" * 31, b"\xff" * 33, "g" * 64, "a" * 43 + "!", 5]
BAD += [[b"short"], ["a1" * 32, None], "a1" * 31, " "]


@pytest.mark.parametrize("value", BAD)
def test_anything_else_is_refused_and_not_shown(value: Any) -> None:
    with pytest.raises(pyesdb.InvalidConfig, match="a key is 32 bytes") as caught:
        KeySource.from_config({"key": lambda _: value}).keys("x")
    assert "password" not in str(caught.value)
    assert "short" not in str(caught.value)


def test_a_file_per_store_and_several_keys_in_one(tmp_path: Path) -> None:
    source = KeySource.from_config({"key_file": tmp_path / "{store}.key"})
    assert source.keys("x") == ()
    (tmp_path / "x.key").write_bytes(RAW)
    assert source.keys("x") == (Key(RAW),)
    (tmp_path / "x.key").write_text("b2" * 32 + "\n" + RAW.hex() + "\n")
    assert source.keys("x") == (Key(b"\xb2" * 32), Key(RAW))
    (tmp_path / "x.key").write_text("")
    with pytest.raises(pyesdb.InvalidConfig, match="is not a key"):
        source.keys("x")


def test_a_file_that_cannot_be_read_is_no_store_without_a_key(tmp_path: Path) -> None:
    (tmp_path / "x.key").mkdir()
    source = KeySource.from_config({"key_file": str(tmp_path / "{store}.key")})
    with pytest.raises(pyesdb.AccessDenied, match="could not be read"):
        source.keys("x")


def test_a_variable_per_store(monkeypatch: pytest.MonkeyPatch) -> None:
    source = KeySource.from_config({"key_env": "KEY_{STORE}"})
    assert source.keys("tenant-a") == ()
    monkeypatch.setenv("KEY_TENANT_A", RAW.hex())
    monkeypatch.setenv("KEY__SYSTEM", "b2" * 32)
    assert source.keys("tenant-a") == (Key(RAW),)
    assert source.keys("$system") == (Key(b"\xb2" * 32),)
    monkeypatch.setenv("KEY_TENANT_A", "")
    with pytest.raises(pyesdb.InvalidConfig, match="is not a key"):
        source.keys("tenant-a")


def test_a_function_that_fails_is_named() -> None:
    def ask(_: str) -> bytes:
        raise TimeoutError

    with pytest.raises(pyesdb.AccessDenied, match="TimeoutError"):
        KeySource.from_config({"key": ask}).keys("x")


def test_a_required_key_that_is_missing_is_refused() -> None:
    source = KeySource.from_config({"key": {"x": RAW}.get, "required": True})
    assert source.for_new("x") == Key(RAW)
    assert source.for_new("$system") is None
    with pytest.raises(pyesdb.AccessDenied, match="encryption is required"):
        source.for_new("y")


TABLES: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one of key_file, key_env and key, not none"),
    ({"key_file": "a", "key_env": "b"}, "not key_file and key_env"),
    ({"keyfile": "a"}, "did you mean 'key_file'"),
    ({"key": "ab" * 32}, "must be a function"),
    ({"key_file": b""}, "must be a path"),
    ({"key_file": ""}, "must be a path"),
    ({"key_env": 5}, "must be a name"),
    ({"key": print, "required": 1}, "required must be true or false"),
]


@pytest.mark.parametrize(("table", "match"), TABLES)
def test_a_table_that_says_nothing_useful(table: dict[str, Any], match: str) -> None:
    with pytest.raises(pyesdb.InvalidConfig, match=match) as caught:
        KeySource.from_config(table)
    assert "abab" not in str(caught.value)


def test_a_key_shows_itself_to_nobody() -> None:
    key = parse_key(RAW, "here")
    source = KeySource.from_config({"key": lambda _: RAW})
    assert (repr(key), str(key), f"{key}") == ("<Key ***>",) * 3
    assert RAW.hex() not in repr(source) + repr(source.keys("x"))
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_sources_go_with_their_handles(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cipher, "require", lambda: None)
    asked: list[str] = []

    def key(store_id: str) -> None:
        asked.append(store_id)

    def opened(**table: Any) -> pyesdb.Database:
        return pyesdb.open(data_dir, durability="os", config={"encryption": table})

    with pyesdb.open(data_dir, durability="os") as db:
        ring = db._core.node.keys
        tables: list[dict[str, Any]] = [
            {"key": key},
            {"key_file": "keys/{store}.key"},
            {"key_file": "keys/{store}.other"},
            {"key_env": "NONE_{STORE}"},
            {"key_env": "NONE_{STORE}", "required": False},
            {"key": {}.get},
        ]
        several = [opened(**table) for table in tables * 3]
        asked.clear()
        assert ring.offered("x") == ()
        assert asked == ["x"]
        for handle in several[:-1]:
            handle.close()
            handle.close()
        assert ring.offered("x") == ()
        assert asked == ["x"]
        assert len(ring._sources) == 1
        several[-1].close()
        assert ring._sources == ()


def test_new_keys_are_different_and_valid() -> None:
    made = {encryption.new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(len(parse_key(text, "here").material) == 32 for text in made)


def test_without_ciphers_a_database_with_keys_is_refused_with_the_remedy(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cipher, "available", lambda: False)
    with pytest.raises(pyesdb.AccessDenied, match="--force-reinstall --no-deps apsw-sqlite3mc"):
        pyesdb.open(data_dir, config={"encryption": {"key": {"x": RAW}.get}})
    pyesdb.open(data_dir, durability="os").close()  # and nothing is left of it


def test_an_encrypted_store_where_there_are_no_ciphers(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its check says that it is encrypted; whether this process could read it comes second."""
    monkeypatch.setattr(cipher, "available", lambda: False)
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("x")
        path = db._core.node.layout.file("x")
        cipher.write_check(path, cipher.new_check(Key(RAW)))
        with pytest.raises(pyesdb.AccessDenied, match="apsw-sqlite3mc"):
            db.store("x").read("s", missing_ok=True)
        assert "apsw-sqlite3mc" in db.list_stores()["x"].reason
        cipher.check_path(path).write_text("{}")
        with pytest.raises(pyesdb.Corrupt, match=r"key\.json is damaged"):
            db.store("x").read("s", missing_ok=True)
        cipher.check_path(path).write_text(
            '{"format": 2, "cipher": "chacha30", "salt": "", "check": ""}'
        )
        with pytest.raises(pyesdb.NewerFormat, match="chacha30"):
            db.store("x").read("s", missing_ok=True)
