"""The documents that commands print under --json, as types; `answers` says which command prints
which.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

import pyesdb

Status = pyesdb.StoreStatus


class Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One JSON object."""


class Event(Document):
    """A recorded event; `data` when it is JSON, else `data_base64`."""

    position: int
    stream: str
    version: int
    type: str
    id: str
    created: datetime
    time: datetime
    tags: list[str]
    metadata: dict[str, Any]
    content_type: str
    data: Any = None
    data_base64: str | None = None


class Appended(Document):
    """What an append did."""

    stream: str
    version: int | None
    position: int | None
    first_version: int | None
    first_position: int | None
    count: int
    duplicate: bool
    token: str


class StreamName(Document):
    """A stream."""

    stream: str


class StreamInfo(Document):
    """Everything about a stream but its events; `max_age` in seconds."""

    stream: str
    state: Literal["active", "deleted", "tombstoned"]
    version: int
    first_version: int
    count: int
    created: datetime
    updated: datetime
    max_age: float | None
    max_count: int | None
    custom: dict[str, Any]


class Snapshot(Document):
    """A snapshot; `data` when it is JSON, else `data_base64`."""

    source: str
    stream: str
    version: int
    created: datetime
    metadata: dict[str, Any]
    data: Any = None
    data_base64: str | None = None


class SnapshotDeleted(Document):
    """A snapshot that is gone; `version` None: all of its source and stream."""

    source: str
    stream: str
    version: int | None
    deleted: Literal[True]


class Store(Document):
    """A store; `written` is when its last event was, under --idle-for."""

    store: str
    status: Status
    created: datetime
    written: datetime | None = None


class StoreState(Document):
    """The status of a store."""

    store: str
    status: Status


class Removed(Document):
    """A store that was removed."""

    store: str
    removed: Literal[True]
    purged: bool


class Recovered(Document):
    """A store that came out of the trash."""

    store: str
    incarnation: int
    status: Status


class Rekeyed(Document):
    """A store under its new key; `rekeyed` False: it was already."""

    store: str
    rekeyed: bool


class Trashed(Document):
    """A store in the trash."""

    store: str
    incarnation: int
    removed: datetime
    expires: datetime
    bytes: int


class Setting(Document):
    """A setting's value, and the layer that it comes from."""

    value: Any
    origin: str


class StoreSettings(Document):
    """Settings of a store by name."""

    store: str
    settings: dict[str, Setting]
    data_dir: str | None = None


class Settings(Document):
    """Every setting by name, of this command line or of a store."""

    settings: dict[str, Setting]
    store: str | None = None
    data_dir: str | None = None
    encryption: bool | None = None
    unknown_variables: dict[str, str] | None = None


class Template(Document):
    """A template."""

    template: str
    settings: dict[str, Any]


class TemplateRemoved(Document):
    """A template that is gone."""

    template: str
    removed: Literal[True]


class Cleaned(Document):
    """What a clean-up did with a store, would do, or could not (`error`)."""

    store: str
    action: Literal["freeze", "remove"]
    done: bool
    created: datetime
    written: datetime
    error: str


class Backup(Document):
    """A backup; with --all, why there is none (`error`) and which old ones were deleted."""

    store: str
    path: str | None
    position: int | None
    incarnation: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    deleted: list[str] = []
    error: str = ""


class Restored(Document):
    """A store made of a backup."""

    store: str
    incarnation: int
    status: Status
    events: int
    position: int


class Copied(Document):
    """A store made of another one."""

    store: str
    source: str
    events: int
    position: int


class Stats(Document):
    """How much is in a store; `bytes` of its events as encoded."""

    store: str
    events: int
    streams: int
    bytes: int
    position: int
    snapshots: int
    subscriptions: int


class Problem(Document):
    """What is wrong with a store, where, and what to do."""

    where: str
    what: str
    advice: str


class Verified(Document):
    """What a verification found."""

    store: str
    ok: bool
    events: int
    streams: int
    entries: int
    problems: list[Problem]


class Finding(Document):
    """What `doctor` found, and what to do about it."""

    area: str
    level: Literal["ok", "hint", "problem"]
    what: str
    advice: str


class BenchCase(Document):
    """One case: a sample per round, more is better; `ratio` to the case `limit`.

    `cpu_busy` is the share of one CPU that it used.
    """

    case: str
    unit: str
    median: float
    samples: list[float]
    limit: str | None
    ratio: float | None
    cpu_busy: float


class Bench(Document):
    """A measurement of this machine; `others_cores` other programs kept busy meanwhile."""

    directory: str
    file_system: str
    cpu: str
    cores: int
    system: str
    python: str
    pyesdb: str
    others_cores: float | None
    rounds: int
    seconds: float
    cases: list[BenchCase]
    verdict: str


class Exported(Document):
    """What an export wrote; `head` is the `--after` of the next one."""

    events: int
    bytes: int
    digest: str
    head: int
    source: str


class Imported(Document):
    """What an import did; `position` is where the source goes on."""

    source: str
    events: int
    skipped: int
    duplicates: int
    position: int


class Subscription(Document):
    """How far a persistent subscription has come, and its settings; `ack_timeout` in seconds."""

    subscription: str
    position: int
    lag: int
    in_flight: int
    parked: int
    consumers: int
    oldest_unacked: datetime | None
    settings: dict[str, Any]


class SubscriptionRemoved(Document):
    """A subscription that is gone."""

    subscription: str
    removed: Literal[True]


class Parked(Document):
    """An event that a subscription has given up, and why."""

    position: int
    stream: str
    version: int
    type: str
    attempts: int
    reason: str
    parked: datetime


class Unparked(Document):
    """How many parked events are tried again, or discarded."""

    subscription: str
    events: int


class Scavenged(Document):
    """What was reclaimed."""

    store: str
    events: int
    bytes: int
