"""CloudEvents 1.0 (the CNCF specification, JSON format), both ways and equal after a round trip.

Our own events travel with `source` "pyesdb:<store>"; attributes that CloudEvents has no place for
travel as the extensions `pyesdbtags` and `pyesdbmetadata` (JSON texts). Attributes of foreign
events that we have no place for are kept under the metadata key "cloudevent".
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

from pyesdb.model import encoding
from pyesdb.model.errors import InvalidEvent

KEPT = "cloudevent"
_OURS = ("pyesdbtags", "pyesdbmetadata")
_PLACED = frozenset(
    ("specversion", "type", "time", "datacontenttype", "data", "data_base64", *_OURS)
)


def parse(source: Mapping[str, Any] | bytes) -> dict[str, Any]:
    """The constructor arguments of NewEvent; raises InvalidEvent."""
    found: Any = source
    if isinstance(source, bytes):
        found = encoding.decode_json(source, "the CloudEvent")
    if not isinstance(found, Mapping):
        raise InvalidEvent("a CloudEvent must be a mapping, or its JSON as bytes")
    event: dict[str, Any] = dict(cast("Mapping[str, Any]", found))
    if event.get("specversion") != "1.0":
        raise InvalidEvent(f"CloudEvents 1.0 expected, found {event.get('specversion')!r:.40}")
    for name in ("id", "source", "type"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise InvalidEvent(f"the CloudEvent lacks the required attribute {name!r}")
    data, content_type = _data_in(event)
    metadata = _json_extension(event, "pyesdbmetadata", {})
    own_id = _uuid(event["id"])
    if not (event["source"].startswith("pyesdb:") and own_id):
        metadata[KEPT] = {k: v for k, v in event.items() if k not in _PLACED and v is not None}
    return {
        "type": event["type"],
        "data": data,
        "content_type": content_type,
        "metadata": metadata,
        "tags": _json_extension(event, "pyesdbtags", []),
        "id": own_id or uuid5(NAMESPACE_URL, f"{event['source']}\n{event['id']}"),
        "time": _time(event.get("time")),
    }


def render(
    *,
    id: UUID,  # noqa: A002  (the attribute's name)
    source: str,
    stream: str,
    type: str,  # noqa: A002
    time: datetime | None,
    created: datetime,
    content_type: str,
    data: bytes,
    metadata: dict[str, Any],
    tags: tuple[str, ...],
) -> dict[str, Any]:
    """The CloudEvent of a recorded event, ready for any JSON encoder."""
    kept = metadata.pop(KEPT, None)
    event: dict[str, Any] = {"specversion": "1.0", "type": type}
    if isinstance(kept, dict):
        event |= kept
    else:
        event |= {"id": str(id), "source": f"pyesdb:{source}", "subject": stream}
    moment = time or (None if kept else created)
    if moment is not None:
        event["time"] = moment.isoformat().replace("+00:00", "Z")
    event["datacontenttype"] = content_type
    event |= _data_out(data, content_type)
    if tags:
        event["pyesdbtags"] = encoding.encode(tags, "tags").decode()
    if metadata:
        event["pyesdbmetadata"] = encoding.encode(metadata, "metadata").decode()
    return event


def _data_in(event: dict[str, Any]) -> tuple[Any, str | None]:
    content_type = event.get("datacontenttype")
    if "data" in event and "data_base64" in event:
        raise InvalidEvent("a CloudEvent has data or data_base64, not both")
    if "data_base64" in event:
        try:
            return b64decode(event["data_base64"], validate=True), content_type
        except (TypeError, ValueError) as error:
            raise InvalidEvent(f"data_base64 is not base64: {error}") from error
    data = event.get("data")
    if content_type is not None and not isinstance(content_type, str):
        raise InvalidEvent("datacontenttype must be a string")
    if content_type is not None and not encoding.is_json(content_type) and isinstance(data, str):
        return data.encode(), content_type
    if data is None:
        return (b"null" if "data" in event else None), content_type or encoding.JSON
    return data, content_type


def _data_out(data: bytes, content_type: str) -> dict[str, Any]:
    if encoding.is_json(content_type):
        return {"data": encoding.decode_json(data, "the event's data")}
    if content_type.startswith("text/") or content_type.endswith(("/xml", "+xml")):
        try:
            return {"data": data.decode()}
        except UnicodeDecodeError:
            pass
    return {"data_base64": b64encode(data).decode()}


def _json_extension(event: dict[str, Any], name: str, default: Any) -> Any:
    text = event.get(name)
    if text is None:
        return default
    if not isinstance(text, str):
        raise InvalidEvent(f"the extension {name} must be a JSON text")
    value = encoding.decode_json(text.encode(), name)
    if type(value) is not type(default):
        raise InvalidEvent(f"the extension {name} must hold a JSON {type(default).__name__}")
    return value


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _time(text: object) -> datetime | None:
    if text is None:
        return None
    if isinstance(text, datetime):
        return text
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidEvent(f"time must be an RFC 3339 timestamp, not {text!r:.60}") from None
