"""API "Events": what may be the data of an event."""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest

import pyesdb
from pyesdb import NewEvent
from tests.contract.tools import one


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Line:
    sku: str
    count: int = 1


@dataclass
class Order:
    id: UUID
    lines: list[Line] = field(default_factory=list)


class Money(msgspec.Struct):
    amount: Decimal
    currency: str


class Tagged(msgspec.Struct, tag="tagged"):
    a: int


class Pair(NamedTuple):
    x: int
    y: int


ID = UUID("01234567-89ab-7def-8123-456789abcdef")
KINDS: dict[str, tuple[Any, Any]] = {
    "nothing": (None, {}),
    "dict": ({"a": 1, "b": [1, 2.5, None, True]}, {"a": 1, "b": [1, 2.5, None, True]}),
    "empty dict": ({}, {}),
    "list": ([1, "two"], [1, "two"]),
    "text": ("text", "text"),
    "number": (42, 42),
    "big number": ({"n": 2**63}, {"n": 2**63}),
    "false": (False, False),
    "dataclass": (Order(ID, [Line("x")]), {"id": str(ID), "lines": [{"sku": "x", "count": 1}]}),
    "struct": (Money(Decimal("1.10"), "CHF"), {"amount": "1.10", "currency": "CHF"}),
    "tagged struct": (Tagged(1), {"type": "tagged", "a": 1}),
    "named tuple": (Pair(1, 2), [1, 2]),
    "datetime": (
        {"at": datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)},
        {"at": "2024-02-29T01:02:03.000004Z"},
    ),
    "date": ({"on": date(2024, 2, 29)}, {"on": "2024-02-29"}),
    "time": ({"at": time(1, 2, 3)}, {"at": "01:02:03"}),
    "timedelta": ({"for": timedelta(seconds=90)}, {"for": "PT90S"}),
    "decimal": ({"price": Decimal("10.10")}, {"price": "10.10"}),
    "uuid": ({"id": ID}, {"id": str(ID)}),
    "enum": ({"colour": Colour.RED, "level": Level.HIGH}, {"colour": "red", "level": 3}),
    "tuple and set": ({"t": (1, 2), "s": {3}}, {"t": [1, 2], "s": [3]}),
    "ordered dict": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "unicode": ({"name": "Zoë 日本 🎈 \u2028 \x00"}, {"name": "Zoë 日本 🎈 \u2028 \x00"}),
    "bytes inside": ({"raw": b"\x00\x01"}, {"raw": "AAE="}),
    "numbers as keys": ({1: "a"}, {"1": "a"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_data_is_stored_as_json(own_store: Any, kind: str) -> None:
    data, expected = KINDS[kind]
    own_store.append("s", NewEvent("T", data))
    event = own_store.read("s").first()
    assert event.content_type == "application/json"
    assert event.json() == expected


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", b"{}", bytes(range(256)) * 1000])
def test_bytes_are_kept_as_they_are(own_store: Any, data: bytes) -> None:
    own_store.append("s", NewEvent("T", data))
    event = own_store.read("s").first()
    assert event.data == data
    assert event.content_type == "application/octet-stream"


def test_bytes_with_a_content_type_are_what_it_says(own_store: Any) -> None:
    own_store.append(
        "s",
        [
            NewEvent("T", b'{"a": 1}', content_type="application/json"),
            NewEvent("T", b"<a/>", content_type="application/xml"),
        ],
    )
    document, xml = own_store.read("s")
    assert (document.json(), document.content_type) == ({"a": 1}, "application/json")
    assert (xml.data, xml.content_type) == (b"<a/>", "application/xml")


@pytest.mark.parametrize("data", [bytearray(b"ab"), memoryview(b"ab")])
def test_other_buffers_are_bytes_or_refused(own_store: Any, data: Any) -> None:
    try:
        event = NewEvent("T", data)
    except pyesdb.InvalidEvent:
        return
    own_store.append("s", event)
    assert own_store.read("s").first().data in (b"ab", b'"YWI="')


def test_decode_gives_typed_objects(own_store: Any) -> None:
    order = Order(ID, [Line("x", 2)])
    own_store.append("s", [NewEvent("T", order), NewEvent("T", Money(Decimal("1.10"), "CHF"))])
    first, second = own_store.read("s")
    assert first.decode(Order) == order
    assert second.decode(Money) == Money(Decimal("1.10"), "CHF")
    assert first.decode(dict) == first.json()


def test_decode_into_the_wrong_type_is_an_error_never_silence(own_store: Any) -> None:
    own_store.append("s", NewEvent("T", {"sku": 5}))
    with pytest.raises(ValueError):
        own_store.read("s").first().decode(Line)


def test_json_of_what_is_not_json_is_an_error_never_silence(own_store: Any) -> None:
    own_store.append("s", NewEvent("T", b"\xff\x00"))
    with pytest.raises(ValueError):
        own_store.read("s").first().json()


def test_attrs_objects_are_data(own_store: Any) -> None:
    attrs = pytest.importorskip("attrs", reason="attrs is not installed")
    point = attrs.make_class("Point", {"x": attrs.field(type=int), "y": attrs.field(type=int)})
    own_store.append("s", NewEvent("T", point(1, 2)))
    assert own_store.read("s").first().json() == {"x": 1, "y": 2}


def test_pydantic_models_are_data(own_store: Any) -> None:
    pydantic = pytest.importorskip("pydantic", reason="pydantic is not installed")
    inner = pydantic.create_model("Inner", at=(datetime, ...))
    outer = pydantic.create_model("Outer", n=(int, ...), inner=(inner, ...))
    at = datetime(2024, 1, 1, tzinfo=UTC)
    own_store.append("s", NewEvent("T", outer(n=1, inner=inner(at=at))))
    event = own_store.read("s").first()
    assert event.json() == {"n": 1, "inner": {"at": "2024-01-01T00:00:00Z"}}
    assert event.decode(outer) == outer(n=1, inner=inner(at=at))


class Circle:
    """Not a kind that anything encodes."""


def cyclic() -> dict[str, Any]:
    data: dict[str, Any] = {}
    data["me"] = data
    return data


BAD: dict[str, Any] = {
    "object": object,
    "instance": lambda: {"c": Circle()},
    "class": lambda: Circle,
    "function": lambda: print,
    "nan": lambda: {"x": float("nan")},
    "infinity": lambda: {"x": float("inf")},
    "minus infinity": lambda: [float("-inf")],
    "deep nan": lambda: {"a": [{"b": (1.0, float("nan"))}]},
    "nan in a struct": lambda: Order(ID, [Line("x", float("nan"))]),  # type: ignore[arg-type]
    "cycle": cyclic,
    "surrogate": lambda: {"x": "\ud800"},
    "complex": lambda: {"x": 1j},
    "odd key": lambda: {(1, 2): 3},
    "generator": lambda: (n for n in range(3)),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_encoded_is_an_invalid_event(kind: str) -> None:
    with pytest.raises(pyesdb.InvalidEvent) as caught:
        NewEvent("T", BAD[kind]())
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) > 15


def test_nan_in_metadata_is_an_invalid_event() -> None:
    with pytest.raises(pyesdb.InvalidEvent):
        one(metadata={"x": float("nan")})


def test_nan_text_in_data_is_only_text(own_store: Any) -> None:
    own_store.append("s", one(data={"x": "NaN", "null": None, "y": ["nan", "Infinity"]}))
    assert own_store.read("s").first().json() == {
        "x": "NaN",
        "null": None,
        "y": ["nan", "Infinity"],
    }
