"""Which classes can be events: dataclasses, attrs classes, msgspec Structs, pydantic models.

attrs and pydantic are recognised by what they leave in a class, never imported.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import msgspec

from pyesdb.model.errors import InvalidEvent

Kind = Literal["struct", "attrs", "dataclass", "pydantic"]

KINDS = "a dataclass, an attrs class, a msgspec.Struct or a pydantic model"


def kind_of(cls: object) -> Kind | None:
    """What a class is, None when its objects cannot be events. Our own classes are none of them."""
    if not isinstance(cls, type) or cls.__module__.startswith("pyesdb."):
        return None
    if issubclass(cls, msgspec.Struct):
        return "struct"
    return _by_traces(cast("type[Any]", cls))


def _by_traces(cls: type[Any]) -> Kind | None:
    if hasattr(cls, "__attrs_attrs__"):
        return "attrs"
    if hasattr(cls, "__dataclass_fields__"):
        return "dataclass"
    if hasattr(cls, "model_validate_json") and hasattr(cls, "model_dump"):
        return "pydantic"
    return None


def name_of(cls: type) -> str:
    """A class as people find it: module and qualified name."""
    return f"{cls.__module__}.{cls.__qualname__}"


def listed(events: object) -> list[Any]:
    """The events of one call as a list: one object, or an iterable of them; raises InvalidEvent.

    What the members are is not looked at. A pydantic model is iterable and yet one event.
    """
    if events.__class__ is list:  # the look at abstract classes below takes longer than a command
        return cast("list[Any]", events)
    if kind_of(type(events)):
        return [events]
    if isinstance(events, (str, bytes, Mapping)):
        name = type(cast("object", events)).__name__
        raise InvalidEvent(
            f'append takes NewEvent objects, not a {name}: write NewEvent("OrderPlaced", {{...}})'
        )
    if not isinstance(events, Iterable):
        name = type(events).__name__
        raise InvalidEvent(f"append takes a NewEvent or an iterable of them, not {name}")
    return list(cast("Iterable[Any]", events))


def listed_or_one(answer: object, *one: type) -> list[Any]:
    """Events as `listed`, where None is none, and an object of one of these classes is one."""
    if answer is None:
        return []
    return [answer] if isinstance(answer, one) else list(listed(answer))


def no_event(value: object) -> InvalidEvent:
    """The error of what is no NewEvent, where no registered types are known."""
    name = type(value).__name__
    if kind_of(type(value)) is None:
        return InvalidEvent(f"append takes NewEvent objects, not {name}")
    return InvalidEvent(
        f"append takes NewEvent objects, not {name}: register it with EventTypes and get the store "
        f"with store(types=...), or append NewEvent({name!r}, data)"
    )
