"""Encryption of stores at rest: keys, new ones for stores, and what this installation can do.

Keys are given to `pyesdb.open(config={"encryption": {...}})`; see docs/howto/encryption.md. What
must never happen here: a key that is kept or shown.
"""

from pyesdb.embedded.database import Database
from pyesdb.model.durations import Duration, timeout_s
from pyesdb.model.keys import new_key
from pyesdb.model.names import check_store_id
from pyesdb.node import rekey
from pyesdb.node.engine import Node
from pyesdb.sqlite.cipher import available, read_check, remedy

__all__ = ["available", "is_encrypted", "new_key", "rekey_store", "remedy"]


def is_encrypted(db: Database, store_id: str) -> bool:
    """Whether a store's file is encrypted now; raises StoreNotFound."""
    return read_check(_node(db).runtime(check_store_id(store_id)).path) is not None


def rekey_store(db: Database, store_id: str, *, timeout: Duration = 60.0) -> bool:
    """Give a store the first key that the key source offers for it; a plain store its first key.

    The source offers the old key behind the new one until this has returned. The file is written
    anew while the store is in use: writers wait, readers go on. `timeout` (seconds, at most 120)
    bounds the wait for the store, not the writing. False: it has this key already.
    Raises InvalidConfig (no key is offered), AccessDenied (the present one is not among them),
    StoreNotFound, Unavailable; then the store is as it was.
    """
    return rekey.rekey_store(_node(db), store_id, timeout_s(timeout))


def _node(db: Database) -> Node:
    return db._core.node  # pyright: ignore[reportPrivateUsage]
