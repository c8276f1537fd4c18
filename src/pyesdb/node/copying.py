"""A store made of another one: all of it, as it was at some moment, or a selection.

What must never happen here: a change to the source, a target that appears before it is whole.
"""

from datetime import datetime
from typing import Any

from pyesdb.model.checks import check_int
from pyesdb.model.durations import to_us
from pyesdb.model.events import Origin
from pyesdb.model.keys import Key
from pyesdb.model.names import check_store_id
from pyesdb.model.selectors import Selector, check_selector
from pyesdb.node import drafts, reconcile
from pyesdb.node.backup import check_identity, frozen
from pyesdb.node.drafts import Draft
from pyesdb.node.engine import Node
from pyesdb.node.lifecycle import check_free, create_from_draft
from pyesdb.node.listing import missing
from pyesdb.sqlite import backup, cipher, files
from pyesdb.sqlite.cipher import Keys
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
    default: str,
) -> None:
    """Make a store `target` of `source`, with its settings; it is running, whole and durable.

    The store `default` is replaced as long as nobody has used it.
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
    check_free(node, target, default)
    with drafts.making(node) as draft:
        reconcile.hook("draft made")
        if select is None:
            key = _clone(node, source, draft, as_of)
        else:
            key = _split(node, source, target, draft, select, as_of)
        encrypted = drafts.encrypt(node, draft, target, key)
        draft.sync()
        reconcile.hook("draft filled")
        data = _settings(node, source, draft) | encrypted
        create_from_draft(node, target, data, max_stores, default)


def _settings(node: Node, source: str, draft: Draft) -> dict[str, Any]:
    """The source's own settings and template; a copy of a frozen store is not frozen."""
    record = node.record(source)
    if record is None:
        raise missing(source, record)
    data = {"settings": record.settings, "server": record.server, "draft": draft.name}
    return data if record.template is None else data | {"template": record.template}


def _clone(node: Node, source: str, draft: Draft, as_of: AsOf) -> Key | None:
    """The file as it is, under the same key, and the tail cut off."""
    with frozen(node, source) as moment:
        key = moment.key
        backup.follow(moment.copy(draft.file), None)
    if key is not None:
        cipher.write_check(draft.file, cipher.new_check(key))
    keys: Keys = lambda: [key] if key else []  # noqa: E731
    if as_of is not None:
        cutting.cut(draft.file, _position(draft, as_of, keys), keys)
    backup.back_to_wal(draft.file, keys)
    return key


def _position(draft: Draft, as_of: int | datetime, keys: Keys) -> int:
    reader = Reader(draft.file, read_only=False, keys=keys)
    try:
        with files.typed_errors(draft.file):
            return queries.position_until(reader, as_of) or 0
    finally:
        reader.connection.close()


def _split(
    node: Node, source: str, target: str, draft: Draft, select: Selector, as_of: AsOf
) -> Key | None:
    """The selected events, in a file built anew, under the key of its own id."""
    runtime = node.runtime(source)
    key = node.keys.for_new(target)
    if key is None and cipher.read_check(runtime.path) is not None:
        raise drafts.without_key(target)
    identity = {"database": node.database, "store": source, "incarnation": 0}
    files.create(draft.file, identity, key)
    reader = Reader(runtime.path, read_only=False, keys=node.keys.of(source))
    try:
        with files.typed_errors(runtime.path), reader.moment():
            check_identity(files.identity_of(reader.connection), runtime)
            until = queries.position_until(reader, as_of)
            moment = splitting.Moment(reader, Origin(source, runtime.incarnation))
            splitting.split(moment, select, until, draft.file, lambda: [key] if key else [])
    finally:
        reader.connection.close()
    return key
