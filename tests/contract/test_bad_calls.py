"""Bad input: every other parameter of every call."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import Append, AppendCondition, Query, select
from tests.contract.tools import everything, named, new_events, one, output_of

NAN, INF = float("nan"), float("inf")

# (parameter, value): the parameter must be named by the message
BAD_APPEND: list[tuple[str, Any]] = [
    ("expected", "any"),
    ("expected", True),
    ("expected", -1),
    ("expected", 1.0),
    ("condition", "Paid"),
    ("condition", select.tags("a")),
    ("command_id", "0196e7a1-5b6c-7abc-8def-0123456789ab"),
    ("command_id", 5),
    ("tracking", "source"),
    ("tracking", ("source",)),
    ("tracking", ("source", 1, 2)),
    ("tracking", (5, 1)),
    ("tracking", ("", 1)),
    ("tracking", ("a\x00", 1)),
    ("tracking", ("source", -1)),
    ("tracking", ("source", True)),
    ("tracking", ("source", "1")),
    ("tracking", ("source", 2**63)),
    ("timeout", 0),
    ("timeout", -1),
    ("timeout", 121),
    ("timeout", 30_000),
    ("timeout", timedelta(minutes=3)),
    ("timeout", timedelta(0)),
    ("timeout", "15"),
    ("timeout", True),
    ("timeout", NAN),
    ("timeout", INF),
]


@pytest.fixture(scope="module")
def two(kept_own: Any) -> Any:
    kept_own.append("s", new_events(2))
    return kept_own


@pytest.mark.parametrize("case", BAD_APPEND, ids=named)
def test_a_bad_parameter_of_append_is_named_and_nothing_stored(two: Any, case: Any) -> None:
    own_store, (parameter, value) = two, case
    before = everything(own_store)
    with pytest.raises(pyesdb.RequestError) as caught:
        own_store.append("s", one(), **{parameter: value})
    assert parameter in str(caught.value)
    if parameter != "expected":
        with pytest.raises(pyesdb.RequestError) as caught:
            own_store.append_many([Append("t", one())], **{parameter: value})
        assert parameter in str(caught.value)
    assert everything(own_store) == before
    assert own_store.tracked("source") is None


@pytest.mark.parametrize("timeout", [121, 500, 15_000])
def test_a_timeout_in_milliseconds_is_recognised(own_store: Any, timeout: int) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        own_store.append("s", one(), timeout=timeout)
    assert "seconds, not milliseconds" in str(caught.value)


BAD_READ: list[tuple[str, Any]] = [
    ("from_version", -1),
    ("from_version", True),
    ("from_version", "0"),
    ("from_version", 1.5),
    ("from_version", 2**63),
    ("to_version", -1),
    ("to_version", False),
    ("to_version", "9"),
    ("as_of", "yesterday"),
    ("as_of", -1),
    ("as_of", True),
    ("as_of", 1.5),
    ("limit", -1),
    ("limit", True),
    ("limit", "10"),
    ("limit", 1.5),
    ("consistency", "eventual"),
    ("consistency", None),
    ("consistency", 1),
    ("at_least", "x"),
    ("at_least", -1),
    ("at_least", True),
    ("timeout", 0),
    ("timeout", 121),
    ("timeout", "1"),
    ("timeout", NAN),
]
BAD_READ_ALL: list[tuple[str, Any]] = [
    ("after", -1),
    ("after", True),
    ("after", "0"),
    ("after", None),
    ("after", 2**63),
    ("before", -1),
    ("before", True),
    ("before", "9"),
    ("select", "Paid"),
    ("select", 5),
    *[case for case in BAD_READ if "version" not in case[0]],
]


@pytest.mark.parametrize("case", BAD_READ, ids=named)
def test_a_bad_parameter_of_read_is_named(two: Any, case: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        two.read("s", **{case[0]: case[1]})
    assert case[0] in str(caught.value)


@pytest.mark.parametrize("case", BAD_READ_ALL, ids=named)
def test_a_bad_parameter_of_read_all_is_named(two: Any, case: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        two.read_all(**{case[0]: case[1]})
    assert case[0] in str(caught.value)


OTHER_CALLS: dict[str, Any] = {
    "outcome of text": lambda s: s.outcome("x"),
    "outcome of none": lambda s: s.outcome(None),
    "tracked of number": lambda s: s.tracked(5),
    "tracked of nothing": lambda s: s.tracked(""),
    "streams after a number": lambda s: list(s.streams(after=5)),
    "delete with a bool": lambda s: s.delete_stream("s", expected=True),
    "delete with a negative version": lambda s: s.delete_stream("s", expected=-1),
    "delete in milliseconds": lambda s: s.delete_stream("s", timeout=5000),
    "tombstone with text": lambda s: s.tombstone_stream("s", expected="x"),
    "truncate in milliseconds": lambda s: s.truncate_stream("s", before_version=1, timeout=5000),
    "snapshot of a version as text": lambda s: s.read_snapshot("A", "s", "1"),
    "snapshot of a negative version": lambda s: s.read_snapshot("A", "s", -1),
    "snapshots of a number": lambda s: s.list_snapshots(source=5),
    "delete snapshot of a bool": lambda s: s.delete_snapshot("A", "s", True),
    "load up to a negative version": lambda s: s.load("s", to_version=-1),
    "load up to a bool": lambda s: s.load("s", to_version=True),
    "load from a number": lambda s: s.load("s", source=5),
    "append many of text": lambda s: s.append_many("abc"),
    "append many with a bad expected": lambda s: s.append_many([Append("s", one(), expected=-1)]),
    "append many with no event": lambda s: s.append_many([Append("s", None)]),
    "append many with a dollar": lambda s: s.append_many([Append("$s", one())]),
    "append many expecting of no stream": lambda s: s.append_many(
        [Append(None, one(), expected=0)]
    ),
    "scavenge with text": lambda s: s.scavenge(on_progress="x"),
}


@pytest.mark.parametrize("name", OTHER_CALLS)
def test_other_bad_calls_are_request_errors_that_change_nothing(own_store: Any, name: str) -> None:
    own_store.append("s", new_events(3))
    own_store.record_snapshot("A", "s", 1, {})
    before = everything(own_store)
    with pytest.raises(pyesdb.RequestError) as caught:
        OTHER_CALLS[name](own_store)
    assert len(str(caught.value)) > 15
    assert everything(own_store) == before
    assert len(own_store.read("s").to_list()) == 3
    assert own_store.read_snapshot("A", "s").version == 1


DATABASE_CALLS: dict[str, Any] = {
    "store of number": lambda db: db.store(5).version("s"),
    "store with spaces": lambda db: db.store("a b").version("s"),
    "list by number": lambda db: db.list_stores(prefix=5),
    "list by bare tag": lambda db: db.list_stores(tags="eu"),
    "list by numbers": lambda db: db.list_stores(tags=[5]),
    "audit of a path": lambda db: list(db.audit(store_id="../x")),
    "remove a path": lambda db: db.remove_store("../x"),
    "remove number": lambda db: db.remove_store(5),
    "status of none": lambda db: db.get_store_status(None),
}


@pytest.mark.parametrize("name", DATABASE_CALLS)
def test_bad_calls_of_the_database_are_request_errors(db: Any, name: str) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        DATABASE_CALLS[name](db)
    assert len(str(caught.value)) > 15


def test_a_callback_that_raises_ends_scavenge_and_damages_nothing(own_store: Any) -> None:
    own_store.append("s", new_events(20))
    own_store.append("t", one())
    own_store.delete_stream("s")

    def fail(done: int, total: int) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        own_store.scavenge(on_progress=fail)
    own_store.scavenge()
    assert [e.stream for e in own_store.read_all()] == ["t"]


def test_a_huge_condition_or_query_is_judged_or_refused_by_name(own_store: Any) -> None:
    own_store.append("s", one("Taken", tags=["t7"]))

    def wide() -> None:
        any_of = Query([pyesdb.QueryItem(tags=[f"t{n}"]) for n in range(3000)])
        own_store.append(None, one(), condition=AppendCondition(any_of))

    with pytest.raises((pyesdb.ConditionFailed, pyesdb.InvalidSelector, pyesdb.LimitExceeded)):
        wide()
    try:
        deep = select.tags("a")
        for n in range(1200):
            deep = deep | (select.tags(f"b{n}") & select.event_type("T"))
        own_store.read_all(select=deep).to_list()
    except (pyesdb.InvalidSelector, pyesdb.LimitExceeded) as error:
        assert len(str(error)) < 2000  # noqa: PT017
    assert own_store.append("s", one()).version == 1


def test_a_command_id_may_not_be_taken_for_something_else(own_store: Any) -> None:
    command = uuid4()
    own_store.append("s", one(), command_id=command)
    with pytest.raises(pyesdb.CommandMismatch):
        own_store.append("s", [], command_id=command)


def test_a_directory_of_a_newer_format_is_refused_and_left_alone(
    open_db: Any, data_dir: Path
) -> None:
    open_db(data_dir, durability="os").close()
    marker = data_dir / "pyesdb.json"
    text = marker.read_text()
    marker.write_text(text.replace("1", "999", 1))
    with pytest.raises(pyesdb.NewerFormat) as caught:
        open_db(data_dir)
    assert "999" in str(caught.value)
    assert marker.read_text() == text.replace("1", "999", 1)


UNPRIVILEGED = """
import os, sys, pyesdb
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    pyesdb.open(sys.argv[1]).store().append("s", pyesdb.NewEvent("T"))
except pyesdb.PyesdbError as error:
    print(type(error).__name__, isinstance(error, OSError), error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_directory_without_permission_is_access_denied() -> None:
    with TemporaryDirectory() as directory:
        closed = Path(directory)
        closed.chmod(0o755)
        said = output_of(UNPRIVILEGED, str(closed / "data"))
        assert said.startswith("AccessDenied True")
        assert str(closed) in said
        assert list(closed.iterdir()) == []


def test_a_place_where_nothing_can_be_made_is_a_named_error(open_db: Any) -> None:
    with pytest.raises(pyesdb.PyesdbError) as caught:
        open_db("/proc/pyesdb-data")
    assert "/proc/pyesdb-data" in str(caught.value)
    with pytest.raises(pyesdb.PyesdbError):
        open_db("/dev/null/data")


def test_a_path_of_a_megabyte_is_a_named_error(open_db: Any, tmp_path: Path) -> None:
    for target in ("x" * 1_000_000, str(tmp_path / ("y" * 300)), "a/" * 5000):
        with pytest.raises(pyesdb.PyesdbError) as caught:
            open_db(target)
        assert len(str(caught.value)) < 10_000


CURSOR = pyesdb.Cursor(1, 7)
ADVICE: dict[str, tuple[Any, str]] = {
    "follow after the text of a cursor": (
        lambda s: s.follow(after=str(CURSOR)),
        "; text that str(cursor) gave: Cursor.parse(text)",
    ),
    "read after a cursor": (lambda s: s.read_all(after=CURSOR), "give its .position"),
    "subscribe after a cursor": (
        lambda s: s.save_subscription("x", select.everything, after=CURSOR), "give its .position"
    ),
    "reset to a cursor": (
        lambda s: s.reset_subscription("x", after=CURSOR), "give its .position"
    ),
    "read text": (lambda s: s.read_all(select="order-1"), "select.stream('order-1')"),
    "follow text": (lambda s: s.follow("order-1"), "select.stream('order-1')"),
    "append a dict": (
        lambda s: s.append("s", {"total": 30}),
        'append takes NewEvent objects, not a dict: write NewEvent("OrderPlaced", {...})',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVICE)
def test_a_near_miss_says_what_to_write(store: Any, name: str) -> None:
    call, advice = ADVICE[name]
    with pytest.raises(pyesdb.RequestError) as caught:
        call(store)
    assert advice in str(caught.value)


def test_a_version_that_is_a_cursor_has_no_position_to_give(two: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        two.read("s", from_version=CURSOR)
    assert ".position" not in str(caught.value)
