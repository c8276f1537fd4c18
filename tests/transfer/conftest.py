"""Two stores to move events between, in a database that does not wait for the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[pyesdb.Store, pyesdb.Store]]:
    with pyesdb.open(tmp_path / "data", durability="os") as db:
        yield db.create_store("a"), db.create_store("b")


def fill(store: pyesdb.Store, count: int = 10, streams: int = 3) -> None:
    """Events of several streams in turns, with tags and metadata; the last one is of no stream."""
    for n in range(count - 1):
        event = NewEvent("Counted", {"n": n}, tags=[f"n:{n % 2}"], metadata={"user": n % 3})
        store.append(f"s-{n % streams}", event)
    store.append(None, NewEvent("Loose", b"\x00\xff"))


def kept(store: pyesdb.Store, **read: Any) -> list[tuple[object, ...]]:
    """What a transfer keeps of every event, in order."""
    return [
        (e.stream, e.id, e.type, e.data, dict(e.metadata), e.tags, e.content_type, e.time)
        for e in store.read_all(**read)
    ]


def lines(path: Path, *documents: object) -> Path:
    """A file with a JSON document on each line."""
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents), "utf-8")
    return path


def counted(count: int, **more: object) -> list[dict[str, object]]:
    """Lines without header, of two streams in turns."""
    return [{"stream": f"s-{n % 2}", "type": "T", "data": {"n": n}, **more} for n in range(count)]
