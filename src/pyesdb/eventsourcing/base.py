"""What all recorders have: a datastore."""

from eventsourcing.persistence import Recorder

from pyesdb import Store
from pyesdb.eventsourcing.datastore import PyesdbDatastore


class PyesdbRecorder(Recorder):
    """A recorder of one application. `store` is for subclasses that record things of their own."""

    def __init__(self, datastore: PyesdbDatastore, purpose: str = "events") -> None:
        self.datastore = datastore
        self.streams = datastore.streams(purpose)

    @property
    def store(self) -> Store:
        """The store, with all that pyesdb can do."""
        return self.streams.store
