"""Persistence module for the `eventsourcing` library 9.5: its applications, stored by PyESDB.

    PERSISTENCE_MODULE=pyesdb.eventsourcing
    PYESDB_DATA_DIR=shop-data

Each application has an event store of its own in that directory, named for the application; each
aggregate is a stream of it. The documentation has the settings: docs/coming-from/eventsourcing.md.

What must never happen here: a tracking record and the events it stands for in two transactions, a
notification id that is no position of the store, an error of the store that the library takes for
an empty answer. Only the public names of pyesdb are used; `eventsourcing` means the library.
"""

try:  # the library's DCB recorders came with 9.5
    import eventsourcing.dcb.api  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "pyesdb.eventsourcing needs the library eventsourcing, 9.5 or newer: "
        'pip install "pyesdb[eventsourcing]"',
        name=error.name,
    ) from error

from pyesdb.eventsourcing.aggregates import PyesdbAggregateRecorder
from pyesdb.eventsourcing.applications import PyesdbApplicationRecorder, PyesdbSubscription
from pyesdb.eventsourcing.base import PyesdbRecorder
from pyesdb.eventsourcing.datastore import PyesdbDatastore
from pyesdb.eventsourcing.dcb import PyesdbDCBRecorder, PyesdbDCBSubscription
from pyesdb.eventsourcing.factory import PyesdbFactory
from pyesdb.eventsourcing.snapshots import PyesdbSnapshotRecorder
from pyesdb.eventsourcing.tracking import PyesdbProcessRecorder, PyesdbTrackingRecorder

Factory = PyesdbFactory

__all__ = [
    "Factory",
    "PyesdbAggregateRecorder",
    "PyesdbApplicationRecorder",
    "PyesdbDCBRecorder",
    "PyesdbDCBSubscription",
    "PyesdbDatastore",
    "PyesdbFactory",
    "PyesdbProcessRecorder",
    "PyesdbRecorder",
    "PyesdbSnapshotRecorder",
    "PyesdbSubscription",
    "PyesdbTrackingRecorder",
]
