"""The recorder beside the library's own in memory: the same calls, the same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from eventsourcing.popo import POPOProcessRecorder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyesdb.eventsourcing import PyesdbDatastore, PyesdbProcessRecorder

ORIGINATORS = [UUID(int=number) for number in range(3)]
FIRST = [0, 1, 1]
"""How each of them numbers its first event."""

TOPICS = ["T0", "T1", "T2"]
numbers = st.integers(-1, 8)
maybe = st.none() | numbers

saves = st.tuples(
    st.just("save"),
    st.lists(
        st.tuples(st.sampled_from(range(3)), st.integers(-2, 0), st.integers(1, 3)),
        max_size=3,
        unique_by=lambda part: part[0],
    ),
    st.none() | st.tuples(st.sampled_from(["up", "other"]), st.integers(0, 6)),
    st.booleans(),
)
"""Parts (whose, how far behind the next version, how many), tracking, by which of two recorders."""

selections = st.tuples(
    st.just("select"),
    st.sampled_from(range(3)),
    maybe,
    maybe,
    st.booleans(),
    st.none() | st.integers(1, 4),
    st.booleans(),
)
logs = st.tuples(
    st.just("log"),
    maybe,
    st.integers(1, 4),
    maybe,
    st.lists(st.sampled_from(TOPICS), max_size=2),
    st.booleans(),
)


def outcome(call: Callable[..., Any], events: list[StoredEvent], record: Tracking | None) -> Any:
    try:
        return list(call(events, tracking=record) or [])
    except IntegrityError:
        return IntegrityError


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(saves | selections | logs, max_size=25))
def test_the_same_answers_as_in_memory(calls: list[Any]) -> None:
    model = POPOProcessRecorder()
    datastore = PyesdbDatastore(":memory:", "s")
    recorders = [PyesdbProcessRecorder(datastore)]
    recorders.append(PyesdbProcessRecorder(datastore))
    recorders[1].streams = type(recorders[1].streams)(recorders[1].store, "uuid")
    following = dict(enumerate(FIRST))
    try:
        for kind, *given_ in calls:
            if kind == "save":
                parts, tracking, other = given_
                events = [
                    StoredEvent(ORIGINATORS[who], version, TOPICS[version % 3], b"{}")
                    for who, behind, count in parts
                    for version in range(
                        max(FIRST[who], following[who] + behind),
                        max(FIRST[who], following[who] + behind) + count,
                    )
                ]
                record = None if tracking is None else Tracking(*tracking)
                expected = outcome(model.insert_events, events, record)
                found = outcome(recorders[other].insert_events, events, record)
                if expected is not IntegrityError:
                    for event in events:
                        following[ORIGINATORS.index(event.originator_id)] = (  # type: ignore[arg-type]
                            event.originator_version + 1
                        )
            elif kind == "select":
                who, gt, lte, desc, limit, other = given_
                asked = {"gt": gt, "lte": lte, "desc": desc, "limit": limit}
                expected = model.select_events(ORIGINATORS[who], **asked)
                found = recorders[other].select_events(ORIGINATORS[who], **asked)
            else:
                start, limit, stop, topics, inclusive = given_
                expected = model.select_notifications(
                    start, limit, stop, topics, inclusive_of_start=inclusive
                )
                found = recorders[0].select_notifications(
                    start, limit, stop, topics, inclusive_of_start=inclusive
                )
            assert found == expected, (kind, given_)
            assert recorders[0].max_notification_id() == model.max_notification_id()
            assert recorders[0].max_tracking_id("up") == model.max_tracking_id("up")
    finally:
        datastore.close()
