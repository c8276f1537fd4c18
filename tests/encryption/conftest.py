"""Tests of encrypted stores: they need the apsw that can encrypt (`make encryption`).

In another environment they are skipped, and say why; under PYESDB_TEST_ENCRYPTION a missing cipher
is a failure instead, so `make check` runs them for certain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.sqlite import cipher

HERE = Path(__file__).parent
SURELY = "PYESDB_TEST_ENCRYPTION"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = not cipher.available() and not os.environ.get(SURELY)
    skip = pytest.mark.skipif(absent, reason="this apsw cannot encrypt: see `make encryption`")
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("encryption"):
            item.add_marker(skip)


Open = Callable[..., pyesdb.Database]
A, B = "a1" * 32, "b2" * 32


@pytest.fixture
def keys() -> dict[str, Any]:
    """What the key source offers, by store id; tests change it."""
    return {"x": A}


@pytest.fixture
def open_db(data_dir: Path, keys: dict[str, Any]) -> Iterator[Open]:
    """Opens the database with these keys, or with `config`."""
    opened: list[pyesdb.Database] = []

    def opening(**options: Any) -> pyesdb.Database:
        options = {"config": {"encryption": {"key": keys.get}}, "durability": "os"} | options
        opened.append(pyesdb.open(data_dir, **options))
        return opened[-1]

    yield opening
    for database in opened:
        database.close()
