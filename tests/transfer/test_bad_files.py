"""Files that are damaged, cut off or none of ours: a typed error with file and line."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

import pyesdb
from pyesdb.transfer import (
    InvalidExport,
    TruncatedExport,
    export_events,
    form,
    import_events,
)
from tests.transfer.conftest import counted, fill, kept, lines

Two = tuple[pyesdb.Store, pyesdb.Store]
GOOD: dict[str, Any] = {"stream": "s", "type": "T"}
CLOUD: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/x", "type": "T"}


@pytest.fixture
def exported(two: Two, tmp_path: Path) -> Path:
    fill(two[0])
    export_events(two[0], tmp_path / "a.jsonl")
    return tmp_path / "a.jsonl"


BAD_LINES: dict[str, object] = {
    "not JSON": b"{stream",
    "an array": [1],
    "a number": 1,
    "no stream": {"type": "T"},
    "no type": {"stream": "s"},
    "unknown field": {**GOOD, "colour": "red"},
    "stream is a number": {**GOOD, "stream": 1},
    "type is null": {**GOOD, "type": None},
    "type is empty": {**GOOD, "type": ""},
    "reserved stream": {**GOOD, "stream": "$store-a"},
    "stream too long": {**GOOD, "stream": "s" * 600},
    "id is no UUID": {**GOOD, "id": "17"},
    "time without zone": {**GOOD, "time": "2013-01-01T00:00:00"},
    "time is no time": {**GOOD, "time": "yesterday"},
    "metadata is a list": {**GOOD, "metadata": []},
    "tags is a string": {**GOOD, "tags": "x"},
    "a tag is empty": {**GOOD, "tags": [""]},
    "not base64": {**GOOD, "data_base64": "!"},
    "data twice": {**GOOD, "data": 1, "data_base64": "AA=="},
    "content type is a number": {**GOOD, "content_type": 7},
    "event too large": {**GOOD, "data": "x" * (1 << 20)},
    "not UTF-8": b'{"stream":"s","type":"T","data":"\xff"}',
    "deeply nested": b'{"stream":"s","type":"T","metadata":' + b'{"a":' * 5000 + b"}" * 5001,
}
BAD_CLOUD: dict[str, object] = {
    "not JSON": b"{",
    "an array": [],
    "version 0.3": {**CLOUD, "specversion": "0.3"},
    "no id": {k: v for k, v in CLOUD.items() if k != "id"},
    "subject is a number": {**CLOUD, "subject": 7},
    "subject is reserved": {**CLOUD, "subject": "$x"},
    "two kinds of data": {**CLOUD, "data": 1, "data_base64": "AA=="},
    "bad time": {**CLOUD, "time": "yesterday"},
    "not UTF-8": b'{"specversion":"1.0","x":"\xff"}',
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pyesdb.open(tmp_path_factory.mktemp("bad") / "data", durability="os") as db:
        yield db


@pytest.mark.parametrize("bad", [*BAD_LINES.values(), *BAD_CLOUD.values()],
                         ids=[*BAD_LINES, *(f"cloud {name}" for name in BAD_CLOUD)])  # fmt: skip
def test_a_bad_line_is_named_and_what_stands_before_it_is_stored(
    target: pyesdb.Database, tmp_path: Path, bad: object
) -> None:
    cloud = any(bad is one for one in BAD_CLOUD.values())
    good = {**CLOUD, "subject": "s"} if cloud else GOOD
    raw = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    file = tmp_path / "x.jsonl"
    ends = [json.dumps({**good, "id": f"0198b6f0-0000-7000-8000-00000000000{n}"}) for n in range(3)]
    file.write_bytes(b"\n".join([ends[0].encode(), ends[1].encode(), raw, ends[2].encode(), b""]))
    store = target.create_store("x")
    try:
        with pytest.raises(
            InvalidExport, match=r"x\.jsonl, line 3: .+; 2 events .+ stored"
        ) as bad_:
            import_events(store, file)
        error = bad_.value
        assert (error.file, error.line, error.stored) == (str(file), 3, 2)
        assert not isinstance(error, TruncatedExport)
        assert len(kept(store)) == 2
        file.write_bytes(b"\n".join([*(end.encode() for end in ends), b""]))  # mended
        assert import_events(store, file).events == 1
    finally:
        target.remove_store("x", purge=True)


FIRST: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n\n",
    "text": b"Dear Sir or Madam\n",
    "csv": b"stream,type\n",
    "other JSON": b'{"hello": 1}\n',
    "array": b"[]\n",
    "empty type": b'{"stream":"s","type":""}\n',
    "NUL": b"\x00" * 100,
    "UTF-16": '{"stream":"s"}'.encode("utf-16"),
    "broken header": b'{"pyesdb_export":1}\n',
    "newer version": b"",
    "gzip of nothing": gzip.compress(b""),
    "gzip in name only": b"\x1f\x8b\xff\xff\xff",
}


@pytest.mark.parametrize("name", FIRST)
def test_something_else_is_refused_by_name(two: Two, tmp_path: Path, name: str) -> None:
    content = FIRST[name]
    if name == "newer version":
        export_events(two[0], tmp_path / "e")
        exported = (tmp_path / "e").read_bytes()
        content = exported.replace(b'{"pyesdb_export":1', b'{"pyesdb_export":2')
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(InvalidExport, match=r"x\.gz"):
        import_events(two[1], tmp_path / "x.gz")
    assert kept(two[1]) == []


CUTS: dict[str, Callable[[list[bytes]], bytes]] = {
    "without trailer": lambda parts: b"".join(parts[:-1]),
    "in the trailer": lambda parts: b"".join(parts)[:-20],
    "between events": lambda parts: b"".join(parts[:6]),
    "in an event": lambda parts: b"".join(parts[:6]) + parts[6][:40],
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_off_export_is_noticed_and_can_be_gone_on_with(
    two: Two, exported: Path, tmp_path: Path, cut: str, packed: bool
) -> None:
    a, b = two
    rest = CUTS[cut](exported.read_bytes().splitlines(keepends=True))
    file = tmp_path / "cut.jsonl"
    file.write_bytes(gzip.compress(rest)[:-8] if packed else rest)
    with pytest.raises(TruncatedExport, match=r"cut\.jsonl was cut off.+ stored now") as caught:
        import_events(b, file)
    stored = len(kept(b))
    assert caught.value.stored == stored == (5 if "event" in cut else 10)
    assert import_events(b, file, allow_partial=True).skipped == stored
    assert import_events(b, exported).events == 10 - stored
    assert kept(b) == kept(a)


def change(exported: Path, old: bytes, new: bytes) -> None:
    content = exported.read_bytes()
    assert content.count(old) == 1
    exported.write_bytes(content.replace(old, new))


def test_a_changed_export_is_refused_before_anything_is_stored(two: Two, exported: Path) -> None:
    change(exported, b'"data":{"n":7}', b'"data":{"n":8}')
    with pytest.raises(InvalidExport, match="changed"):
        import_events(two[1], exported)
    assert kept(two[1]) == []
    with exported.open("rb") as file, pytest.raises(InvalidExport, match=r"changed.+10 events"):
        import_events(two[1], file)  # a stream can only be compared at its end


@pytest.mark.parametrize("where", [20, -6])  # the first block, and the checksum behind all of them
def test_damaged_compression_is_named(two: Two, exported: Path, where: int) -> None:
    packed = bytearray(gzip.compress(exported.read_bytes()))
    packed[where] ^= 0xFF
    exported.write_bytes(packed)
    with pytest.raises(InvalidExport, match=r"a\.jsonl"):
        import_events(two[1], exported)
    assert kept(two[1]) == []


def reorder(parts: list[bytes]) -> list[bytes]:
    parts[2], parts[3] = parts[3], parts[2]
    return parts


@pytest.mark.parametrize(
    "spoil",
    [
        reorder,
        lambda parts: parts + parts[-2:-1],
        lambda parts: [*parts[:3], *parts[2:]],
        lambda parts: [*parts[:3], parts[3].replace(b'"id":', b'"id":null,"x":'), *parts[4:]],
        lambda parts: [*parts[:3], *lines_without(parts[3], b"id"), *parts[4:]],
        lambda parts: [*parts[:-1], parts[-1].replace(b"}", b',"x":1}')],
    ],
    ids=["swapped", "more behind the end", "twice", "id null", "no id", "foreign trailer"],
)
def test_lines_that_were_moved_or_changed(two: Two, exported: Path, spoil: Any) -> None:
    spoiled = b"".join(spoil(exported.read_bytes().splitlines(keepends=True)))
    exported.write_bytes(spoiled)
    with pytest.raises(InvalidExport, match="line"):
        import_events(two[1], exported)
    assert kept(two[1]) == []
    with pytest.raises(InvalidExport, match="line"):
        import_events(two[1], io.BytesIO(spoiled))


def lines_without(line: bytes, key: bytes) -> list[bytes]:
    document = json.loads(line)
    del document[key.decode()]
    return [json.dumps(document).encode() + b"\n"]


class Endless(io.RawIOBase):
    """A line that never ends."""

    def __init__(self) -> None:
        self.left = 100 << 20
        self.start = b'{"stream":"s","type":"T"}\n'

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.start:
            size, self.start = len(self.start), self.start
            buffer[:size] = self.start
            self.start = b""
            return size
        size = min(len(buffer), self.left)
        buffer[:size] = b"x" * size
        self.left -= size
        return size


def test_a_line_of_100_megabytes_does_not_fill_the_memory(two: Two) -> None:
    endless: BinaryIO = io.BufferedReader(Endless())  # type: ignore[assignment]
    tracemalloc.start()
    try:
        with pytest.raises(InvalidExport, match="line 2: the line is longer than"):
            import_events(two[1], endless)
        assert tracemalloc.get_traced_memory()[1] < 6 * form.LINE_BYTES_MAX
    finally:
        tracemalloc.stop()
    assert len(kept(two[1])) == 1


def test_the_largest_event_fits_into_a_line(two: Two, tmp_path: Path) -> None:
    a, b = two
    room = (1 << 20) - 40
    a.append("s", pyesdb.NewEvent("T", b"\x00" * room))
    a.append("s", pyesdb.NewEvent("T", b"", metadata={"m": '"' * (room // 2 - 10)}))
    for name in ("jsonl", "cloudevents"):
        format: Any = name
        export_events(a, tmp_path / name, format=format)
        import_events(b, tmp_path / name, source_id=name)
    assert kept(b) == kept(a) * 2


def test_errors_can_be_pickled(two: Two, tmp_path: Path) -> None:
    import pickle

    file = lines(tmp_path / "x", *counted(1), {"stream": "s"})
    with pytest.raises(InvalidExport) as caught:
        import_events(two[0], file)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.line, copy.stored) == (str(caught.value), 2, 1)
