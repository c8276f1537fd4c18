"""What an open for writing does first: bring to rest what a crash has left half-way.

What must never happen here: one store's trouble keeps the database from opening.
"""

import time
from typing import Protocol

from pyesdb.model.errors import PyesdbError
from pyesdb.node import drafts, reconcile, trash
from pyesdb.sqlite import swap
from pyesdb.telemetry.log import logger


class Node(trash.Node, Protocol):
    """What is needed of the node."""


def settle(node: Node) -> None:
    """Bring every store id to rest, and delete what nobody waits for."""
    reconcile.sweep(node)
    trash.expire(node)
    for store_id in _unsettled(node):
        try:
            reconcile.reconcile(node, store_id, time.monotonic() + 1.0)
        except PyesdbError as error:  # that store only; the next open or call tries again
            logger.warning("store %s is not at rest: %s", store_id, error)
    drafts.sweep(node)
    drafts.sweep_empty(node)


def _unsettled(node: Node) -> list[str]:
    """Store ids whose disk is not what the catalog says."""
    moving = swap.unfinished(node.layout.base)
    records = node.catalog.records().items()
    return [id_ for id_, found in records if id_ in moving or not reconcile.at_rest(node, found)]
