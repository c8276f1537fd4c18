"""Outcomes: what the machine answers to a command; a refusal is one of them, never an exception."""

from typing import Any

import msgspec

from pyesdb.model.errors import PyesdbError, error_for
from pyesdb.model.versions import expected_of, version_of


class Appended(msgspec.Struct, frozen=True, array_like=True, tag="a", gc=False):
    """Per stream: (stream id, count, last version, last position); -1 where there is none.

    `duplicate` is set in answers that come from an earlier call; it is never recorded.
    """

    results: tuple[tuple[int, int, int, int], ...]
    many: bool = False
    duplicate: bool = False


class Done(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """A command other than an append succeeded; `value` is its answer."""

    value: Any = None


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Nothing was changed; `code` is the error's code, `fields` are its fields."""

    code: str
    message: str
    fields: dict[str, Any] = {}


Outcome = Appended | Done | Refused

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)
encode_outcome = _encoder.encode
decode_outcome = _decoder.decode


def error_of(refused: Refused) -> PyesdbError:
    """The exception of a refusal, raised once, at the edge."""
    fields = dict(refused.fields)
    if "expected" in fields:
        fields["expected"] = expected_of(fields["expected"])
    if "actual" in fields:
        fields["actual"] = version_of(fields["actual"])
    return error_for(refused.code, refused.message, fields)
