"""API "Events": CloudEvents 1.0 round-trips equal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.contract.tools import one

ID = "0196e7a1-5b6c-7abc-8def-0123456789ab"
MINIMAL = {"specversion": "1.0", "id": ID, "source": "/shop/orders", "type": "com.shop.placed"}
CLOUD: dict[str, dict[str, Any]] = {
    "minimal": MINIMAL,
    "json data": MINIMAL | {"datacontenttype": "application/json", "data": {"total": 30}},
    "data without a content type": MINIMAL | {"data": {"total": 30}},
    "text data": MINIMAL | {"datacontenttype": "text/plain", "data": "hello"},
    "xml data": MINIMAL | {"datacontenttype": "application/xml", "data": "<a/>"},
    "binary data": MINIMAL | {"datacontenttype": "application/octet-stream", "data_base64": "AAH/"},
    "data that is null": MINIMAL | {"datacontenttype": "application/json", "data": None},
    "every attribute": MINIMAL
    | {
        "subject": "order-1",
        "time": "2024-02-29T01:02:03.000004Z",
        "datacontenttype": "application/json",
        "dataschema": "https://example.com/schema.json",
        "data": [1, 2, {"a": None}],
    },
    "extensions": MINIMAL
    | {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "partitionkey": "p",
        "sequence": 7,
        "sampled": True,
        "data": {},
    },
    "an id that is no uuid": MINIMAL | {"id": "A234-1234-1234", "data": {}},
}


@pytest.mark.parametrize("name", CLOUD)
def test_a_cloudevent_comes_back_equal(own_store: Any, name: str) -> None:
    cloud = CLOUD[name]
    own_store.append("s", NewEvent.from_cloudevent(cloud))
    back = own_store.read("s").first().to_cloudevent()
    if "time" not in cloud:
        back.pop("time", None)
    if "datacontenttype" not in cloud and back.get("datacontenttype") == "application/json":
        del back["datacontenttype"]
    if "data" not in cloud and "data_base64" not in cloud and back.get("data") == {}:
        del back["data"]
    if "subject" not in cloud:
        back.pop("subject", None)
    assert back == cloud


def test_a_cloudevent_may_be_given_as_json_bytes(own_store: Any) -> None:
    cloud = CLOUD["every attribute"]
    own_store.append("s", NewEvent.from_cloudevent(json.dumps(cloud).encode()))
    event = own_store.read("s").first()
    assert event.to_cloudevent() == cloud
    assert (event.type, str(event.id)) == (cloud["type"], ID)
    assert event.json() == cloud["data"]
    assert event.time == datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)


def test_an_event_comes_back_equal_through_a_cloudevent(db: Any) -> None:
    a, b = db.create_store("a"), db.create_store("b")
    events = [
        one("T", {"a": [1, None]}, metadata={"correlation_id": "c", "n": 1}, tags=["x", "y"]),
        NewEvent("T", b"\x00\xff", id=uuid4(), time=datetime(2020, 1, 1, tzinfo=UTC)),
        NewEvent("T", b"plain", content_type="text/plain"),
        NewEvent("T", None),
    ]
    a.append("s", events)
    clouds = [event.to_cloudevent() for event in a.read("s")]
    b.append("s", [NewEvent.from_cloudevent(cloud) for cloud in clouds])
    for first, second in zip(a.read("s"), b.read("s"), strict=True):
        assert (second.id, second.type, second.data) == (first.id, first.type, first.data)
        assert second.content_type == first.content_type
        assert second.time == first.time
        assert dict(second.metadata) == dict(first.metadata)
        assert set(second.tags) == set(first.tags)


def test_what_is_given_out_is_a_valid_cloudevent(own_store: Any) -> None:
    own_store.append("order-1", [one("T", {"a": 1}, tags=["x"]), NewEvent("T", b"\xff")])
    for event in own_store.read("order-1"):
        cloud = event.to_cloudevent()
        assert cloud["specversion"] == "1.0"
        for name in ("id", "source", "type"):
            assert isinstance(cloud[name], str)
            assert cloud[name]
        assert all(name == "data_base64" or name.isalnum() for name in cloud)
        assert all(name == name.lower() for name in cloud)
        json.dumps(cloud)


BAD: dict[str, Any] = {
    "nothing": {},
    "no type": {k: v for k, v in MINIMAL.items() if k != "type"},
    "no id": {k: v for k, v in MINIMAL.items() if k != "id"},
    "no source": {k: v for k, v in MINIMAL.items() if k != "source"},
    "other version": MINIMAL | {"specversion": "0.3"},
    "bad time": MINIMAL | {"time": "yesterday"},
    "bad base64": MINIMAL | {"data_base64": "***"},
    "both kinds of data": MINIMAL | {"data": 1, "data_base64": "AAE="},
    "type not text": MINIMAL | {"type": 5},
    "not a mapping": 5,
    "not json": b"{",
    "a json list": b"[]",
    "none": None,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_cloudevent_is_an_invalid_event(name: str) -> None:
    with pytest.raises(pyesdb.InvalidEvent) as caught:
        NewEvent.from_cloudevent(BAD[name])
    assert len(str(caught.value)) > 15
