"""What an open for writing does first: bring to rest what a crash has left half-way.

What must never happen here: one store's trouble keeps the database from opening.
"""

import time
from typing import Protocol

from pyesdb.model.errors import PyesdbError
from pyesdb.node import drafts, reconcile, trash
from pyesdb.telemetry.log import logger


class Node(trash.Node, Protocol):
    """What is needed of the node."""


def settle(node: Node) -> None:
    """Bring every store id to rest, and delete what nobody waits for."""
    reconcile.sweep(node)
    trash.expire(node)
    for store_id in reconcile.unsettled(node, node.catalog.records()):
        try:
            reconcile.reconcile(node, store_id, time.monotonic() + 1.0)
        except PyesdbError as error:  # that store only; the next open or call tries again
            logger.warning("store %s is not at rest: %s", store_id, error)
    drafts.sweep(node)
    drafts.sweep_empty(node)
