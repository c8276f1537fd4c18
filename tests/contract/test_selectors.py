"""API "Read": selectors of every kind, alone and combined."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb import Query, QueryItem, select
from tests.contract.tools import one, positions

S = select
CASES = {
    "everything": (S.everything, [1, 2, 3, 4, 5, 6, 7, 8]),
    "stream": (S.stream("order-1"), [1, 2, 3]),
    "a stream that is not there": (S.stream("order-3"), []),
    "$all": (S.stream("$all"), [1, 2, 3, 4, 5, 6, 7, 8]),
    "no stream": (S.stream("$events"), [7, 8]),
    "type": (S.event_type("Paid"), [2, 5]),
    "any of types": (S.event_type("Paid", "Shipped"), [2, 3, 5]),
    "an unknown type": (S.event_type("paid"), []),
    "a tag": (S.tags("eu"), [1, 2, 7]),
    "all of tags": (S.tags("eu", "vip"), [2, 7]),
    "tags that never met": (S.tags("us", "eu"), []),
    "stream prefix": (S.pattern(stream="order-*"), [1, 2, 3, 4, 5]),
    "stream suffix": (S.pattern(stream="*-1"), [1, 2, 3, 6]),
    "stream middle": (S.pattern(stream="o*r-2"), [4, 5]),
    "stream two stars": (S.pattern(stream="*rd*"), [1, 2, 3, 4, 5]),
    "stream exact": (S.pattern(stream="cart-1"), [6]),
    "a star alone": (S.pattern(stream="*"), [1, 2, 3, 4, 5, 6, 7, 8]),
    "type pattern": (S.pattern(type="S*d"), [3]),
    "type prefix": (S.pattern(type="P*"), [1, 2, 4, 5]),
    "both patterns": (S.pattern(stream="order-1", type="P*"), [1, 2]),
    "no wildcard but star": (S.pattern(stream="order-?"), []),
    "percent is no wildcard": (S.pattern(stream="order%"), []),
    "payload": (S.payload({"customer": 42}), [1, 4]),
    "payload path": (S.payload({"ship.city": "Bern"}), [3]),
    "payload all equal": (S.payload({"customer": 42, "total": 10}), [4]),
    "payload text is not a number": (S.payload({"customer": "42"}), [5]),
    "payload true is not one": (S.payload({"flag": True}), [7]),
    "payload one is not true": (S.payload({"flag": 1}), [8]),
    "payload null": (S.payload({"ship": None}), [4]),
    "payload missing": (S.payload({"ship.street": "x"}), []),
    "and": (S.event_type("Paid") & S.tags("eu"), [2]),
    "or": (S.event_type("Shipped") | S.stream("cart-1"), [3, 6]),
    "or of overlapping": (S.tags("eu") | S.tags("vip"), [1, 2, 5, 7]),
    "and of or": ((S.event_type("Paid") | S.event_type("Placed")) & S.stream("order-2"), [4, 5]),
    "or of and": ((S.stream("order-1") & S.tags("vip")) | S.event_type("Left"), [2, 6]),
    "and with pattern": (S.pattern(stream="order-*") & S.tags("vip"), [2, 5]),
    "and with payload": (S.event_type("Placed") & S.payload({"total": 10}), [4]),
    "everything and": (S.everything & S.tags("us"), [3]),
    "everything or": (S.everything | S.tags("us"), [1, 2, 3, 4, 5, 6, 7, 8]),
    "query item types": (Query([QueryItem(types=["Paid", "Left"])]), [2, 5, 6]),
    "query item tags": (Query([QueryItem(tags=["eu", "vip"])]), [2, 7]),
    "query item both": (Query([QueryItem(types=["Paid"], tags=["vip"])]), [2, 5]),
    "query items or": (
        Query([QueryItem(types=["Left"]), QueryItem(types=["Paid"], tags=["eu"])]),
        [2, 6],
    ),
    "an empty query is everything": (Query(), [1, 2, 3, 4, 5, 6, 7, 8]),
}


def fill(store: Any) -> Any:
    store.append(
        "order-1",
        [
            one("Placed", {"customer": 42, "total": 30}, tags=["eu"]),
            one("Paid", {"by": "card"}, tags=["eu", "vip"]),
            one("Shipped", {"ship": {"city": "Bern"}}, tags=["us"]),
        ],
    )
    store.append(
        "order-2",
        [
            one("Placed", {"customer": 42, "total": 10, "ship": None}),
            one("Paid", {"customer": "42"}, tags=["vip"]),
        ],
    )
    store.append("cart-1", one("Left"))
    store.append(None, one("Noted", {"flag": True}, tags=["vip", "eu", "more"]))
    store.append(None, one("Noted", {"flag": 1}))
    return store


@pytest.fixture(scope="module")
def filled(kept_store: Any) -> Any:
    return fill(kept_store)


@pytest.mark.parametrize("name", CASES)
def test_read_all_returns_exactly_what_is_selected(filled: Any, name: str) -> None:
    selector, expected = CASES[name]
    assert positions(filled.read_all(select=selector)) == expected
    assert positions(filled.read_all(select=selector, backwards=True)) == expected[::-1]
    assert positions(filled.read_all(select=selector, after=2, before=7)) == [
        p for p in expected if 2 < p < 7
    ]


PAYLOAD_CASES = [name for name in CASES if "payload" in name]


@pytest.mark.parametrize("name", PAYLOAD_CASES)
def test_indexed_payload_selects_the_same(db: Any, name: str) -> None:
    paths = ["customer", "ship.city", "flag", "total", "ship"]
    store = fill(db.create_store("indexed", indexed_payload=paths))
    selector, expected = CASES[name]
    assert positions(store.read_all(select=selector)) == expected
    assert positions(store.read_all(select=selector, backwards=True)) == expected[::-1]


def test_indexed_payload_paths_are_in_the_configuration(db: Any) -> None:
    db.create_store("indexed", indexed_payload=["customer.id"])
    assert list(db.get_store_config("indexed").indexed_payload) == ["customer.id"]


@pytest.mark.parametrize("indexed", [[], ["n", "deep.er.path"]])
def test_payload_compares_values_of_every_json_kind(db: Any, indexed: list[str]) -> None:
    store = db.create_store("kinds", indexed_payload=indexed)
    values = ["text", "", 0, -7, 2**53 + 1, 1.5, True, False, None, "1.5", "null"]
    for value in values:
        store.append("s", one(data={"n": value, "deep": {"er": {"path": value}}}))
    for n, value in enumerate(values, start=1):
        assert positions(store.read_all(select=S.payload({"n": value}))) == [n], value
        assert positions(store.read_all(select=S.payload({"deep.er.path": value}))) == [n], value


def test_payload_skips_what_is_not_json(store: Any) -> None:
    store.append("s", [one(data=b"\x00\xff{"), one(data=[1, 2]), one(data={"n": 1})])
    assert positions(store.read_all(select=S.payload({"n": 1}))) == [3]


def test_a_selector_is_a_value() -> None:
    assert S.tags("a", "b") == S.tags("a", "b")
    assert S.event_type("A") != S.event_type("B")
    assert "Paid" in repr(S.event_type("Paid"))


def test_combining_leaves_the_parts_alone(filled: Any) -> None:
    paid, eu = S.event_type("Paid"), S.tags("eu")
    _ = paid & eu, paid | eu
    assert positions(filled.read_all(select=paid)) == [2, 5]
    assert positions(filled.read_all(select=eu)) == [1, 2, 7]


BAD: dict[str, Any] = {
    "no type": S.event_type,
    "type not text": lambda: S.event_type(5),
    "types as a list": lambda: S.event_type(["A"]),
    "no tag": S.tags,
    "tag not text": lambda: S.tags(None),
    "stream not text": lambda: S.stream(5),
    "stream empty": lambda: S.stream(""),
    "pattern of nothing": S.pattern,
    "pattern not text": lambda: S.pattern(stream=5),
    "payload empty": lambda: S.payload({}),
    "payload not a mapping": lambda: S.payload("customer"),
    "payload key not text": lambda: S.payload({5: 1}),
    "payload value not json": lambda: S.payload({"a": object()}),
    "payload value nan": lambda: S.payload({"a": float("nan")}),
    "payload path empty": lambda: S.payload({"": 1}),
    "query of text": lambda: Query("Paid"),
    "query of types": lambda: Query(["Paid"]),
    "item with bare text types": lambda: QueryItem(types="Paid"),
    "item with bare text tags": lambda: QueryItem(tags="eu"),
    "surrogate": lambda: S.tags("\ud800"),
    "control character": lambda: S.event_type("A\x00"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_a_selector_is_an_invalid_selector(name: str) -> None:
    with pytest.raises(pyesdb.InvalidSelector) as caught:
        BAD[name]()
    assert len(str(caught.value)) > 15


@pytest.mark.parametrize("bad", ["Paid", 5, ["Paid"], True])
def test_select_takes_a_selector(kept_own: Any, bad: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        kept_own.read_all(select=bad)
    assert "select" in str(caught.value).lower()


def test_and_with_something_else_is_an_error() -> None:
    with pytest.raises((TypeError, pyesdb.InvalidSelector)):
        _ = S.tags("a") & "b"
    with pytest.raises((TypeError, pyesdb.InvalidSelector)):
        _ = S.tags("a") | None
