"""API "Events": what an event is, new and recorded."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

import pyesdb
from pyesdb import NewEvent
from tests.contract.tools import new_events, one

WHEN = datetime(2013, 1, 5, 6, 7, 8, 901_234, tzinfo=UTC)


class Placed(msgspec.Struct):
    total: int


def test_a_recorded_event_is_what_was_appended_and_where_it_stands(db: Any) -> None:
    store, id = db.create_store("acme"), uuid4()
    store.append("other", one())
    new = NewEvent(
        "Placed", {"total": 30}, metadata={"by": "ann"}, tags=["b", "a"], id=id, time=WHEN
    )
    result = store.append("order-1", new)
    event = store.read("order-1").first()
    assert (event.store, event.stream, event.version) == ("acme", "order-1", 0)
    assert event.position == result.position == 2
    assert (event.id, event.type, event.content_type) == (id, "Placed", "application/json")
    assert event.json() == {"total": 30}
    assert event.decode(Placed) == Placed(30)
    assert dict(event.metadata) == {"by": "ann"}
    assert set(event.tags) == {"a", "b"}
    assert event.time == WHEN


def test_the_same_event_reads_the_same_everywhere(store: Any) -> None:
    store.append("s", NewEvent("T", {"a": 1}, metadata={"m": [1]}, tags=["x"], time=WHEN))
    views = [
        store.read("s").first(),
        store.read_all().first(),
        store.read("s", backwards=True).first(),
        store.read_all(select=pyesdb.select.tags("x")).first(),
    ]
    assert all(view == views[0] for view in views)


def test_created_is_when_it_was_recorded_in_utc(clock: Any, own_store: Any) -> None:
    own_store.append("s", one(time=WHEN))
    event = own_store.read("s").first()
    assert event.created == clock.now
    assert event.created.utcoffset() == timedelta(0)


def test_time_is_created_unless_given(store: Any) -> None:
    store.append("s", one())
    event = store.read("s").first()
    assert event.time == event.created


def test_time_keeps_microseconds_and_the_instant(store: Any) -> None:
    zoned = WHEN.astimezone(timezone(timedelta(hours=-5)))
    store.append("s", one(time=zoned))
    time = store.read("s").first().time
    assert time == WHEN
    assert time.tzinfo is not None


def test_created_never_decreases_also_when_the_clock_is_set_back(
    clock: Any, own_store: Any
) -> None:
    for move in (0, 60, -3600, 5, -86_400, 10):
        clock.move(seconds=move)
        own_store.append("s", one())
    created = [e.created for e in own_store.read("s")]
    assert created == sorted(created)


def test_versions_count_per_stream_and_positions_per_store(db: Any) -> None:
    a, b = db.create_store("a"), db.create_store("b")
    a.append("s", new_events(2))
    a.append("t", new_events(2))
    b.append("s", one())
    assert [(e.version, e.position) for e in a.read_all()] == [(0, 1), (1, 2), (0, 3), (1, 4)]
    assert [(e.version, e.position) for e in b.read_all()] == [(0, 1)]


def test_an_id_is_a_uuid7_unless_given(store: Any) -> None:
    given = UUID(int=1)
    store.append("s", [NewEvent("T"), NewEvent("T", id=given)])
    made, kept = store.read("s")
    assert made.id.version == 7
    assert kept.id == given


def test_metadata_keeps_json_and_its_order(store: Any) -> None:
    metadata = {"z": 1, "a": [1, 2.5, None, True], "n": {"deep": "é"}}
    store.append("s", one(metadata=metadata))
    read = store.read("s").first().metadata
    assert dict(read) == metadata
    assert list(read) == ["z", "a", "n"]


def test_known_metadata_keys_are_kept(store: Any) -> None:
    metadata = {
        "correlation_id": str(uuid4()),
        "causation_id": str(uuid4()),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "schema_version": 2,
    }
    store.append("s", one(metadata=metadata))
    assert dict(store.read("s").first().metadata) == metadata


def test_caused_by_names_the_cause_and_keeps_the_correlation(store: Any) -> None:
    store.append("s", one("Asked", metadata={"correlation_id": "c-1"}))
    cause = store.read("s").first()
    store.append("s", one("Answered", {"a": 1}, tags=["t"]).caused_by(cause))
    effect = store.read("s", backwards=True).first()
    assert effect.metadata["causation_id"] == str(cause.id)
    assert effect.metadata["correlation_id"] == "c-1"
    assert (effect.json(), effect.tags) == ({"a": 1}, ("t",))


def test_caused_by_a_first_event_starts_a_correlation(store: Any) -> None:
    store.append("s", one("Asked"))
    cause = store.read("s").first()
    effect = one("Answered").caused_by(cause)
    assert effect.metadata["correlation_id"] == str(cause.id)


def test_tags_are_strings_and_may_be_any_iterable(store: Any) -> None:
    store.append("s", [one(tags=("a", "b")), one(tags=iter(["c"])), one(tags={"d"}), one()])
    assert [set(e.tags) for e in store.read("s")] == [{"a", "b"}, {"c"}, {"d"}, set()]
    assert all(isinstance(e.tags, tuple) for e in store.read("s"))


def test_a_new_event_does_not_change_when_its_data_does() -> None:
    data, metadata = {"a": 1}, {"m": 1}
    event = NewEvent("T", data, metadata=metadata)
    data["a"], metadata["m"] = 2, 2
    assert event.data == b'{"a":1}'
    assert dict(event.metadata) == {"m": 1}


def test_events_are_frozen(store: Any) -> None:
    store.append("s", one())
    recorded = store.read("s").first()
    for event, name in ((recorded, "version"), (recorded, "data"), (one(), "type")):
        with pytest.raises((AttributeError, TypeError)):
            setattr(event, name, 5)


def test_events_pickle(store: Any) -> None:
    new = NewEvent("T", {"a": 1}, metadata={"m": 1}, tags=["t"], time=WHEN)
    store.append("s", new)
    recorded = store.read("s").first()
    again = pickle.loads(pickle.dumps(recorded))
    assert again == recorded
    assert again.id == recorded.id
    assert (again.json(), again.tags, dict(again.metadata)) == ({"a": 1}, ("t",), {"m": 1})
    assert (again.created, again.time, again.cursor) == (
        recorded.created,
        recorded.time,
        recorded.cursor,
    )
    copy = pickle.loads(pickle.dumps(new))
    assert (copy.id, copy.type, copy.data, copy.tags, copy.time) == (
        new.id,
        new.type,
        new.data,
        new.tags,
        new.time,
    )


def test_results_pickle(store: Any) -> None:
    result = store.append("s", one())
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    info = store.stream_info("s")
    assert pickle.loads(pickle.dumps(info)) == info


def test_an_event_shows_what_it_is_when_printed(store: Any) -> None:
    store.append("order-1", one("OrderPlaced"))
    shown = repr(store.read("order-1").first())
    assert "order-1" in shown
    assert "OrderPlaced" in shown
    assert "OrderPlaced" in repr(one("OrderPlaced"))


@pytest.mark.parametrize(
    "type", ["T", "Order Placed", "com.acme/order.placed:v1", "É" * 127, "x" * 255]
)
def test_type_names_are_kept(store: Any, type: str) -> None:
    store.append("s", one(type))
    assert store.read("s").first().type == type
    assert store.read_all(select=pyesdb.select.event_type(type)).first().version == 0
