"""What calls return."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeVar

import msgspec

from pyesdb.model import encoding
from pyesdb.model.config import StoreConfig
from pyesdb.model.versions import Token

T = TypeVar("T")


class AppendResult(msgspec.Struct, frozen=True):
    """What an append did. `version` and `position` are the last event's.

    `count` is 0 for an empty append; then `first_version` and `first_position` are None, and
    `version` and `position` are those of the stream's last event, if there is one. `duplicate`: the
    answer comes from an earlier identical call and nothing new was stored.
    """

    stream: str
    version: int | None
    position: int | None
    first_version: int | None
    first_position: int | None
    count: int
    duplicate: bool
    token: Token


class AppendManyResult(msgspec.Struct, frozen=True):
    """What an append to several streams did, stream by stream in the order given."""

    results: tuple[AppendResult, ...]
    position: int | None
    duplicate: bool
    token: Token


class StreamInfo(msgspec.Struct, frozen=True):
    """A stream: its last and first visible version, state, visible events, retention."""

    stream: str
    version: int
    first_version: int
    state: Literal["active", "deleted", "tombstoned"]
    count: int
    created: datetime
    updated: datetime
    max_age: timedelta | None
    max_count: int | None
    custom: Mapping[str, Any]


class Snapshot(msgspec.Struct, frozen=True):
    """The state of a stream at a version, as `source` (an aggregate type, say) computed it."""

    source: str
    stream: str
    version: int
    data: bytes
    metadata: Mapping[str, Any]
    created: datetime

    def json(self) -> Any:
        """The data as JSON value; raises InvalidEvent."""
        return encoding.decode_json(self.data, f"the snapshot of {self.stream!r}")

    def decode(self, type: type[T]) -> T:  # noqa: A002  (binding name)
        """The data as an object of `type`; raises InvalidEvent."""
        return encoding.decode_as(self.data, type, f"the snapshot of {self.stream!r}")


class ScavengeResult(msgspec.Struct, frozen=True):
    """Events removed, and bytes of the file given back for reuse."""

    events: int
    bytes: int


class BackupInfo(msgspec.Struct, frozen=True):
    """A backup that was made: `position` is its last event's; bytes and SHA-256 are the file's."""

    path: str
    store_id: str
    incarnation: int
    position: int
    bytes: int
    sha256: str


class StoreStats(msgspec.Struct, frozen=True):
    """Figures of a store: events that are stored, hidden ones included, until a scavenge; streams
    that ever existed; bytes of the events as encoded, what `max_bytes` counts; the last position.
    """

    events: int
    streams: int
    bytes: int
    position: int
    snapshots: int
    subscriptions: int


class Problem(msgspec.Struct, frozen=True):
    """One thing that `verify` found: in which file, stream, position or index; what; what to do."""

    where: str
    what: str
    advice: str


class VerifyResult(msgspec.Struct, frozen=True):
    """What `verify` examined, and what it found; `ok` when that is nothing."""

    ok: bool
    events: int
    streams: int
    entries: int
    problems: tuple[Problem, ...]


class StoreStatus(StrEnum):
    """Where a store is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    FROZEN = "frozen"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class StoreInfo(msgspec.Struct, frozen=True):
    """A store of the catalog. `reason` says why it is not running, when it is not."""

    store_id: str
    incarnation: int
    status: StoreStatus
    reason: str
    config: StoreConfig
    template: str | None
    created: datetime
    stale_since: datetime | None = None


class TrashedStore(msgspec.Struct, frozen=True):
    """A removed store whose data is still there, until `expires`; `bytes` on disk."""

    store_id: str
    incarnation: int
    removed: datetime
    expires: datetime
    bytes: int
