"""The library's own test classes, unmodified, against the module.

They are imported with their modules: as names of this one pytest would collect them by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest
from eventsourcing.dcb import tests as dcb
from eventsourcing.tests import application, persistence, projection
from eventsourcing.utils import Environment, get_topic

from pyesdb import NewEvent
from pyesdb.eventsourcing import (
    Factory,
    PyesdbAggregateRecorder,
    PyesdbApplicationRecorder,
    PyesdbDatastore,
    PyesdbDCBRecorder,
    PyesdbProcessRecorder,
    PyesdbTrackingRecorder,
)
from tests.eventsourcing.models import MODULE, EventCounters

pytestmark = pytest.mark.filterwarnings("default")  # one of them counts a warning of the library


class InFolder:
    """A folder for each test, and datastores in it that are closed at its end."""

    folder: Path
    originator_id_type = "uuid"

    @pytest.fixture(autouse=True)
    def _folder(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.folder = data_dir
        self.opened: list[PyesdbDatastore] = []
        yield
        for datastore in self.opened:
            datastore.close()

    def datastore(self) -> PyesdbDatastore:
        self.opened.append(
            PyesdbDatastore(self.folder, "s", originator_id_type=self.originator_id_type)  # type: ignore[arg-type]
        )
        return self.opened[-1]


class ByEnvironment(InFolder):
    """Applications find the module in the environment of the process."""

    @pytest.fixture(autouse=True)
    def _environment(self, _folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PERSISTENCE_MODULE", MODULE)
        monkeypatch.setenv("PYESDB_DATA_DIR", str(self.folder))


class TestAggregateRecorder(InFolder, persistence.AggregateRecorderTestCase):
    def create_recorder(self) -> PyesdbAggregateRecorder:
        return PyesdbAggregateRecorder(self.datastore())


class TestAggregateRecorderWithText(TestAggregateRecorder):
    originator_id_type = "text"

    def new_originator_id(self) -> str:
        return f"dog-{uuid4()}"


class TestAggregateRecorderFromZero(TestAggregateRecorder):
    INITIAL_VERSION = 0


class TestAggregateRecorderOfAnotherPurpose(TestAggregateRecorder):
    def create_recorder(self) -> PyesdbAggregateRecorder:
        return PyesdbAggregateRecorder(self.datastore(), "drafts")


class TestApplicationRecorder(
    InFolder, persistence.ApplicationRecorderTestCase[PyesdbApplicationRecorder]
):
    def create_recorder(self) -> PyesdbApplicationRecorder:
        return PyesdbApplicationRecorder(self.datastore())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestApplicationRecorderWithText(TestApplicationRecorder):
    originator_id_type = "text"

    def new_originator_id(self) -> str:
        return f"dog-{uuid4()}"


class TestApplicationRecorderFromZero(TestApplicationRecorder):
    INITIAL_VERSION = 0


class TestTrackingRecorder(InFolder, persistence.TrackingRecorderTestCase):
    def create_recorder(self) -> PyesdbTrackingRecorder:
        return PyesdbTrackingRecorder(self.datastore())


class TestTrackingOfProcessRecorder(InFolder, persistence.TrackingRecorderTestCase):
    def create_recorder(self) -> PyesdbProcessRecorder:
        return PyesdbProcessRecorder(self.datastore())


class TestProcessRecorder(InFolder, persistence.ProcessRecorderTestCase):
    def create_recorder(self) -> PyesdbProcessRecorder:
        return PyesdbProcessRecorder(self.datastore())


class TestProcessRecorderAsApplicationRecorder(TestApplicationRecorder):
    def create_recorder(self) -> PyesdbProcessRecorder:
        return PyesdbProcessRecorder(self.datastore())


class TestNonInterleaving(InFolder, persistence.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> PyesdbApplicationRecorder:
        return PyesdbApplicationRecorder(self.datastore())


class View(PyesdbTrackingRecorder):
    """A view of the test of the factory."""


class TestFactory(InFolder, persistence.InfrastructureFactoryTestCase[Factory]):
    def setUp(self) -> None:
        self.env = Environment("TestCase")
        self.env["PERSISTENCE_MODULE"] = MODULE
        self.env["PYESDB_DATA_DIR"] = str(self.folder)
        super().setUp()

    def expected_factory_class(self) -> type[Factory]:
        return Factory

    def expected_aggregate_recorder_class(self) -> type[PyesdbAggregateRecorder]:
        return PyesdbAggregateRecorder

    def expected_application_recorder_class(self) -> type[PyesdbApplicationRecorder]:
        return PyesdbApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[PyesdbTrackingRecorder]:
        return PyesdbTrackingRecorder

    def tracking_recorder_subclass(self) -> type[PyesdbTrackingRecorder]:
        return View

    def expected_process_recorder_class(self) -> type[PyesdbProcessRecorder]:
        return PyesdbProcessRecorder


class TestDCBRecorder(InFolder, dcb.DCBRecorderTestCase):
    def test_append_read(self) -> None:
        self._test_append_read(PyesdbDCBRecorder(self.datastore()))

    def test_append_read_behind_others(self) -> None:
        recorder = PyesdbDCBRecorder(self.datastore())
        recorder.store.append(None, [NewEvent("Other") for _ in range(7)])
        self._test_append_read(recorder, initial_position=7)

    def test_append_subscribe(self) -> None:
        self._test_append_subscribe(PyesdbDCBRecorder(self.datastore()))

    def test_append_subscribe_behind_others(self) -> None:
        recorder = PyesdbDCBRecorder(self.datastore())
        recorder.store.append(None, [NewEvent("Other") for _ in range(7)])
        self._test_append_subscribe(recorder, initial_position=7)


class TestApplication(ByEnvironment, application.ApplicationTestCase):
    """Several of its applications have the same name: each test has a new folder."""

    def test_save_returns_recording_event(self) -> None:
        super().test_save_returns_recording_event()
        assert (self.folder / "stores" / "application").is_dir()


class TestExampleApplication(ByEnvironment, application.ExampleApplicationTestCase):
    expected_factory_topic = get_topic(Factory)


class TestEventCountersView(ByEnvironment, projection.EventCountersViewTestCase):
    def construct_event_counters_view(self) -> projection.EventCountersView:
        return EventCounters(self.datastore())


class TestAggregateProjection(ByEnvironment, projection.AggregateEventCountersProjectionTestCase):
    view_class = EventCounters


class TestDCBProjection(ByEnvironment, projection.TaggedDecisionCountersProjectionTestCase):
    view_class = EventCounters
    env: ClassVar[dict[str, str]] = {"MAPPER_TOPIC": "eventsourcing.dcb.msgpack:MessagePackMapper"}


class TestEventSourcedProjection(ByEnvironment, projection.EventSourcedProjectionTestCase):
    pass
