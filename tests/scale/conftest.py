"""A crowd: one database with many stores, made once for a module."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyesdb

CROWD = [f"tenant-{n:03}" for n in range(200)]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory; each test uses a stream of its own."""
    directory = tmp_path_factory.mktemp("crowd") / "data"
    with pyesdb.open(directory, durability="os") as db:
        for store_id in CROWD:
            db.create_store(store_id)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(autouse=True, scope="module")
def not_replayed(replayed: Any) -> Iterator[None]:
    """Thousands of closed files, whose digests say nothing that other tests do not say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replayed, "paused", True)
        patch.setattr(replayed, "closing", lambda _: None)
        yield
