"""What `open(config=)`, a TOML file and the environment say, put together, each with its origin.

Layers, the later wins: default < file < PYESDB_* < mapping given in code. The settings of stores
found here are the "server" layer: written into stores that are created, never over one that exists.

What must never happen here: a key or a value that is passed over in silence, a secret in a message.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike
from typing import Any, NamedTuple, cast

from pyesdb.config import text
from pyesdb.config.settings import BY_NAME, EVERY, unknown
from pyesdb.model.errors import InvalidConfig

Config = Mapping[str, Any] | str | PathLike[str]

PREFIX = "PYESDB_"
PLACES = {
    "PYESDB_URL": "what open() without a target opens",
    "PYESDB_DATA_DIR": "the same, a directory; PYESDB_URL goes first",
    "PYESDB_STORE_ID": 'the id of the default store ("default")',
    "PYESDB_CONFIG": "the TOML file that is read when open() gets no config",
}
"""Variables that are no settings."""

ENCRYPTION = "encryption"
CODE = "config="
"""The origin of what a mapping says."""


class Given(NamedTuple):
    """A value that somebody gave, as it is stored, and where: a file, a variable, `config=`."""

    value: Any
    origin: str


class Loaded(NamedTuple):
    """Everything that was given; what is missing has its default."""

    given: dict[str, Given]
    encryption: Mapping[str, Any] | None = None

    def server(self) -> dict[str, Any]:
        """The settings of stores: the layer "server" of stores that are created."""
        return {name: self.given[name].value for name in BY_NAME if name in self.given}

    def process(self, name: str) -> Any:
        """A setting of this process, or its default."""
        return self.effective(name).value

    def effective(self, name: str) -> Given:
        """A setting with its origin, which may be "default"."""
        return self.given.get(name) or Given(EVERY[name].default, "default")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load(config: Config | None, environ: Mapping[str, str]) -> Loaded:
    """Everything that `config` (a mapping, a path, or None: PYESDB_CONFIG) and `environ` say.

    Raises InvalidConfig, which says where the bad value stands.
    """
    if config is None:
        config = environ.get("PYESDB_CONFIG") or None
    from_environ = _from_environ(environ)
    if config is None:
        return Loaded(from_environ)
    if isinstance(config, Mapping):
        found = _from_mapping(config, CODE)
        return Loaded({**from_environ, **found.given}, found.encryption)
    found = _from_file(config)
    return Loaded({**found.given, **from_environ}, found.encryption)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Given]:
    """An empty variable is as good as none."""
    found: dict[str, Given] = {}
    for name in EVERY:
        origin = variable(name)
        if word := environ.get(origin):
            found[name] = Given(_checked(name, word, origin, is_text=True), origin)
    return found


def _from_file(path: str | PathLike[str]) -> Loaded:
    try:
        place = os.fspath(path)
    except TypeError:
        place = None
    if not isinstance(place, str) or not place or "\0" in place:
        raise InvalidConfig(
            f"config must be a mapping or the path of a TOML file, not {type(path).__name__}"
        )
    import tomllib  # only who has a file pays for its parser

    try:
        with open(place, "rb") as file:
            values = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"{place} is not TOML: {error}") from None
    except UnicodeDecodeError:
        raise InvalidConfig(f"{place} is not TOML: it must be UTF-8 text") from None
    except RecursionError:
        raise InvalidConfig(f"{place} is not TOML: it is nested too deeply") from None
    except OSError as error:
        raise InvalidConfig(
            f"{place} cannot be read: {error.strerror}; `pyesdb config example` prints such a file"
        ) from None
    return _from_mapping(values, place)


def _from_mapping(values: Mapping[str, Any], origin: str) -> Loaded:
    given: dict[str, Given] = {}
    encryption: Mapping[str, Any] | None = None
    for name, value in values.items():
        if name == ENCRYPTION:
            encryption = _table(value, origin)
        elif name not in EVERY:
            raise InvalidConfig(f"{origin}: {unknown(name, [*EVERY, ENCRYPTION])}")
        else:
            given[name] = Given(_checked(name, value, origin, is_text=False), origin)
    return Loaded(given, encryption)


def _checked(name: str, value: Any, origin: str, *, is_text: bool) -> Any:
    """A value as it is stored; the error of a bad one says where it stands."""
    try:
        if is_text or (isinstance(value, str) and text.KINDS[name] == "duration"):
            value = text.parse(name, value)
        return EVERY[name].check(value)
    except InvalidConfig as error:
        raise InvalidConfig(f"{origin}: {error}") from None


def _table(value: object, origin: str) -> Mapping[str, Any]:
    """A table of its own; what is in it may be secret."""
    table = cast("Mapping[object, Any]", value) if isinstance(value, Mapping) else None
    if table is None or not all(isinstance(key, str) for key in table):
        kind = "keys that are no text" if table else f"a {type(cast('Any', value)).__name__}"
        raise InvalidConfig(f"{origin}: {ENCRYPTION} must be a table of names, not {kind}")
    return cast("Mapping[str, Any]", table)


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """PYESDB_* variables that mean nothing, with the nearest one that does ("" if none is near).

    `open` passes them over: other programs may use the prefix.
    """
    known = [name.removeprefix(PREFIX) for name in (*PLACES, *map(variable, EVERY))]
    found: dict[str, str] = {}
    for name in sorted(environ):
        word = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and word not in known:
            near = get_close_matches(word, known, 1, 0.75)
            found[name] = PREFIX + near[0] if near else ""
    return found
