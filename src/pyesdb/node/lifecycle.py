"""Creating, listing, removing stores: an event in `$system`, then reconcile, then the answer."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyesdb.config import settings as table
from pyesdb.model.config import StoreConfig
from pyesdb.model.durations import to_datetime
from pyesdb.model.errors import (
    InvalidConfig,
    PyesdbError,
    RequestError,
    StoreAlreadyExists,
    StoreFailed,
    StoreNotFound,
    WrongExpectedVersion,
)
from pyesdb.model.events import RecordedEvent
from pyesdb.model.names import SYSTEM, check_store_id, check_tags
from pyesdb.model.results import StoreInfo, StoreStatus
from pyesdb.model.selectors import select
from pyesdb.node import catalog as c
from pyesdb.node import reconcile
from pyesdb.node.engine import Node
from pyesdb.node.quota import note_one_more
from pyesdb.store.reads import AllRead
from pyesdb.telemetry.clock import now_us

_TIMEOUT_S = 15.0
TRASH_KEEP_US = 24 * 3600 * 1_000_000


def create_store(
    node: Node,
    store_id: str,
    settings: Mapping[str, Any],
    server: Mapping[str, Any],
    *,
    exist_ok: bool,
    max_stores: int | None = None,
) -> None:
    """Create a store; it is running and durable when this returns.

    `server` are defaults written into it. Raises StoreAlreadyExists, InvalidStoreId, InvalidConfig,
    LimitExceeded when there would be more than `max_stores`.
    """
    check_store_id(store_id)
    node.writable()
    wanted = table.checked(settings)
    while True:
        record = node.record(store_id)
        if record is not None and record.exists:
            _existing(node, record, wanted, exist_ok=exist_ok)
            return
        if record is not None and not reconcile.at_rest(node, record):
            # what was removed goes first, to its own place: by a crash or another process it waits
            reconcile.reconcile(node, store_id, time.monotonic() + _TIMEOUT_S)
            continue
        version = -1 if record is None else record.version
        data = {"settings": wanted, "server": dict(server)}
        try:
            note_one_more(node, store_id, version, c.CREATED, data, max_stores)
        except WrongExpectedVersion:
            continue  # somebody created or removed it at this moment: look again
        break
    reconcile.hook("noted StoreCreated")
    _finish_creation(node, store_id)


def _existing(node: Node, record: c.Record, wanted: Mapping[str, Any], *, exist_ok: bool) -> None:
    if not exist_ok:
        raise StoreAlreadyExists(
            f"store {record.store_id!r} exists: open it with store(), or pass exist_ok=True"
        )
    config = node.config_of(record)
    for name, value in wanted.items():
        found = getattr(config, name)
        if found != table.as_tuple(value):
            raise InvalidConfig(
                f"store {record.store_id!r} exists with {name}={found!r}, not {value!r}: "
                "update_store changes the settings of a store that exists"
            )
    if not record.ready:
        _finish_creation(node, record.store_id)


def _finish_creation(node: Node, store_id: str) -> None:
    try:
        reconcile.reconcile(node, store_id, time.monotonic() + _TIMEOUT_S)
    except PyesdbError as error:
        record = node.record(store_id)
        if record is not None and record.last == c.CREATED:
            try:
                node.note(record, c.CREATE_FAILED, {"reason": str(error)})
            except WrongExpectedVersion:
                _check_created(node, store_id)  # another process was faster: made it, or gave up
                return
        raise
    _check_created(node, store_id)


def _check_created(node: Node, store_id: str) -> None:
    record = node.record(store_id)
    if record is None or not record.ready:
        raise StoreFailed(missing(store_id, record).args[0])


def remove_store(node: Node, store_id: str, *, default: str, missing_ok: bool, purge: bool) -> None:
    """Remove a store: its data goes to the trash, or is erased at once and for ever."""
    node.writable()
    if store_id in (SYSTEM, default):
        raise RequestError(
            f"store {store_id!r} cannot be removed: it is "
            + ("the catalog" if store_id == SYSTEM else "the default store (PYESDB_STORE_ID)")
        )
    check_store_id(store_id)
    while True:
        record = node.record(store_id)
        if record is None or not record.exists:
            if missing_ok:
                return
            raise missing(store_id, record)
        data: dict[str, object] = {
            "incarnation": record.incarnation,
            "purge": purge,
            "trash_until": now_us() + TRASH_KEEP_US,
        }
        try:
            node.note(record, c.REMOVED, data)
        except WrongExpectedVersion:
            continue
        break
    reconcile.hook("noted StoreRemoved")
    reconcile.reconcile(node, store_id, time.monotonic() + _TIMEOUT_S)


def missing(store_id: str, record: c.Record | None) -> StoreNotFound:
    """The error of a store that is not there."""
    if record is not None:
        return StoreNotFound(record.gone())
    return StoreNotFound(
        f"there is no store {store_id!r}: create_store({store_id!r}) makes it, list_stores() shows "
        "what there is"
    )


def info(node: Node, store_id: str) -> StoreInfo:
    """What the catalog says of a store; raises StoreNotFound."""
    node.check()
    if store_id == SYSTEM:
        return _system_info(node)
    check_store_id(store_id)
    record = node.record(store_id)
    if record is None or not record.exists:
        raise missing(store_id, record)
    return _info(node, record)


def _info(node: Node, record: c.Record) -> StoreInfo:
    status, reason = StoreStatus.RUNNING, ""
    if not record.ready:
        status, reason = StoreStatus.STARTING, "being created"
    elif not node.layout.file(record.store_id).exists():
        status = StoreStatus.FAILED
        reason = f"{node.layout.file(record.store_id)} is missing: restore it from a backup"
    elif failure := node.failure(record):
        status, reason = StoreStatus.FAILED, failure
    return StoreInfo(
        store_id=record.store_id,
        incarnation=record.incarnation,
        status=status,
        reason=reason,
        config=node.config_of(record),
        template=None,
        created=to_datetime(record.created),
    )


def _system_info(node: Node) -> StoreInfo:
    first = AllRead(
        node.system, 0, None, lambda _: None, None, 1, backwards=False, system=True
    ).open()
    return StoreInfo(
        store_id=SYSTEM,
        incarnation=0,
        status=StoreStatus.RUNNING,
        reason="",
        config=node.system.config,
        template=None,
        created=first[0].created if first else to_datetime(0),
    )


def list_stores(
    node: Node, prefix: str | None, tags: Iterable[str] | None, *, system: bool
) -> dict[str, StoreInfo]:
    """The stores that exist, by id; `tags`: those that carry all of them."""
    node.check()
    if prefix is not None and not isinstance(prefix, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(f"prefix must be a str, not {type(prefix).__name__}")
    wanted: set[str] = set() if tags is None else set(check_tags(tags))
    found = {SYSTEM: _system_info(node)} if system else {}
    for store_id, record in sorted(node.catalog.records().items()):
        if record.exists and store_id.startswith(prefix or ""):
            described = _info(node, record)
            if wanted.issubset(described.config.tags):
                found[store_id] = described
    return found


def config(node: Node, store_id: str) -> StoreConfig:
    """The effective settings of a store; raises StoreNotFound."""
    return info(node, store_id).config


def audit(node: Node, after: int, store_id: str | None) -> Iterator[list[RecordedEvent]]:
    """Pages of lifecycle events: who, when, what, from where."""
    node.check()
    selector = None if store_id is None else select.stream(c.store_stream(store_id))
    read = AllRead(
        node.system, after, None, lambda _: None, selector, None, backwards=False, system=True
    )
    page = read.open()
    while page:
        yield page
        page = read.next_page()
