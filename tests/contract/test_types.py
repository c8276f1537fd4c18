"""API "Toolkit": registered objects are appended, and `event.body` is one."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pydantic
import pytest

import pyesdb
from pyesdb import Append, EventTypes, NewEvent, select
from tests.contract.shop import (
    OBJECTS,
    OrderPaid,
    OrderPlaced,
    OrderRated,
    Renamed,
    shop_types,
    versioned,
)
from tests.contract.tools import everything, output_of


def of_types(db: Any, store: Any, types: EventTypes) -> Any:
    return db.store(store.id, types=types)


@pytest.fixture
def shop(db: Any, own_store: Any) -> Any:
    return of_types(db, own_store, shop_types())


@pytest.fixture
def paid(db: Any, own_store: Any) -> Any:
    return of_types(db, own_store, versioned())


PLACED = OBJECTS["dataclass"]


@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object_comes_back_equal(shop: Any, kind: str) -> None:
    stored = OBJECTS[kind]
    shop.append("order-1", stored)
    event = shop.read("order-1").first()
    assert event.body == stored
    assert type(event.body) is type(stored)
    assert event.type == type(stored).__name__
    assert event.metadata["schema_version"] == 1
    assert event.body is not event.body, "nobody can change what another reads"


def test_objects_on_every_kind_of_store(db: Any, store: Any) -> None:
    typed = of_types(db, store, shop_types())
    typed.append("order-1", list(OBJECTS.values()))
    assert [event.body for event in typed.read("order-1")] == list(OBJECTS.values())


def test_what_is_stored_is_what_json_and_data_show(shop: Any) -> None:
    shop.append("order-1", OrderPaid("card"))
    event = shop.read("order-1").first()
    assert event.json() == {"paidBy": "card"}
    assert event.data == b'{"paidBy":"card"}'


def test_one_call_mixes_objects_and_new_events_in_order(shop: Any) -> None:
    result = shop.append("order-1", (PLACED, NewEvent("Note", {"x": 1}), OrderPaid("card")))
    assert result.count == 3
    events = shop.read("order-1").to_list()
    assert [event.type for event in events] == ["OrderPlaced", "Note", "OrderPaid"]
    assert [event.body for event in events] == [PLACED, None, OrderPaid("card")]


def test_a_model_that_is_iterable_is_one_event(shop: Any) -> None:
    assert shop.append("order-1", OrderRated(stars=1)).count == 1


def test_every_read_gives_bodies(shop: Any) -> None:
    shop.append("order-1", [PLACED, OrderPaid("card")])
    paid = select.event_type("OrderPaid")
    for events in (
        shop.read("order-1", from_version=1),
        shop.read("order-1", backwards=True, limit=1),
        shop.read_all(after=1),
        shop.read_all(select=paid),
        shop.load("order-1").events,
    ):
        assert [event.body for event in events][-1] == OrderPaid("card")
    with shop.follow(paid) as follower:
        assert follower.get(timeout=60).body == OrderPaid("card")


def test_consumers_get_bodies(shop: Any) -> None:
    shop.append("order-1", [PLACED, OrderPaid("card")])
    shop.save_subscription("billing", select.event_type("OrderPaid"), max_retries=1)
    with shop.consume("billing") as consumer:
        event = consumer.get(timeout=60)
        assert event.body == OrderPaid("card")
        consumer.nack(event)
        event = consumer.get(timeout=60)
        assert (event.attempt, event.body) == (2, OrderPaid("card"))
        consumer.nack(event, "park", reason="bad")
        consumer.flush()
    assert [parked.event.body for parked in shop.parked("billing")] == [OrderPaid("card")]


def test_append_many_takes_objects(shop: Any) -> None:
    result = shop.append_many([
        Append("order-1", PLACED),
        Append("order-2", [OrderPaid("card"), NewEvent("Note")]),
    ])  # fmt: skip
    assert [part.count for part in result.results] == [1, 2]
    assert [event.body for event in shop.read_all()] == [PLACED, OrderPaid("card"), None]


def test_a_new_event_made_of_an_object_is_versioned_and_keeps_what_it_says(paid: Any) -> None:
    paid.append(
        "s", NewEvent("Paid", Renamed(5, "EUR"), tags=["a"], metadata={"correlation_id": "c"})
    )
    event = paid.read("s").first()
    assert event.body == Renamed(5, "EUR")
    assert event.tags == ("a",)
    assert dict(event.metadata) == {"correlation_id": "c", "schema_version": 3}


def test_what_caused_a_typed_event_is_kept_with_its_version(paid: Any) -> None:
    paid.append("s", NewEvent("Cause"))
    cause = paid.read("s").first()
    paid.append("s", NewEvent("Paid", Renamed(5, "EUR")).caused_by(cause))
    event = paid.read("s", from_version=1).first()
    assert event.body == Renamed(5, "EUR")
    assert event.metadata["causation_id"] == str(cause.id)


def test_old_versions_go_through_every_upcaster_in_order(own_store: Any, paid: Any) -> None:
    own_store.append("s", [
        NewEvent("Paid", {"amount": 7}),
        NewEvent("Paid", {"amount": 8}, metadata={"schema_version": 1, "by": "me"}),
        NewEvent("Paid", {"cents": 901}, metadata={"schema_version": 2}),
        NewEvent("Paid", {"cents": 5, "currency": "EUR"}, metadata={"schema_version": 3}),
    ])  # fmt: skip
    assert [event.body for event in paid.read("s")] == [
        Renamed(700, "CHF"), Renamed(800, "CHF"), Renamed(901, "?"), Renamed(5, "EUR"),
    ]  # fmt: skip
    assert paid.read("s").first().json() == {"amount": 7}, "what is stored stays"


def test_objects_are_written_at_the_registered_version(paid: Any) -> None:
    paid.append("s", NewEvent("Other"))
    types = EventTypes()
    types.add(OrderPaid, version=2)
    types.upcast("OrderPaid", from_version=1)(lambda data: data)
    assert paid.read("s").first().metadata == {}


def test_a_class_with_two_names_reads_both_and_writes_the_first(db: Any, own_store: Any) -> None:
    types = EventTypes()
    types.add(OrderPaid, name="order-paid")
    types.add(OrderPaid, name="PaidLongAgo")
    own_store.append("s", NewEvent("PaidLongAgo", {"paidBy": "cash"}))
    store = of_types(db, own_store, types)
    store.append("s", OrderPaid("card"))
    events = store.read("s").to_list()
    assert [event.type for event in events] == ["PaidLongAgo", "order-paid"]
    assert [event.body for event in events] == [OrderPaid("cash"), OrderPaid("card")]


def test_an_event_that_does_not_fit_says_where_it_is_and_is_never_passed_over(
    own_store: Any, shop: Any
) -> None:
    own_store.append("other", NewEvent("Note"))
    own_store.append("order-1", [NewEvent("Note"), NewEvent("OrderPaid", {"paidBy": 5})])
    good, bad = shop.read("order-1")
    assert good.body is None
    with pytest.raises(pyesdb.InvalidEvent) as caught:
        _ = bad.body
    error = caught.value
    assert (error.stream, error.version, error.type, error.position) == (
        "order-1", 1, "OrderPaid", 3,
    )  # fmt: skip
    for word in ("order-1", "OrderPaid", "version 1", "position 3", "paidBy", "event.data"):
        assert word in str(error), word
    assert bad.json() == {"paidBy": 5}


@pytest.mark.parametrize(
    ("data", "said"),
    [({}, "KeyError"), ([1], "JSON object"), (b"\xff", "JSON"), ({"amount": "x"}, "TypeError")],
)
def test_what_an_upcaster_raises_is_told_with_the_event(
    own_store: Any, paid: Any, data: Any, said: str
) -> None:
    own_store.append("s", NewEvent("Paid", data))
    with pytest.raises(pyesdb.InvalidEvent, match=said) as caught:
        _ = paid.read("s").first().body
    assert caught.value.schema_version == 1


def test_an_upcaster_that_forgets_to_return_is_named(db: Any, own_store: Any) -> None:
    types = EventTypes()
    types.add(OrderPaid, version=2)

    @types.upcast("OrderPaid", from_version=1)
    def forgets(data: dict[str, Any]) -> None:
        data["paidBy"] = "x"

    own_store.append("s", NewEvent("OrderPaid", {}))
    with pytest.raises(pyesdb.InvalidEvent, match="forgets returned a NoneType"):
        _ = of_types(db, own_store, types).read("s").first().body


def test_an_event_of_newer_code_is_refused_not_guessed(own_store: Any, paid: Any) -> None:
    data = {"cents": 5, "currency": "EUR", "fee": 1}
    own_store.append("s", NewEvent("Paid", data, metadata={"schema_version": 4}))
    with pytest.raises(pyesdb.InvalidEvent, match="newer code wrote it") as caught:
        _ = paid.read("s").first().body
    assert (caught.value.schema_version, caught.value.position) == (4, 1)


@pytest.mark.parametrize("version", ["2", 0, -1, 1.5, None, [1]])
def test_a_version_that_is_none_is_an_error(own_store: Any, paid: Any, version: Any) -> None:
    own_store.append("s", NewEvent("Paid", {"amount": 1}, metadata={"schema_version": version}))
    with pytest.raises(pyesdb.InvalidEvent, match="schema_version"):
        _ = paid.read("s").first().body


def test_without_types_a_body_is_an_error_that_says_what_to_do(own_store: Any) -> None:
    own_store.append("s", NewEvent("OrderPaid", {"paidBy": "card"}))
    with pytest.raises(pyesdb.RequestError, match=r"store\(types=...\)"):
        _ = own_store.read("s").first().body


# --- what cannot be appended


@dataclass(frozen=True)
class Vip(OrderPlaced):
    gift: str = "mug"


@dataclass
class Stranger:
    x: int


class Neither:
    pass


REFUSED: dict[str, tuple[Any, str]] = {
    "a stranger": (Stranger(1), "not registered: add it"),
    "a subclass": (Vip(Decimal(1)), "only its base"),
    "a subclass's data": (NewEvent("OrderPlaced", Vip(Decimal(1))), "only its base"),
    "no event": (Neither(), "a NewEvent or an iterable"),
    "text": ("OrderPaid", "not a str"),
    "a class": (OrderPaid, "StructMeta"),
    "a dict": ({"paidBy": "x"}, "not a dict"),
    "one of several": ([OrderPaid("card"), Stranger(1)], "not registered"),
    "another's name": (NewEvent("OrderPaid", PLACED), "registered for"),
    "a recorded event": (None, "RecordedEvent"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_registered_object_is_refused_and_nothing_stored(shop: Any, case: str) -> None:
    value, said = REFUSED[case]
    if value is None:
        shop.append("other", OrderPaid("card"))
        value = shop.read("other").first()
    before = everything(shop)
    with pytest.raises(pyesdb.InvalidEvent, match=said):
        shop.append("s", value)
    with pytest.raises(pyesdb.InvalidEvent, match=said):
        shop.append_many([Append("t", NewEvent("Good")), Append("s", value)])
    assert everything(shop) == before


UNCLEAR: dict[str, tuple[NewEvent, str]] = {
    "no version": (NewEvent("Paid", {"amount": 1}), "does not say its version"),
    "beyond": (NewEvent("Paid", {}, metadata={"schema_version": 4}), "says 4"),
    "no number": (NewEvent("Paid", {}, metadata={"schema_version": "3"}), "no version"),
    "not the object's": (
        NewEvent("Paid", Renamed(1, "EUR"), metadata={"schema_version": 2}), "leave it out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNCLEAR)
def test_a_new_event_of_unclear_version_is_refused(paid: Any, case: str) -> None:
    event, said = UNCLEAR[case]
    with pytest.raises(pyesdb.InvalidEvent, match=said):
        paid.append("s", event)
    assert everything(paid) == []


def test_a_version_is_said_at_the_top_of_the_metadata_only(own_store: Any, paid: Any) -> None:
    inside = NewEvent("Paid", {"amount": 2}, metadata={"copied": {"schema_version": 3}})
    with pytest.raises(pyesdb.InvalidEvent, match="does not say its version"):
        paid.append("s", inside)
    own_store.append("s", inside)
    assert paid.read("s").first().body == Renamed(200, "CHF")


def test_an_error_about_no_stored_event_names_none(shop: Any) -> None:
    with pytest.raises(pyesdb.InvalidEvent) as caught:
        shop.append("s", Stranger(1))
    error = caught.value
    assert (error.stream, error.position, error.type, error.schema_version) == (None,) * 4


def test_a_new_event_may_say_an_old_version(paid: Any) -> None:
    paid.append("s", NewEvent("Paid", {"amount": 2}, metadata={"schema_version": 1}))
    assert paid.read("s").first().body == Renamed(200, "CHF")


def test_objects_need_a_store_with_types(own_store: Any) -> None:
    for call in (
        lambda: own_store.append("s", OrderPaid("card")),
        lambda: own_store.append("s", [OrderPaid("card")]),
        lambda: own_store.append_many([Append("s", OrderPaid("card"))]),
    ):
        with pytest.raises(pyesdb.InvalidEvent, match="EventTypes"):
            call()
    assert everything(own_store) == []


def test_an_object_that_cannot_be_encoded_stores_nothing(shop: Any) -> None:
    with pytest.raises(pyesdb.InvalidEvent):
        shop.append("s", [OrderPaid("card"), OrderPlaced(float("nan"))])  # type: ignore[arg-type]
    assert everything(shop) == []


# --- the same call again


def test_the_same_objects_under_the_same_command_id_are_stored_once(shop: Any) -> None:
    command = uuid4()
    first = shop.append("s", [PLACED, OrderPaid("card")], command_id=command)
    again = shop.append("s", [PLACED, OrderPaid("card")], command_id=command)
    assert (again.duplicate, again.position) == (True, first.position)
    parts = [Append("t", PLACED), Append("u", PLACED)]
    command = uuid4()
    shop.append_many(parts, command_id=command)
    assert shop.append_many(parts, command_id=command).duplicate is True
    events = everything(shop)
    assert len(events) == 4
    assert len({event[3] for event in events}) == 4, "each has an id of its own"


def test_other_objects_under_a_command_id_are_other_content(shop: Any) -> None:
    command = uuid4()
    shop.append("s", OrderPaid("card"), command_id=command)
    with pytest.raises(pyesdb.CommandMismatch):
        shop.append("s", OrderPaid("cash"), command_id=command)


# --- copies


def test_an_event_with_types_equals_the_same_without(own_store: Any, shop: Any) -> None:
    shop.append("s", OrderPaid("card"))
    typed, plain = shop.read("s").first(), own_store.read("s").first()
    assert typed == plain
    assert hash(typed) == hash(plain)


def pickled(event: Any) -> Any:
    return pickle.loads(pickle.dumps(event))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_of_an_event_has_its_body(paid: Any, own_store: Any, copied: Any) -> None:
    own_store.append("s", NewEvent("Paid", {"amount": 7}))
    event = paid.read("s").first()
    twin = copied(event)
    assert twin == event
    assert twin.body == Renamed(700, "CHF")
    assert copied(twin).body == Renamed(700, "CHF")


def test_an_event_whose_types_cannot_be_pickled_is_pickled_without(db: Any, own_store: Any) -> None:
    types = EventTypes()
    types.add(Renamed, name="Paid", version=2)
    types.upcast("Paid", from_version=1)(lambda data: {"cents": 1, "currency": "CHF"})
    own_store.append("s", NewEvent("Paid", {"amount": 7}))
    event = of_types(db, own_store, types).read("s").first()
    assert event.body == copy.deepcopy(event).body == Renamed(1, "CHF")
    twin = pickle.loads(pickle.dumps(event))
    assert twin == event
    assert twin.json() == {"amount": 7}
    with pytest.raises(pyesdb.RequestError, match="top of a module"):
        _ = twin.body


def test_an_event_reaches_a_process_that_has_not_its_classes(paid: Any, own_store: Any) -> None:
    own_store.append("s", NewEvent("Paid", {"amount": 7}))
    event = pickle.dumps(paid.read("s").first()).hex()
    code = (
        "import pickle, sys\n"
        "sys.modules['tests'] = None\n"
        "event = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "print(event.stream, event.json())\n"
        "try:\n"
        "    event.body\n"
        "except ValueError as error:\n"
        "    print(type(error).__name__, 'json()' in str(error))"
    )
    assert output_of(code, event).split("\n") == ["s {'amount': 7}", "RequestError True"]


def test_bodies_in_another_process(paid: Any, own_store: Any) -> None:
    own_store.append("s", NewEvent("Paid", {"amount": 7}))
    event = pickle.dumps(paid.read("s").first()).hex()
    code = "import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1])).body)"
    assert output_of(code, event) == "Renamed(cents=700, currency='CHF')"


def test_types_are_those_of_the_handle_not_of_the_store(db: Any, own_store: Any, shop: Any) -> None:
    late = shop_types()
    handle = of_types(db, own_store, late)
    late.add(Stranger)
    with pytest.raises(pyesdb.InvalidEvent):
        handle.append("s", Stranger(1))
    of_types(db, own_store, late).append("s", Stranger(1))
    assert [event.body for event in shop.read("s")] == [None]
    assert [event.body for event in of_types(db, own_store, late).read("s")] == [Stranger(1)]


def test_pydantic_reads_names_and_aliases(own_store: Any, shop: Any) -> None:
    own_store.append("s", [
        NewEvent("OrderRated", {"stars": 2}), NewEvent("OrderRated", {"numberOfStars": 3}),
    ])  # fmt: skip
    assert [event.body.stars for event in shop.read("s")] == [2, 3]


def test_pydantic_bytes_stay_what_they_are(own_store: Any) -> None:
    class Blob(pydantic.BaseModel):
        raw: bytes

    own_store.append("s", NewEvent("Blob", Blob(raw=b"plain")))
    assert own_store.read("s").first().decode(Blob) == Blob(raw=b"plain")
    with pytest.raises(pyesdb.InvalidEvent):
        NewEvent("Blob", Blob(raw=b"\xff\x00"))
