"""A store made of another one: all of it, as it was at some moment, or a selection.

What must never happen here: a change to the source, a target that appears before it is whole.
"""

from datetime import datetime
from typing import Any

from pyesdb.model.checks import check_int
from pyesdb.model.durations import to_us
from pyesdb.model.events import Origin
from pyesdb.model.names import check_store_id
from pyesdb.model.selectors import Selector, check_selector
from pyesdb.node import drafts, reconcile
from pyesdb.node.backup import check_identity, frozen
from pyesdb.node.drafts import Draft
from pyesdb.node.engine import Node
from pyesdb.node.lifecycle import check_free, create_from_draft
from pyesdb.node.listing import missing
from pyesdb.sqlite import backup, files
from pyesdb.store import cutting, queries, splitting
from pyesdb.store.readers import Reader

AsOf = int | datetime | None


def copy_store(
    node: Node,
    source: str,
    target: str,
    select: Selector | None,
    as_of: AsOf,
    max_stores: int | None,
) -> None:
    """Make a store `target` of `source`, with its settings; it is running, whole and durable.

    Raises StoreNotFound, StoreAlreadyExists, LimitExceeded, InvalidSelector, RequestError.
    """
    node.writable()
    check_store_id(source)
    check_store_id(target)
    if select is not None:
        check_selector(select)
    if isinstance(as_of, datetime):
        to_us(as_of, "as_of")
    elif as_of is not None:
        check_int(as_of, "as_of")
    check_free(node, target)
    with drafts.making(node) as draft:
        reconcile.hook("draft made")
        if select is None:
            _clone(node, source, draft, as_of)
        else:
            _split(node, source, draft, select, as_of)
        draft.sync()
        reconcile.hook("draft filled")
        create_from_draft(node, target, _settings(node, source, draft), max_stores)


def _settings(node: Node, source: str, draft: Draft) -> dict[str, Any]:
    """The source's own settings and template; a copy of a frozen store is not frozen."""
    record = node.record(source)
    if record is None:
        raise missing(source, record)
    data = {"settings": record.settings, "server": record.server, "draft": draft.name}
    return data if record.template is None else data | {"template": record.template}


def _clone(node: Node, source: str, draft: Draft, as_of: AsOf) -> None:
    """The file as it is, and the tail cut off."""
    with frozen(node, source) as moment:
        backup.follow(moment.copy(draft.file), None)
    if as_of is not None:
        cutting.cut(draft.file, _position(draft, as_of))
    backup.back_to_wal(draft.file)


def _position(draft: Draft, as_of: int | datetime) -> int:
    reader = Reader(draft.file, read_only=False)
    try:
        with files.typed_errors(draft.file):
            return queries.position_until(reader, as_of) or 0
    finally:
        reader.connection.close()


def _split(node: Node, source: str, draft: Draft, select: Selector, as_of: AsOf) -> None:
    """The selected events, in a file built anew."""
    files.create(draft.file, {"database": node.database, "store": source, "incarnation": 0})
    runtime = node.runtime(source)
    reader = Reader(runtime.path, read_only=False)
    try:
        with files.typed_errors(runtime.path), reader.moment():
            check_identity(files.identity_of(reader.connection), runtime)
            until = queries.position_until(reader, as_of)
            moment = splitting.Moment(reader, Origin(source, runtime.incarnation))
            splitting.split(moment, select, until, draft.file)
    finally:
        reader.connection.close()
