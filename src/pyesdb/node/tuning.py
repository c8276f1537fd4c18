"""Changing stores that exist: settings, freeze and thaw, templates.

An event in `$system` first; then the open stores are shown what it says, and put it into their own
log. A store that is not open learns of it before its next command.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pyesdb.config import settings as table
from pyesdb.model.config import StoreConfig
from pyesdb.model.errors import (
    InvalidConfig,
    RequestError,
    WrongExpectedVersion,
)
from pyesdb.model.names import SYSTEM, check_store_id
from pyesdb.node import catalog as c
from pyesdb.node import reconcile
from pyesdb.node.engine import Node
from pyesdb.node.listing import existing


def update_store(node: Node, store_id: str, settings: Mapping[str, Any]) -> StoreConfig:
    """Change settings of a store; None takes one back to the layer below.

    When this returns the store's own log has them. Raises StoreNotFound, InvalidConfig.
    """
    node.writable()
    wanted = table.checked(settings, clearing=True)

    def change(record: c.Record) -> tuple[str, dict[str, Any]] | None:
        new = {k: v for k, v in wanted.items() if record.settings.get(k) != v}
        return (c.UPDATED, {"settings": new}) if new else None

    return node.config_of(_change(node, store_id, change))


def set_frozen(node: Node, store_id: str, *, frozen: bool) -> None:
    """Freeze a store, or thaw it; either is harmless twice. Raises StoreNotFound."""
    node.writable()

    def change(record: c.Record) -> tuple[str, dict[str, Any]] | None:
        if record.frozen == frozen:
            return None
        return (c.FROZEN if frozen else c.THAWED), {"incarnation": record.incarnation}

    _change(node, store_id, change)


def _change(
    node: Node,
    store_id: str,
    change: Callable[[c.Record], tuple[str, dict[str, Any]] | None],
) -> c.Record:
    """Note what `change` says of the record that is there, and put it into the store's log."""
    if store_id == SYSTEM:
        raise RequestError("store '$system' is the catalog: its settings are fixed")
    while True:
        record = existing(node, store_id)
        found = change(record)
        if found is None:
            break
        try:
            node.note(record, *found)
        except WrongExpectedVersion:
            continue
        reconcile.hook(f"noted {found[0]}")
        break
    runtime = node.runtime(store_id)
    if not node.show(runtime, record := existing(node, store_id)):
        runtime.barrier()
    return record


def save_template(node: Node, name: str, settings: Mapping[str, Any]) -> None:
    """Save a template under a name (spelt like a store id); its stores follow.

    Those that are open here have the new settings when this returns; the others have them before
    their next command. Raises InvalidConfig.
    """
    node.writable()
    check_template_name(name)
    wanted = table.checked(settings)

    def change(found: c.Template | None) -> tuple[str, dict[str, Any]] | None:
        if found is not None and not found.removed and found.settings == wanted:
            return None
        return c.TEMPLATE_SAVED, {"settings": wanted}

    _change_template(node, name, change)
    node.refresh()


def remove_template(node: Node, name: str) -> None:
    """Remove a template: no new store can have it; those that have it stay as they are.

    Raises InvalidConfig when there is none.
    """
    node.writable()
    check_template_name(name)

    def change(found: c.Template | None) -> tuple[str, dict[str, Any]]:
        if found is None or found.removed:
            known = ", ".join(sorted(t.name for t in node.catalog.templates())) or "none"
            raise InvalidConfig(f"there is no template {name!r}: known are {known}")
        return c.TEMPLATE_REMOVED, {}

    _change_template(node, name, change)


def check_template_name(name: str) -> str:
    """A template's name is spelt like a store id; raises InvalidConfig."""
    try:
        return check_store_id(name)
    except RequestError as error:
        raise InvalidConfig(f"template {name!r:.80}: {error}") from None


def _change_template(
    node: Node,
    name: str,
    change: Callable[[c.Template | None], tuple[str, dict[str, Any]] | None],
) -> None:
    """Note what `change` says of the template as it is."""
    while True:
        found = node.catalog.template(name)
        event = change(found)
        if event is None:
            return
        version = -1 if found is None else found.version
        try:
            c.append_to_catalog(node.system, c.template_stream(name), version, *event)
        except WrongExpectedVersion:
            continue
        reconcile.hook(f"noted {event[0]}")
        return
