"""A new key for a store, while it is in use; also the first key of a plain one.

Under the store's lock the file is written anew beside the old one, and the directory is replaced.
Writers wait meanwhile, readers go on; whoever has the old file open notices that it was replaced,
and opens the new one. What must never happen here: a moment at which a crash leaves a file that no
offered key opens, or an entry committed between the copy and its place.
"""

import time
from pathlib import Path

from pyesdb.model.errors import (
    Internal,
    InvalidConfig,
    RequestError,
    StoreNotFound,
    WrongExpectedVersion,
)
from pyesdb.model.keys import Key
from pyesdb.model.names import SYSTEM, check_store_id
from pyesdb.node import catalog as c
from pyesdb.node import reconcile
from pyesdb.node.engine import Node
from pyesdb.sqlite import cipher, files, rekeying, swap
from pyesdb.sqlite.cipher import KeyCheck
from pyesdb.store.runtime import StoreRuntime

_PATIENCE_S = 0.002


def rekey_store(node: Node, store_id: str, timeout_s: float) -> bool:
    """Write a store's file anew under the first key that its source offers.

    False: that is its key already. Raises StoreNotFound, InvalidConfig (no key is offered),
    AccessDenied (none of them is the present one), Unavailable (it was in use all the time).
    """
    node.writable()
    if store_id == SYSTEM:
        raise RequestError(f"the catalog, {SYSTEM}, keeps the key that it was made with")
    runtime = node.runtime(check_store_id(store_id))
    offered = node.keys.offered(store_id)
    if not offered:
        raise InvalidConfig(
            f"no key is offered for store {store_id!r}: let the source offer the new key first, "
            "and the old one behind it, until this has returned"
        )
    check = cipher.read_check(runtime.path)
    if check is not None and check.fits(offered[0]):
        return False
    done = _Rekeying(node, runtime, check, offered[0]).run(time.monotonic() + timeout_s)
    if done:
        _note(node, store_id, runtime.incarnation)
    return done


class _Rekeying:
    """One change of key, tried until the store lets it happen."""

    def __init__(self, node: Node, runtime: StoreRuntime, check: KeyCheck | None, key: Key) -> None:
        self.node = node
        self.runtime = runtime
        self.check = check
        self.key = key
        self.done = False

    def run(self, deadline: float) -> bool:
        """Whether this call did it, and not another one meanwhile."""
        runtime = self.runtime
        if self.node.exclusive:  # no lock file is used: the lane itself is what must stand still
            while not runtime.outbox.alone(self._replace):
                if time.monotonic() >= deadline:
                    raise runtime.outbox.late("the store is in use all the time: call again")
                time.sleep(_PATIENCE_S)
            return self.done
        reconcile.locked(self.node, runtime.store_id, deadline, self._replace)
        return self.done

    def _replace(self) -> None:
        node, runtime = self.node, self.runtime
        record = node.record(runtime.store_id)
        if record is None or not record.ready or record.incarnation != runtime.incarnation:
            raise StoreNotFound(f"store {runtime.store_id!r} was removed meanwhile")
        if cipher.read_check(runtime.path) != self.check:
            return  # somebody else was faster
        folder = runtime.path.parent
        with files.typed_errors(folder):
            new = swap.begin(folder)
            keys = node.keys.of(runtime.store_id)
            rekeying.rewrite(runtime.path, keys, new / runtime.path.name, self.key)
            self._look(new / runtime.path.name)
            reconcile.hook("rekeyed")
            swap.replace(folder, reconcile.hook)
        runtime.readers.renew()
        self.done = True

    def _look(self, made: Path) -> None:
        """Both files hold the same history, and the new one opens with a key that is offered."""
        keys = self.node.keys.of(self.runtime.store_id)
        if rekeying.summary(self.runtime.path, keys) != rekeying.summary(made, keys):
            raise Internal(f"{made} is not the same as its source: please report this")


def _note(node: Node, store_id: str, incarnation: int) -> None:
    """For the audit; the file's own check is what counts."""
    while True:
        record = node.record(store_id)
        if record is None or record.incarnation != incarnation or not record.ready:
            return None
        try:
            return node.note(record, c.REKEYED, {"incarnation": incarnation})
        except WrongExpectedVersion:
            continue
