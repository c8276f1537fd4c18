"""`Resolved`: the registered types of a handle. They do not change while it lives."""

import pickle
from hashlib import blake2b
from typing import Any
from uuid import UUID

from pyesdb.model import encoding
from pyesdb.model.errors import InvalidEvent
from pyesdb.model.events import NewEvent, RecordedEvent, made_of, raw_metadata, with_metadata
from pyesdb.model.kinds import kind_of, listed, name_of, no_event
from pyesdb.types.carried import Carried
from pyesdb.types.codecs import Codec, version_in


class Resolved:
    """Makes new events of objects, and objects of recorded events."""

    def __init__(self, codecs: list[Codec], source: object) -> None:
        self._by_name = {codec.name: codec for codec in codecs}
        self._by_class: dict[type, Codec] = {}
        for codec in codecs:  # the first name is what a class is appended as
            self._by_class.setdefault(codec.cls, codec)
        self._source = source
        self._carried: Carried | None = None

    # -- reading

    def body(self, event: RecordedEvent) -> Any:
        """The event as an object of its registered class, None when there is none."""
        codec = self._by_name.get(event.type)
        return None if codec is None else codec.body(event)

    def view(self, event: RecordedEvent) -> Any:
        """The body, or the event itself when its type is not registered."""
        codec = self._by_name.get(event.type)
        return event if codec is None else codec.body(event)

    # -- appending

    def new_events(self, events: object, stream: object, command_id: object) -> list[NewEvent]:
        """New events of one object or an iterable of them: NewEvents and registered objects.

        With a command id, ids of objects come from it: the same call again is the same content.
        """
        found = [events] if isinstance(events, NewEvent) else listed(events)
        return [self._new(item, stream, command_id, n) for n, item in enumerate(found)]

    def _new(self, item: object, stream: object, command_id: object, number: int) -> NewEvent:
        if isinstance(item, NewEvent):
            return self._versioned(item)
        codec = self._by_class.get(type(item))
        if codec is None:
            raise self._unregistered(item)
        id_ = derived_id(command_id, stream, number) if isinstance(command_id, UUID) else None
        return NewEvent(codec.name, item, metadata={"schema_version": codec.version}, id=id_)

    def _versioned(self, event: NewEvent) -> NewEvent:
        """A new event of a registered type says its version; raises InvalidEvent when unclear."""
        codec = self._by_name.get(event.type)
        if codec is None:
            return event
        metadata = raw_metadata(event)
        said = version_in(metadata)
        cls = made_of(event)
        if cls is codec.cls:
            if said is None:
                return with_metadata(event, _stamped(metadata, codec))
            if said == codec.version:
                return event
            raise InvalidEvent(
                f"the event {event.type!r} is made of a {name_of(codec.cls)}, registered at "
                f"version {codec.version}, and its metadata says schema_version {said}: leave it "
                "out"
            )
        if cls is not None and cls in self._by_class:
            raise InvalidEvent(
                f"the event {event.type!r} is made of a {name_of(cls)}, and {event.type!r} is "
                f"registered for {name_of(codec.cls)}: append the object itself, or use its name"
            )
        if cls is not None and (base := self._base_of(cls)):
            raise _only_its_base(cls, base)
        if (said or 1) > codec.version or (said is None and codec.version > 1):
            raise InvalidEvent(
                f"event type {event.type!r} is registered at version {codec.version}, and this "
                f"event {'does not say its version' if said is None else f'says {said}'}: append a "
                f"{name_of(codec.cls)}, or put its version, 1 to {codec.version}, into the "
                "metadata as schema_version"
            )
        return event

    def check_readable(self, events: list[NewEvent]) -> None:
        """Raises InvalidEvent for one that would never become an object of its class."""
        for event in events:
            codec = self._by_name.get(event.type)
            if codec is not None:
                codec.check_readable(event)

    def _unregistered(self, item: object) -> InvalidEvent:
        cls = type(item)
        if kind_of(cls) is None:
            return no_event(item)
        if base := self._base_of(cls):
            return _only_its_base(cls, base)
        return InvalidEvent(
            f"{name_of(cls)} is not registered: add it to the EventTypes that the store was opened "
            f"with, or append NewEvent({cls.__name__!r}, data)"
        )

    def _base_of(self, cls: type) -> type | None:
        """A registered class that this one extends."""
        return next((base for base in cls.__mro__[1:] if base in self._by_class), None)

    # -- going elsewhere

    def __reduce__(self) -> Any:
        """Events are pickled with their types, by reference: see `Carried`."""
        if self._carried is None:
            try:
                self._carried = Carried(pickle.dumps(self._source), "")
            except Exception as error:  # noqa: BLE001  (what pickle raises depends on the object)
                self._carried = Carried(b"", f"{type(error).__name__}: {error}")
        return self._carried.__reduce__()

    def __copy__(self) -> "Resolved":
        return self

    def __deepcopy__(self, memo: object) -> "Resolved":
        return self


def _only_its_base(cls: type, base: type) -> InvalidEvent:
    return InvalidEvent(
        f"{name_of(cls)} is not registered, only its base {name_of(base)} is: what it adds would "
        "be lost when it is read; register it, too"
    )


def _stamped(metadata: bytes, codec: Codec) -> bytes:
    if not metadata:
        return codec.stamp
    known = encoding.decode_json(metadata, "metadata")
    return encoding.encode({**known, "schema_version": codec.version}, "metadata")


def derived_id(command_id: UUID, stream: object, number: int) -> UUID:
    """The id of an event that a command makes of an object; its moment is the command's."""
    name = command_id.bytes + f"{number}/{stream}".encode("utf-8", "surrogatepass")
    raw = bytearray(command_id.bytes[:6] + blake2b(name, digest_size=10).digest())
    raw[6] = raw[6] & 0x0F | (0x70 if command_id.version == 7 else 0x80)
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))
