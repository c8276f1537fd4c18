"""The effective settings of a store, with the origin of each."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, TypedDict

import msgspec

Origin = Literal["default", "server", "template", "store"]


class StoreSettings(TypedDict, total=False):
    """Settings of one store, as given to create_store."""

    timeout: float | timedelta
    durability: Literal["fsync", "os"]
    max_events: int
    max_bytes: int
    max_streams: int
    max_event_bytes: int
    max_append_events: int
    max_append_bytes: int
    max_age: float | timedelta
    max_count: int
    snapshots_keep: int
    dedup_window: float | timedelta
    indexed_payload: Sequence[str]
    trash_keep: float | timedelta
    idle_close_after: float | timedelta
    description: str
    tags: Sequence[str]


class ServerSettings(StoreSettings, total=False):
    """What open(config=), its file and `PYESDB_...` variables say: defaults of stores, and limits.

    `max_stores`: how many may exist in the directory; `max_open_stores`: how many stay open.
    """

    max_stores: int
    max_open_stores: int


class StoreConfig(msgspec.Struct, frozen=True):
    """Effective settings of a store (durations in seconds) and where it lives.

    None: no limit. `snapshots_keep` 0 keeps all. `origin(key)` says which layer a value comes from.
    """

    data_dir: str
    timeout: float
    durability: Literal["fsync", "os"]
    max_events: int | None
    max_bytes: int | None
    max_streams: int | None
    max_event_bytes: int
    max_append_events: int
    max_append_bytes: int
    max_age: float | None
    max_count: int | None
    snapshots_keep: int
    dedup_window: float
    indexed_payload: tuple[str, ...]
    trash_keep: float
    idle_close_after: float
    description: str
    tags: tuple[str, ...]
    origins: dict[str, Origin] = {}

    def origin(self, key: str) -> Origin:
        """The layer of a setting: default < server < template < store; raises InvalidConfig."""
        if key in self.origins:
            return self.origins[key]
        from pyesdb.model.errors import InvalidConfig

        raise InvalidConfig(f"unknown setting {key!r:.60}: known are {', '.join(self.origins)}")
