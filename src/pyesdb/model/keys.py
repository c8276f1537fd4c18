"""A key: 32 bytes that encrypt a store's file.

What must never happen here: key material in a repr, a pickle or an error's text.
"""

import base64
import binascii
import secrets
from typing import NoReturn

from pyesdb.model.errors import InvalidConfig

KEY_BYTES = 32
FORMS = "32 bytes, or as text 64 hexadecimal digits or base64 (`pyesdb key new` prints one)"


class Key:
    """Key material, which shows itself to nobody who does not ask for `hex`."""

    __slots__ = ("_bytes",)

    def __init__(self, material: bytes) -> None:
        self._bytes = material

    @property
    def material(self) -> bytes:
        """The 32 bytes."""
        return self._bytes

    def __repr__(self) -> str:
        return "<Key ***>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and secrets.compare_digest(self._bytes, other._bytes)

    def __hash__(self) -> int:
        return hash(self._bytes)


def new_key() -> str:
    """A new random key as 64 hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


def parse_key(value: object, where: str) -> Key:
    """A key as somebody gives it; raises InvalidConfig, which says where it stood and not what."""
    if isinstance(value, (bytes, bytearray)):
        given = bytes(value)
        if len(given) == KEY_BYTES:
            return Key(given)
        try:
            text = given.decode("ascii")
        except UnicodeDecodeError:
            text = ""
    else:
        text = value if isinstance(value, str) else ""
    material = _decoded(text.strip())
    if material is None:
        raise InvalidConfig(f"{where} is not a key: a key is {FORMS}")
    return Key(material)


def _decoded(text: str) -> bytes | None:
    try:
        if len(text) == 2 * KEY_BYTES:
            return bytes.fromhex(text)
        if len(text) in (43, 44):
            plain = text.rstrip("=").replace("-", "+").replace("_", "/")
            found = base64.b64decode(plain + "=", validate=True)
            return found if len(found) == KEY_BYTES else None
    except (ValueError, binascii.Error):
        pass
    return None
