"""`max_stores`: one store more, and never one too many, however many processes create at once.

The stores are counted up to a position of `$system`, and the event that adds one is appended under
the condition that none was added behind that position (a DCB append condition, as users have it).
"""

from collections.abc import Sequence
from typing import Protocol

from pyesdb.model.commands import Condition
from pyesdb.model.errors import ConditionFailed, LimitExceeded
from pyesdb.model.selectors import Clause
from pyesdb.node.catalog import CREATED, RECOVERED, Catalog, Change, append_together
from pyesdb.store.runtime import StoreRuntime

_ONE_MORE = (Clause(types=(CREATED, RECOVERED)),)
"""The events by which a store comes to exist."""


class Node(Protocol):
    """What is needed of the node."""

    system: StoreRuntime
    catalog: Catalog


def note_one_more(
    node: Node,
    store_id: str,
    changes: Sequence[Change],
    max_stores: int | None,
) -> int:
    """Append the events by which a store comes to exist; returns the position of the first.

    Raises LimitExceeded when there are `max_stores` (None: any number), WrongExpectedVersion.
    """
    while True:
        condition = None if max_stores is None else _room(node.catalog, store_id, max_stores)
        try:
            return append_together(node.system, changes, condition)
        except ConditionFailed:
            continue  # somebody added a store since the count: count again


def _room(catalog: Catalog, store_id: str, max_stores: int) -> Condition:
    count, position = catalog.count()
    if count >= max_stores:
        raise LimitExceeded(
            f"store {store_id!r} would be one too many: {count} exist, and max_stores is "
            f"{max_stores}: remove_store() one, or open with a higher max_stores",
            limit=max_stores,
            value=count + 1,
            setting="max_stores",
        )
    return Condition(_ONE_MORE, position)
