"""Events: what a user hands over (`NewEvent`), what comes back (`RecordedEvent`)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from pyesdb.model import cloudevents, encoding, limits
from pyesdb.model.durations import to_datetime, to_us
from pyesdb.model.encoding import JSON
from pyesdb.model.errors import InvalidEvent, LimitExceeded, RequestError
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.kinds import listed, no_event
from pyesdb.model.names import check_tags, check_type
from pyesdb.model.versions import Cursor

T = TypeVar("T")
_Type = type  # RecordedEvent has a field of that name

Record = tuple[str, bytes, int | None, str | None, bytes, bytes, tuple[str, ...]]
"""An event inside a command: type, id (16 bytes), time (us or None), content type (None: JSON),
data, metadata (JSON or b""), tags."""


_NEAR = limits.EVENT_BYTES_MAX - 100_000
"""Up to here type, id and tags, whatever they are, make no event too large."""


def record_bytes(record: Record) -> int:
    """What an event counts against the limits: its data, metadata, names."""
    return len(record[4]) + len(record[5]) + len(record[0]) + sum(map(len, record[6])) + 32


def _event_id(value: object) -> bytes:
    if not isinstance(value, UUID):
        raise InvalidEvent(f"id must be a uuid.UUID, not {type(value).__name__}")
    return value.bytes


def _event_time(value: object) -> int:
    try:
        return to_us(value)
    except RequestError as error:
        raise InvalidEvent(str(error)) from None


class NewEvent:
    """An event to append; immutable; checked and encoded when it is made.

    `data`: None (an empty object), bytes, or anything msgspec or pydantic encodes as JSON.
    `metadata`: a mapping with string keys. `tags`: strings, each once. `id`: a UUID, version 7 by
    default. `time`: when it happened (aware), by default when it is recorded. Raises InvalidEvent,
    LimitExceeded (1 MiB).
    """

    __slots__ = ("_made_of", "_record")
    _record: Record
    _made_of: "_Type"
    """The class of the data, where it is neither a dict nor nothing; for registered types."""

    def __init__(
        self,
        type: str,  # noqa: A002  (binding name)
        data: Any = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        id: UUID | None = None,  # noqa: A002
        time: datetime | None = None,
        content_type: str | None = None,
    ) -> None:
        encoded, kind = encoding.encode_data(data, content_type)
        meta = encoding.encode_metadata(metadata) if metadata is not None else b""
        record = (
            check_type(type),
            uuid7_bytes() if id is None else _event_id(id),
            None if time is None else _event_time(time),
            None if kind == JSON else kind,
            encoded,
            meta,
            check_tags(tags) if tags != () else (),
        )
        near = len(encoded) + len(meta) > _NEAR
        if near and record_bytes(record) > limits.EVENT_BYTES_MAX:
            raise LimitExceeded(
                f"the event {type!r} has {record_bytes(record):,} bytes, more than "
                f"max_event_bytes = {limits.EVENT_BYTES_MAX:,}: store large content elsewhere and "
                "keep a reference",
                limit=limits.EVENT_BYTES_MAX,
                value=record_bytes(record),
                setting="max_event_bytes",
            )
        _set(self, record)
        if data.__class__ is not dict and data is not None:
            _set_made_of(self, data.__class__)

    @classmethod
    def _of(cls, record: Record) -> "NewEvent":
        event = cls.__new__(cls)
        _set(event, record)
        return event

    def _with_metadata(self, metadata: bytes) -> "NewEvent":
        kind, id_, time, content_type, data, _, tags = self._record
        event = NewEvent._of((kind, id_, time, content_type, data, metadata, tags))
        if hasattr(self, "_made_of"):
            _set_made_of(event, self._made_of)
        return event

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"NewEvent is immutable: cannot set {name}")

    @property
    def type(self) -> str:
        """The event's type."""
        return self._record[0]

    @property
    def data(self) -> bytes:
        """The data as encoded."""
        return self._record[4]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata; a new dict each time."""
        return _metadata(self._record[5])

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags."""
        return self._record[6]

    @property
    def id(self) -> UUID:
        """The event's id."""
        return UUID(bytes=self._record[1])

    @property
    def time(self) -> datetime | None:
        """When it happened (UTC), if given."""
        us = self._record[2]
        return None if us is None else to_datetime(us)

    @property
    def content_type(self) -> str:
        """The media type of the data."""
        return self._record[3] or JSON

    def caused_by(self, event: "RecordedEvent") -> "NewEvent":
        """This event with `causation_id` and `correlation_id` set from the event that caused it."""
        if not isinstance(event, RecordedEvent):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(f"caused_by takes a RecordedEvent, not {type(event).__name__}")
        correlation = event.metadata.get("correlation_id") or str(event.id)
        metadata = {**self.metadata, "causation_id": str(event.id), "correlation_id": correlation}
        return self._with_metadata(encoding.encode_metadata(metadata))

    @classmethod
    def from_cloudevent(cls, source: Mapping[str, Any] | bytes) -> "NewEvent":
        """The event of a CloudEvent 1.0 (a mapping, or its JSON); raises InvalidEvent."""
        return cls(**cloudevents.parse(source))

    def __eq__(self, other: object) -> bool:
        return self._record == other._record if isinstance(other, NewEvent) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._record)

    def __reduce__(self) -> tuple[Any, ...]:
        return NewEvent._of, (self._record,)

    def __repr__(self) -> str:
        return f"NewEvent({self.type!r}, {self.data[:60]!r}, id={str(self.id)!r})"


_record_slot: Any = NewEvent.__dict__["_record"]
_set = _record_slot.__set__  # past __setattr__: only here
_made_of_slot: Any = NewEvent.__dict__["_made_of"]
_set_made_of = _made_of_slot.__set__


def _metadata(encoded: bytes) -> dict[str, Any]:
    return encoding.decode_json(encoded, "metadata") if encoded else {}


class Bodies(Protocol):
    """Gives events their bodies: the registered types of a handle."""

    def body(self, event: "RecordedEvent") -> Any:
        """The event as an object of the registered class; None when its type is not registered."""
        ...

    def view(self, event: "RecordedEvent") -> Any:
        """The body, or the event itself when its type is not registered."""
        ...


class Origin(msgspec.Struct, frozen=True, eq=False):
    """What all events read through one handle share: store id, incarnation, registered types.

    Equal when store and incarnation are: an event is the same whoever reads it.
    """

    store: str
    incarnation: int
    types: Bodies | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Origin):
            return NotImplemented
        return self.store == other.store and self.incarnation == other.incarnation

    def __hash__(self) -> int:
        return hash((self.store, self.incarnation))


class RecordedEvent(msgspec.Struct, frozen=True, gc=False, eq=False):
    """An event as stored; `id`, `created`, `time`, `tags`, `metadata`, `body` are computed when
    asked for.

    `version` counts in its stream from 0, `position` in its store from 1; both are for ever.
    """

    _origin: Origin
    stream: str
    version: int
    position: int
    type: str
    data: bytes
    _content_type: str | None
    _id: bytes
    _created: int
    _time: int | None
    _metadata: bytes
    _tags: bytes

    @property
    def store(self) -> str:
        """The id of the store it was read from."""
        return self._origin.store

    @property
    def id(self) -> UUID:
        """The event's id."""
        return UUID(bytes=self._id)

    @property
    def created(self) -> datetime:
        """When it was recorded: UTC, microseconds, never decreasing in a store."""
        return to_datetime(self._created)

    @property
    def time(self) -> datetime:
        """When it happened: as given, else when it was recorded."""
        return to_datetime(self._created if self._time is None else self._time)

    @property
    def content_type(self) -> str:
        """The media type of the data."""
        return self._content_type or JSON

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata; a new dict each time."""
        return _metadata(self._metadata)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order given."""
        return tuple(encoding.decode_json(self._tags, "tags")) if self._tags else ()

    @property
    def cursor(self) -> Cursor:
        """Where a reader stands that has seen this event."""
        return Cursor(self._origin.incarnation, self.position)

    @property
    def body(self) -> Any:
        """The data as an object of the class registered for this type; a new one each time.

        None when the type is not registered. Raises InvalidEvent when the data does not fit the
        class or a newer version of it wrote it, RequestError when the store has no `types`.
        """
        types = self._origin.types
        if types is None:
            raise RequestError(
                "this event was read without types, so it has no body: get the store with "
                "store(types=...), or use json() or decode()"
            )
        return types.body(self)

    def json(self) -> Any:
        """The data as JSON value; raises InvalidEvent when it is something else."""
        return encoding.decode_json(self.data, "the data", self)

    def decode(self, type: "_Type[T]") -> T:  # noqa: A002  (binding name)
        """The data as an object of `type` (msgspec or pydantic); raises InvalidEvent."""
        return encoding.decode_as(self.data, type, "the data", self)

    def to_cloudevent(self) -> dict[str, Any]:
        """This event as a CloudEvent 1.0 in JSON format."""
        return cloudevents.render(
            id=self.id,
            source=self.store,
            stream=self.stream,
            type=self.type,
            time=None if self._time is None else to_datetime(self._time),
            created=self.created,
            content_type=self.content_type,
            data=self.data,
            metadata=dict(self.metadata),
            tags=self.tags,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordedEvent):
            return NotImplemented
        return msgspec.structs.astuple(self) == msgspec.structs.astuple(other)

    def __hash__(self) -> int:
        return hash((self._id, self.position))

    def __repr__(self) -> str:
        return (
            f"RecordedEvent({self.store!r}, {self.stream!r}, version={self.version}, "
            f"position={self.position}, type={self.type!r})"
        )


def seen(event: RecordedEvent) -> Any:
    """What a fold sees: the body of an event of a registered type, else the event itself."""
    types = event._origin.types  # pyright: ignore[reportPrivateUsage]
    return event if types is None else types.view(event)


def with_types(event: RecordedEvent, types: Bodies) -> RecordedEvent:
    """The same event as a handle with these types reads it."""
    origin = event._origin  # pyright: ignore[reportPrivateUsage]
    return replace(event, _origin=Origin(origin.store, origin.incarnation, types))


def raw_metadata(event: RecordedEvent | NewEvent) -> bytes:
    """The metadata as encoded, b"" for none."""
    if isinstance(event, NewEvent):
        return event._record[5]  # pyright: ignore[reportPrivateUsage]
    return event._metadata  # pyright: ignore[reportPrivateUsage]


def made_of(event: NewEvent) -> type | None:
    """The class of the object that a new event's data was, None for a dict, bytes or nothing."""
    return getattr(event, "_made_of", None)


def with_metadata(event: NewEvent, metadata: bytes) -> NewEvent:
    """The same new event with other metadata, as encoded."""
    return event._with_metadata(metadata)  # pyright: ignore[reportPrivateUsage]


def recorded(
    event: NewEvent, origin: Origin, stream: str, version: int, position: int, created: int
) -> RecordedEvent:
    """What a new event is once it is recorded; for tests without a store."""
    kind, id_, time, content_type, data, meta, tags = event._record  # pyright: ignore[reportPrivateUsage]
    where = (origin, stream, version, position)
    rest = (id_, created, time, meta, encoding.encode_tags(tags))
    return RecordedEvent(*where, kind, data, content_type, *rest)


def new_events(events: object) -> list[Record]:
    """The records of one NewEvent or an iterable of them; raises InvalidEvent."""
    if isinstance(events, NewEvent):
        return [events._record]  # pyright: ignore[reportPrivateUsage]
    found = listed(events)
    if found and set(map(type, found)) != {NewEvent}:
        for event in found:
            if not isinstance(event, NewEvent):
                raise no_event(event)
    return [event._record for event in found]
