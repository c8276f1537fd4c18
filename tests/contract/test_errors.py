"""API "Errors": one tree, typed fields, codes, pickling."""

from __future__ import annotations

import pickle
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import AppendCondition, StreamState, select
from tests.contract.tools import one

TREE = """
RequestError: InvalidStoreId InvalidStreamName InvalidEvent InvalidSelector InvalidConfig
RequestError: InvalidTarget NoTarget LimitExceeded WrongEventLoop CommandMismatch WindowFull
ConflictError: WrongExpectedVersion ConditionFailed StoreAlreadyExists SubscriptionAlreadyExists
ConflictError: SnapshotConflict TrackingConflict ProjectionBusy
NotFound: DatabaseNotFound NotADatabase StoreNotFound StreamNotFound StreamDeleted
NotFound: StreamTombstoned SubscriptionNotFound SnapshotNotFound
AccessDenied: Unauthenticated
Unavailable: DatabaseLocked StoreFrozen StoreStarting LeaderUnavailable RateLimited DiskFull
Unavailable: ConnectionLost DeadlineExceeded
Ended: DatabaseClosed StoreRemoved SubscriptionRemoved HistoryChanged Forked
Fault: StoreFailed Corrupt NewerFormat UnsafeFileSystem Internal
PyesdbError: RequestError ConflictError NotFound AccessDenied Unavailable OutcomeUnknown Ended Fault
"""
PAIRS = [
    (parent, child)
    for line in TREE.strip().splitlines()
    for parent, children in [line.split(": ")]
    for child in children.split()
]
BUILTIN = {
    "PyesdbError": Exception,
    "RequestError": ValueError,
    "NotFound": LookupError,
    "AccessDenied": PermissionError,
    "ConnectionLost": ConnectionError,
    "DeadlineExceeded": TimeoutError,
}


@pytest.mark.parametrize(("parent", "child"), PAIRS)
def test_the_tree_is_as_drawn(parent: str, child: str) -> None:
    assert issubclass(getattr(pyesdb, child), getattr(pyesdb, parent))


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_handlers_catch_them(name: str) -> None:
    assert issubclass(getattr(pyesdb, name), BUILTIN[name])


def test_every_class_has_a_code_of_its_own() -> None:
    names = ["PyesdbError", *(child for _, child in PAIRS)]
    codes = [getattr(pyesdb, name).code for name in names]
    assert all(isinstance(code, str) and code == code.lower() for code in codes)
    assert len(set(codes)) == len(names)


def test_every_class_says_in_a_sentence_what_happened() -> None:
    for _, child in PAIRS:
        assert len((getattr(pyesdb, child).__doc__ or "").strip()) >= 20, child


def provoked(store: Any) -> dict[str, pyesdb.PyesdbError]:
    """Real errors, as callers get them."""
    store.append("s", one("Taken"), tracking=("src", 5))
    command = uuid4()
    store.append("s", one(), command_id=command)
    store.append("gone", one())
    store.delete_stream("gone")
    store.append("dead", one())
    store.tombstone_stream("dead")
    store.record_snapshot("A", "s", 0, {"x": 1})
    taken = AppendCondition(select.event_type("Taken"))
    calls = {
        "WrongExpectedVersion": lambda: store.append("s", one(), expected=9),
        "ConditionFailed": lambda: store.append("s", one(), condition=taken),
        "TrackingConflict": lambda: store.append("s", one(), tracking=("src", 5)),
        "CommandMismatch": lambda: store.append("t", one(), command_id=command),
        "LimitExceeded": lambda: store.append("s", [one(data="x" * (2 << 20))]),
        "InvalidStreamName": lambda: store.append("", one()),
        "InvalidEvent": lambda: pyesdb.NewEvent("T", object()),
        "InvalidSelector": select.tags,
        "StreamNotFound": lambda: store.read("never"),
        "StreamDeleted": lambda: store.read("gone"),
        "StreamTombstoned": lambda: store.read("dead"),
        "SnapshotNotFound": lambda: store.read_snapshot("A", "t"),
        "SnapshotConflict": lambda: store.record_snapshot("A", "s", 0, {"x": 2}),
        "DeadlineExceeded": lambda: store.read("s", at_least=10**9, timeout=0.01),
    }
    errors = {}
    for name, call in calls.items():
        with pytest.raises(getattr(pyesdb, name)) as caught:
            call()
        errors[name] = caught.value
    return errors


def test_errors_pickle_with_their_fields(own_store: Any) -> None:
    for name, error in provoked(own_store).items():
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) is getattr(pyesdb, name)
        assert str(again) == str(error)
        for field in ("code", "retryable", "retry_after", *FIELDS.get(name, ())):
            assert getattr(again, field) == getattr(error, field), (name, field)


FIELDS = {
    "WrongExpectedVersion": ("stream", "expected", "actual"),
    "ConditionFailed": ("position",),
    "TrackingConflict": ("source", "position", "recorded"),
    "LimitExceeded": ("limit", "value", "setting"),
}


def test_codes_retryable_and_retry_after_are_typed(own_store: Any) -> None:
    for name, error in provoked(own_store).items():
        assert error.code == type(error).code, name
        assert isinstance(error.retryable, bool), name
        assert error.retry_after is None or error.retry_after > 0, name


def test_only_what_may_succeed_unchanged_is_retryable(own_store: Any) -> None:
    errors = provoked(own_store)
    assert errors["DeadlineExceeded"].retryable is True
    for name in ("InvalidStreamName", "LimitExceeded", "CommandMismatch", "StreamTombstoned"):
        assert errors[name].retryable is False, name


def test_messages_name_what_they_are_about(own_store: Any) -> None:
    errors = provoked(own_store)
    for name, words in {
        "WrongExpectedVersion": ["s", "9", "1"],
        "TrackingConflict": ["src", "5"],
        "LimitExceeded": ["1,048,576"],
        "StreamNotFound": ["never"],
        "StreamDeleted": ["gone"],
        "StreamTombstoned": ["dead"],
        "SnapshotConflict": ["A", "s"],
        "ConditionFailed": ["1"],
    }.items():
        for word in words:
            assert word in str(errors[name]), (name, word)


def test_wrong_expected_version_tells_states_as_stream_state(own_store: Any) -> None:
    with pytest.raises(pyesdb.WrongExpectedVersion) as caught:
        own_store.append("s", one(), expected=StreamState.EXISTS)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.expected is StreamState.EXISTS
    assert again.actual is StreamState.NO_STREAM


def test_a_store_error_names_the_store(db: Any) -> None:
    with pytest.raises(pyesdb.StoreNotFound) as caught:
        db.store("nowhere").version("s")
    assert "nowhere" in str(caught.value)
    with pytest.raises(pyesdb.StoreAlreadyExists) as exists:
        db.create_store("default")
    assert "default" in str(exists.value)
