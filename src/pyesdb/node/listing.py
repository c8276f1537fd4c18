"""What there is: stores, their settings, the trash, the audit trail. Reads the catalog only."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import cast

from pyesdb.model.config import StoreConfig, StoreSettings
from pyesdb.model.durations import to_datetime
from pyesdb.model.errors import RequestError, StoreNotFound
from pyesdb.model.events import RecordedEvent
from pyesdb.model.names import SYSTEM, check_store_id, check_tags
from pyesdb.model.results import StoreInfo, StoreStatus, TrashedStore
from pyesdb.model.selectors import select
from pyesdb.node import catalog as c
from pyesdb.node import reconcile
from pyesdb.node.engine import Node
from pyesdb.store.reads import AllRead


def missing(store_id: str, record: c.Record | None) -> StoreNotFound:
    """The error of a store that is not there."""
    if record is not None:
        return StoreNotFound(record.gone())
    return StoreNotFound(
        f"there is no store {store_id!r}: create_store({store_id!r}) makes it, list_stores() shows "
        "what there is"
    )


def existing(node: Node, store_id: str) -> c.Record:
    """The record of a store that is there; raises StoreNotFound, InvalidStoreId."""
    check_store_id(store_id)
    record = node.record(store_id)
    if record is None or not record.exists:
        raise missing(store_id, record)
    return record


def info(node: Node, store_id: str) -> StoreInfo:
    """What the catalog says of a store; raises StoreNotFound."""
    node.check()
    if store_id == SYSTEM:
        return _system_info(node)
    return _info(node, existing(node, store_id))


def _info(node: Node, record: c.Record) -> StoreInfo:
    status, reason = StoreStatus.FROZEN if record.frozen else StoreStatus.RUNNING, ""
    if not record.ready:
        status, reason = StoreStatus.STARTING, "being created"
    elif not reconcile.at_rest(node, record):
        status, reason = StoreStatus.STARTING, "being recovered"
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
        template=record.template,
        created=to_datetime(record.created),
    )


def _system_info(node: Node) -> StoreInfo:
    read = AllRead(node.system, 0, None, lambda _: None, None, 1, backwards=False, system=True)
    with c.readable():
        first = read.open()
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
    with c.readable():
        page = read.open()
    while page:
        yield page
        with c.readable():
            page = read.next_page()


def trash(node: Node) -> list[TrashedStore]:
    """What can be recovered, the oldest removal first; `bytes` on disk."""
    node.check()
    return [
        TrashedStore(
            store_id=record.store_id,
            incarnation=record.incarnation,
            removed=to_datetime(record.removed),
            expires=to_datetime(record.trash_until),
            bytes=_size(node.layout.trashed(record.store_id, record.incarnation)),
        )
        for record in node.catalog.trash()
    ]


def _size(folder: Path) -> int:
    """Bytes of the files of a directory, 0 if it is gone."""
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except OSError:
        return 0


def templates(node: Node) -> dict[str, StoreSettings]:
    """The templates by name, each with what it sets."""
    node.check()
    found = sorted(node.catalog.templates(), key=lambda template: template.name)
    return {template.name: cast(StoreSettings, deepcopy(template.settings)) for template in found}
