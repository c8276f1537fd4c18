"""PyESDB: many independent event stores in one place, embedded in a Python process.

import pyesdb
from pyesdb import NewEvent

with pyesdb.open("shop-data") as db:
    store = db.create_store("tenant-acme", exist_ok=True)
    store.append("order-1", NewEvent("OrderPlaced", {"total": 30}))
    for event in store.read("order-1"):
        print(event.version, event.type, event.json())
"""

from typing import TYPE_CHECKING
from typing import Any as _Any

from pyesdb.embedded.database import Database, open  # noqa: A004
from pyesdb.embedded.events import Events, Loaded
from pyesdb.embedded.follow import Follower
from pyesdb.embedded.store import Store
from pyesdb.model.config import ServerSettings, StoreConfig, StoreSettings
from pyesdb.model.durations import Duration
from pyesdb.model.errors import (
    AccessDenied,
    CommandMismatch,
    ConditionFailed,
    ConflictError,
    ConnectionLost,
    Corrupt,
    DatabaseClosed,
    DatabaseLocked,
    DatabaseNotFound,
    DeadlineExceeded,
    DiskFull,
    Ended,
    Fault,
    Forked,
    HistoryChanged,
    Internal,
    InvalidConfig,
    InvalidEvent,
    InvalidSelector,
    InvalidStoreId,
    InvalidStreamName,
    InvalidTarget,
    LeaderUnavailable,
    LimitExceeded,
    NewerFormat,
    NotADatabase,
    NoTarget,
    NotFound,
    OutcomeUnknown,
    ProjectionBusy,
    PyesdbError,
    RateLimited,
    RequestError,
    SnapshotConflict,
    SnapshotNotFound,
    StoreAlreadyExists,
    StoreFailed,
    StoreFrozen,
    StoreNotFound,
    StoreRemoved,
    StoreStarting,
    StreamDeleted,
    StreamNotFound,
    StreamTombstoned,
    SubscriptionAlreadyExists,
    SubscriptionNotFound,
    SubscriptionRemoved,
    TrackingConflict,
    Unauthenticated,
    Unavailable,
    UnsafeFileSystem,
    WindowFull,
    WrongEventLoop,
    WrongExpectedVersion,
)
from pyesdb.model.events import NewEvent, RecordedEvent
from pyesdb.model.results import (
    AppendManyResult,
    AppendResult,
    BackupInfo,
    Problem,
    ScavengeResult,
    Snapshot,
    StoreInfo,
    StoreStats,
    StoreStatus,
    StreamInfo,
    TrashedStore,
    VerifyResult,
)
from pyesdb.model.selectors import AppendCondition, Query, QueryItem, Selector, select
from pyesdb.model.subscriptions import (
    DeliveredEvent,
    ParkedEvent,
    SubscriptionInfo,
    SubscriptionSettings,
)
from pyesdb.model.versions import Cursor, ExpectedVersion, StreamState, StreamVersion, Token
from pyesdb.store.writes import Append

if TYPE_CHECKING:
    from pyesdb.deciders.decider import Decider, Handled
    from pyesdb.embedded.aio import AsyncStore
    from pyesdb.embedded.aioconsumer import AsyncConsumer
    from pyesdb.embedded.aiodatabase import AsyncDatabase, open_async
    from pyesdb.embedded.aioevents import AsyncEvents, AsyncLoaded
    from pyesdb.embedded.aiofollow import AsyncFollower
    from pyesdb.embedded.consumer import Consumer
    from pyesdb.types.registry import EventTypes

    __version__: str

_LATER = {
    "AsyncStore": "pyesdb.embedded.aio",
    "AsyncDatabase": "pyesdb.embedded.aiodatabase",
    "open_async": "pyesdb.embedded.aiodatabase",
    "AsyncEvents": "pyesdb.embedded.aioevents",
    "AsyncLoaded": "pyesdb.embedded.aioevents",
    "AsyncFollower": "pyesdb.embedded.aiofollow",
    "AsyncConsumer": "pyesdb.embedded.aioconsumer",
    "Consumer": "pyesdb.embedded.consumer",
    "EventTypes": "pyesdb.types.registry",
    "Decider": "pyesdb.deciders.decider",
    "Handled": "pyesdb.deciders.decider",
}
"""The asynchronous half and what it needs of asyncio are loaded when first asked for (PEP 562):
they are a third of the time of an import. So is what not every program uses."""


if not TYPE_CHECKING:  # else a misspelt name would be of any type

    def __getattr__(name: str) -> _Any:
        from importlib import import_module, metadata

        if name in _LATER:
            found: _Any = getattr(import_module(_LATER[name]), name)
        elif name == "__version__":
            try:
                found = metadata.version("pyesdb")
            except metadata.PackageNotFoundError:  # run from a source tree that is not installed
                found = "unknown"
        else:
            raise AttributeError(f"module 'pyesdb' has no attribute {name!r}")
        globals()[name] = found
        return found


del TYPE_CHECKING


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, "__version__"})


__all__ = [
    "AccessDenied",
    "Append",
    "AppendCondition",
    "AppendManyResult",
    "AppendResult",
    "AsyncConsumer",
    "AsyncDatabase",
    "AsyncEvents",
    "AsyncFollower",
    "AsyncLoaded",
    "AsyncStore",
    "BackupInfo",
    "CommandMismatch",
    "ConditionFailed",
    "ConflictError",
    "ConnectionLost",
    "Consumer",
    "Corrupt",
    "Cursor",
    "Database",
    "DatabaseClosed",
    "DatabaseLocked",
    "DatabaseNotFound",
    "DeadlineExceeded",
    "Decider",
    "DeliveredEvent",
    "DiskFull",
    "Duration",
    "Ended",
    "EventTypes",
    "Events",
    "ExpectedVersion",
    "Fault",
    "Follower",
    "Forked",
    "Handled",
    "HistoryChanged",
    "Internal",
    "InvalidConfig",
    "InvalidEvent",
    "InvalidSelector",
    "InvalidStoreId",
    "InvalidStreamName",
    "InvalidTarget",
    "LeaderUnavailable",
    "LimitExceeded",
    "Loaded",
    "NewEvent",
    "NewerFormat",
    "NoTarget",
    "NotADatabase",
    "NotFound",
    "OutcomeUnknown",
    "ParkedEvent",
    "Problem",
    "ProjectionBusy",
    "PyesdbError",
    "Query",
    "QueryItem",
    "RateLimited",
    "RecordedEvent",
    "RequestError",
    "ScavengeResult",
    "Selector",
    "ServerSettings",
    "Snapshot",
    "SnapshotConflict",
    "SnapshotNotFound",
    "Store",
    "StoreAlreadyExists",
    "StoreConfig",
    "StoreFailed",
    "StoreFrozen",
    "StoreInfo",
    "StoreNotFound",
    "StoreRemoved",
    "StoreSettings",
    "StoreStarting",
    "StoreStats",
    "StoreStatus",
    "StreamDeleted",
    "StreamInfo",
    "StreamNotFound",
    "StreamState",
    "StreamTombstoned",
    "StreamVersion",
    "SubscriptionAlreadyExists",
    "SubscriptionInfo",
    "SubscriptionNotFound",
    "SubscriptionRemoved",
    "SubscriptionSettings",
    "Token",
    "TrackingConflict",
    "TrashedStore",
    "Unauthenticated",
    "Unavailable",
    "UnsafeFileSystem",
    "VerifyResult",
    "WindowFull",
    "WrongEventLoop",
    "WrongExpectedVersion",
    "__version__",
    "open",
    "open_async",
    "select",
]
