"""Every statement is used, and none walks through a table where an index is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.model.versions import ANY
from pyesdb.sqlite.statements import names, rows, statement
from tests.machine.lab import Lab, event

LARGE = {"event", "event_tag", "event_payload", "command", "stream", "tag", "pruned", "delivery"}
"""Tables that grow with the store. A whole walk through one of them needs a reason below."""

PARTS = ("and_", "pick_")
"""Statements that are pieces of a larger one (store.plans); planned through it, below."""

ONCE = "cut_"
"""Statements that run once in a draft, on whole tables (store.cutting)."""

WALKS = {
    # meant to walk in order of the key, a page at a time: "SCAN" without a bound, with a LIMIT
    "last_event_state": "the last row of the table",
    "head": "the last row of the table",
    "dictionary_ids": "the last rows of the tables",
    "hidden_events": "the partial index of streams to sweep",
    "has_retention": "the partial index of streams with an age",
    "all_snapshots": "a list of snapshots, which may be that of all",
    "subscription_cursors": "a handful of subscriptions",
    "meta": "a handful of rows",
    "type_names": "all types",
    "last_touched": "all streams, for a clean-up, when the last event is not there any more",
    "described_streams": "all streams, once for a copy",
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    lab = Lab(tmp_path_factory.mktemp("plans") / "store.db")
    for number in range(50):
        lab.append(f"s{number}", [event(f"T{number % 3}", tags=["a", f"b{number}"])] * 2, ANY)
    yield lambda text: _plan(lab, text)
    lab.close()


def _plan(lab: Lab, text: str) -> list[str]:
    found = []
    for part in text.split(";"):
        if part.strip():
            holes = len(set(re.findall(r"\?\d+", part))) or part.count("?")
            assert lab.tx is not None
            cursor = lab.applier._connection.cursor()
            cursor.execute(f"EXPLAIN QUERY PLAN {part}", (None,) * holes)
            found += [row[3] for row in cursor.fetchall()]
    return found


def scans(plan: list[str]) -> list[str]:
    """The tables that a plan walks through from one end to the other."""
    found = []
    for line in plan:
        scanned = re.match(r"SCAN (\w+)", line)
        if scanned and not line.startswith("SCAN CONSTANT"):
            found.append(line)
    return found


ALIASES = {"e": "event", "s": "stream", "d": "event", "t": "type", "x": "event_tag"}


def complete(name: str) -> bool:
    return name != "schema" and not name.startswith((*PARTS, ONCE))


@pytest.mark.parametrize("name", [name for name in names() if complete(name)])
def test_no_statement_walks_through_a_large_table(planned: Any, name: str) -> None:
    plan = planned(statement(name))
    large = [
        line
        for line in scans(plan)
        if ALIASES.get(line.split()[1], line.split()[1]) in LARGE and name not in WALKS
    ]
    assert not large, plan


def test_repeated_rows_are_searched_too(planned: Any) -> None:
    for name in ("streams_by_name", "types_by_name", "tags_by_name", "records", "events_at"):
        assert not scans(planned(rows(name, 5))), name


def test_walks_named_here_exist_and_walk() -> None:
    assert set(WALKS) <= set(names())


INDEXES = {
    "streams_by_name": "sqlite_autoindex_stream_1",
    "stored_ids": "event_by_stream",
    "type_after": "event_by_type",
    "tag_positions": "USING PRIMARY KEY",
    "has_tag": "USING PRIMARY KEY",
    "count_tag": "USING PRIMARY KEY",
    "stream_positions": "event_by_stream",
    "stream_from": "event_by_stream",
    "stream_to": "event_by_stream",
    "stream_forwards": "event_by_stream",
    "stream_backwards": "event_by_stream",
    "all_forwards": "INTEGER PRIMARY KEY",
    "all_backwards": "INTEGER PRIMARY KEY",
    "created_at": "INTEGER PRIMARY KEY",
    "version_behind": "event_by_stream",
    "event_created": "event_by_stream",
    "records": "PRIMARY KEY",
    "next_records": "PRIMARY KEY",
    "outcome": "PRIMARY KEY",
    "streams_to_sweep": "stream_to_sweep",
    "aged_streams": "stream_with_age",
    "deliveries_in_flight": "COVERING INDEX delivery_in_flight (subscription=?)",
    "late_deliveries": "COVERING INDEX delivery_in_flight (subscription=? AND due<?)",
    "due_deliveries": "delivery_due (subscription=? AND due<?)",
    "parked_deliveries": "delivery_parked (subscription=? AND position>?)",
    "waiting_run": "delivery_behind (subscription=? AND stream=? AND state=?)",
    "owed_positions": "PRIMARY KEY (subscription=?)",
    "newest_snapshot": "sqlite_autoindex_snapshot_1",
    "visible_from": "sqlite_autoindex_stream_1",
    "streams_listed": "sqlite_autoindex_stream_1",
    "streams_matching": "sqlite_autoindex_stream_1",
    "system_streams": "sqlite_autoindex_stream_1",
}


@pytest.mark.parametrize("name", INDEXES)
def test_each_statement_uses_the_index_that_is_meant(planned: Any, name: str) -> None:
    plan = planned(statement(name))
    assert any(INDEXES[name] in line for line in plan), plan


SEVERAL = {
    "streams_queued": "delivery_behind (subscription=? AND stream=? AND state=?)",
    "streams_behind": "delivery_behind (subscription=? AND stream=?)",
    "parked_at": "PRIMARY KEY (subscription=? AND position=?)",
    "drop_acked": "PRIMARY KEY (subscription=? AND position=?)",
    "drop_owed": "PRIMARY KEY (subscription=? AND position=?)",
    "give_again": "PRIMARY KEY (subscription=? AND position=?)",
    "give_back": "PRIMARY KEY (subscription=? AND position=?)",
    "give_up_lost": "PRIMARY KEY (subscription=? AND position=?)",
    "replay_deliveries": "PRIMARY KEY (subscription=? AND position=?)",
}
"""Statements that end in several rows, and the index by which each is found."""


@pytest.mark.parametrize("name", SEVERAL)
def test_each_of_several_rows_is_looked_up(planned: Any, name: str) -> None:
    plan = planned(rows(name, 5))
    assert any(SEVERAL[name] in line for line in plan), plan


def test_the_queue_of_a_stream_is_three_look_ups(planned: Any) -> None:
    wanted = "COVERING INDEX delivery_behind (subscription=? AND stream=? AND state=?)"
    assert sum(wanted in line for line in planned(statement("stream_queue"))) == 3


ORDERED = [
    "due_deliveries",
    "late_deliveries",
    "parked_deliveries",
    "waiting_run",
    "stream_from",
    "stream_to",
    "stream_forwards",
    "stream_backwards",
    "all_forwards",
    "all_backwards",
    "tag_positions",
    "type_after",
    "next_records",
    "streams_listed",
    "newest_snapshot",
    "stream_positions",
]


@pytest.mark.parametrize("name", ORDERED)
def test_pages_are_read_in_order_without_sorting(planned: Any, name: str) -> None:
    assert not any("TEMP B-TREE" in line for line in planned(statement(name)))


PICKS = {
    "pick_tag": "USING PRIMARY KEY (tag=? AND position>? AND position<?)",
    "pick_payload": "USING PRIMARY KEY (path=? AND value=? AND position>? AND position<?)",
    "pick_type": "event_by_type (type=? AND rowid>? AND rowid<?)",
    "pick_stream": "event_by_stream (stream=? AND version>? AND version<?)",
    "pick_any": "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
}


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("name", PICKS)
def test_walks_of_a_selector_seek_and_come_in_order(planned: Any, name: str, order: str) -> None:
    plan = planned(f"{statement(name)} ORDER BY d.position {order} LIMIT 10")
    assert any(PICKS[name] in line for line in plan), plan
    if name != "pick_stream":
        assert not any("TEMP B-TREE" in line for line in plan), plan


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("and_")])
def test_filters_of_a_walk_are_looked_up(planned: Any, name: str) -> None:
    plan = planned(f"{statement('pick_any')} {statement(name)} ORDER BY d.position LIMIT 10")
    assert not scans(plan), plan


def test_every_statement_is_used() -> None:
    source = Path(pyesdb.__file__).parent
    texts = [path.read_text("utf-8") for path in source.rglob("*.py")]
    unused = [
        name for name in names() if not any(re.search(rf"[\"']{name}[\"']", t) for t in texts)
    ]
    assert not unused
