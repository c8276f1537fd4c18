"""The factory: an application's environment to its datastore and recorders.

Every setting may stand in the environment with the application's name in front, as everywhere in
the library: BANKACCOUNTS_PYESDB_DATA_DIR goes before PYESDB_DATA_DIR. What must never happen here:
a value that is passed over in silence.
"""

import os
from typing import Any, TypeVar

from eventsourcing.dcb.api import DCBRecorder
from eventsourcing.dcb.persistence import DCBInfrastructureFactory
from eventsourcing.domain import TAggregateID
from eventsourcing.persistence import (
    AggregateRecorder,
    EventStore,
    InfrastructureFactory,
    Mapper,
    ProgrammingError,
    Recording,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from pyesdb import RequestError
from pyesdb.eventsourcing.aggregates import PyesdbAggregateRecorder
from pyesdb.eventsourcing.applications import PyesdbApplicationRecorder
from pyesdb.eventsourcing.datastore import PyesdbDatastore
from pyesdb.eventsourcing.dcb import PyesdbDCBRecorder
from pyesdb.eventsourcing.snapshots import PyesdbSnapshotRecorder
from pyesdb.eventsourcing.streams import OriginatorIdType
from pyesdb.eventsourcing.tracking import PyesdbProcessRecorder, PyesdbTrackingRecorder

R = TypeVar("R")


class InOrder(EventStore[TAggregateID]):
    """An event store whose recordings are in the order of the notification log.

    A store keeps the events of one aggregate together, also when a caller gives those of several
    in turns; the library's runners take recordings for a piece of the log.
    """

    def put(self, domain_events: Any, **kwargs: Any) -> list[Recording[TAggregateID]]:
        """Record events; returns recordings in order of notification id."""
        recordings = super().put(domain_events, **kwargs)
        recordings.sort(key=lambda recording: recording.notification.id)
        return recordings


class PyesdbFactory(
    InfrastructureFactory[PyesdbTrackingRecorder],
    DCBInfrastructureFactory[PyesdbTrackingRecorder],
):
    """Makes recorders that share one store, of the application that the environment is named for.

    Raises OSError for settings that are missing or wrong, naming them.
    """

    PYESDB_URL = "PYESDB_URL"
    PYESDB_DATA_DIR = "PYESDB_DATA_DIR"
    PYESDB_STORE_ID = "PYESDB_STORE_ID"
    PYESDB_DURABILITY = "PYESDB_DURABILITY"
    PYESDB_TIMEOUT = "PYESDB_TIMEOUT"
    ORIGINATOR_ID_TYPE = "ORIGINATOR_ID_TYPE"
    CREATE_TABLE = "CREATE_TABLE"

    aggregate_recorder_class = PyesdbAggregateRecorder
    application_recorder_class = PyesdbApplicationRecorder
    tracking_recorder_class = PyesdbTrackingRecorder
    process_recorder_class = PyesdbProcessRecorder

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        target, options = self._target(), self._options()
        try:
            self.datastore = PyesdbDatastore(
                target,
                self._store_id(),
                application=self.env.name,
                originator_id_type=self._originator_id_type(),
                create=self._flag(self.CREATE_TABLE, default="yes"),
                **options,
            )
        except ProgrammingError as error:
            if isinstance(error.__cause__, RequestError):  # a setting, not the database
                raise OSError(f"{error}: see {self._keys()}") from error
            raise

    # -- recorders

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """A recorder of aggregates, or (purpose "snapshots") of their snapshots."""
        if purpose == "snapshots":
            return PyesdbSnapshotRecorder(self.datastore, purpose)
        return self.aggregate_recorder_class(self.datastore, purpose)

    def application_recorder(self) -> PyesdbApplicationRecorder:
        """A recorder with a notification log: the class named by APPLICATION_RECORDER_TOPIC."""
        kind = self._class(self.APPLICATION_RECORDER_TOPIC, self.application_recorder_class)
        return kind(self.datastore)

    def tracking_recorder(
        self, tracking_recorder_class: type[PyesdbTrackingRecorder] | None = None
    ) -> PyesdbTrackingRecorder:
        """A recorder of positions, or a view: the class given, or TRACKING_RECORDER_TOPIC."""
        if tracking_recorder_class is None:
            kind = self._class(self.TRACKING_RECORDER_TOPIC, self.tracking_recorder_class)
        else:
            kind = self._checked(tracking_recorder_class, self.tracking_recorder_class)
        return kind(self.datastore)

    def process_recorder(self) -> PyesdbProcessRecorder:
        """A recorder of events with tracking: the class named by PROCESS_RECORDER_TOPIC."""
        kind = self._class(self.PROCESS_RECORDER_TOPIC, self.process_recorder_class)
        return kind(self.datastore)

    def dcb_recorder(self) -> DCBRecorder:
        """A recorder of events with tags."""
        return PyesdbDCBRecorder(self.datastore)

    def event_store(
        self,
        mapper: Mapper[TAggregateID] | None = None,
        recorder: AggregateRecorder | None = None,
    ) -> EventStore[TAggregateID]:
        """An event store whose recordings are in the order of the log."""
        return InOrder(
            mapper=mapper or self.mapper(), recorder=recorder or self.application_recorder()
        )

    def close(self) -> None:
        """Close the database; recorders made here raise InterfaceError from now on."""
        self.datastore.close()

    # -- settings

    def _target(self) -> str:
        keys = zip(
            self.env.create_keys(self.PYESDB_URL),
            self.env.create_keys(self.PYESDB_DATA_DIR),
            strict=True,
        )
        for pair in keys:
            for key in pair:
                if target := self._given(key):
                    return target
        raise OSError(f"no directory for pyesdb in the environment: set one of {self._keys()}")

    def _keys(self) -> str:
        names = (self.PYESDB_URL, self.PYESDB_DATA_DIR)
        return ", ".join(key for name in names for key in self.env.create_keys(name))

    def _given(self, key: str) -> str | None:
        """The value of this very key, whatever the application's name is."""
        return self.env[key] if key in self.env else None  # noqa: SIM401  (its get adds the name)

    def _own(self, key: str) -> str | None:
        """What the application was given; what the whole process has, `pyesdb.open` reads."""
        found = self.env.get(key)
        return None if not found or found == os.environ.get(key) else found

    def _store_id(self) -> str | None:
        """The id that was meant for this application, if any; raises OSError."""
        if not self.env.name:
            return self._given(self.PYESDB_STORE_ID) or None
        key = f"{self.env.name.upper()}_{self.PYESDB_STORE_ID}"
        shared = self._given(self.PYESDB_STORE_ID)
        if shared and shared != os.environ.get(self.PYESDB_STORE_ID):
            raise OSError(
                f"{self.PYESDB_STORE_ID}={shared!r:.60} would put every application of this "
                f"environment into one store: set {key}"
            )
        return self._given(key) or None

    def _options(self) -> dict[str, Any]:
        self._check_names()
        options: dict[str, Any] = {}
        if durability := self._own(self.PYESDB_DURABILITY):
            options["durability"] = durability
        if timeout := self._own(self.PYESDB_TIMEOUT):
            try:
                options["timeout"] = float(timeout)
            except ValueError:
                raise OSError(
                    f"{self.PYESDB_TIMEOUT} must be a number of seconds, not {timeout!r:.60}"
                ) from None
        return options

    def _check_names(self) -> None:
        """No setting of an application is passed over; those of the process are not ours."""
        known = {
            self.PYESDB_URL,
            self.PYESDB_DATA_DIR,
            self.PYESDB_STORE_ID,
            self.PYESDB_DURABILITY,
            self.PYESDB_TIMEOUT,
        }
        own = f"{self.env.name.upper()}_" if self.env.name else ""
        for key, value in self.env.items():
            name = key.removeprefix(own)
            if not name.startswith("PYESDB_") or name in known:
                continue
            if name != key or os.environ.get(key) != value:
                raise OSError(
                    f"{key} is no setting of an application; those are {', '.join(sorted(known))}. "
                    "Set others for the whole process, or change the store with update_store"
                )

    def _originator_id_type(self) -> OriginatorIdType:
        word = (self.env.get(self.ORIGINATOR_ID_TYPE) or "uuid").lower()
        if word not in ("uuid", "text"):
            raise OSError(f"{self.ORIGINATOR_ID_TYPE} must be 'uuid' or 'text', not {word!r:.60}")
        return word

    def _flag(self, key: str, *, default: str) -> bool:
        word = self.env.get(key) or default
        try:
            return strtobool(word)
        except ValueError:
            raise OSError(f"{key} must be 'y' or 'n', not {word!r:.60}") from None

    def _class(self, key: str, default: type[R]) -> type[R]:
        topic = self.env.get(key)
        return self._checked(resolve_topic(topic), default) if topic else default

    @staticmethod
    def _checked(kind: Any, least: type[R]) -> type[R]:
        if not (isinstance(kind, type) and issubclass(kind, least)):
            raise ProgrammingError(f"{kind!r} must be a subclass of {least.__name__}")
        return kind
