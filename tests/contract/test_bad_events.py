"""Bad input: events, names, tags, metadata."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.contract.tools import head, one

BAD_NAMES: dict[str, Any] = {
    "empty": "",
    "513 bytes": "x" * 513,
    "513 bytes of unicode": "é" * 256 + "x",
    "1 MB": "x" * 1_000_000,
    "nul": "a\x00b",
    "newline": "a\n",
    "tab": "a\tb",
    "escape": "\x1b[31mred",
    "delete": "a\x7f",
    "c1 control": "a\x85b",
    "lone surrogate": "a\ud800",
    "number": 5,
    "bytes": b"a",
    "bool": True,
    "list": ["a"],
}
TYPES_OK_AS_STREAM = {"256 bytes": "x" * 256, "256 bytes of unicode": "é" * 128}

READERS: dict[str, Any] = {
    "read": lambda s, n: s.read(n),
    "version": lambda s, n: s.version(n),
    "exists": lambda s, n: s.exists(n),
    "stream_info": lambda s, n: s.stream_info(n),
    "load": lambda s, n: s.load(n),
    "delete_stream": lambda s, n: s.delete_stream(n),
    "tombstone_stream": lambda s, n: s.tombstone_stream(n),
    "truncate_stream": lambda s, n: s.truncate_stream(n, before_version=0),
    "set_stream_metadata": lambda s, n: s.set_stream_metadata(n, max_count=1),
    "record_snapshot": lambda s, n: s.record_snapshot("A", n, 0, {}),
    "read_snapshot": lambda s, n: s.read_snapshot("A", n),
    "append_many": lambda s, n: s.append_many([pyesdb.Append(n, one())]),
    "append": lambda s, n: s.append(n, one()),
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_stream_name_is_refused_by_every_call(own_store: Any, name: str) -> None:
    for call, use in READERS.items():
        with pytest.raises(pyesdb.InvalidStreamName) as caught:
            use(own_store, BAD_NAMES[name])
        assert 15 < len(str(caught.value)) < 2000, call
    assert head(own_store) == 0
    assert list(own_store.streams(system=True)) == []


def test_none_is_no_stream_only_in_append(own_store: Any) -> None:
    for call in READERS.keys() - {"append", "append_many"}:
        with pytest.raises(pyesdb.InvalidStreamName):
            READERS[call](own_store, None)


@pytest.mark.parametrize("name", [*BAD_NAMES, *TYPES_OK_AS_STREAM, "none"])
def test_a_bad_type_is_an_invalid_event(name: str) -> None:
    bad = (BAD_NAMES | TYPES_OK_AS_STREAM | {"none": None})[name]
    with pytest.raises(pyesdb.InvalidEvent) as caught:
        NewEvent(bad)
    assert "type" in str(caught.value)
    assert len(str(caught.value)) < 2000


BAD_EVENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tags as text": ("tags", {"tags": "eu"}),
    "tags as bytes": ("tags", {"tags": b"eu"}),
    "tags as number": ("tags", {"tags": 5}),
    "tags of numbers": ("tag", {"tags": [1]}),
    "tags of none": ("tag", {"tags": [None]}),
    "an empty tag": ("tag", {"tags": [""]}),
    "a tag with nul": ("tag", {"tags": ["a\x00"]}),
    "a tag with newline": ("tag", {"tags": ["a\nb"]}),
    "a tag of a surrogate": ("tag", {"tags": ["\ud800"]}),
    "a tag of 1 MB": ("tag", {"tags": ["x" * 1_000_000]}),
    "metadata as text": ("metadata", {"metadata": "text"}),
    "metadata as list": ("metadata", {"metadata": [1]}),
    "metadata not encodable": ("metadata", {"metadata": {"a": object()}}),
    "metadata with nan": ("metadata", {"metadata": {"a": float("nan")}}),
    "metadata key not text": ("metadata", {"metadata": {5: 1}}),
    "metadata key surrogate": ("metadata", {"metadata": {"\ud800": 1}}),
    "id as text": ("id", {"id": "0196e7a1-5b6c-7abc-8def-0123456789ab"}),
    "id as number": ("id", {"id": 5}),
    "time as text": ("time", {"time": "2024-01-01"}),
    "time as number": ("time", {"time": 5}),
    "time without zone": ("time", {"time": datetime(2024, 1, 1)}),  # noqa: DTZ001
    "content type as number": ("content_type", {"content_type": 5}),
    "an empty content type": ("content_type", {"content_type": ""}),
    "content type with newline": ("content_type", {"content_type": "a\nb"}),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_part_of_an_event_is_an_invalid_event_naming_it(name: str) -> None:
    part, given = BAD_EVENTS[name]
    with pytest.raises(pyesdb.InvalidEvent) as caught:
        NewEvent("T", {}, **given)
    assert part in str(caught.value).lower()
    assert len(str(caught.value)) < 2000


def test_bare_text_as_tags_says_how_to_write_it() -> None:
    with pytest.raises(pyesdb.InvalidEvent) as caught:
        NewEvent("T", tags="eu")
    assert "[" in str(caught.value) or "list" in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        5,
        "Placed",
        b"Placed",
        {"type": "Placed"},
        [None],
        [one(), "Placed"],
        [[one()]],
        object(),
        [one(), {"type": "Placed"}],
    ],
    ids=lambda bad: type(bad).__name__,
)
def test_what_is_no_event_is_refused_and_nothing_stored(own_store: Any, bad: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        own_store.append("s", bad)
    assert "NewEvent" in str(caught.value)
    assert head(own_store) == 0


def test_a_recorded_event_is_not_appended_by_accident(own_store: Any) -> None:
    own_store.append("s", one())
    recorded = own_store.read("s").first()
    with pytest.raises(pyesdb.RequestError):
        own_store.append("t", recorded)
    assert head(own_store) == 1


@pytest.mark.parametrize("error", [KeyError, TypeError, AttributeError, RuntimeError])
def test_an_iterable_that_raises_stores_nothing_and_its_error_comes_out(
    own_store: Any, error: type[Exception]
) -> None:
    def broken() -> Any:
        yield one()
        raise error("mine")

    with pytest.raises(error, match="mine"):
        own_store.append("s", broken())
    assert head(own_store) == 0


def test_one_event_twice_in_a_call_is_stored_twice_or_refused(own_store: Any) -> None:
    same = one()
    try:
        own_store.append("s", [same, same])
    except pyesdb.RequestError:
        assert head(own_store) == 0
    else:
        assert [e.id for e in own_store.read("s")] == [same.id, same.id]


def test_many_tags_and_huge_metadata_are_stored_or_limited_by_name(own_store: Any) -> None:
    own_store.append("s", one(tags=[f"tag-{n}" for n in range(10)]))
    for given in ({"tags": [f"t{n}" for n in range(100_000)]}, {"metadata": {"m": "x" * 2**21}}):
        with pytest.raises((pyesdb.LimitExceeded, pyesdb.InvalidEvent)):
            own_store.append("s", NewEvent("T", {}, **given))
    assert head(own_store) == 1


def test_repeated_tags_are_one_tag_or_refused(own_store: Any) -> None:
    try:
        event = one(tags=["a", "a"])
    except pyesdb.InvalidEvent:
        return
    own_store.append("s", event)
    assert len(own_store.read_all(select=pyesdb.select.tags("a")).to_list()) == 1
    assert set(own_store.read("s").first().tags) == {"a"}


def test_wrong_python_signatures_are_type_errors(own_store: Any) -> None:
    for call in (
        own_store.append,
        lambda: own_store.append("s", one(), 5),
        lambda: own_store.append("s", one(), expcted=1),
        lambda: own_store.read("s", from_versio=1),
        NewEvent,
        lambda: NewEvent("T", {}, tag=["x"]),
    ):
        with pytest.raises(TypeError):
            call()
    assert head(own_store) == 0
