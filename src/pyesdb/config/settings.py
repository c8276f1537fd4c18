"""One table of settings: name, check, default, whether the machine must know it.

Layers: default < server < template < store. What the machine must know enters a store through a
`Configure` entry in its own log; the rest only steers a process.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from pyesdb.model import limits
from pyesdb.model.config import Origin, StoreConfig
from pyesdb.model.durations import seconds, timeout_s
from pyesdb.model.errors import InvalidConfig, PyesdbError
from pyesdb.model.names import check_tags


class Setting(NamedTuple):
    """One setting: its check turns what a user gives into what is stored (JSON)."""

    name: str
    check: Callable[[Any], Any]
    default: Any
    about: str


def _durability(value: object) -> str:
    if value not in ("fsync", "os"):
        raise InvalidConfig(f'durability must be "fsync" or "os", not {value!r:.60}')
    return str(value)


def _dedup_window(value: object) -> float:
    found = seconds(value, "dedup_window")
    if found < limits.DEDUP_WINDOW_MIN_S:
        raise InvalidConfig(
            f"dedup_window must be at least {limits.DEDUP_WINDOW_MIN_S:.0f} s, not {found:g}: "
            "a repeated command must find its record"
        )
    return found


def _number(name: str, least: int, most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise InvalidConfig(
                f"{name} must be an int from {least} to {most:,}, not {value!r:.60}"
            )
        return value

    return check


def _age(value: object) -> float:
    return seconds(value, "max_age")


def _trash_keep(value: object) -> float:
    return 0.0 if type(value) in (int, float) and value == 0 else seconds(value, "trash_keep")


def _idle_close_after(value: object) -> float:
    return seconds(value, "idle_close_after")


_MANY = 2**53


def _paths(value: object) -> list[str]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InvalidConfig(f"indexed_payload must be a list of paths, not {value!r:.60}")
    paths: list[Any] = list(value)
    if len(paths) > 32 or not all(isinstance(p, str) and 0 < len(p) <= 255 for p in paths):
        raise InvalidConfig("indexed_payload takes up to 32 paths of 1-255 characters")
    return sorted(set(paths))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 4096:
        raise InvalidConfig("description must be a str of at most 4096 characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidConfig("description must be valid Unicode") from None
    return value


def _labels(value: object) -> list[str]:
    try:
        return list(check_tags(value))
    except PyesdbError as error:
        raise InvalidConfig(str(error)) from None


TABLE = (
    Setting("timeout", timeout_s, 15.0, "deadline of a call, at most 120 s"),
    Setting(
        "durability", _durability, "fsync", '"fsync": answered after fsync; "os": survives a kill'
    ),
    Setting("max_events", _number("max_events", 1, _MANY), None, "events a store may hold"),
    Setting("max_bytes", _number("max_bytes", 1, _MANY), None, "bytes of events, as encoded"),
    Setting("max_streams", _number("max_streams", 1, _MANY), None, "streams ever made in a store"),
    Setting(
        "max_event_bytes",
        _number("max_event_bytes", 1, limits.EVENT_BYTES_MAX),
        limits.EVENT_BYTES_MAX,
        "bytes of one event; may only be lowered",
    ),
    Setting(
        "max_append_events",
        _number("max_append_events", 1, limits.APPEND_EVENTS_MAX),
        limits.APPEND_EVENTS_MAX,
        "events in one call; may only be lowered",
    ),
    Setting(
        "max_append_bytes",
        _number("max_append_bytes", 1, limits.APPEND_BYTES_MAX),
        limits.APPEND_BYTES_MAX,
        "bytes in one call, as encoded; may only be lowered",
    ),
    Setting(
        "max_age", _age, None, "how long events are kept, in streams without a max_age of their own"
    ),
    Setting(
        "max_count",
        _number("max_count", 1, _MANY),
        None,
        "how many events a stream keeps, if it says nothing itself",
    ),
    Setting(
        "snapshots_keep",
        _number("snapshots_keep", 0, 2**31),
        0,
        "newest snapshots kept per stream and source; 0: all",
    ),
    Setting(
        "dedup_window",
        _dedup_window,
        limits.DEDUP_WINDOW_S,
        "how long a command id is known, at least 10min",
    ),
    Setting(
        "idle_close_after",
        _idle_close_after,
        300.0,
        "how long without a call until a store's files are closed; the next call opens them",
    ),
    Setting("indexed_payload", _paths, [], "paths of JSON data that select.payload finds by index"),
    Setting("trash_keep", _trash_keep, 86_400.0, "how long a removed store can be recovered"),
    Setting("description", _text, "", "for people"),
    Setting("tags", _labels, [], "for list_stores(tags=...)"),
)
"""The settings of a store."""

PROCESS = (
    Setting(
        "max_stores",
        _number("max_stores", 1, _MANY),
        None,
        "stores that may exist in the directory, for who creates one through this handle",
    ),
    Setting(
        "max_open_stores",
        _number("max_open_stores", 1, 1_000_000),
        None,
        "stores kept open at once; by default an eighth of the files a process may open, at "
        "most 512",
    ),
)
"""The settings of a process: no store has them."""

BY_NAME = {setting.name: setting for setting in TABLE}
EVERY = {setting.name: setting for setting in (*TABLE, *PROCESS)}


def unknown(name: object, known: Iterable[str]) -> str:
    """What to say of a setting that does not exist: the nearest one that does."""
    known = list(known)
    near = get_close_matches(str(name), known, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"unknown setting {name!r:.60}: {hint}"


def checked(settings: Mapping[str, Any], *, clearing: bool = False) -> dict[str, Any]:
    """Settings as stored; raises InvalidConfig, naming the nearest known one.

    `clearing`: None is allowed, and takes the value back to that of the layer below.
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "data_dir":
            raise InvalidConfig("data_dir cannot be set: a store lives in <base>/stores/<id>")
        if name not in BY_NAME:
            raise InvalidConfig(unknown(name, BY_NAME))
        found[name] = None if clearing and value is None else BY_NAME[name].check(value)
    return found


def effective(
    base: Path,
    store_id: str,
    server: Mapping[str, Any],
    template: Mapping[str, Any],
    store: Mapping[str, Any],
) -> StoreConfig:
    """The effective settings of a store with the origin of each."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for setting in TABLE:
        origin: Origin = "default"
        value = setting.default
        if setting.name in server:
            origin, value = "server", server[setting.name]
        if setting.name in template:
            origin, value = "template", template[setting.name]
        if setting.name in store:
            origin, value = "store", store[setting.name]
        values[setting.name] = as_tuple(value)
        origins[setting.name] = origin
    return StoreConfig(data_dir=str(base / "stores" / store_id), origins=origins, **values)


def as_tuple(value: Any) -> Any:
    """A list as a tuple, anything else as it is."""
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return tuple(items)
    return value


_MICROSECONDS = ("max_age", "dedup_window")


def from_machine(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a store's own file says of its settings, as settings of the store."""
    said = {
        name: value / 1e6 if name in _MICROSECONDS and value is not None else value
        for name, value in found.items()
        if name in BY_NAME
    }
    return checked({k: v for k, v in said.items() if as_tuple(v) != as_tuple(BY_NAME[k].default)})


MACHINE = (
    "max_events", "max_bytes", "max_streams", "max_event_bytes", "max_append_events",
    "max_append_bytes", "max_age", "max_count", "snapshots_keep", "dedup_window", "indexed_payload",
)  # fmt: skip
"""What the machine must know: these are in a store's file."""


def for_machine(config: StoreConfig) -> dict[str, Any]:
    """The part of a store's settings that enters its log, in the machine's units."""
    found: dict[str, Any] = {name: getattr(config, name) for name in MACHINE}
    for name in _MICROSECONDS:
        found[name] = None if found[name] is None else round(found[name] * 1e6)
    return found | {"indexed_payload": list(config.indexed_payload)}
