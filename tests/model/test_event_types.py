"""EventTypes: what is wrong in a registration shows when a store is asked for, all at once."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import pydantic
import pytest

import pyesdb
from pyesdb import EventTypes, RecordedEvent, RequestError
from pyesdb.types import registry
from tests.contract.shop import Renamed, versioned
from tests.contract.tools import named

T = TypeVar("T")


@dataclass
class Placed:
    total: int


@dataclass
class Other:
    total: int


def same(data: dict[str, Any]) -> dict[str, Any]:
    return data


@pytest.fixture(scope="module")
def db() -> Iterator[pyesdb.Database]:
    with pyesdb.open(":memory:") as database:
        yield database


def problems(db: pyesdb.Database, types: EventTypes) -> str:
    with pytest.raises(RequestError) as caught:
        db.store(types=types)
    return str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [None, 5, "Placed", Placed(1), dict, str, type, RecordedEvent, list[int], lambda: None],
    ids=named,
)
def test_what_is_no_class_of_events_is_refused_at_once(bad: Any) -> None:
    with pytest.raises(RequestError, match="dataclass"):
        EventTypes().add(bad)


def test_a_class_that_was_made_again_needs_types_that_are_made_again(db: pyesdb.Database) -> None:
    types = EventTypes()
    for _ in range(2):  # a cell of a notebook, run twice
        types.add(dataclass(type("Again", (), {"__annotations__": {"total": int}})), name="Again")
    assert "make a new EventTypes" in problems(db, types)
    types = EventTypes()
    types.add(Placed, name="Placed")
    types.add(Other, name="Placed")
    assert "make a new EventTypes" not in problems(db, types)


@pytest.mark.parametrize("name", ["", 5, "a\n", "x" * 256])
def test_a_bad_name_is_refused_at_once(name: Any) -> None:
    with pytest.raises(RequestError):
        EventTypes().add(Placed, name=name)
    with pytest.raises(RequestError):
        EventTypes().upcast(name, from_version=1)


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, None])
def test_a_bad_version_is_refused_at_once(version: Any) -> None:
    with pytest.raises(RequestError, match="version"):
        EventTypes().add(Placed, version=version)
    with pytest.raises(RequestError, match="from_version"):
        EventTypes().upcast("Placed", from_version=version)


def test_an_upcaster_must_be_a_function_and_stays_one() -> None:
    types = EventTypes()
    with pytest.raises(RequestError, match="function"):
        types.upcast("Placed", from_version=1)(5)  # type: ignore[type-var]
    assert types.upcast("Placed", from_version=1)(same) is same


def test_the_same_again_changes_nothing(db: pyesdb.Database) -> None:
    types = EventTypes()
    for _ in range(2):
        types.add(Placed, version=2)
        types.upcast("Placed", from_version=1)(same)
    db.store(types=types)


def test_nothing_registered_is_no_error(db: pyesdb.Database) -> None:
    store = db.store(types=EventTypes())
    store.append("empty", pyesdb.NewEvent("E"))
    assert store.read("empty").first().body is None


@pytest.mark.parametrize("types", [5, [Placed], {"Placed": Placed}, EventTypes])
def test_types_must_be_event_types(db: pyesdb.Database, types: Any) -> None:
    with pytest.raises(RequestError, match="EventTypes"):
        db.store(types=types)


def test_two_classes_of_one_name(db: pyesdb.Database) -> None:
    types = EventTypes()
    types.add(Placed)
    types.add(Other, name="Placed")
    assert "registered more than once" in (said := problems(db, types))
    assert "Placed at version 1" in said
    assert "Other at version 1" in said


def test_two_versions_of_one_class(db: pyesdb.Database) -> None:
    types = EventTypes()
    types.add(Placed)
    types.add(Placed, version=2)
    assert "at version 1" in problems(db, types)


@pytest.mark.parametrize(
    ("chain", "missing"), [([], "1, 2, 3"), ([1, 3], "2"), ([2, 3], "1"), ([1, 2], "3")]
)
def test_a_gap_between_versions(db: pyesdb.Database, chain: list[int], missing: str) -> None:
    types = EventTypes()
    types.add(Placed, version=4)
    for start in chain:
        types.upcast("Placed", from_version=start)(same)
    assert f"no upcaster from version {missing}" in problems(db, types)


def test_two_upcasters_from_one_version(db: pyesdb.Database) -> None:
    types = EventTypes()
    types.add(Placed, version=2)
    types.upcast("Placed", from_version=1)(same)
    types.upcast("Placed", from_version=1)(lambda data: data)
    assert "same does that" in problems(db, types)


@pytest.mark.parametrize("start", [2, 3, 9])
def test_an_upcaster_that_leads_beyond_the_registered_version(
    db: pyesdb.Database, start: int
) -> None:
    types = EventTypes()
    types.add(Placed, version=2)
    types.upcast("Placed", from_version=1)(same)
    types.upcast("Placed", from_version=start)(same)
    assert f"register the class at version {start + 1}" in problems(db, types)


def test_an_upcaster_of_an_unknown_name(db: pyesdb.Database) -> None:
    types = EventTypes()
    types.add(Placed)
    types.upcast("Plaecd", from_version=1)(same)
    assert "did you mean 'Placed'?" in problems(db, types)


def test_all_problems_are_named_in_one_error(db: pyesdb.Database) -> None:
    types = EventTypes()
    types.add(Placed, version=3)
    types.add(Other)
    types.add(Placed, name="Other")
    types.upcast("Placed", from_version=2)(same)
    types.upcast("Nobody", from_version=1)(same)
    said = problems(db, types)
    assert "3 problems" in said
    for word in ("more than once", "from version 1", "Nobody"):
        assert word in said


class Odd:
    pass


@dataclass
class WithOdd:
    odd: Odd


@dataclass
class WithUnknown:
    odd: Nowhere  # type: ignore[name-defined]  # noqa: F821


class Forbids(pydantic.BaseModel, extra="forbid"):
    n: int

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.n


class Excludes(pydantic.BaseModel):
    left_out: int = pydantic.Field(exclude=True)


@pytest.mark.parametrize(
    ("cls", "said"),
    [(WithOdd, "Odd"), (WithUnknown, "Nowhere"), (Forbids, "double"), (Excludes, "left_out")],
)
def test_a_class_that_could_not_be_read_back(db: pyesdb.Database, cls: Any, said: str) -> None:
    types = EventTypes()
    types.add(cls)
    assert said in problems(db, types)


class Hidden(pydantic.BaseModel):
    secret: pydantic.SecretStr


class Shown(Hidden):
    stars: str = "**********"

    @pydantic.field_serializer("secret", when_used="json")
    def shown(self, value: pydantic.SecretStr) -> str:
        return value.get_secret_value()


def test_a_secret_that_pydantic_hides_is_refused_not_stored_as_asterisks(
    db: pyesdb.Database,
) -> None:
    types = EventTypes()
    types.add(Hidden)
    types.add(Shown)
    store = db.store(types=types)
    secret = pydantic.SecretStr("xyzzy")
    with pytest.raises(pyesdb.InvalidEvent, match="get_secret_value"):
        store.append("secrets", Hidden(secret=secret))
    assert not store.exists("secrets")
    store.append("secrets", Shown(secret=secret))
    assert store.read("secrets").first().body == Shown(secret=secret)


class Inner(pydantic.BaseModel):
    n: int


@dataclass
class Outer:
    inner: Inner


class Boxed(msgspec.Struct, Generic[T]):
    value: T


def test_kinds_inside_each_other(db: pyesdb.Database) -> None:
    types = EventTypes()
    types.add(Outer)
    types.add(Boxed)
    store = db.store(types=types)
    store.append("inside", [Outer(Inner(n=1)), Boxed([1])])
    assert [event.body for event in store.read("inside")] == [Outer(Inner(n=1)), Boxed([1])]


def test_what_is_registered_while_a_handle_is_made_reaches_the_next(
    db: pyesdb.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    types = EventTypes()
    types.add(Outer)
    late = threading.Thread(target=lambda: types.add(Inner))
    proven = registry._Resolving.resolved

    def meanwhile(resolving: Any) -> Any:
        found = proven(resolving)
        late.start()
        late.join(0.2)  # it registers now, or waits until this is done
        return found

    with monkeypatch.context() as patch:
        patch.setattr(registry._Resolving, "resolved", meanwhile)
        db.store(types=types)
    late.join()
    store = db.store(types=types)
    store.append("late", Inner(n=1))
    assert store.read("late").first().body == Inner(n=1)


def test_event_types_can_be_pickled(db: pyesdb.Database) -> None:
    types = pickle.loads(pickle.dumps(versioned()))
    store = db.store(types=types)
    event = pyesdb.NewEvent("Paid", {"amount": 7}, metadata={"schema_version": 1})
    store.append("pickled", event)
    assert store.read("pickled").first().body == Renamed(700, "CHF")
