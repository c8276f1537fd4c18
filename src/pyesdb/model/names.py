"""Names of streams, types, tags and stores: what is allowed, and the nearest legal spelling."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from pyesdb.model import limits
from pyesdb.model.errors import InvalidEvent, InvalidStoreId, InvalidStreamName, RequestError

EVENTS = "$events"
"""The reserved stream of events that belong to no stream."""

SYSTEM = "$system"
"""The built-in store with the catalog."""

_BAD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_STORE_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(10)]
)


def _problem(name: object, bytes_max: int) -> str | None:
    if not isinstance(name, str):
        return f"must be a str, not {type(name).__name__}"
    if not name:
        return "must not be empty"
    if bad := _BAD.search(name):
        return f"must not contain control characters or surrogates (found {bad.group()!r})"
    if len(name) > bytes_max or len(name.encode()) > bytes_max:
        return f"must be at most {bytes_max} bytes of UTF-8 (it has {len(name.encode())})"
    return None


@lru_cache(maxsize=65536)
def _check_stream(name: str) -> str:
    if problem := _problem(name, limits.STREAM_NAME_BYTES_MAX):
        raise InvalidStreamName(f"stream name {name!r:.80} {problem}")
    return name


def check_stream(name: object) -> str:
    """A stream name to read from; raises InvalidStreamName."""
    if type(name) is not str:
        if not isinstance(name, str):
            raise InvalidStreamName(f"stream name must be a str, not {type(name).__name__}")
        name = str(name)
    return _check_stream(name)


def check_target(name: object) -> str:
    """A stream name to write to: no `$` name; raises InvalidStreamName."""
    name = check_stream(name)
    if name[0] == "$":
        hint = ": write events of no stream with stream=None" if name == EVENTS else ""
        raise InvalidStreamName(f"stream names that start with $ are reserved: {name!r}{hint}")
    return name


@lru_cache(maxsize=8192)
def _check_type(name: str) -> str:
    if problem := _problem(name, limits.TYPE_BYTES_MAX):
        raise InvalidEvent(f"event type {name!r:.80} {problem}")
    return name


def check_type(name: object) -> str:
    """An event type; raises InvalidEvent."""
    if not isinstance(name, str):
        raise InvalidEvent(f"event type must be a str, not {type(name).__name__}")
    return _check_type(name)


@lru_cache(maxsize=65536)
def _check_tag(name: str) -> str:
    if problem := _problem(name, limits.TAG_BYTES_MAX):
        raise InvalidEvent(f"tag {name!r:.80} {problem}")
    return name


def check_tags(tags: object) -> tuple[str, ...]:
    """Tags in the order given, each once; raises InvalidEvent."""
    if isinstance(tags, (str, bytes)):
        raise InvalidEvent(
            f"tags must be an iterable of strings, not one: write tags=[{tags!r:.60}]"
        )
    try:
        found = tuple(dict.fromkeys(cast("Iterable[Any]", tags)))
    except TypeError:
        raise InvalidEvent(f"tags must be strings, not {tags!r:.60}") from None
    if len(found) > limits.TAGS_MAX:
        raise InvalidEvent(f"an event may have {limits.TAGS_MAX} tags, not {len(found)}")
    for tag in found:
        if not isinstance(tag, str):
            raise InvalidEvent(f"tags must be strings, not {type(tag).__name__}")
        _check_tag(tag)
    return found


def check_label(name: object, what: str) -> str:
    """A source or other label of 1-512 bytes; raises RequestError."""
    if problem := _problem(name, limits.SOURCE_BYTES_MAX):
        raise RequestError(f"{what} {name!r:.80} {problem}")
    return str(name)


def check_store_id(store_id: object) -> str:
    """A store id; raises InvalidStoreId with the nearest legal spelling."""
    if not isinstance(store_id, str):
        raise InvalidStoreId(f"a store id must be a str, not {type(store_id).__name__}")
    if store_id.startswith("$"):
        raise InvalidStoreId(f"store ids that start with $ are reserved: {store_id!r:.80}")
    if _STORE_ID.match(store_id) and store_id not in _DEVICES:
        return store_id
    raise InvalidStoreId(
        f"store id {store_id!r:.80} must match [a-z][a-z0-9_-]{{0,62}} and be no device name; "
        f"the nearest legal one is {nearest_store_id(store_id)!r}"
    )


def nearest_store_id(text: str) -> str:
    """The nearest legal store id to `text`."""
    text = re.sub(r"[^a-z0-9_-]+", "-", text[:200].lower()).strip("-_")
    if not text or not text[0].isalpha():
        text = f"s-{text}".rstrip("-")
    return f"{text}-store" if text in _DEVICES else text[:63]
