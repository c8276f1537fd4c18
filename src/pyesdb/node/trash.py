"""The trash: what is in it, and its end. By incarnation: an id may have several there.

What must never happen here: an erasure that was decided on an older state than the catalog has
(somebody may recover the store at this moment: the expected version of its stream has one winner).
"""

import time
from typing import Protocol

from pyesdb.model.errors import PyesdbError, WrongExpectedVersion
from pyesdb.node import catalog as c
from pyesdb.node import reconcile
from pyesdb.telemetry.clock import now_us
from pyesdb.telemetry.log import logger

_TIMEOUT_S = 15.0
_DUTY_S = 1.0
"""How long a duty waits for a store's lock file; what is left over, the next open deletes."""


class Node(reconcile.Node, Protocol):
    """What is needed of the node."""


def find(node: Node, store_id: str, incarnation: int | None = None) -> c.Record | None:
    """Of an id in the trash the one that was removed last, or the one of an incarnation."""
    found = node.catalog.trash(store_id)
    if incarnation is not None:
        found = [record for record in found if record.incarnation == incarnation]
    return found[-1] if found else None


def purge(node: Node, store_id: str) -> bool:
    """Erase what is in the trash under an id; whether there was something."""
    found = node.catalog.trash(store_id)
    for record in found:
        _erase(node, record, None, _TIMEOUT_S)
    return bool(found)


def expire(node: Node) -> None:
    """Erase what has been in the trash for its time; a recovery that was faster wins."""
    now = now_us()
    for record in node.catalog.trash():
        try:
            _erase(node, record, now, _DUTY_S)
        except PyesdbError as error:  # that store only; the next time tries again
            logger.warning("store %s stays in the trash: %s", record.store_id, error)


def _erase(node: Node, record: c.Record, now: int | None, timeout_s: float) -> None:
    """Erase one incarnation; with `now` (us) only if its time is over, as the catalog says then."""
    found: c.Record | None = record
    while found is not None and (now is None or found.trash_until <= now):
        try:
            reconcile.erase(node, found, time.monotonic() + timeout_s)
        except WrongExpectedVersion:  # something happened to the id: look again
            found = find(node, record.store_id, record.incarnation)
        else:
            return
