"""User values to bytes and back, in the caller and outside every lock.

What must never happen here: a value that changes silently on its way (NaN, keys that are no
strings), or one that cannot be read back.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from pyesdb.model import limits
from pyesdb.model.errors import InvalidEvent

JSON = "application/json"
OCTETS = "application/octet-stream"


def _hook(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)  # pydantic models, without importing pydantic
    if callable(dump):
        return dump(mode="json")  # its own forms, those that it validates (bytes are text there)
    if isinstance(value, Mapping):
        items: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return dict(items)
    raise TypeError(f"a {type(value).__name__} cannot be encoded as JSON")


_encoder = msgspec.json.Encoder(enc_hook=_hook)
_decoder = msgspec.json.Decoder()


def _check_numbers(value: Any) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a JSON number: use None or a string")
    elif isinstance(value, (dict, list, tuple)):
        items: Any = value.values() if isinstance(value, dict) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        for item in items:
            _check_numbers(item)


def encode(value: Any, what: str) -> bytes:
    """JSON bytes of anything msgspec or pydantic can encode; raises InvalidEvent."""
    try:
        encoded = _encoder.encode(value)
        if b"null" in encoded:  # how msgspec writes NaN and Infinity
            _check_numbers(msgspec.to_builtins(value, enc_hook=_hook))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidEvent(f"{what} cannot be encoded: {error}") from error
    return encoded


def encode_data(data: Any, content_type: str | None, what: str = "data") -> tuple[bytes, str]:
    """The stored bytes and content type of event or snapshot data; raises InvalidEvent."""
    if content_type is None and data.__class__ is dict:
        return encode(data, what), JSON
    if content_type is not None:
        _check_content_type(content_type)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), content_type or OCTETS  # pyright: ignore[reportUnknownArgumentType]
    encoded = encode({} if data is None else data, what)
    if _MASK in encoded and _masked(data, encoded):
        raise InvalidEvent(
            f"{what} has a secret that pydantic shows as {_MASK.decode()} (SecretStr): it would be "
            "lost; use a plain type, or a field_serializer that returns get_secret_value()"
        )
    return encoded, content_type or JSON


_MASK = b'"**********"'


def _masked(data: object, encoded: bytes) -> bool:
    """Whether a pydantic model is not what it was because pydantic hides secrets."""
    validate = getattr(type(data), "model_validate_json", None)
    try:
        return callable(validate) and validate(encoded) != data
    except ValueError:
        return True


def _check_content_type(content_type: object) -> None:
    if not isinstance(content_type, str):
        raise InvalidEvent(f"content_type must be a str, not {type(content_type).__name__}")
    size = len(content_type.encode("utf-8", "replace"))
    if not content_type.isprintable() or not 0 < size <= limits.CONTENT_TYPE_BYTES_MAX:
        raise InvalidEvent(
            f"content_type must be 1-{limits.CONTENT_TYPE_BYTES_MAX} printable characters"
        )


def encode_metadata(metadata: object, what: str = "metadata") -> bytes:
    """JSON bytes of a mapping with string keys, b"" for none; raises InvalidEvent."""
    if metadata is None:
        return b""
    if not isinstance(metadata, Mapping):
        raise InvalidEvent(f"{what} must be a mapping, not {type(metadata).__name__}")
    pairs: dict[Any, Any] = dict(metadata)  # pyright: ignore[reportUnknownArgumentType]
    for key in pairs:
        if not isinstance(key, str):
            raise InvalidEvent(f"{what} keys must be strings, not {key!r:.60}")
    return encode(pairs, what) if pairs else b""


def is_json(content_type: str) -> bool:
    """Whether data of this content type is JSON (RFC 6839: a type with suffix +json, too)."""
    base = content_type.partition(";")[0].strip().lower()
    return base == JSON or base.endswith("+json") or base == "text/json"


def decode_json(data: bytes, what: str, of: object = None) -> Any:
    """The JSON value of `data`; raises InvalidEvent.

    The error says `what` it is, `of` what: spelled out only then, it takes longer than decoding.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = what if of is None else f"{what} of {of!r}"
        raise InvalidEvent(f"{what} is not JSON: {error}; its bytes are in .data") from error


def decode_as(data: bytes, type_: type[Any], what: str, of: object = None) -> Any:
    """`data` as an object of `type_` (pydantic model or anything msgspec decodes).

    `what` and `of` as in `decode_json`.
    """
    validate = getattr(type_, "model_validate_json", None)
    try:
        if callable(validate):
            return validate(data)
        return msgspec.json.decode(data, type=type_)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        what = what if of is None else f"{what} of {of!r}"
        raise InvalidEvent(f"{what} is not a {type_.__name__}: {error}") from error


def encode_tags(tags: tuple[str, ...]) -> bytes:
    """The stored form of tags: a JSON array, b"" for none."""
    return _encoder.encode(tags) if tags else b""


def payload_key(value: Any) -> str | None:
    """A canonical text of a JSON scalar, equal for equal values; None for arrays and objects.

    Numbers compare by value (1 == 1.0), booleans and null only with themselves.
    """
    match value:
        case None:
            return "null"
        case bool():
            return f"b:{value}"
        case int():
            return f"n:{value}"
        case float():
            return f"n:{int(value)}" if value.is_integer() else f"n:{value!r}"
        case str():
            return f"s:{value}"
        case _:
            return None


_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def deeper_than(data: bytes, limit: int) -> bool:
    """Whether brackets in JSON text nest deeper than a limit (those in strings count, too)."""
    depth = 0
    for byte in data.translate(None, _NO_BRACKETS):
        if byte in b"[{":
            depth += 1
            if depth > limit:
                return True
        else:
            depth -= 1
    return False


_MISSING = object()


def payload_value(document: Any, path: str) -> str | None:
    """The canonical text of the scalar at a dotted path of a JSON document, or None."""
    if isinstance(document, dict) and path in document:
        return payload_key(document[path])
    for part in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(part, _MISSING)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return None if document is _MISSING else payload_key(document)
