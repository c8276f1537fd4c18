"""`pyesdb key new` and `pyesdb store rekey`, with keys from a configuration file."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

import pyesdb
from pyesdb.cli.answers import ANSWERS
from tests.cli.conftest import run_here


def test_a_new_key_is_printed() -> None:
    first, second = (run_here("key", "new").out.strip() for _ in range(2))
    assert len(bytes.fromhex(first)) == 32
    assert first != second


@pytest.mark.encryption
def test_a_store_gets_another_key_by_the_lines_of_its_file(tmp_path: Path) -> None:
    keys, config, data = tmp_path / "x.key", tmp_path / "pyesdb.toml", tmp_path / "data"
    config.write_text(f'[encryption]\nkey_file = "{tmp_path}/{{store}}.key"\n')
    place = ("--data", str(data), "--config", str(config))
    old, new = (run_here("key", "new").out.strip() for _ in range(2))
    keys.write_text(old)
    assert run_here("store", "create", "x", *place).code == 0
    assert run_here("append", "s", "E", "--store", "x", *place).code == 0
    keys.write_text(f"{new}\n{old}\n")
    for done in (True, False):
        answer = run_here("store", "rekey", "x", "--json", *place)
        assert (answer.code, json.loads(answer.out)) == (0, {"store": "x", "rekeyed": done})
        msgspec.convert(json.loads(answer.out), ANSWERS["store rekey"])
    keys.write_text(new)
    with pyesdb.open(data, config=config) as db:
        assert db.store("x").version("s") == 0
    keys.write_text(old)
    denied = run_here("read", "s", "--store", "x", *place)
    assert denied.code != 0
    assert "wrong key" in denied.err
    assert not {old, new} & set(denied.err.split())
