"""Classes of events of every kind, and a decider, at the top of a module: they can be pickled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pydantic

from pyesdb import Decider, EventTypes, RecordedEvent


@dataclass(frozen=True)
class Line:
    sku: str
    count: int


@dataclass(frozen=True)
class OrderPlaced:
    total: Decimal
    lines: tuple[Line, ...] = ()
    at: datetime = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


class OrderPaid(msgspec.Struct, frozen=True, rename="camel"):
    paid_by: str


@attrs.frozen
class OrderSent:
    parcels: int


class OrderRated(pydantic.BaseModel):
    stars: int = pydantic.Field(alias="numberOfStars", ge=1, le=5)
    raw: bytes = b""
    model_config = pydantic.ConfigDict(populate_by_name=True)


OBJECTS: dict[str, Any] = {
    "dataclass": OrderPlaced(Decimal("30.10"), (Line("a", 2), Line("b", 1))),
    "struct": OrderPaid("card"),
    "attrs": OrderSent(3),
    "pydantic": OrderRated(stars=4, raw=b"very good"),
}


def shop_types() -> EventTypes:
    types = EventTypes()
    for kind in OBJECTS.values():
        types.add(type(kind))
    return types


@dataclass(frozen=True)
class Renamed:
    cents: int
    currency: str


def to_cents(data: dict[str, Any]) -> dict[str, Any]:
    return {"cents": data["amount"] * 100}


def with_currency(data: dict[str, Any]) -> dict[str, Any]:
    data["currency"] = "CHF" if data["cents"] % 100 == 0 else "?"
    return data


def versioned() -> EventTypes:
    """One type at version 3: 1 has {amount}, 2 {cents}, 3 {cents, currency}."""
    types = EventTypes()
    types.add(Renamed, name="Paid", version=3)
    types.upcast("Paid", from_version=2)(with_currency)
    types.upcast("Paid", from_version=1)(to_cents)
    return types


# --- seats: a decider whose invariant is that no seat is sold twice, and never more than there are


@dataclass(frozen=True)
class Sold:
    seat: int


@dataclass
class Seats:
    sold: list[int] = field(default_factory=list)


class SoldOut(Exception):
    pass


def evolve(seats: Seats, event: Any) -> Seats:
    if isinstance(event, Sold):
        return Seats([*seats.sold, event.seat])
    if isinstance(event, RecordedEvent) and event.type == "Sold":
        return Seats([*seats.sold, event.json()["seat"]])
    return seats


SEATS = Decider(initial=Seats, evolve=evolve)


def seat_types() -> EventTypes:
    types = EventTypes()
    types.add(Sold)
    return types


def next_seat(seats: Seats) -> Sold:
    if len(seats.sold) >= 100:
        raise SoldOut
    return Sold(len(seats.sold))
