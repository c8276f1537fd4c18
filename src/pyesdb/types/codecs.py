"""`Codec`: one event type, between stored data and objects of its class.

What must never happen here: data that does not fit the class is passed over, or an old version is
taken for the present one.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pyesdb.model import encoding
from pyesdb.model.errors import InvalidEvent
from pyesdb.model.events import NewEvent, Origin, RecordedEvent, raw_metadata, recorded
from pyesdb.model.kinds import kind_of, name_of

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class NoCodec(Exception):
    """Why a class cannot be registered."""


class _Known(msgspec.Struct):
    """What a codec looks at in an event's metadata."""

    schema_version: int | msgspec.UnsetType = msgspec.UNSET


_UNSTORED = Origin("", 0)
_known = msgspec.json.Decoder(_Known)


def version_in(metadata: bytes) -> int | None:
    """The `schema_version` of encoded metadata, None when it has none; raises InvalidEvent."""
    if b'"schema_version"' not in metadata:
        return None
    try:
        found = _known.decode(metadata).schema_version
    except msgspec.MsgspecError as error:
        raise InvalidEvent(f"schema_version in the metadata is no version: {error}") from error
    if isinstance(found, msgspec.UnsetType):  # the words stand somewhere inside
        return None
    if found < 1:
        raise InvalidEvent(f"schema_version in the metadata must be at least 1, not {found}")
    return found


def called(function: Any) -> str:
    """A function as people find it."""
    return str(getattr(function, "__qualname__", repr(function)))


class Codec:
    """An event type, its class, the version of its shape, and the upcasters from 1 up to it.

    Raises NoCodec for a class whose objects could not be made of stored data.
    """

    def __init__(self, name: str, cls: type, version: int, chain: tuple[Upcaster, ...]) -> None:
        self.name = name
        self.cls = cls
        self.version = version
        self.stamp = encoding.encode({"schema_version": version}, "metadata")
        self._chain = chain
        self._decode = _pydantic(cls) if kind_of(cls) == "pydantic" else _msgspec(cls)

    def body(self, event: RecordedEvent) -> Any:
        """The event as an object of the class; raises InvalidEvent that says which and why."""
        metadata = raw_metadata(event)
        if metadata == self.stamp or (not metadata and self.version == 1):
            stored = self.version
        else:
            stored = self._stored(event, metadata)
        try:
            data = event.data
            if stored < self.version:
                data = self._upcasted(data, stored)
            return self._decode(data)
        except Exception as error:  # what upcasters and validators raise depends on the user
            raise self._unreadable(event, stored, error) from error

    def check_readable(self, event: NewEvent) -> None:
        """Raises InvalidEvent when the event would not become an object of the class again."""
        try:
            self.body(recorded(event, _UNSTORED, "", 0, 0, 0))
        except InvalidEvent as error:
            cause = error.__cause__
            said = f"{type(cause).__name__}: {cause}"
            raise InvalidEvent(
                f"the event {event.type!r} would not become a {name_of(self.cls)} of version "
                f"{self.version} when it is read ({said}); nothing was stored: give it what the "
                "class has",
                type=event.type,
                schema_version=error.schema_version,
            ) from cause

    def _stored(self, event: RecordedEvent, metadata: bytes) -> int:
        try:
            stored = version_in(metadata) or 1
        except InvalidEvent as error:
            raise self._unreadable(event, None, error) from error
        if stored > self.version:
            raise _invalid(
                event,
                stored,
                f"{_where(event)} has schema_version {stored}, and {name_of(self.cls)} is "
                f"registered at version {self.version}: newer code wrote it; use that code, or "
                "register the newer class. Its data is in event.data",
            )
        return stored

    def _upcasted(self, data: bytes, stored: int) -> bytes:
        """The data in its present shape, as encoded: decoding treats both alike."""
        document: Any = encoding.decode_json(data, "data")
        if not isinstance(document, dict):
            raise TypeError(f"upcasters take a JSON object, not a {type(document).__name__}")
        for upcaster in self._chain[stored - 1 :]:
            document = upcaster(document)  # pyright: ignore[reportUnknownArgumentType]
            if not isinstance(document, dict):
                what = type(document).__name__
                raise TypeError(f"upcaster {called(upcaster)} returned a {what}, not a dict")
        return encoding.encode(document, "what the upcasters made of it")

    def _unreadable(
        self, event: RecordedEvent, stored: int | None, error: Exception
    ) -> InvalidEvent:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        version = "" if stored is None else f" with schema_version {stored}"
        return _invalid(
            event,
            stored,
            f"{_where(event)}{version} does not become a {name_of(self.cls)} of version "
            f"{self.version}: {said}. Correct the class or its upcasters; its data is in "
            "event.data, and event.json() decodes it without them",
        )


def _where(event: RecordedEvent) -> str:
    return (
        f"event {event.type!r} at position {event.position} of store {event.store!r} (stream "
        f"{event.stream!r}, version {event.version})"
    )


def _invalid(event: RecordedEvent, stored: int | None, message: str) -> InvalidEvent:
    return InvalidEvent(
        message,
        store=event.store,
        stream=event.stream,
        version=event.version,
        position=event.position,
        type=event.type,
        schema_version=stored,
    )


def _pydantic(cls: Any) -> Callable[[bytes], Any]:
    """Decoding as pydantic does it, by field names and by aliases: objects are stored by names."""
    import inspect

    if cls.model_config.get("extra") == "forbid" and cls.model_computed_fields:
        computed = ", ".join(cls.model_computed_fields)
        raise NoCodec(
            f"{name_of(cls)} forbids extra fields and stores computed ones ({computed}), so it "
            'could not be read back: allow extra fields (extra="ignore")'
        )
    fields: dict[str, Any] = cls.model_fields
    if lost := [name for name, field in fields.items() if field.exclude and field.is_required()]:
        raise NoCodec(
            f"{name_of(cls)} does not store what it needs ({', '.join(lost)}: exclude=True), so it "
            "could not be read back: give it a default"
        )
    validate = cls.model_validate_json
    if "by_name" in inspect.signature(validate).parameters:
        return lambda data: validate(data, by_alias=True, by_name=True)
    aliased = [name for name, field in fields.items() if field.validation_alias]
    if aliased and not cls.model_config.get("populate_by_name"):
        raise NoCodec(
            f"{name_of(cls)} has aliases ({', '.join(aliased)}) and is stored by field names: set "
            "populate_by_name=True"
        )
    return validate


def _msgspec(cls: type) -> Callable[[bytes], Any]:
    try:
        msgspec.json.schema(cls, schema_hook=_schema_of_foreign)
        return msgspec.json.Decoder(cls, dec_hook=_foreign).decode
    except (TypeError, NameError, AttributeError) as error:
        said = str(error).partition("\n")[0]
        raise NoCodec(f"objects of {name_of(cls)} cannot be made of stored data: {said}") from error


def _schema_of_foreign(cls: type) -> dict[str, Any]:
    if kind_of(cls) != "pydantic":
        raise TypeError(f"it has a field of type {name_of(cls)}, which has no form in JSON")
    return {"type": "object"}


def _foreign(cls: Any, value: Any) -> Any:
    """A pydantic model inside another kind of object."""
    return cls.model_validate(value)
