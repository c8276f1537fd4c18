"""Writes format-N.tar.xz and format-N.json: run once per file format, never by a test.

    python -m tests.golden.make

Refuses to replace what is there: files written by a landed version stay as they are.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pyesdb
from pyesdb import Append, NewEvent, select
from pyesdb.node import actor
from pyesdb.sqlite import files
from pyesdb.telemetry.clock import set_source
from tests.golden.look import HERE, continued, look

SECOND = 1_000_000_000
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND


class Clock:
    """A second later with each question."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        self.now += SECOND
        return self.now


def numbered(first: int, *types: str, **more: object) -> list[NewEvent]:
    return [
        NewEvent(kind, {"n": first + n, "text": "Zürich"}, id=UUID(int=first + n), **more)  # type: ignore[arg-type]
        for n, kind in enumerate(types)
    ]


def fill(store: pyesdb.Store) -> None:
    """A little of everything that a store file can hold."""
    store.append("order-1", numbered(1, "Placed", "Paid", "Sent", tags=["customer-1", "eu"]))
    store.append(
        "order-2",
        numbered(10, "Placed", tags=["customer-2"]),
        expected=pyesdb.StreamState.NO_STREAM,
    )
    store.append(None, numbered(20, "Noted", "Noted", tags=["customer-1"]))
    store.append(
        "order-2",
        NewEvent(
            "Scanned", b"\x00\xff", id=UUID(int=30), content_type="image/png",
            metadata={"correlation_id": "c", "schema_version": 2},
            time=datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
        ),
        expected=0,
    )  # fmt: skip
    store.append_many(
        [
            Append("order-1", numbered(40, "Closed")),
            Append("order-3", numbered(41, "Placed", "Lost")),
        ],
        command_id=UUID(int=1000),
        tracking=("feed", 17),
    )
    store.append("gone", numbered(50, "A", "B"))
    store.delete_stream("gone")
    store.append("never-again", numbered(60, "A"))
    store.tombstone_stream("never-again")
    store.append("log", numbered(70, "L", "L", "L", "L", "L"))
    store.set_stream_metadata("log", max_count=3, max_age=10_000_000.0, custom={"owner": "ops"})
    store.truncate_stream("order-1", before_version=1)
    store.scavenge()
    store.append("log", numbered(80, "L"))
    store.append("gone", numbered(90, "C"))
    store.truncate_stream("order-3", before_version=1)
    store.record_snapshot("order", "order-1", 2, {"state": "sent"}, {"by": "golden"})
    store.record_snapshot("order", "order-1", 3, {"state": "closed"})
    condition = pyesdb.AppendCondition(select.tags("customer-1", "eu"), after=0)
    try:
        store.append(
            "order-4", numbered(95, "Placed"), condition=condition, command_id=UUID(int=1001)
        )
    except pyesdb.ConditionFailed:
        return
    raise AssertionError("the condition must fail")


def main() -> None:
    archive = HERE / f"format-{files.FORMAT}.tar.xz"
    if archive.exists():
        raise SystemExit(f"{archive.name} is there: a landed format is never written again")
    set_source(Clock())
    actor._fixed.cache_clear()
    actor._fixed = lambda pid: {"user": "golden", "host": "example", "pid": 1, "program": "make"}  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "data")
        with pyesdb.open(base, timeout=30) as db:
            fill(db.store())
            created = db.create_store(
                "created", description="made at run time", tags=["a", "b"], max_append_events=100
            )
            fill(created)
            db.create_store("removed").append("s", numbered(1, "A"))
            db.remove_store("removed")
            db.create_store("erased")
            db.remove_store("erased", purge=True)
        for path in base.rglob("store.db"):
            connection = files.open_writer(path, durability="fsync")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.close()
        for path in [*base.rglob("store.db-wal"), *base.rglob("store.db-shm")]:
            path.unlink()
        with tarfile.open(archive, "w:xz") as tar:
            tar.add(base, "data", filter=_anonymous)
        found = look(base)
        shutil.copytree(base, Path(folder, "copy"))
        found["continued"] = continued(Path(folder, "copy"))
    text = json.dumps(found, indent=1, ensure_ascii=False)
    archive.with_name(f"format-{files.FORMAT}.json").write_text(text + "\n", "utf-8")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = START // SECOND
    return member


if __name__ == "__main__":
    main()
