"""Export, import, export again: equal, whatever the events carry."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyesdb
from pyesdb import NewEvent
from pyesdb.transfer import export_events, import_events
from tests.transfer.conftest import fill, kept

Two = tuple[pyesdb.Store, pyesdb.Store]

NASTY = [
    b"", b" ", b"{}", b'{"a": 1}', b'{"a":1,"a":2}', b'{"a":\n1}', b"\n", b"{}\r\n", b"\t1", b"1 ",
    b"123456789012345678901234567890", b"1e400", b"1.0", b"-0", b"-0.0", b"1E5", b"NaN", b"null",
    b"-Infinity", b'"\\ud800"', b'"\\u0041"', '"\u2028é𝄞"'.encode(), b'"\xff"', b"\xed\xa0\x80",
    b"[" * 2000 + b"]" * 2000, b"[" * 2000, b'{"pyesdb_export_end":1}', b"\x00", b"[1,]", b'"\x01"',
    b"\xef\xbb\xbf{}",
]  # fmt: skip
KINDS = ["application/json", "application/octet-stream", "text/plain", "application/json; v=1",
         "application/vnd.x+json"]  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
datas = st.sampled_from(NASTY) | st.binary(max_size=40) | values.map(msgspec.json.encode)
events = st.builds(
    NewEvent,
    texts.filter(bool),
    datas,
    content_type=st.sampled_from(KINDS),
    metadata=st.dictionaries(texts, values, max_size=2),
    tags=st.lists(texts.filter(bool), max_size=3),
    time=st.none() | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
placed = st.tuples(st.sampled_from([None, "s", "é 𝄞/:*", "🦆" * 128]), events)


@pytest.fixture(scope="module")
def kept_two(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pyesdb.open(tmp_path_factory.mktemp("round") / "data", durability="os") as db:
        yield db.create_store("a"), db.create_store("b")


def lines_of(file: bytes) -> list[dict[str, Any]]:
    """Exported events without what is numbered anew."""
    found = [json.loads(line) for line in file.splitlines()][1:-1]
    return [{k: v for k, v in e.items() if k not in ("version", "position", "created")}
            for e in found]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(placed, min_size=1, max_size=8))
def test_every_event_comes_back_byte_by_byte(
    kept_two: Two, given_events: list[tuple[str | None, NewEvent]]
) -> None:
    """Each example goes on behind the last one."""
    a, b = kept_two
    start = a.read_all().head
    for stream, event in given_events:
        a.append(stream, event)
    first, second = io.BytesIO(), io.BytesIO()
    count = export_events(a, first, after=start).events
    assert import_events(b, io.BytesIO(first.getvalue())).events == count
    assert kept(b, after=start) == kept(a, after=start)
    export_events(b, second, after=start)
    assert lines_of(second.getvalue()) == lines_of(first.getvalue())


@pytest.mark.parametrize("kind", KINDS)
def test_nasty_data_of_every_kind(two: Two, kind: str) -> None:
    a, b = two
    for data in NASTY:
        a.append("s", NewEvent("T", data, content_type=kind))
    file = io.BytesIO()
    export_events(a, file)
    file.seek(0)
    import_events(b, file)
    assert [(e.data, e.content_type) for e in b.read_all()] == [(data, kind) for data in NASTY]


def test_what_is_new_in_the_target(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a)
    b.append("s-0", NewEvent("Earlier"))
    export_events(a, tmp_path / "a.jsonl")
    import_events(b, tmp_path / "a.jsonl")
    assert kept(b, after=1) == kept(a)
    assert [e.version for e in b.read("s-0")] == [0, 1, 2, 3]
    assert [e.position for e in b.read_all()] == list(range(1, 12))
    assert all(e.created > a.info().created for e in b.read_all())


def test_json_stands_in_the_file_as_json(two: Two, tmp_path: Path) -> None:
    a, _ = two
    a.append("s", NewEvent("T", b'{"z" : 1,  "a":1.50}', content_type="application/json"))
    a.append("s", NewEvent("T", b"\x00"))
    export_events(a, tmp_path / "a.jsonl")
    header, one, other, trailer = (tmp_path / "a.jsonl").read_bytes().splitlines()
    assert b'"data":{"z" : 1,  "a":1.50}' in one
    assert json.loads(other)["data_base64"] == "AA=="
    assert json.loads(header)["store"] == "a"
    assert json.loads(trailer)["pyesdb_export_end"] == 2


def test_compressed_files_are_equal_each_time_and_read_whatever_their_name(
    two: Two, tmp_path: Path
) -> None:
    a, b = two
    fill(a)
    for name in ("x.jsonl.gz", "y.jsonl.gz"):
        export_events(a, tmp_path / name)
    packed = (tmp_path / "x.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "y.jsonl.gz").read_bytes()
    export_events(a, tmp_path / "x.jsonl")
    assert gzip.decompress(packed) == (tmp_path / "x.jsonl").read_bytes()
    (tmp_path / "named-wrongly").write_bytes(packed)
    assert import_events(b, tmp_path / "named-wrongly").events == 10
    assert kept(b) == kept(a)


def test_cloudevents_keep_what_cloudevents_can_say(two: Two, tmp_path: Path) -> None:
    a, b = two
    fill(a)
    result = export_events(a, tmp_path / "a.ce.jsonl", format="cloudevents")
    documents = [json.loads(line) for line in (tmp_path / "a.ce.jsonl").read_bytes().splitlines()]
    assert len(documents) == result.events == 10
    assert {d["specversion"] for d in documents} == {"1.0"}
    assert import_events(b, tmp_path / "a.ce.jsonl").events == 10
    assert kept(b) == kept(a)
    assert import_events(b, tmp_path / "a.ce.jsonl").skipped == 10


def test_cloudevents_of_others(two: Two, tmp_path: Path) -> None:
    foreign = {"specversion": "1.0", "id": "17", "source": "/shop", "type": "order.paid",
               "subject": "order-17", "data": {"total": 30}}  # fmt: skip
    path = tmp_path / "foreign.jsonl"
    loose = {k: v for k, v in foreign.items() if k != "subject"} | {"id": "18"}
    path.write_text(f"{json.dumps(foreign)}\n\n{json.dumps(loose)}\n", "utf-8")
    _, b = two
    assert import_events(b, path).events == 2
    assert [(e.stream, e.json()) for e in b.read_all()] == [
        ("order-17", {"total": 30}), ("$events", {"total": 30}),
    ]  # fmt: skip
    back = io.BytesIO()
    export_events(b, back, format="cloudevents")
    assert [json.loads(line)["id"] for line in back.getvalue().splitlines()] == ["17", "18"]
