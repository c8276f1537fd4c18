"""The store of an application: the database it is in, and the streams that are its aggregates.

What must never happen here: two applications in one store without anybody having asked for it. They
would find each other's events in their notification logs.
"""

import re
import weakref
from os import PathLike
from typing import Any

from eventsourcing.persistence import ProgrammingError

import pyesdb
from pyesdb.eventsourcing.errors import translated
from pyesdb.eventsourcing.streams import OriginatorIdType, Streams

MAIN = ("events", "snapshots")
"""Purposes of recorders that are the application's own store; any other has one beside it."""

_OWNER = "eventsourcing:"
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ID_MAX = 63


def store_id_of(name: str) -> str:
    """The id of the store of an application: `BankAccounts` has `bank-accounts`."""
    text = _WORDS.sub("-", name)
    text = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    if not text[:1].isalpha():
        text = f"app-{text}".rstrip("-")
    if re.fullmatch(r"con|prn|aux|nul|(com|lpt)[0-9]", text):
        text = f"{text}-app"  # these are devices on some systems
    return text[:_ID_MAX]


class PyesdbDatastore:
    """An open database and the store of one application in it; what recorders are made with.

    `store_id` None: the store that the application's name stands for, or without a name the
    database's default store; that store must not be another application's. A store that is named
    is taken as it is. `create` False: the store must exist. `originator_id_type` "text": ids of
    aggregates are any names; "uuid": UUIDs. Other options are those of `pyesdb.open`.
    Without `close()` it is closed when nobody has it any more, or when the interpreter ends.
    """

    @translated
    def __init__(
        self,
        target: str | PathLike[str] | None = None,
        store_id: str | None = None,
        *,
        application: str = "",
        originator_id_type: OriginatorIdType = "uuid",
        create: bool = True,
        **options: Any,
    ) -> None:
        self.database = pyesdb.open(target, create=create, **options)
        # the registry of finalizers keeps the database alive until it is closed: whoever forgets
        # this object in a cycle gets no warning of an unclosed database
        self._finalizer = weakref.finalize(self, self.database.close)
        self._id_type: OriginatorIdType = originator_id_type
        self._create = create
        try:
            self.store = self._store(store_id, application)
        except BaseException:
            self.close()
            raise
        self._streams = Streams(self.store, originator_id_type)

    def __repr__(self) -> str:
        return f"<PyesdbDatastore {self.store.id!r} in {self.database!r}>"

    @translated
    def streams(self, purpose: str = "events") -> Streams:
        """The streams of the application's store, or of the store beside it for other purposes."""
        if purpose in MAIN:
            return self._streams
        beside = store_id_of(f"{self.store.id}-{purpose}")
        store = self._existing(beside) or self.database.create_store(beside, exist_ok=True)
        return Streams(store, self._id_type)

    def close(self) -> None:
        """Close the database; idempotent."""
        self._finalizer()

    def _store(self, store_id: str | None, application: str) -> pyesdb.Store:
        if store_id is not None:
            return self._existing(store_id) or self.database.create_store(store_id, exist_ok=True)
        if not application:
            return self.database.store()
        store_id = store_id_of(application)
        store = self._existing(store_id)
        if store is None:
            try:
                return self.database.create_store(store_id, tags=[_OWNER + application])
            except pyesdb.StoreAlreadyExists:  # by another process, meanwhile
                store = self.database.store(store_id)
        self._check_owner(store_id, application)
        return store

    def _existing(self, store_id: str) -> pyesdb.Store | None:
        try:
            self.database.get_store_status(store_id)
        except pyesdb.StoreNotFound:
            if not self._create:
                raise
            return None
        return self.database.store(store_id)

    def _check_owner(self, store_id: str, application: str) -> None:
        tags = self.database.get_store_config(store_id).tags
        owners = [tag.removeprefix(_OWNER) for tag in tags if tag.startswith(_OWNER)]
        if owners and application not in owners:
            raise ProgrammingError(
                f"store {store_id!r} belongs to the application {owners[0]!r}, not to "
                f"{application!r}: set {application.upper()}_PYESDB_STORE_ID to the id of the "
                "store that is meant"
            )
