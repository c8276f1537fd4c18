"""Creating, removing, recovering stores: an event in `$system`, then reconcile, then the answer."""

import time
from collections.abc import Mapping
from typing import Any

from pyesdb.config import settings as table
from pyesdb.model.errors import (
    InvalidConfig,
    PyesdbError,
    RequestError,
    StoreAlreadyExists,
    StoreFailed,
    WrongExpectedVersion,
)
from pyesdb.model.names import SYSTEM, check_store_id
from pyesdb.node import catalog as c
from pyesdb.node import reconcile, trash
from pyesdb.node.engine import Node
from pyesdb.node.listing import missing
from pyesdb.node.quota import note_one_more
from pyesdb.node.replacing import removed, replace, taken, used
from pyesdb.sqlite import swap
from pyesdb.telemetry.clock import now_us

_TIMEOUT_S = 15.0


def create_store(
    node: Node,
    store_id: str,
    settings: Mapping[str, Any],
    server: Mapping[str, Any],
    *,
    exist_ok: bool,
    template: str | None = None,
    max_stores: int | None = None,
) -> None:
    """Create a store; it is running and durable when this returns.

    `server` are defaults written into it. Raises StoreAlreadyExists, InvalidStoreId, InvalidConfig,
    LimitExceeded when there would be more than `max_stores`.
    """
    check_store_id(store_id)
    node.writable()
    wanted = table.checked(settings)
    _check_template(node, template)
    data: dict[str, Any] = {"settings": wanted, "server": dict(server)}
    if template is not None:
        data["template"] = template
    made = _note_created(node, store_id, data, max_stores)
    if isinstance(made, c.Record):
        _existing(node, made, wanted, template, exist_ok=exist_ok)
        return
    reconcile.hook("noted StoreCreated")
    _finish_creation(node, store_id, made)


def create_from_draft(
    node: Node, store_id: str, data: dict[str, Any], max_stores: int | None, default: str
) -> None:
    """Create a store whose content is a draft: `data` names it, and has the settings.

    It replaces the default store as long as nobody has used that.
    Raises StoreAlreadyExists, LimitExceeded; then nothing has happened.
    """
    made = _note_created(node, store_id, data, max_stores, default)
    if isinstance(made, c.Record):
        raise taken(store_id, default)
    reconcile.hook("noted StoreCreated")
    _finish_creation(node, store_id, made)


def check_free(node: Node, store_id: str, default: str) -> None:
    """Raise StoreAlreadyExists now rather than after long work."""
    node.writable()
    record = node.record(store_id)
    if record is not None and record.exists and not _gives_way(node, record, default):
        raise taken(store_id, default)


def _gives_way(node: Node, record: c.Record, default: str) -> bool:
    """Whether a store is replaced by what comes under its id: the default one, if it is unused."""
    if record.store_id != default:
        return False
    moving = swap.pending(node.layout.folder(default))  # it has another key in a moment
    if moving or not reconcile.at_rest(node, record):  # or another process makes it just now
        reconcile.reconcile(node, default, time.monotonic() + _TIMEOUT_S)
    return not used(node, record)


def _note_created(
    node: Node, store_id: str, data: dict[str, Any], max_stores: int | None, default: str = ""
) -> c.Record | int:
    """Append StoreCreated and return the incarnation; or the record of a store that exists.

    The store `default` is replaced as long as nobody has used it.
    """
    while True:
        record = node.record(store_id)
        there = record is not None and record.exists
        if record is not None and there and not _gives_way(node, record, default):
            return record
        if _settled(node, record):
            continue
        version = -1 if record is None else record.version
        if "draft" not in data and node.keys.for_new(store_id) is not None:
            data = {**data, "encrypted": True}
        change = (c.store_stream(store_id), version, c.CREATED, data)
        try:
            if record is None or not there:
                return note_one_more(node, store_id, [change], max_stores)
            return replace(node, record, [change], _TIMEOUT_S) or record
        except WrongExpectedVersion:
            continue  # somebody created or removed it at this moment: look again


def _check_template(node: Node, name: str | None) -> None:
    if name is None:
        return
    names = [template.name for template in node.catalog.templates()]
    if name not in names:
        raise InvalidConfig(
            f"there is no template {name!r:.80}: save_template() makes one"
            + (f", known are {', '.join(sorted(names))}" if names else "")
        )


def _existing(
    node: Node,
    record: c.Record,
    wanted: Mapping[str, Any],
    template: str | None,
    *,
    exist_ok: bool,
) -> None:
    if not exist_ok:
        raise StoreAlreadyExists(
            f"store {record.store_id!r} exists: open it with store(), or pass exist_ok=True"
        )
    if template not in (None, record.template):
        raise InvalidConfig(
            f"store {record.store_id!r} exists with template {record.template!r}, not {template!r}"
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
        _finish_creation(node, record.store_id, record.incarnation)


def _finish_creation(node: Node, store_id: str, incarnation: int) -> None:
    try:
        reconcile.reconcile(node, store_id, time.monotonic() + _TIMEOUT_S)
    except PyesdbError as error:
        record = node.record(store_id)
        if record is None or record.last != c.CREATED or _give_up(node, record, error):
            raise
    _check_created(node, store_id, incarnation)


def _give_up(node: Node, record: c.Record, error: PyesdbError) -> bool:
    """Note that a store could not be made; False: another process was faster: made it, or not."""
    try:
        node.note(record, c.CREATE_FAILED, {"reason": str(error)})
    except WrongExpectedVersion:
        return False
    return True


def _check_created(node: Node, store_id: str, incarnation: int) -> None:
    """It was made; who removes it at once does so behind it, and its handle will say so.

    So does who makes another one then: of that nothing is asked.
    """
    record = node.record(store_id)
    if record is not None and record.incarnation != incarnation:
        return
    if record is None or record.last in (c.CREATED, c.CREATE_FAILED):
        raise StoreFailed(missing(store_id, record).args[0])


def remove_store(node: Node, store_id: str, *, default: str, missing_ok: bool, purge: bool) -> None:
    """Remove a store: its data goes to the trash, or is erased at once and for ever.

    `purge` when there is no such store: what is in the trash under this id is erased.
    """
    node.writable()
    if store_id in (SYSTEM, default):
        raise RequestError(
            f"store {store_id!r} cannot be removed: it is "
            + ("the catalog" if store_id == SYSTEM else "the default store (PYESDB_STORE_ID)")
        )
    check_store_id(store_id)
    if _remove(node, store_id, purge=purge):
        return
    if not (purge and trash.purge(node, store_id)) and not missing_ok:
        raise missing(store_id, node.record(store_id))


def _remove(node: Node, store_id: str, *, purge: bool) -> bool:
    """Remove the store that is there; whether there was one."""
    while True:
        record = node.record(store_id)
        if record is None or not record.exists:
            return False
        if not reconcile.at_rest(node, record):  # else its directory could come behind its end
            try:
                reconcile.reconcile(node, store_id, time.monotonic() + _TIMEOUT_S)
            except PyesdbError as error:
                if record.last != c.CREATED:
                    raise
                if _give_up(node, record, error):  # else nobody could ever remove it
                    return True
            continue
        keep_s = node.config_of(record).trash_keep
        data: dict[str, object] = {
            "incarnation": record.incarnation,
            "purge": purge,
            "trash_until": now_us() + round(keep_s * 1e6),
        }
        try:
            node.note(record, c.REMOVED, data)
        except WrongExpectedVersion:
            continue
        reconcile.hook("noted StoreRemoved")
        reconcile.reconcile(node, store_id, time.monotonic() + _TIMEOUT_S)
        removed(node, keep_s)
        return True


def recover_store(
    node: Node, store_id: str, as_: str | None, max_stores: int | None, default: str
) -> str:
    """Take the newest of an id out of the trash, with its incarnation; returns the id it has now.

    It replaces the default store as long as nobody has used that.
    Raises StoreNotFound (nothing in the trash), StoreAlreadyExists, LimitExceeded (`max_stores`).
    """
    node.writable()
    check_store_id(store_id)
    target = store_id if as_ is None else check_store_id(as_)
    while True:
        record = node.record(store_id)
        there = record if target == store_id else node.record(target)
        taken_by = there if there is not None and there.exists else None
        if taken_by is not None and not _gives_way(node, taken_by, default):
            raise _in_the_way(target, default)
        trashed = trash.find(node, store_id)
        if trashed is not None and (record is None or trashed.version != record.version):
            continue  # not of one moment: there may be a store of this id now
        if trashed is None:
            if record is not None and record.exists:
                raise StoreAlreadyExists(f"store {store_id!r} exists, and none is in the trash")
            raise missing(store_id, record)
        if _settled(node, there) or _settled(node, record):
            continue
        try:
            changes = _recovery(trashed, target, there)
            if taken_by is None:
                note_one_more(node, target, changes, max_stores)
            elif replace(node, taken_by, changes, _TIMEOUT_S) is None:
                raise _in_the_way(target, default)
        except WrongExpectedVersion:
            continue  # erased, recovered or created by somebody else: look again
        break
    reconcile.hook("noted StoreRecovered")
    reconcile.reconcile(node, target, time.monotonic() + _TIMEOUT_S)
    reconcile.hook("recovered")
    return target


def _settled(node: Node, record: c.Record | None) -> bool:
    """A removal that was cut short is finished first; whether it had to be."""
    if record is None or record.exists or reconcile.at_rest(node, record):
        return False
    reconcile.reconcile(node, record.store_id, time.monotonic() + _TIMEOUT_S)
    return True


def _in_the_way(target: str, default: str) -> StoreAlreadyExists:
    if target == default:
        return taken(target, default)
    return StoreAlreadyExists(f"store {target!r} exists: recover_store(as_=...) gives another id")


def _recovery(trashed: c.Record, target: str, there: c.Record | None) -> list[c.Change]:
    """The events by which a store leaves the trash, under its id or another one."""
    data: dict[str, Any] = {"incarnation": trashed.incarnation}
    leaving = c.store_stream(trashed.store_id), trashed.version, c.RECOVERED
    changes: list[c.Change] = [(*leaving, data)]
    if target != trashed.store_id:
        known = {
            "created": trashed.created,
            "settings": trashed.settings,
            "server": trashed.server,
            "template": trashed.template,
            "frozen": trashed.frozen,
            "encrypted": trashed.encrypted,
        }
        arriving = c.store_stream(target), -1 if there is None else there.version, c.RECOVERED
        changes = [
            (*leaving, data | {"as": target}),
            (*arriving, data | {"from": trashed.store_id, "record": known}),
        ]
    return changes
