"""The stores that are there, as their own files say: for a catalog that is made anew of them.

What must never happen here: a store passed over because it cannot be read at this moment. Whatever
may be better at the next look (a key that is not offered, a mode, a disk) ends the look; what is
left out is damaged, of another database, or no store.
"""

from pathlib import Path
from typing import Any

import msgspec

from pyesdb.config import settings as table
from pyesdb.model.errors import (
    AccessDenied,
    Fault,
    NewerFormat,
    PyesdbError,
    RequestError,
    Unavailable,
)
from pyesdb.model.limits import POSITION_MAX
from pyesdb.model.names import SYSTEM, check_store_id
from pyesdb.node.keyring import Keyring
from pyesdb.node.layout import Layout
from pyesdb.sqlite import cipher, files
from pyesdb.store.readers import Reader
from pyesdb.telemetry.clock import now_us

LATER = (AccessDenied, NewerFormat, Unavailable)
"""What may be better at the next look."""


class Found(msgspec.Struct, frozen=True):
    """A store that is there: its id, where it lies, and what its file says."""

    store_id: str
    incarnation: int
    revision: int
    removed: bool
    frozen: bool
    encrypted: bool
    created: int
    """Not in every older file: then the time of its first event."""
    settings: dict[str, Any]
    """Those that its machine knows, unless they are the default."""


class Survey:
    """Stores of one database, and directories that are none, each with the reason."""

    def __init__(self, database: str) -> None:
        self._database = database
        self.stores: list[Found] = []
        self.left: list[tuple[str, str]] = []
        self.foreign: set[str] = set()
        """The other databases that stores are of."""

    def add(self, path: Path, store_id: str, keys: Keyring, *, trashed: bool) -> None:
        """Look into one directory; raises AccessDenied, NewerFormat, Unavailable."""
        try:
            found = self._look(path / "store.db", check_store_id(store_id), keys, trashed=trashed)
            if any(found.incarnation == store.incarnation for store in self.stores):
                raise RequestError("it is a copy of another store that is there")
        except LATER as error:
            later(error, path)
            raise
        except (Fault, RequestError, msgspec.MsgspecError, KeyError) as error:
            self.left.append((str(path), str(error)))
        else:
            self.stores.append(found)

    def _look(self, path: Path, store_id: str, ring: Keyring, *, trashed: bool) -> Found:
        with files.typed_errors(path):
            if not path.exists():
                raise RequestError(f"it has no {path.name}")
            reader = Reader(path, read_only=False, keys=ring.of(store_id))
            try:
                meta: dict[str, Any] = dict(reader.all("meta"))
                first = reader.all("all_forwards", 0, POSITION_MAX, 1)
            finally:
                reader.connection.close()
        if meta.get("database") != self._database:
            self.foreign.add(str(meta.get("database")))
            raise RequestError("it belongs to another database")
        return Found(
            store_id,
            meta["incarnation"],
            meta.get("revision", 0),
            trashed or bool(meta.get("sealed", 0)),
            bool(meta.get("frozen", 0)),
            cipher.read_check(path) is not None,
            meta.get("created") or (first[0][5] if first else now_us()),
            table.from_machine(msgspec.msgpack.decode(meta.get("settings", b"\x80"))),
        )


def later(error: PyesdbError, path: Path) -> None:
    """Say in an error that ends the look what helps, if nothing makes it better."""
    what = f"{error}; no catalog is made anew without it, and nothing was changed"
    error.args = (f"{what}: mend that, or move {path} away and keep it, then call again",)


def survey(layout: Layout, database: str, ring: Keyring) -> Survey:
    """Every store whose file says that it is one of this database, each history once."""
    found = Survey(database)
    places = [(path, path.name, False) for path in _inside(layout.stores)]
    places += [(path, path.name.partition(".")[0], True) for path in _inside(layout.trash)]
    for path, store_id, trashed in places:
        if not (path.name.startswith(".") or store_id == SYSTEM or ".unknown." in path.name):
            found.add(path, store_id, ring, trashed=trashed)
    return found


def _inside(folder: Path) -> list[Path]:
    with files.typed_errors(folder):
        return sorted(folder.iterdir())
