"""What the recorders promise beyond the library's own tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.persistence import (
    DataError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Tracking,
)

import pyesdb
from pyesdb import NewEvent
from pyesdb.eventsourcing import (
    PyesdbAggregateRecorder,
    PyesdbApplicationRecorder,
    PyesdbDatastore,
    PyesdbDCBRecorder,
    PyesdbProcessRecorder,
    PyesdbSnapshotRecorder,
    PyesdbTrackingRecorder,
    errors,
    streams,
)

A, B = UUID(int=10), UUID(int=11)


def event(originator: Any, version: int, topic: str = "T", state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(originator, version, topic, state)


def versions(events: Any) -> list[int]:
    return [e.originator_version for e in events]


@pytest.fixture
def opened(data_dir: Path) -> Iterator[Callable[..., PyesdbDatastore]]:
    found: list[PyesdbDatastore] = []

    def open_one(store_id: str | None = "s", **options: Any) -> PyesdbDatastore:
        found.append(PyesdbDatastore(data_dir, store_id, durability="os", **options))
        return found[-1]

    yield open_one
    for datastore in found:
        datastore.close()


@pytest.fixture
def datastore(opened: Callable[..., PyesdbDatastore]) -> PyesdbDatastore:
    return opened()


@pytest.fixture
def recorder(datastore: PyesdbDatastore) -> PyesdbProcessRecorder:
    return PyesdbProcessRecorder(datastore)


@pytest.fixture
def stranger(opened: Callable[..., PyesdbDatastore]) -> PyesdbProcessRecorder:
    """A recorder of the same store that has not seen what `recorder` did."""
    return PyesdbProcessRecorder(opened())


# -- where things stand in the store


def test_what_pyesdb_shows_of_an_aggregate(recorder: PyesdbProcessRecorder) -> None:
    recorder.insert_events([event(A, 1, "app:Dog.Registered", b'{"name":"Fido"}')])
    (found,) = recorder.store.read(str(A))
    assert (found.type, found.json(), found.content_type) == (
        "app:Dog.Registered", {"name": "Fido"}, "application/json",
    )  # fmt: skip
    assert found.metadata == {"originator_version": 1}
    assert found.version == 0


@pytest.mark.parametrize("state", [b"", b"{", b"{'a': 1}", b"[1", b"\x00\x01", b"{} {}", b'{"\xff'])
def test_a_state_that_is_no_json_is_not_called_json(
    recorder: PyesdbProcessRecorder, state: bytes
) -> None:
    recorder.insert_events([event(A, 1, state=state)])
    (found,) = recorder.store.read(str(A))
    assert found.content_type == "application/octet-stream"
    assert recorder.select_events(A)[0].state == state


def test_the_library_s_ids_come_back_as_what_they_were(
    opened: Callable[..., PyesdbDatastore],
) -> None:
    text = PyesdbApplicationRecorder(opened("text", originator_id_type="text"))
    text.insert_events([event("dog-1", 1), event(str(A), 1)])
    assert [n.originator_id for n in text.select_notifications(1, 9)] == ["dog-1", str(A)]
    assert text.select_events("dog-1")[0].originator_id == "dog-1"
    uuid = PyesdbApplicationRecorder(opened("uuid"))
    uuid.insert_events([event(A, 1)])
    assert uuid.select_notifications(1, 9)[0].originator_id == A
    with pytest.raises(DataError, match="ORIGINATOR_ID_TYPE=text"):
        uuid.insert_events([event("dog-1", 1)])


# -- versions


@pytest.mark.parametrize("first", [0, 1])
def test_versions_start_with_one_or_zero_and_go_on(
    recorder: PyesdbProcessRecorder, stranger: PyesdbProcessRecorder, first: int
) -> None:
    """Also for somebody who does not know yet how an aggregate counts."""
    recorder.insert_events([event(A, first)])
    stranger.insert_events([event(A, first + 1), event(A, first + 2)])
    recorder.insert_events([event(A, first + 3)])
    assert versions(stranger.select_events(A)) == [first, first + 1, first + 2, first + 3]
    assert versions(stranger.select_events(A, gt=first, lte=first + 2)) == [first + 1, first + 2]
    assert versions(recorder.select_events(A, lte=first, desc=True, limit=1)) == [first]
    assert versions(recorder.select_events(A, gt=first + 3)) == []
    assert versions(recorder.select_events(A, lte=first - 1)) == []
    assert versions(recorder.select_events(A, gt=-9, lte=99)) == list(range(first, first + 4))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_version_that_is_taken_is_refused(
    recorder: PyesdbProcessRecorder, stranger: PyesdbProcessRecorder, version: int
) -> None:
    recorder.insert_events([event(A, 1), event(A, 2)])
    for one in (recorder, stranger):
        with pytest.raises(IntegrityError):
            one.insert_events([event(B, 1), event(A, version)])
    assert versions(recorder.select_notifications(1, 9)) == [1, 2]


@pytest.mark.parametrize(
    "given",
    [
        [event(A, 4)],
        [event(B, 2)],
        [event(A, 3), event(A, 5)],
        [event(A, 4), event(A, 3)],
        [event(A, 3), event(A, 3)],
        [event(B, 1), event(A, 3), event(B, 3)],
        [event(A, -1)],
    ],
    ids=str,
)
def test_a_gap_is_refused_and_nothing_stored(
    recorder: PyesdbProcessRecorder, stranger: PyesdbProcessRecorder, given: list[StoredEvent]
) -> None:
    recorder.insert_events([event(A, 1), event(A, 2)])
    for one in (recorder, stranger):
        with pytest.raises(IntegrityError):
            one.insert_events(given)
    assert recorder.max_notification_id() == 2


def test_an_aggregate_that_was_deleted_begins_anew(
    recorder: PyesdbProcessRecorder, stranger: PyesdbProcessRecorder
) -> None:
    """The stream goes on where it was, the library starts again; also for who has not noticed."""
    recorder.insert_events([event(A, 1, "Old"), event(A, 2, "Old"), event(A, 3, "Old")])
    assert versions(stranger.select_events(A)) == [1, 2, 3]
    recorder.store.delete_stream(str(A))
    assert recorder.select_events(A) == stranger.select_events(A) == []
    recorder.insert_events([event(A, 1, "New"), event(A, 2, "New")])
    assert [(e.topic, e.originator_version) for e in stranger.select_events(A, lte=1)] == [
        ("New", 1)
    ]
    stranger.insert_events([event(A, 3, "New")])
    for one in (recorder, stranger):
        assert versions(one.select_events(A, gt=1, lte=3)) == [2, 3]
        assert versions(one.select_events(A, gt=2)) == [3]
        with pytest.raises(IntegrityError):
            one.insert_events([event(A, 3)])


def test_who_knew_a_deleted_aggregate_is_refused_what_does_not_follow(
    recorder: PyesdbProcessRecorder, stranger: PyesdbProcessRecorder
) -> None:
    stranger.insert_events([event(A, 1), event(A, 2), event(A, 3)])
    recorder.store.delete_stream(str(A))
    with pytest.raises(IntegrityError, match="no events"):
        stranger.insert_events([event(A, 2)])
    assert stranger.select_events(A) == []


def test_more_aggregates_than_are_remembered(
    recorder: PyesdbProcessRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_BASES_MAX", 2)
    ids = [UUID(int=number) for number in range(7)]
    for version in (0, 1, 2):
        for originator in ids:
            recorder.insert_events([event(originator, version)])
    assert all(versions(recorder.select_events(id_, gt=0, lte=2)) == [1, 2] for id_ in ids)


def test_who_knew_the_deleted_aggregate_writes_behind_the_new_one(
    recorder: PyesdbProcessRecorder, stranger: PyesdbProcessRecorder
) -> None:
    stranger.insert_events([event(A, 1), event(A, 2)])
    recorder.store.delete_stream(str(A))
    recorder.insert_events([event(A, 1)])
    stranger.insert_events([event(A, 2), event(B, 1)])
    assert versions(recorder.select_events(A)) == [1, 2]


def test_an_aggregate_whose_events_are_truncated_goes_on(
    recorder: PyesdbProcessRecorder, stranger: PyesdbProcessRecorder
) -> None:
    recorder.insert_events([event(A, 1), event(A, 2), event(A, 3)])
    recorder.store.truncate_stream(str(A), before_version=3)
    stranger.insert_events([event(A, 4)])
    assert versions(stranger.select_events(A)) == [4]
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(A, 4)])


def test_a_tombstone_is_a_conflict(recorder: PyesdbProcessRecorder) -> None:
    recorder.insert_events([event(A, 1)])
    recorder.store.tombstone_stream(str(A))
    assert recorder.select_events(A) == []
    for version in (1, 2):
        with pytest.raises(IntegrityError):
            recorder.insert_events([event(A, version)])


# -- several aggregates in one save


def test_ids_are_positions_in_the_order_given(recorder: PyesdbProcessRecorder) -> None:
    assert recorder.insert_events([event(A, 1), event(B, 1), event(A, 2)]) == [1, 3, 2]
    log = recorder.select_notifications(None, 9)
    assert [(n.id, n.originator_id, n.originator_version) for n in log] == [
        (1, A, 1),
        (2, A, 2),
        (3, B, 1),
    ]


def test_a_save_of_several_is_all_or_nothing(recorder: PyesdbProcessRecorder) -> None:
    recorder.insert_events([event(B, 1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(A, 1), event(B, 1)], tracking=Tracking("up", 1))
    assert recorder.select_events(A) == []
    assert recorder.max_tracking_id("up") is None
    assert recorder.max_notification_id() == 1


# -- tracking


def test_events_and_tracking_stand_or_fall_together(recorder: PyesdbProcessRecorder) -> None:
    recorder.insert_events([event(A, 1)], tracking=Tracking("up", 5))
    with pytest.raises(IntegrityError, match="up"):
        recorder.insert_events([event(A, 2)], tracking=Tracking("up", 5))
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(A, 2), event(B, 1)], tracking=Tracking("up", 4))
    assert recorder.max_notification_id() == 1
    with pytest.raises(IntegrityError):
        recorder.insert_events([event(A, 1)], tracking=Tracking("up", 6))
    assert recorder.max_tracking_id("up") == 5
    recorder.insert_events([event(A, 2)], tracking=Tracking("other", 1))
    assert (recorder.max_tracking_id("up"), recorder.max_tracking_id("other")) == (5, 1)


def test_many_threads_process_each_notification_once(datastore: PyesdbDatastore) -> None:
    """Each tries every notification; for each exactly one has its event stored."""
    start, counts = threading.Barrier(6), [0] * 6

    def work(number: int) -> None:
        mine = PyesdbProcessRecorder(datastore)
        start.wait()
        for position in range(1, 41):
            try:
                mine.insert_events(
                    [event(uuid4(), 1, f"For{position}")], tracking=Tracking("up", position)
                )
            except IntegrityError:
                continue
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = PyesdbProcessRecorder(datastore)
    topics = [n.topic for n in found.select_notifications(None, 1000)]
    assert len(topics) == len(set(topics)) == sum(counts)
    assert "For40" in topics
    assert found.max_tracking_id("up") == 40


def test_a_view_in_the_store_counts_each_notification_once(datastore: PyesdbDatastore) -> None:
    view = PyesdbTrackingRecorder(datastore)
    view.record("counted", NewEvent("Counted"), Tracking("up", 1))
    with pytest.raises(IntegrityError) as caught:
        view.record("counted", NewEvent("Counted"), Tracking("up", 1))
    assert isinstance(caught.value.__cause__, pyesdb.TrackingConflict)
    assert view.store.version("counted") == 0


# -- notifications and subscriptions


def test_topics_are_a_filter(recorder: PyesdbProcessRecorder) -> None:
    recorder.insert_events([event(A, n, f"T{n % 3}") for n in range(1, 10)])
    found = recorder.select_notifications(2, 4, stop=8, topics=["T0", "T2"])
    assert [(n.id, n.topic) for n in found] == [(2, "T2"), (3, "T0"), (5, "T2"), (6, "T0")]
    with recorder.subscribe(gt=3, topics=["T1"]) as subscription:
        assert [next(subscription).id for _ in range(2)] == [4, 7]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"start": -5, "limit": 2}, [1, 2]),
        ({"start": 0, "limit": 2}, [1, 2]),
        ({"start": 3, "limit": 0}, []),
        ({"start": 3, "limit": 9, "stop": 2}, []),
        ({"start": 3, "limit": 9, "stop": -2}, []),
        ({"start": 4, "limit": 9}, []),
        ({"start": 99, "limit": 9, "inclusive_of_start": False}, []),
    ],
    ids=str,
)  # fmt: skip
def test_edges_of_the_log(
    recorder: PyesdbProcessRecorder, asked: dict[str, Any], found: list[int]
) -> None:
    recorder.insert_events([event(A, 1), event(A, 2), event(A, 3)])
    assert [n.id for n in recorder.select_notifications(**asked)] == found


def test_a_subscription_that_waits_is_stopped_from_elsewhere(
    recorder: PyesdbProcessRecorder,
) -> None:
    recorder.insert_events([event(A, 1)])
    got: list[int] = []
    first = threading.Event()

    def follow() -> None:
        with recorder.subscribe() as subscription:
            subscriptions.append(subscription)
            for notification in subscription:
                got.append(notification.id)
                first.set()

    subscriptions: list[Any] = []
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert first.wait(30)
    subscriptions[0].stop()
    thread.join(30)
    assert not thread.is_alive()
    assert got == [1]
    recorder.insert_events([event(A, 2)])
    assert list(subscriptions[0]) == []


def test_a_subscription_passes_over_nothing_that_it_cannot_show(
    recorder: PyesdbProcessRecorder,
) -> None:
    """Who asks again gets the error again, until it is stopped."""
    recorder.insert_events([event(A, 1)])
    recorder.store.append("no-uuid", NewEvent("T"))
    recorder.insert_events([event(A, 2)])
    with recorder.subscribe() as subscription:
        assert next(subscription).id == 1
        for _ in range(2):
            with pytest.raises(DataError, match="no-uuid"):
                next(subscription)
        subscription.stop()
        assert list(subscription) == []


def test_a_subscription_never_ends_silently(opened: Callable[..., PyesdbDatastore]) -> None:
    """It says so when the database is closed or the store removed."""
    closed, removed = opened(), opened("gone")
    subscription = PyesdbApplicationRecorder(closed).subscribe()
    closed.close()
    with pytest.raises(InterfaceError):
        next(subscription)
    subscription = PyesdbApplicationRecorder(removed).subscribe()
    removed.database.remove_store("gone")
    with pytest.raises(OperationalError) as caught:
        next(subscription)
    assert isinstance(caught.value.__cause__, pyesdb.StoreRemoved)


# -- snapshots


def test_snapshots_are_in_no_notification_log(
    datastore: PyesdbDatastore, recorder: PyesdbProcessRecorder
) -> None:
    snapshots = PyesdbSnapshotRecorder(datastore)
    assert recorder.insert_events([event(A, 1), event(A, 2)]) == [1, 2]
    snapshots.insert_events([event(A, 2, "Snapshot", b'{"state":2}')])
    assert recorder.max_notification_id() == 2
    assert recorder.insert_events([event(A, 3)]) == [3]
    assert [n.topic for n in recorder.select_notifications(None, 9)] == ["T", "T", "T"]
    assert versions(recorder.select_events(A)) == [1, 2, 3]
    (shown,) = recorder.store.list_snapshots()
    assert (shown.stream, shown.version, shown.json()) == (str(A), 1, {"state": 2})


@pytest.mark.parametrize("first", [0, 1])
def test_snapshots_are_selected_as_events_are(
    datastore: PyesdbDatastore, recorder: PyesdbProcessRecorder, first: int
) -> None:
    snapshots = PyesdbSnapshotRecorder(datastore)
    recorder.insert_events([event(A, n) for n in range(first, first + 9)])
    taken = [first + 5, first + 2, first + 8]  # in any order: of the past, too
    for version in taken:
        snapshots.insert_events([event(A, version, "S", b"%d" % version)])
    assert snapshots.select_events(B) == []
    assert snapshots.select_events(B, desc=True, limit=1) == []
    select = snapshots.select_events
    assert versions(select(A)) == sorted(taken)
    assert select(A, desc=True, limit=1) == [event(A, first + 8, "S", b"%d" % (first + 8))]
    assert versions(select(A, lte=first + 7, desc=True, limit=1)) == [first + 5]
    assert versions(select(A, gt=first + 2, lte=first + 8)) == [first + 5, first + 8]
    assert versions(select(A, limit=2)) == [first + 2, first + 5]
    assert select(A, limit=0) == []
    assert snapshots.insert_events([]) is None


def test_what_no_snapshot_can_be_taken_of(
    datastore: PyesdbDatastore, recorder: PyesdbProcessRecorder
) -> None:
    snapshots = PyesdbSnapshotRecorder(datastore)
    recorder.insert_events([event(A, 1), event(A, 2)])
    snapshots.insert_events([event(A, 1, "S")])
    with pytest.raises(IntegrityError):
        snapshots.insert_events([event(A, 1, "S")])
    with pytest.raises(IntegrityError):
        snapshots.insert_events([event(A, 0, "S")])
    with pytest.raises(IntegrityError, match="no events"):
        snapshots.insert_events([event(B, 1, "S")])
    with pytest.raises(ProgrammingError, match="beyond"):
        snapshots.insert_events([event(A, 3, "S")])
    with pytest.raises(NotSupportedError):
        snapshots.insert_events([event(A, 2, "S"), event(A, 1, "S")])
    assert versions(snapshots.select_events(A)) == [1]


@pytest.mark.parametrize("erase", [pyesdb.Store.delete_stream, pyesdb.Store.tombstone_stream])
def test_a_deletion_takes_the_snapshots_along(
    datastore: PyesdbDatastore, recorder: PyesdbProcessRecorder, erase: Callable[..., Any]
) -> None:
    """Else what was erased would still be there, and who begins anew would be the old one."""
    snapshots = PyesdbSnapshotRecorder(datastore)
    recorder.insert_events([event(A, 1)])
    snapshots.insert_events([event(A, 1, "S", b"personal")])
    erase(recorder.store, str(A))
    assert snapshots.select_events(A) == snapshots.select_events(A, desc=True, limit=1) == []


def test_snapshots_of_an_aggregate_that_began_anew(
    datastore: PyesdbDatastore, recorder: PyesdbProcessRecorder
) -> None:
    snapshots = PyesdbSnapshotRecorder(datastore)
    recorder.insert_events([event(A, 1), event(A, 2), event(A, 3)])
    recorder.store.delete_stream(str(A))
    recorder.insert_events([event(A, 1), event(A, 2)])
    snapshots.insert_events([event(A, 2, "S")])
    assert versions(snapshots.select_events(A, desc=True, limit=1)) == [2]
    assert versions(snapshots.select_events(A, lte=1)) == []


def test_recorders_of_other_purposes_have_a_store_beside(datastore: PyesdbDatastore) -> None:
    application = PyesdbApplicationRecorder(datastore)
    drafts = PyesdbAggregateRecorder(datastore, "drafts")
    drafts.insert_events([event(A, 1)])
    assert application.max_notification_id() is None
    assert drafts.store.id == "s-drafts"


# -- errors


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (event(A, 1, "x" * 256), "255"),
        (event(A, 1, ""), "empty"),
        (event(A, 1, state=b"x" * (1 << 20)), "max_event_bytes"),
        (event(A, 1, state="text"), "bytes"),  # type: ignore[arg-type]
        (event(A, "1"), "int"),  # type: ignore[arg-type]
        (event(7, 1), "UUID"),
    ],
    ids=range(6),
)
def test_what_cannot_be_stored_is_a_data_error(
    recorder: PyesdbProcessRecorder, given: StoredEvent, text: str
) -> None:
    with pytest.raises(DataError, match=text):
        recorder.insert_events([given])
    assert recorder.max_notification_id() is None


def test_text_ids_that_are_no_stream_names(opened: Callable[..., PyesdbDatastore]) -> None:
    recorder = PyesdbApplicationRecorder(opened(originator_id_type="text"))
    for name in ("", "$dog", "dog\n", "x" * 513):
        with pytest.raises(DataError):
            recorder.insert_events([event(name, 1)])


def test_a_stream_of_somebody_else_is_named(recorder: PyesdbProcessRecorder) -> None:
    recorder.store.append("order-1", NewEvent("Placed"))
    with pytest.raises(DataError, match="order-1"):
        recorder.select_notifications(None, 9)


def test_a_closed_datastore_says_so(
    datastore: PyesdbDatastore, recorder: PyesdbProcessRecorder
) -> None:
    datastore.close()
    datastore.close()
    for call in (
        lambda: recorder.insert_events([event(A, 1)]),
        lambda: recorder.select_events(A),
        lambda: recorder.select_notifications(1, 1),
        lambda: recorder.max_tracking_id("up"),
        recorder.subscribe,
    ):
        with pytest.raises(InterfaceError):
            call()


def test_a_frozen_store_is_unavailable(recorder: PyesdbProcessRecorder) -> None:
    recorder.insert_events([event(A, 1)])
    recorder.datastore.database.freeze_store("s")
    with pytest.raises(OperationalError):
        recorder.insert_events([event(A, 2)])
    assert versions(recorder.select_events(A)) == [1]


def test_every_error_has_one_of_the_library() -> None:
    """Conflicts, and nothing else, are what the library's users try again."""
    conflicts = (pyesdb.ConflictError, pyesdb.StreamDeleted, pyesdb.StreamTombstoned)
    for kind in pyesdb.PyesdbError.by_code.values():
        found = errors.of(kind("text"))
        assert str(found) == "text"
        assert isinstance(found, IntegrityError) is issubclass(kind, conflicts), kind


# -- DCB


def test_dcb_conditions_and_what_they_refuse(datastore: PyesdbDatastore) -> None:
    recorder = PyesdbDCBRecorder(datastore)
    query = DCBQuery(items=[DCBQueryItem(types=["A"], tags=["x"])])
    head = recorder.append([DCBEvent("A", b"{}", ["x", "y"]), DCBEvent("B", b"1", ["x"])])
    assert head == 2
    with pytest.raises(IntegrityError) as caught:
        recorder.append([DCBEvent("C", b"")], DCBAppendCondition(query))
    assert isinstance(caught.value.__cause__, pyesdb.ConditionFailed)
    assert recorder.append([DCBEvent("C", b"")], DCBAppendCondition(query, after=1)) == 3
    with pytest.raises(ProgrammingError):
        recorder.append([])
    with pytest.raises(DataError):
        recorder.append([DCBEvent("", b"")])
    assert [e.event.tags for e in recorder.read(query)] == [["x", "y"]]
    assert recorder.read().head == 3


def test_dcb_reads_are_fixed_when_they_start(datastore: PyesdbDatastore) -> None:
    recorder = PyesdbDCBRecorder(datastore)
    assert recorder.read().head is None
    recorder.append([DCBEvent("A", b"%d" % n) for n in range(1500)])
    response = recorder.read()
    recorder.append([DCBEvent("A", b"late")])
    assert len(list(response)) == 1500
    assert response.head == 1500
    limited = recorder.read(after=1000, limit=700)
    assert (len(list(limited)), limited.head) == (501, 1501)
