"""Where the keys of encrypted stores come from: a file, a variable or a function per store.

A source may offer several keys for one store, the current one first: that is how a store gets a new
key while the old one still opens it. What must never happen here: a key that is kept, shown or put
into an error; a store that is not encrypted because its key could not be read.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

from pyesdb.model.errors import AccessDenied, InvalidConfig, PyesdbError
from pyesdb.model.keys import KEY_BYTES, Key, parse_key
from pyesdb.model.names import SYSTEM

Look = Callable[[str], object]
_SOURCES = ("key_file", "key_env", "key")


class KeySource:
    """The keys of the stores of a database. `look(store_id)` gives what was found, or None."""

    def __init__(
        self, look: Look, where: str, *, required: bool = False, given: object = None
    ) -> None:
        self._look = look
        self._where = where
        self._required = required
        self._given = look if given is None else given

    def __eq__(self, other: object) -> bool:
        """Whether it says the same of every store: an application may open once per request."""
        return isinstance(other, KeySource) and (
            (self._where, self._required) == (other._where, other._required)
            and bool(self._given == other._given)
        )

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return f"<KeySource {self._where}>"

    @classmethod
    def from_config(cls, mapping: Mapping[str, Any]) -> Self:
        """The source that the table [encryption] says; raises InvalidConfig.

        One of `key_file` (a path), `key_env` (a variable), `key` (a function of the store id);
        `required`: a store is not created without a key.
        """
        for name in mapping:
            if name not in (*_SOURCES, "required"):
                near = get_close_matches(name, (*_SOURCES, "required"), 1, 0.5)
                hint = f": did you mean {near[0]!r}?" if near else ""
                raise InvalidConfig(f"unknown setting {name!r:.60} in encryption{hint}")
        given = [name for name in _SOURCES if name in mapping]
        if len(given) != 1:
            raise InvalidConfig(
                "encryption takes exactly one of key_file, key_env and key, "
                f"not {' and '.join(given) or 'none'}"
            )
        required = mapping.get("required", False)
        if not isinstance(required, bool):
            raise InvalidConfig("encryption.required must be true or false")
        value: Any = mapping[given[0]]
        look, where = _READERS[given[0]](value)
        return cls(look, where, required=required, given=value)

    def keys(self, store_id: str) -> tuple[Key, ...]:
        """The keys of a store, the current one first; empty: it is not to be encrypted.

        Raises AccessDenied when they cannot be read, InvalidConfig when they are no keys.
        """
        try:
            found = self._look(store_id)
        except PyesdbError:
            raise
        except Exception as error:  # whatever a function of the user's raises
            raise AccessDenied(
                f"the key of store {store_id!r} could not be read from {self._where} "
                f"({type(error).__name__}): mend that, then call again"
            ) from error
        return _parsed(found, f"what {self._where} gives for store {store_id!r}")

    def for_new(self, store_id: str) -> Key | None:
        """The key that a store is created with, None for none; raises AccessDenied."""
        found = self.keys(store_id)
        if not found and self._required and store_id != SYSTEM:
            raise AccessDenied(
                f"store {store_id!r} has no key in {self._where}, and encryption is required: "
                "make one with `pyesdb key new`"
            )
        return found[0] if found else None


def _parsed(found: object, where: str) -> tuple[Key, ...]:
    if found is None:
        return ()
    if isinstance(found, (str, bytes, bytearray)):
        return tuple(parse_key(part, where) for part in _parts(found))
    if not isinstance(found, Iterable):
        return (parse_key(found, where),)
    parts: Iterable[object] = found
    return tuple(parse_key(part, where) for part in parts)


def _parts(found: str | bytes | bytearray) -> Iterable[object]:
    """A text may hold several keys, one per line or word; 32 bytes are one key."""
    if isinstance(found, str):
        return found.split() or [found]
    given = bytes(found)
    return [given] if len(given) == KEY_BYTES else given.split() or [given]


def _file(pattern: Any) -> tuple[Look, str]:
    if not isinstance(pattern, (str, os.PathLike)) or not os.fspath(pattern):
        raise InvalidConfig('encryption.key_file must be a path such as "/keys/{store}.key"')
    text = str(os.fspath(pattern))  # type: ignore[arg-type]  # pyright: ignore[reportUnknownArgumentType]

    def look(store_id: str) -> bytes | None:
        try:
            return Path(text.replace("{store}", store_id)).read_bytes()
        except FileNotFoundError:
            return None

    return look, f"the file {text}"


def _variable(pattern: Any) -> tuple[Look, str]:
    if not isinstance(pattern, str) or not pattern:
        raise InvalidConfig('encryption.key_env must be a name such as "KEY_{STORE}"')

    def look(store_id: str) -> str | None:
        word = store_id.upper().replace("-", "_").replace("$", "_")
        return os.environ.get(pattern.replace("{STORE}", word))

    return look, f"the variable {pattern}"


def _function(given: Any) -> tuple[Look, str]:
    if not callable(given):
        raise InvalidConfig("encryption.key must be a function of the store id")
    return given, "the function encryption.key"


_READERS: dict[str, Callable[[Any], tuple[Look, str]]] = {
    "key_file": _file,
    "key_env": _variable,
    "key": _function,
}
NO_KEYS = KeySource(lambda _: None, "encryption")
"""The source of a database that was opened without one."""
