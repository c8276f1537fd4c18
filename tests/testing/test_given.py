"""pyesdb.testing: given(...).when(...).then(...) for deciders."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import Append, Decider, NewEvent, RecordedEvent
from pyesdb.testing import given
from tests.contract.shop import (
    SEATS,
    Renamed,
    Seats,
    Sold,
    SoldOut,
    next_seat,
    seat_types,
    versioned,
)


def sold(seat: int, **more: Any) -> NewEvent:
    return NewEvent("Sold", {"seat": seat}, **more)


def fails(call: Any, *said: str) -> str:
    with pytest.raises(AssertionError) as caught:
        call()
    text = str(caught.value)
    for word in said:
        assert word in text, text
    return text


def test_objects_are_given_and_decided() -> None:
    given(SEATS, Sold(0), Sold(1)).when(next_seat).then(Sold(2))


def test_new_events_are_given_as_they_are_recorded() -> None:
    seen: list[RecordedEvent] = []

    def collect(state: None, event: RecordedEvent) -> None:
        seen.append(event)

    event = sold(3, tags=["hall"], metadata={"by": "me"})
    given(Decider(initial=lambda: None, evolve=collect), event, sold(4))
    assert [(e.type, e.version, e.position, e.json()) for e in seen] == [
        ("Sold", 0, 1, {"seat": 3}), ("Sold", 1, 2, {"seat": 4}),
    ]  # fmt: skip
    assert (seen[0].tags, seen[0].id, dict(seen[0].metadata)) == (("hall",), event.id, {"by": "me"})
    assert seen[0].created.tzinfo is not None


def test_the_state_can_be_looked_at() -> None:
    assert given(SEATS).state == Seats([])
    assert given(SEATS, sold(0), Sold(1)).state == Seats([0, 1])


def test_with_types_old_versions_go_through_upcasters() -> None:
    def total(state: int, event: Any) -> int:
        assert isinstance(event, Renamed)
        return state + event.cents

    decider = Decider(initial=int, evolve=total)
    old = NewEvent("Paid", {"amount": 7}, metadata={"schema_version": 1})
    assert given(decider, old, Renamed(5, "EUR"), types=versioned()).state == 705
    with pytest.raises(pyesdb.InvalidEvent, match="not registered"):
        given(decider, Sold(1), types=versioned())


def test_recorded_events_are_given_as_handle_folds_them() -> None:
    def collect(state: list[Any], event: Any) -> list[Any]:
        return [*state, event if isinstance(event, Sold) else event.type]

    decider: Decider[list[Any]] = Decider(initial=list, evolve=collect)
    types = seat_types()
    with pyesdb.open(":memory:") as db:
        typed, plain = db.store(types=types), db.store()
        typed.append("s", [Sold(0), NewEvent("Note"), Sold(1)])
        folded = typed.handle(decider, "s", lambda state: None).state
        assert folded == [Sold(0), "Note", Sold(1)]
        assert given(decider, *typed.read("s")).state == folded
        assert given(decider, *plain.read("s")).state == ["Sold", "Note", "Sold"]
        assert given(decider, *plain.read("s"), types=types).state == folded
        assert given(decider, *typed.read("s"), Sold(2), types=types).state == [*folded, Sold(2)]


def test_new_events_are_compared_by_what_was_given_not_by_id() -> None:
    def decide(seats: Seats) -> list[NewEvent]:
        return [sold(0, tags=["hall"], metadata={"by": "me"})]

    case = given(SEATS).when(decide)
    case.then(sold(0, tags=["hall"], metadata={"by": "me"}, id=uuid4()))
    case.then(NewEvent("Sold", b'{ "seat": 0 }', content_type="application/json", tags=["hall"],
                       metadata={"by": "me"}))  # fmt: skip
    for other in (
        sold(0),
        sold(1, tags=["hall"], metadata={"by": "me"}),
        sold(0, tags=["foyer"], metadata={"by": "me"}),
        sold(0, tags=["hall"], metadata={"by": "you"}),
        NewEvent("Sod", {"seat": 0}, tags=["hall"], metadata={"by": "me"}),
        Sold(0),
    ):
        fails(lambda other=other: case.then(other))


def test_appends_are_compared_by_stream_and_events() -> None:
    case = given(SEATS).when(lambda seats: [Append("log", sold(1), expected=3), Sold(1)])
    case.then(Append("log", [sold(1)], expected=3), Sold(1))
    fails(lambda: case.then(Append("log", sold(1)), Sold(1)), "expected=3")
    fails(lambda: case.then(Append("logs", sold(1), expected=3), Sold(1)), "logs")


def test_a_difference_is_shown_line_by_line() -> None:
    case = given(SEATS).when(lambda seats: [Sold(1), sold(2, tags=["hall"])])
    text = fails(
        lambda: case.then(Sold(1), sold(3, tags=["hall"])),
        "- expected, + decided",
        "  Sold(seat=1)",
    )
    assert re.search(r"^- NewEvent\('Sold', \{'seat': 3\}, tags=\['hall'\]\)$", text, re.MULTILINE)
    assert re.search(r"^\+ NewEvent\('Sold', \{'seat': 2\}, tags=\['hall'\]\)$", text, re.MULTILINE)


def test_order_and_number_count() -> None:
    case = given(SEATS).when(lambda seats: [Sold(1), Sold(2)])
    for other in ((Sold(2), Sold(1)), (Sold(1),), (), (Sold(1), Sold(2), Sold(3))):
        fails(lambda other=other: case.then(*other))


@pytest.mark.parametrize("nothing", [None, [], ()], ids=repr)
def test_nothing(nothing: Any) -> None:
    given(SEATS).when(lambda seats: nothing).then_nothing()
    fails(given(SEATS).when(lambda seats: Sold(1)).then_nothing, "+ Sold(seat=1)")


def none_left(seats: Seats) -> None:
    raise SoldOut("none left")


def test_raises() -> None:
    case = given(SEATS).when(none_left)
    error = case.raises(SoldOut, match="none")
    assert isinstance(error, SoldOut)
    assert isinstance(case.raises(Exception), SoldOut)
    fails(lambda: case.raises(SoldOut, match="many"), "does not match 'many'", "none left")
    fails(lambda: case.raises(KeyError), "KeyError was expected", "SoldOut", "none left")
    fails(
        lambda: given(SEATS).when(lambda seats: Sold(1)).raises(SoldOut),
        "SoldOut was expected", "Sold(seat=1)",
    )  # fmt: skip


def test_an_error_that_was_not_expected_is_raised_itself() -> None:
    case = given(SEATS).when(none_left)
    with pytest.raises(SoldOut):
        case.then(Sold(1))
    with pytest.raises(SoldOut):
        case.then_nothing()


@dataclass
class Wide:
    a: str
    b: str


def test_large_objects_differ_in_one_line() -> None:
    case = given(SEATS).when(lambda seats: Wide("x" * 60, "y" * 60))
    text = fails(lambda: case.then(Wide("x" * 60, "z" * 60)))
    assert len(re.findall("^[-+] ", text, re.MULTILINE)) == 2


def test_generators_and_coroutines_decide() -> None:
    def one_by_one(seats: Seats) -> Iterator[Sold]:
        yield Sold(0)
        yield Sold(1)

    async def later(seats: Seats) -> Sold:
        await asyncio.sleep(0)
        return Sold(0)

    async def later_one_by_one(seats: Seats) -> Any:
        yield Sold(0)

    def all_of_them() -> None:
        given(SEATS).when(one_by_one).then(Sold(0), Sold(1))
        given(SEATS).when(later).then(Sold(0))
        given(SEATS).when(later_one_by_one).then(Sold(0))

    async def in_a_loop() -> None:
        all_of_them()

    all_of_them()
    asyncio.run(in_a_loop())


def test_what_a_store_would_refuse_is_refused() -> None:
    with pytest.raises(pyesdb.InvalidEvent):
        given(SEATS).when(lambda seats: 5).then()


def test_a_decider_behaves_here_as_in_a_store() -> None:
    with pyesdb.open(":memory:") as db:
        store = db.store()
        store.append("s", [sold(0), sold(1)])
        handled = store.handle(SEATS, "s", lambda seats: sold(len(seats.sold)))
    assert given(SEATS, sold(0), sold(1), sold(2)).state == handled.state
