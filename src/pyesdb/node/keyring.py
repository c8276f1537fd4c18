"""The keys of a node's stores: what its sources offer, asked anew whenever a file is opened.

Opens of one directory in one process share the node, and so the sources: what one of them was
given opens the stores for all, as long as it is open. Equal sources are one. No key is kept here.
What must never happen here: a source of a handle that was closed, sources that pile up.
"""

import threading
from pathlib import Path

from pyesdb.config.keys import KeySource
from pyesdb.model.errors import AccessDenied, PyesdbError
from pyesdb.model.keys import Key
from pyesdb.sqlite import cipher


class Keyring:
    """The key sources of one directory in this process."""

    def __init__(self, source: KeySource | None) -> None:
        self._sources: tuple[KeySource, ...] = ()
        self._users: list[int] = []
        """How many handles each source is of."""
        self._mutex = threading.Lock()
        self._fitting: set[tuple[str, str]] = set()
        """Store ids and checks for which a key was found: listing stores asks once for each."""
        self.add(source)

    def add(self, source: KeySource | None) -> None:
        """Take one more source; raises AccessDenied when this process cannot encrypt."""
        if source is None:
            return
        cipher.require()
        with self._mutex:
            if source in self._sources:
                self._users[self._sources.index(source)] += 1
            else:
                self._sources, self._users = (*self._sources, source), [*self._users, 1]

    def drop(self, source: KeySource | None) -> None:
        """A handle was closed: what it was given opens nothing any more."""
        with self._mutex:
            if source not in self._sources:
                return
            at = self._sources.index(source)
            self._users[at] -= 1
            if not self._users[at]:
                self._sources = self._sources[:at] + self._sources[at + 1 :]
                del self._users[at]
                self._fitting.clear()

    def offered(self, *store_ids: str) -> tuple[Key, ...]:
        """The keys of a store (which may have had another id), the current one first."""
        ids = dict.fromkeys(filter(None, store_ids))
        return tuple(key for id_ in ids for source in self._sources for key in source.keys(id_))

    def of(self, *store_ids: str) -> cipher.Keys:
        """The same, for whoever opens the store's file later."""
        return lambda: self.offered(*store_ids)

    def for_new(self, store_id: str) -> Key | None:
        """The key that a store is created with; raises AccessDenied when there must be one."""
        for source in self._sources:
            key = source.for_new(store_id)
            if key is not None:
                return key
        return None

    def promised(self, store_id: str) -> Key:
        """The key of a store that is being made, of which StoreCreated says that it has one."""
        key = self.for_new(store_id)
        if key is None:
            raise AccessDenied(
                f"store {store_id!r} is to be encrypted, and no key was given for it: open the "
                'database with config={"encryption": {...}}, then create it'
            )
        return key

    def locked(self, store_id: str, path: Path) -> str:
        """Why a store's file cannot be read with the keys that there are, "" if it can."""
        try:
            check = cipher.read_check(path)
            if check is None or (store_id, check.check) in self._fitting:
                return ""
            cipher.key_for(check, self.of(store_id), path)
        except PyesdbError as error:
            return str(error)
        self._fitting.add((store_id, check.check))
        return ""
