"""API "Stores": stable read-only SQL views for people and tools."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pyesdb import NewEvent
from tests.contract.tools import new_events, one, output_of

# In another process, as a person would: closing a second connection here would drop our locks.
QUERY = """
import json, sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
rows = db.execute(sys.argv[2]).fetchall()
print(json.dumps([[v.hex() if isinstance(v, bytes) else v for v in row] for row in rows]))
"""


def store_file(db: Any, name: str) -> str:
    place = Path(db.get_store_config(name).data_dir)
    found = [p for p in place.iterdir() if not p.name.endswith(("-wal", "-shm"))]
    assert len(found) == 1
    return str(found[0])


def sql(file: str, query: str) -> list[list[Any]]:
    return json.loads(output_of(QUERY, file, query))


@pytest.fixture
def file(open_db: Any, data_dir: Path) -> str:
    db = open_db(data_dir, durability="os")
    store = db.create_store("a")
    when = datetime(2013, 1, 5, tzinfo=UTC)
    store.append("s", NewEvent("Placed", {"n": 1}, metadata={"m": 2}, tags=["x", "y"], time=when))
    store.append("t", new_events(3))
    store.append(None, one("Loose"))
    store.delete_stream("t")
    path = store_file(db, "a")
    db.close()
    return path


def test_the_events_view_has_the_promised_columns(file: str) -> None:
    columns = "position stream version type id created time content_type data metadata tags"
    assert [row[1] for row in sql(file, "PRAGMA table_info(events)")] == columns.split()


def test_the_events_view_shows_what_a_read_shows(file: str) -> None:
    rows = sql(file, "SELECT position, stream, version, type FROM events ORDER BY position")
    assert rows == [
        [1, "s", 0, "Placed"],
        [2, "t", 0, "Happened"],
        [3, "t", 1, "Happened"],
        [4, "t", 2, "Happened"],
        [5, "$events", 0, "Loose"],
    ]


def test_people_can_read_every_column(file: str) -> None:
    [row] = sql(
        file,
        "SELECT id, created, time, content_type, CAST(data AS TEXT), metadata, tags"
        " FROM events WHERE position = 1",
    )
    id, created, time, content_type, data, metadata, tags = row
    assert len(id) == 36
    assert str(time).startswith("2013-01-05")
    assert str(created)[:2] == "20"
    assert content_type == "application/json"
    assert json.loads(data) == {"n": 1}
    assert json.loads(metadata) == {"m": 2}
    assert json.loads(tags) == ["x", "y"]


def test_sqlites_json_functions_work_on_data(file: str) -> None:
    assert sql(file, "SELECT json_extract(data, '$.n') FROM events WHERE type = 'Placed'") == [[1]]


def test_the_streams_view_lists_streams(file: str) -> None:
    columns = [row[1] for row in sql(file, "PRAGMA table_info(streams)")]
    assert {"stream", "version"} <= set(columns)
    rows = dict(sql(file, "SELECT stream, version FROM streams"))
    assert rows["s"] == 0


def test_the_views_are_views(file: str) -> None:
    kinds = dict(
        sql(file, "SELECT name, type FROM sqlite_master WHERE name IN ('events','streams')")
    )
    assert kinds == {"events": "view", "streams": "view"}


def test_a_store_may_be_looked_into_while_it_is_used(db: Any) -> None:
    store = db.create_store("live")
    store.append("s", new_events(3))
    path = store_file(db, "live")
    assert sql(path, "SELECT count(*) FROM events") == [[3]]
    assert store.append("s", one()).version == 3
    assert sql(path, "SELECT max(version) FROM events") == [[3]]
