"""What `open` may be given: a directory, ":memory:", or (from the environment) nothing."""

import os
import re
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from pyesdb.config.keys import KeySource
from pyesdb.config.load import Config, load
from pyesdb.config.settings import BY_NAME, checked
from pyesdb.model.checks import check_bool
from pyesdb.model.errors import InvalidTarget, NoTarget, RequestError
from pyesdb.model.names import check_store_id
from pyesdb.node.engine import Node
from pyesdb.node.registry import open_memory, open_node

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET = re.compile(r"://([^:@]*:)?.*@", re.DOTALL)
"""Up to the last @: a secret may have any character, and what stands there alone may be one."""


def masked(target: str) -> str:
    """A target with its secret hidden."""
    return _SECRET.sub(r"://\1***@", target)


def parse(target: str | PathLike[str] | None) -> str:
    """The directory, or ":memory:"; raises InvalidTarget, NoTarget."""
    if target is None:
        target = os.environ.get("PYESDB_URL") or os.environ.get("PYESDB_DATA_DIR")
        if not target:
            raise NoTarget(
                "no target was given: pass a directory, or set PYESDB_URL or PYESDB_DATA_DIR"
            )
    if isinstance(target, PathLike):
        target = os.fspath(target)
    if not isinstance(target, str) or not target or "\0" in target:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTarget(f'a target is a directory or ":memory:", not {target!r:.80}')
    if _SCHEME.match(target):
        raise InvalidTarget(
            f"{masked(target)}: this version opens no addresses, only a directory (its path) or "
            '":memory:"'
        )
    return target


class Opened(NamedTuple):
    """A share of a node, and what this handle has of its own."""

    node: Node
    keys: KeySource | None
    """Given back with the share."""
    server: dict[str, Any]
    """Settings that are written into stores created through this handle."""
    max_stores: int | None


def open_target(
    target: str | PathLike[str] | None,
    *,
    create: bool,
    read_only: bool,
    exclusive: bool,
    durability: str,
    timeout: Any,
    config: Config | None,
) -> Opened:
    """The node of a target, and the defaults for stores created through this handle."""
    place = parse(target)
    check_bool(create, "create")
    check_bool(read_only, "read_only")
    check_bool(exclusive, "exclusive")
    if read_only and exclusive:
        raise RequestError("read_only and exclusive exclude each other")
    loaded = load(config, os.environ)
    keys = None if loaded.encryption is None else KeySource.from_config(loaded.encryption)
    server = {**loaded.server(), **_said(durability, timeout)}
    max_stores: int | None = loaded.process("max_stores")
    if place == ":memory:":
        server["durability"] = "os"
        node = open_memory(keys)
    else:
        base = Path(os.path.realpath(place))
        node = open_node(base, create=create, read_only=read_only, exclusive=exclusive, keys=keys)
    if "max_open_stores" in loaded.given:  # of the directory in this process: the last one counts
        node.max_open_stores = loaded.process("max_open_stores")
    return Opened(node, keys, server, max_stores)


def closed_target(
    target: str | PathLike[str] | None, config: Config | None
) -> tuple[Path, KeySource | None]:
    """A directory that is not opened, and the keys of its stores; raises InvalidTarget."""
    place = parse(target)
    if place == ":memory:":
        raise InvalidTarget('":memory:" has nothing to look after: give a directory')
    loaded = load(config, os.environ)
    keys = None if loaded.encryption is None else KeySource.from_config(loaded.encryption)
    return Path(os.path.realpath(place)), keys


def _said(durability: object, timeout: object) -> dict[str, Any]:
    """What the parameters of `open` say: their defaults say nothing."""
    given = checked({"durability": durability, "timeout": timeout})
    return {name: value for name, value in given.items() if value != BY_NAME[name].default}


def default_store() -> str:
    """The id of the default store (PYESDB_STORE_ID)."""
    return check_store_id(os.environ.get("PYESDB_STORE_ID") or "default")
