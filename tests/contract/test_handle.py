"""API "Toolkit": `store.handle` loads, decides, appends, and tries again on conflict."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, singledispatch, singledispatchmethod, wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import pyesdb
from pyesdb import Append, Decider, NewEvent, StreamState, select
from pyesdb.embedded.calls import Calls
from pyesdb.store.runtime import StoreRuntime
from tests.contract.shop import SEATS, Seats, Sold, SoldOut, next_seat, seat_types
from tests.contract.tools import everything, named, types, versions


def sold(seat: int, **more: Any) -> NewEvent:
    return NewEvent("Sold", {"seat": seat}, **more)


@pytest.fixture
def rival(db: Any, data_dir: Path, own_store: Any) -> Iterator[Any]:
    """Somebody else, who writes while a decision is made."""
    with pyesdb.open(data_dir, durability="os") as database:
        yield database.store(own_store.id)


def meddling(rival: Any, times: int, *events: NewEvent) -> Callable[[Seats], Any]:
    """Decides on the next seat, and lets the rival take one before that is appended."""
    left = [times]
    seen: list[list[int]] = []

    def decide(seats: Seats) -> Any:
        seen.append(list(seats.sold))
        if left[0] > 0:
            left[0] -= 1
            rival.append("s", [sold(len(seats.sold), tags=["hall"]), *events])
        return sold(len(seats.sold), tags=["hall"])

    decide.seen = seen  # type: ignore[attr-defined]
    return decide


# --- one decision


def test_a_decision_is_appended_and_the_new_state_returned(store: Any) -> None:
    store.append("s", [sold(0), NewEvent("Note")])
    handled = store.handle(SEATS, "s", lambda seats: [sold(1), sold(2)])
    assert handled.state == Seats([0, 1, 2])
    assert (handled.result.version, handled.result.count, handled.retries) == (3, 2, 0)
    assert versions(store.read("s")) == [0, 1, 2, 3]


def test_a_new_stream_starts_from_the_initial_state(own_store: Any) -> None:
    handled = own_store.handle(SEATS, "new", lambda seats: sold(len(seats.sold)))
    assert (handled.state, handled.result.version) == (Seats([0]), 0)


def test_a_deleted_stream_starts_anew_and_a_tombstoned_one_is_refused(own_store: Any) -> None:
    own_store.append("s", [sold(0), sold(1)])
    own_store.delete_stream("s")
    handled = own_store.handle(SEATS, "s", lambda seats: sold(len(seats.sold)))
    assert (handled.state, handled.result.version) == (Seats([0]), 2)
    own_store.tombstone_stream("s")
    with pytest.raises(pyesdb.StreamTombstoned):
        own_store.handle(SEATS, "s", lambda seats: sold(9))


def test_registered_objects_are_decided_on_and_decided(db: Any, own_store: Any) -> None:
    typed = db.store(own_store.id, types=seat_types())
    for n in range(3):
        assert typed.handle(SEATS, "s", next_seat).state == Seats(list(range(n + 1)))
    assert [event.body for event in typed.read("s")] == [Sold(0), Sold(1), Sold(2)]


def test_an_event_that_does_not_decode_fails_the_call(db: Any, own_store: Any) -> None:
    own_store.append("s", NewEvent("Sold", {"seat": "first row"}))
    typed = db.store(own_store.id, types=seat_types())
    with pytest.raises(pyesdb.InvalidEvent, match="Sold"):
        typed.handle(SEATS, "s", next_seat)
    assert versions(own_store.read("s")) == [0]


@pytest.mark.parametrize("nothing", [None, [], ()], ids=repr)
def test_deciding_nothing_stores_nothing(own_store: Any, nothing: Any) -> None:
    own_store.append("s", sold(0))
    handled = own_store.handle(SEATS, "s", lambda seats: nothing)
    assert (handled.state, handled.retries) == (Seats([0]), 0)
    assert (handled.result.count, handled.result.version) == (0, 0)
    assert own_store.handle(SEATS, "t", lambda seats: nothing).result.version is None
    assert types(own_store.read_all()) == ["Sold"]


def test_a_generator_decides_one_by_one(own_store: Any) -> None:
    def decide(seats: Seats) -> Iterator[NewEvent]:
        yield sold(0)
        yield sold(1)

    assert own_store.handle(SEATS, "s", decide).state == Seats([0, 1])


@pytest.mark.parametrize("error", [SoldOut("none left"), KeyError("x"), pyesdb.RequestError("no")])
def test_what_decide_raises_passes_through_and_nothing_is_stored(
    own_store: Any, error: Exception
) -> None:
    def decide(seats: Seats) -> Any:
        raise error

    own_store.append("s", sold(0))
    with pytest.raises(type(error)) as caught:
        own_store.handle(SEATS, "s", decide)
    assert caught.value is error
    assert versions(own_store.read("s")) == [0]


def test_a_conflict_that_decide_itself_raises_is_not_retried(own_store: Any) -> None:
    calls: list[int] = []

    def decide(seats: Seats) -> Any:
        calls.append(1)
        raise pyesdb.WrongExpectedVersion("mine", stream="x", expected=1, actual=2)

    with pytest.raises(pyesdb.WrongExpectedVersion, match="mine"):
        own_store.handle(SEATS, "s", decide)
    assert calls == [1]


def test_what_evolve_raises_passes_through(own_store: Any) -> None:
    def broken(state: int, event: Any) -> int:
        raise ZeroDivisionError

    own_store.append("s", sold(0))
    with pytest.raises(ZeroDivisionError):
        own_store.handle(Decider(initial=int, evolve=broken), "s", lambda state: None)


def test_stop_iteration_of_decide_is_no_end_of_anything(own_store: Any) -> None:
    def decide(seats: Seats) -> Any:
        return next(iter(seats.sold))

    with pytest.raises(RuntimeError, match="decide raised StopIteration"):
        own_store.handle(SEATS, "s", decide)
    assert not own_store.exists("s")


@pytest.mark.parametrize(
    "misfit",
    [NewEvent("Sold", {"seat": "first row"}), Sold("first row")],
    ids=["new", "object"],  # type: ignore[arg-type]
)
def test_what_could_never_be_read_is_not_stored(db: Any, own_store: Any, misfit: Any) -> None:
    typed = db.store(own_store.id, types=seat_types())
    typed.append("s", Sold(0))
    for decided in (misfit, [Sold(1), misfit], Append("s", [misfit])):
        with pytest.raises(pyesdb.InvalidEvent, match=r"nothing was stored") as caught:
            typed.handle(SEATS, "s", lambda seats, decided=decided: decided)
        assert caught.value.type == "Sold"
    assert typed.handle(SEATS, "s", next_seat).state == Seats([0, 1])


def picky(seats: Seats, event: Any) -> Seats:
    if event.json()["seat"] > 0:
        raise ZeroDivisionError
    return Seats([*seats.sold, event.json()["seat"]])


def test_an_evolve_that_cannot_take_what_was_stored_says_so(own_store: Any) -> None:
    decider, command = Decider(initial=Seats, evolve=picky), uuid4()
    with pytest.raises(ZeroDivisionError) as caught:
        own_store.handle(decider, "s", lambda seats: [sold(0), sold(1)], command_id=command)
    (note,) = caught.value.__notes__
    assert "is stored" in note
    assert str(command) in note
    assert versions(own_store.read("s")) == [0, 1]
    with pytest.raises(ZeroDivisionError) as caught:
        own_store.handle(decider, "s", lambda seats: None)
    assert not hasattr(caught.value, "__notes__"), "nothing was stored by this call"


# --- others write meanwhile


def test_a_retry_decides_on_what_is_there_now(own_store: Any, rival: Any) -> None:
    decide = meddling(rival, 2)
    handled = own_store.handle(SEATS, "s", decide)
    assert decide.seen == [[], [0], [0, 1]]  # type: ignore[attr-defined]
    assert (handled.state, handled.retries) == (Seats([0, 1, 2]), 2)
    assert [event.json()["seat"] for event in own_store.read("s")] == [0, 1, 2]


def test_retries_end_with_the_conflict(own_store: Any, rival: Any) -> None:
    decide = meddling(rival, 9)
    with pytest.raises(pyesdb.WrongExpectedVersion):
        own_store.handle(SEATS, "s", decide)
    assert len(decide.seen) == 4  # type: ignore[attr-defined]
    assert len(own_store.read("s").to_list()) == 4, "only the rival's"


def test_no_retries_is_one_try(own_store: Any, rival: Any) -> None:
    with pytest.raises(pyesdb.WrongExpectedVersion):
        own_store.handle(SEATS, "s", meddling(rival, 1), retries=0)


def test_nothing_is_decided_on_an_old_state_either(own_store: Any, rival: Any) -> None:
    seen: list[int] = []

    def decide(seats: Seats) -> None:
        seen.append(len(seats.sold))
        if len(seen) == 1:
            rival.append("s", sold(0))

    assert own_store.handle(SEATS, "s", decide).state == Seats([0])
    assert seen == [0, 1]


# --- over any streams (DCB)

HALL = select.event_type("Sold") & select.tags("hall")


def test_a_selector_is_guarded_by_its_condition(own_store: Any, rival: Any) -> None:
    own_store.append("elsewhere", [sold(0, tags=["hall"]), sold(7, tags=["foyer"])])
    decide = meddling(rival, 1)
    handled = own_store.handle(SEATS, HALL, decide)
    assert decide.seen == [[0], [0, 1]]  # type: ignore[attr-defined]
    assert (handled.state, handled.retries) == (Seats([0, 1, 2]), 1)
    assert handled.result.stream == "$events"
    assert [event.json()["seat"] for event in own_store.read("$events")] == [2]


def test_what_the_selector_does_not_mean_disturbs_nobody(own_store: Any, rival: Any) -> None:
    calls: list[int] = []

    def decide(seats: Seats) -> NewEvent:
        calls.append(1)
        rival.append("s", [sold(9, tags=["foyer"]), NewEvent("Note", tags=["hall"])])
        return sold(len(seats.sold), tags=["hall"])

    assert own_store.handle(SEATS, HALL, decide).retries == 0
    assert calls == [1]


def test_a_selector_over_old_events_decides_without_conflict(own_store: Any) -> None:
    for n in range(3):
        own_store.append(f"s{n}", sold(n, tags=["hall"]))
    handled = own_store.handle(SEATS, HALL, lambda seats: sold(len(seats.sold), tags=["hall"]))
    assert (handled.state, handled.retries) == (Seats([0, 1, 2, 3]), 0)


def test_a_decision_over_a_selector_may_name_streams(own_store: Any, rival: Any) -> None:
    left = [1]

    def decide(seats: Seats) -> list[Append | NewEvent]:
        if left.pop() if left else 0:
            rival.append("x", sold(0, tags=["hall"]))
        seat = len(seats.sold)
        return [Append("a", sold(seat, tags=["hall"])), NewEvent("Counted"), Append("b", sold(50))]

    handled = own_store.handle(SEATS, HALL, decide)
    assert (handled.state, handled.retries) == (Seats([0, 1]), 1)
    assert [(e.stream, e.type) for e in own_store.read_all(after=1)] == [
        ("$events", "Counted"), ("a", "Sold"), ("b", "Sold"),
    ]  # fmt: skip


# --- several streams


def test_a_decision_may_write_to_other_streams_too(own_store: Any) -> None:
    own_store.append("s", sold(0))
    handled = own_store.handle(
        SEATS, "s", lambda seats: [sold(1), Append("log", NewEvent("Logged"))]
    )
    assert handled.state == Seats([0, 1])
    assert [part.stream for part in handled.result.results] == ["s", "log"]
    assert own_store.handle(SEATS, "s", lambda seats: Append("s", sold(2))).state == Seats(
        [0, 1, 2]
    )


def test_a_decision_only_about_other_streams_is_guarded_as_well(own_store: Any, rival: Any) -> None:
    seen: list[int] = []

    def decide(seats: Seats) -> Append:
        seen.append(len(seats.sold))
        if len(seen) == 1:
            rival.append("s", sold(0))
        return Append("log", NewEvent("Logged", {"sold": len(seats.sold)}))

    assert own_store.handle(SEATS, "s", decide).retries == 1
    assert [event.json() for event in own_store.read("log")] == [{"sold": 1}]


@pytest.mark.parametrize("expected", [StreamState.ANY, StreamState.EXISTS], ids=lambda e: e.name)
def test_an_append_object_to_the_target_is_guarded_by_what_was_loaded(
    own_store: Any, rival: Any, expected: StreamState
) -> None:
    own_store.append("s", sold(0))
    seen: list[list[int]] = []

    def decide(seats: Seats) -> Append:
        seen.append(list(seats.sold))
        if len(seen) == 1:
            rival.append("s", sold(1))
        return Append("s", sold(len(seats.sold)), expected=expected)

    handled = own_store.handle(SEATS, "s", decide)
    assert (seen, handled.retries) == ([[0], [0, 1]], 1)
    assert [event.json()["seat"] for event in own_store.read("s")] == [0, 1, 2]


def test_an_append_object_may_expect_more_than_the_guard(own_store: Any) -> None:
    for expected in (StreamState.EXISTS, 7):
        with pytest.raises(pyesdb.WrongExpectedVersion):
            own_store.handle(SEATS, "new", lambda s, e=expected: Append("new", sold(0), expected=e))
    own_store.append("s", sold(0))
    with pytest.raises(pyesdb.WrongExpectedVersion):
        own_store.handle(
            SEATS, "s", lambda seats: Append("s", sold(1), expected=StreamState.NO_STREAM)
        )
    assert (own_store.exists("new"), versions(own_store.read("s"))) == (False, [0])


# --- exactly once


def test_the_same_command_id_decides_once(own_store: Any) -> None:
    command, calls = uuid4(), []

    def decide(seats: Seats) -> NewEvent:
        calls.append(1)
        return sold(len(seats.sold))

    first = own_store.handle(SEATS, "s", decide, command_id=command)
    own_store.append("s", sold(1))
    again = own_store.handle(SEATS, "s", decide, command_id=command)
    assert calls == [1]
    assert (first.result.duplicate, again.result.duplicate) == (False, True)
    assert again.result.position == first.result.position
    assert again.state == Seats([0, 1]), "the state of now"
    assert versions(own_store.read("s")) == [0, 1]


def test_a_call_that_decided_nothing_may_be_repeated_too(own_store: Any) -> None:
    command = uuid4()
    for duplicate in (False, True):
        handled = own_store.handle(SEATS, "new", lambda seats: None, command_id=command)
        assert (handled.state, handled.result.count) == (Seats(), 0)
        assert (handled.result.stream, handled.result.duplicate) == ("new", duplicate)


def test_a_command_id_of_another_stream_is_a_mismatch(own_store: Any) -> None:
    command = uuid4()
    own_store.append("other", sold(0), command_id=command)
    with pytest.raises(pyesdb.CommandMismatch, match="new id"):
        own_store.handle(SEATS, "s", lambda seats: sold(0), command_id=command)
    assert not own_store.exists("s")


def test_a_command_id_of_an_append_to_a_stream_is_a_mismatch_for_a_selector(own_store: Any) -> None:
    command = uuid4()
    own_store.append("other", NewEvent("X"), command_id=command)
    with pytest.raises(pyesdb.CommandMismatch, match="new id"):
        own_store.handle(SEATS, HALL, lambda seats: sold(0, tags=["hall"]), command_id=command)
    assert types(own_store.read_all()) == ["X"]


@pytest.mark.parametrize(
    "decided",
    [
        [NewEvent("Counted")],
        [Append("log", NewEvent("Counted"))],
        [],
    ],
    ids=["of no stream", "of a stream", "nothing"],
)
def test_a_decision_over_a_selector_may_be_repeated_whatever_it_stored(
    own_store: Any, decided: list[Any]
) -> None:
    command = uuid4()
    own_store.append("s", sold(0, tags=["hall"]))
    for duplicate in (False, True):
        handled = own_store.handle(SEATS, HALL, lambda seats: decided, command_id=command)
        assert (handled.state, handled.result.duplicate) == (Seats([0]), duplicate)
    assert len(everything(own_store)) == 1 + len(decided)


def test_a_refused_call_may_be_made_again_with_its_id(own_store: Any, rival: Any) -> None:
    command = uuid4()
    with pytest.raises(pyesdb.WrongExpectedVersion):
        own_store.handle(SEATS, "s", meddling(rival, 9), retries=1, command_id=command)
    handled = own_store.handle(SEATS, "s", meddling(rival, 0), command_id=command)
    assert (handled.state, handled.result.duplicate) == (Seats([0, 1, 2]), False)


def losing(patch: pytest.MonkeyPatch, *, stored: bool) -> None:
    """Lose the answer of the next append, which was stored or was not."""
    left = [1]
    submit, submit_async = StoreRuntime.submit, StoreRuntime.submit_async

    def lost(command: Any) -> pyesdb.OutcomeUnknown | None:
        if not left or not hasattr(command, "appends"):
            return None
        left.pop()
        from uuid import UUID

        return pyesdb.OutcomeUnknown(command_id=UUID(bytes=command.id))

    def sync(self: StoreRuntime, command: Any, timeout_s: float) -> Any:
        error = lost(command)
        answer = None if error and not stored else submit(self, command, timeout_s)
        if error:
            raise error
        return answer

    async def later(self: StoreRuntime, command: Any, timeout_s: float, loop: Any) -> Any:
        error = lost(command)
        answer = None
        if stored or error is None:
            answer = await submit_async(self, command, timeout_s, loop)
        if error:
            raise error
        return answer

    patch.setattr(StoreRuntime, "submit", sync)
    patch.setattr(StoreRuntime, "submit_async", later)


def test_a_lost_answer_is_looked_up(own_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own_store.append("s", sold(0))
    losing(monkeypatch, stored=True)
    handled = own_store.handle(SEATS, "s", lambda seats: sold(len(seats.sold)))
    assert (handled.state, handled.result.version) == (Seats([0, 1]), 1)
    assert versions(own_store.read("s")) == [0, 1]


def test_an_unknown_outcome_names_the_command_to_repeat(
    own_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_store.append("s", sold(0))
    losing(monkeypatch, stored=False)
    with pytest.raises(pyesdb.OutcomeUnknown) as caught:
        own_store.handle(SEATS, "s", lambda seats: sold(len(seats.sold)))
    command = caught.value.command_id
    for _ in range(2):
        own_store.handle(SEATS, "s", lambda seats: sold(len(seats.sold)), command_id=command)
    assert versions(own_store.read("s")) == [0, 1]


def test_a_late_copy_of_a_call_that_was_given_up_stores_nothing(
    own_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call was repeated under its id, decided otherwise, and the first one comes after all."""
    command = uuid4()
    first = own_store.handle(SEATS, "s", lambda seats: sold(0), command_id=command)
    monkeypatch.setattr("pyesdb.deciders.handling._done", _nothing_known())
    with pytest.raises(pyesdb.CommandMismatch):
        own_store.handle(SEATS, "s", lambda seats: sold(5), command_id=command)
    assert first.result.version == 0
    assert versions(own_store.read("s")) == [0]


def _nothing_known() -> Any:
    def done(*_: Any) -> Any:
        return None
        yield

    return done


# --- the deadline


def test_the_timeout_is_of_the_whole_call(own_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("pyesdb.embedded.deciding.time.monotonic", lambda: now[0])

    def slow(seats: Seats) -> NewEvent:
        now[0] += 3
        return sold(0)

    with pytest.raises(pyesdb.DeadlineExceeded, match="nothing was stored"):
        own_store.handle(SEATS, "s", slow, timeout=2)
    assert not own_store.exists("s")
    assert own_store.handle(SEATS, "s", slow, timeout=4).result.version == 0


# --- bad calls

BAD: dict[str, dict[str, Any]] = {
    "no decider": {"decider": 5},
    "a class": {"decider": Decider},
    "no target": {"target": None},
    "a number": {"target": 5},
    "an empty name": {"target": ""},
    "a system name": {"target": "$events"},
    "no function": {"decide": sold(0)},
    "negative retries": {"retries": -1},
    "true": {"retries": True},
    "no snapshots": {"snapshot_every": 0},
    "text": {"snapshot_every": "5"},
    "a command id of text": {"command_id": "x"},
    "a timeout in milliseconds": {"timeout": 15_000},
    "a pattern": {"target": select.pattern(stream="s-*")},
    "a payload": {"target": select.payload({"seat": 1})},
    "snapshots of a selector": {"target": HALL, "snapshot_every": 5},
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_call_is_refused_before_anything_is_read(own_store: Any, case: str) -> None:
    calls: list[Any] = []
    good = {"decider": SEATS, "target": "s", "decide": calls.append}
    with pytest.raises(pyesdb.RequestError):
        own_store.handle(**{**good, **BAD[case]})
    assert calls == []


@pytest.mark.parametrize(
    "decided", [5, "Sold", {"seat": 1}, [Sold(0)], [None], object()], ids=named
)
def test_a_bad_decision_is_refused_and_nothing_stored(own_store: Any, decided: Any) -> None:
    for target in ("s", HALL):
        with pytest.raises(pyesdb.InvalidEvent):
            own_store.handle(SEATS, target, lambda seats: decided)
    assert everything(own_store) == []


@pytest.mark.parametrize("bad", [{"initial": 5}, {"evolve": None}])
def test_a_decider_is_made_of_functions(bad: dict[str, Any]) -> None:
    with pytest.raises(pyesdb.RequestError, match="function"):
        Decider(**{"initial": Seats, "evolve": lambda state, event: state, **bad})


async def later(state: Seats, event: Any) -> Seats:
    return state


def one_by_one(state: Seats, event: Any) -> Iterator[Seats]:
    yield state


async def later_one_by_one(state: Seats, event: Any) -> Any:
    yield state


class Later:
    async def __call__(self, *_: Any) -> Seats:
        return Seats()


@pytest.mark.parametrize(
    "bad", [later, one_by_one, later_one_by_one, Later(), partial(later), partial(Later())],
    ids=["async", "generator", "async generator", "object", "partial", "partial of an object"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["initial", "evolve"])
def test_what_returns_no_state_makes_no_decider(name: str, bad: Any) -> None:
    good: dict[str, Any] = {"initial": Seats, "evolve": lambda state, event: state}
    with pytest.raises(pyesdb.RequestError, match=f"{name} must be an ordinary function"):
        Decider(**{**good, name: bad})


def test_a_missing_store_is_said(db: Any) -> None:
    with pytest.raises(pyesdb.StoreNotFound):
        db.store("nowhere").handle(SEATS, "s", lambda seats: None)


# --- snapshots


def source_of(store: Any) -> str:
    (found,) = {snapshot.source for snapshot in store.list_snapshots()}
    return found


def test_a_snapshot_is_kept_every_so_many_events(own_store: Any) -> None:
    for _ in range(7):
        own_store.handle(SEATS, "s", lambda seats: sold(len(seats.sold)), snapshot_every=3)
    assert [snapshot.version for snapshot in own_store.list_snapshots()] == [2, 5]
    assert "evolve" in source_of(own_store)
    assert own_store.load("s", source=source_of(own_store)).events.to_list()[0].version == 6


def test_a_load_starts_from_the_snapshot(own_store: Any) -> None:
    folded: list[int] = []

    def counting(count: int, event: Any) -> int:
        folded.append(event.version)
        return count + 1

    decider = Decider(initial=int, evolve=counting)
    own_store.append("s", [sold(n) for n in range(9)])
    own_store.handle(decider, "s", sold, snapshot_every=5)
    folded.clear()
    assert own_store.handle(decider, "s", sold, snapshot_every=5).state == 11
    assert folded == [10]
    folded.clear()
    assert own_store.handle(decider, "s", lambda count: None).state == 11
    assert folded == list(range(11)), "without snapshot_every none is used"


def make(fields: str, body: str) -> Decider[Any]:
    """A decider of a module that was changed: the same names, other code."""
    text = (
        "from dataclasses import dataclass\n"
        "from typing import Any\n"
        f"@dataclass\nclass Account:\n    {fields}\n"
        f"def evolve(state: Account, event: Any) -> Account:\n    {body}\n"
    )
    space: dict[str, Any] = {"__name__": "accounts"}
    exec(compile(text, "accounts.py", "exec", dont_inherit=True), space)
    return Decider(initial=space["Account"], evolve=space["evolve"])


ONE = ("total: int = 0", "return Account(state.total + 1)")
CHANGED = {
    "its fields": (
        "total: int = 0; fees: int = 100",
        "return Account(state.total + 1, state.fees)",
    ),
    "a field's type": ("total: float = 0.0", "return Account(state.total + 1)"),
    "evolve": ("total: int = 0", "return Account(state.total + 2)"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_snapshot_is_not_used_after_its_state_or_evolve_changed(
    own_store: Any, change: str
) -> None:
    before, after = make(*ONE), make(*CHANGED[change])
    own_store.append("s", [sold(n) for n in range(4)])
    own_store.handle(before, "s", lambda state: sold(4), snapshot_every=1)
    assert own_store.handle(make(*ONE), "s", lambda state: None, snapshot_every=9).state.total == 5
    expected = own_store.handle(after, "s", lambda state: None).state
    assert own_store.handle(after, "s", lambda state: None, snapshot_every=9).state == expected


def test_a_snapshot_that_does_not_decode_is_passed_over(
    own_store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    own_store.append("s", [sold(n) for n in range(4)])
    own_store.handle(SEATS, "s", lambda seats: sold(4), snapshot_every=1)
    source = source_of(own_store)
    own_store.delete_snapshot(source, "s")
    own_store.record_snapshot(source, "s", 2, {"not": "a state"})
    with caplog.at_level(logging.WARNING, "pyesdb"):
        handled = own_store.handle(SEATS, "s", lambda seats: None, snapshot_every=100)
    assert handled.state == Seats([0, 1, 2, 3, 4])
    assert "passed over" in caplog.text


def test_a_state_that_cannot_be_kept_is_said_at_the_first_call(own_store: Any) -> None:
    for initial in (object, lambda: {(1, 2): 3}, lambda: {1: "a"}, lambda: float("nan")):
        decider: Decider[Any] = Decider(initial=initial, evolve=lambda state, event: state)
        with pytest.raises(pyesdb.RequestError):
            own_store.handle(decider, "s", lambda state: sold(0), snapshot_every=1)
        own_store.handle(decider, "fine without", lambda state: sold(0))
    assert not own_store.exists("s")


def annotated(state: dict[int, Seats], event: Any) -> dict[int, Seats]:
    return {**state, len(state): Seats([len(state)])}


def test_an_annotation_says_what_a_state_holds(own_store: Any) -> None:
    decider: Decider[dict[int, Seats]] = Decider(initial=dict, evolve=annotated)
    own_store.handle(decider, "s", lambda state: [sold(0), sold(1)], snapshot_every=1)
    assert own_store.list_snapshots()[0].version == 1
    assert own_store.handle(decider, "s", lambda state: None, snapshot_every=9).state == {
        0: Seats([0]), 1: Seats([1]),
    }  # fmt: skip


def either(state: Seats | None, event: Any) -> Seats | None:
    return None if state else Seats([1])


def test_a_state_of_several_kinds(own_store: Any) -> None:
    decider: Decider[Seats | None] = Decider(initial=lambda: None, evolve=either)
    for expected in (Seats([1]), None, Seats([1])):
        own_store.handle(decider, "s", lambda state: sold(0), snapshot_every=1)
        assert own_store.handle(decider, "s", lambda s: None, snapshot_every=9).state == expected
    assert len(own_store.list_snapshots()) == 3


def test_a_snapshot_that_fails_does_not_fail_the_command(
    own_store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    decider: Decider[Any] = Decider(initial=dict, evolve=lambda state, event: {1: object()})
    with caplog.at_level(logging.WARNING, "pyesdb"):
        handled = own_store.handle(decider, "s", lambda state: sold(0), snapshot_every=1)
    assert handled.result.version == 0
    assert own_store.list_snapshots() == []
    assert "no snapshot of stream 's' at version 0" in caplog.text


def test_a_snapshot_in_the_way_does_not_fail_the_command(
    own_store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    own_store.handle(SEATS, "s", lambda seats: sold(0), snapshot_every=1)
    source = source_of(own_store)
    own_store.append("s", sold(1))
    own_store.record_snapshot(source, "s", 1, {"kind": "Seats", "state": {"sold": [7]}})
    own_store.delete_snapshot(source, "s", 0)
    with caplog.at_level(logging.WARNING, "pyesdb"):
        own_store.handle(SEATS, "t", lambda seats: sold(0), snapshot_every=1)
        handled = own_store.handle(SEATS, "s", lambda seats: None, snapshot_every=1)
    assert handled.state == Seats([7]), "what a snapshot says is believed"


def test_hidden_events_are_in_the_returned_state(own_store: Any) -> None:
    own_store.append("s", sold(0))
    own_store.set_stream_metadata("s", max_count=1)
    handled = own_store.handle(SEATS, "s", lambda seats: [sold(1), sold(2)], snapshot_every=1)
    assert handled.state == Seats([0, 1, 2])
    assert own_store.list_snapshots()[0].version == 2
    assert own_store.handle(SEATS, "s", lambda s: None, snapshot_every=9).state == handled.state


def test_state_before_a_stream_came_back_is_forgotten(own_store: Any) -> None:
    own_store.append("s", sold(0))
    own_store.handle(SEATS, "s", lambda seats: sold(1), snapshot_every=1)
    own_store.delete_stream("s")
    handled = own_store.handle(SEATS, "s", lambda seats: sold(5), snapshot_every=1)
    assert (handled.state, handled.result.version) == (Seats([5]), 2)
    assert own_store.version("s") != StreamState.NO_STREAM


@pytest.mark.parametrize("kept", [True, False])
def test_a_state_that_was_deleted_meanwhile_does_not_stay_as_a_snapshot(
    own_store: Any, rival: Any, kept: bool
) -> None:
    own_store.append("s", [sold(0), sold(1)])
    if kept:
        own_store.handle(SEATS, "s", lambda seats: None, snapshot_every=1)

    def decide(seats: Seats) -> Any:
        assert seats == Seats([0, 1])
        rival.delete_stream("s")
        return sold(2)

    assert own_store.handle(SEATS, "s", decide, snapshot_every=1).result.version == 2
    assert own_store.list_snapshots(stream="s") == []
    assert own_store.handle(SEATS, "s", lambda s: None, snapshot_every=1).state == Seats([2])


def behind_the_look(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[], Any]) -> None:
    """Something happens once, when the snapshot of a load is known and its events are not."""
    asked, left = Calls.newest_snapshot, [1]

    def meddled(calls: Calls, *arguments: Any) -> Callable[[Any], Any]:
        question = asked(calls, *arguments)

        def answer(reader: Any) -> Any:
            found = question(reader)
            if left:
                left.pop()
                meddle()
            return found

        return answer

    monkeypatch.setattr(Calls, "newest_snapshot", meddled)


def test_a_snapshot_of_one_life_is_not_continued_with_events_of_the_next(
    own_store: Any, rival: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_store.append("s", [sold(0), sold(1)])
    own_store.handle(SEATS, "s", lambda seats: None, snapshot_every=1)

    def meddle() -> None:
        rival.delete_stream("s")
        rival.append("s", sold(7))

    behind_the_look(monkeypatch, meddle)
    handled = own_store.handle(SEATS, "s", lambda seats: sold(8), snapshot_every=9)
    assert handled.state == Seats([7, 8])


def test_a_snapshot_is_not_continued_across_a_gap_that_comes_meanwhile(
    own_store: Any, rival: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_store.append("s", [sold(0), sold(1)])
    own_store.handle(SEATS, "s", lambda seats: None, snapshot_every=1)
    own_store.append("s", [sold(n) for n in range(2, 6)])
    behind_the_look(monkeypatch, lambda: rival.truncate_stream("s", before_version=4))
    handled = own_store.handle(SEATS, "s", lambda seats: None, snapshot_every=9)
    assert handled.state == Seats([4, 5])


def test_a_load_that_a_scavenge_tears_is_made_anew(own_store: Any, rival: Any) -> None:
    own_store.append("s", [sold(n) for n in range(300)])
    left = [1]

    def meddled(seats: Seats, event: Any) -> Seats:
        if left:
            left.pop()
            rival.truncate_stream("s", before_version=200)
            assert rival.scavenge().events == 200
        return SEATS.evolve(seats, event)

    decider = Decider(initial=Seats, evolve=meddled)
    handled = own_store.handle(decider, "s", lambda seats: None)
    assert handled.state == Seats(list(range(200, 300)))


def hidden_by_count(store: Any) -> None:
    store.set_stream_metadata("s", max_count=5)
    for n in range(10, 16):
        store.append("s", sold(n))


def hidden_by_truncation(store: Any) -> None:
    store.append("s", [sold(n) for n in range(10, 16)])
    store.truncate_stream("s", before_version=11)


def hidden_altogether(store: Any) -> None:
    store.append("s", [sold(n) for n in range(10, 16)])
    store.truncate_stream("s", before_version=16)


@pytest.mark.parametrize(
    ("hide", "left"),
    [(hidden_by_count, 11), (hidden_by_truncation, 11), (hidden_altogether, 16)],
    ids=["max_count", "truncated", "all"],
)
def test_a_snapshot_is_not_continued_across_a_gap(
    own_store: Any, caplog: pytest.LogCaptureFixture, hide: Any, left: int
) -> None:
    own_store.handle(SEATS, "s", lambda seats: [sold(n) for n in range(10)], snapshot_every=10)
    hide(own_store)
    with caplog.at_level(logging.WARNING, "pyesdb"):
        kept = own_store.handle(SEATS, "s", lambda seats: None, snapshot_every=10)
    assert kept.state == Seats(list(range(left, 16))), "a state that was, made of what is visible"
    assert own_store.handle(SEATS, "s", lambda seats: None).state == kept.state
    assert "version 9" in caplog.text
    for n in (16, 17):
        handled = own_store.handle(SEATS, "s", lambda seats, n=n: sold(n), snapshot_every=1)
    assert handled.state == Seats(list(range(left, 18)))


def test_truncating_what_a_snapshot_covers_leaves_the_state(own_store: Any) -> None:
    own_store.handle(SEATS, "s", lambda seats: [sold(n) for n in range(10)], snapshot_every=10)
    own_store.append("s", sold(10))
    own_store.truncate_stream("s", before_version=10)
    handled = own_store.handle(SEATS, "s", lambda seats: sold(11), snapshot_every=10)
    assert handled.state == Seats(list(range(12)))


def step(state: int, event: Any, *, by: int = 1) -> int:
    return state + by


def stepping(by: int) -> Callable[[int, Any], int]:
    def step(state: int, event: Any) -> int:
        return state + by

    return step


@dataclass(eq=False)
class Stepper:
    by: int

    def step(self, state: int, event: Any) -> int:
        return state + self.by

    __call__ = step


def dispatched(by: int) -> Callable[[int, Any], int]:
    """What is chosen by the class of its first argument."""

    @singledispatch
    def step(state: object, event: Any) -> int:
        raise AssertionError(state)

    def one(state: int, event: Any) -> int:
        return state + 1

    def ten(state: int, event: Any) -> int:
        return state + 10

    step.register(int, one if by == 1 else ten)
    return step


def dispatched_method(by: int) -> Callable[[int, Any], int]:
    """The same as a method."""

    class Dispatching:
        @singledispatchmethod
        def step(self, state: object, event: Any) -> int:
            raise AssertionError(state)

    def one(self: Dispatching, state: int, event: Any) -> int:
        return state + 1

    def ten(self: Dispatching, state: int, event: Any) -> int:
        return state + 10

    Dispatching.__dict__["step"].register(int, one if by == 1 else ten)
    return Dispatching().step


def dispatched_object(by: int) -> Callable[[int, Any], int]:
    """One method of two objects."""

    class Dispatching:
        def __init__(self, by: int) -> None:
            self.by = by

        @singledispatchmethod
        def step(self, state: object, event: Any) -> int:
            raise AssertionError(state)

        @step.register
        def _(self, state: int, event: Any) -> int:
            return state + self.by

    return Dispatching(by).step


def around(by: int) -> Callable[[int, Any], int]:
    """The same function; what stands around it differs by its code."""

    def unchanged(function: Callable[..., int]) -> Callable[..., int]:
        @wraps(function)
        def called(state: int, event: Any) -> int:
            return function(state, event)

        return called

    def tenfold(function: Callable[..., int]) -> Callable[..., int]:
        @wraps(function)
        def called(state: int, event: Any) -> int:
            return state + (function(state, event) - state) * 10

        return called

    return unchanged(step) if by == 1 else tenfold(step)


def inside(by: int) -> Callable[[int, Any], int]:
    """Another function in the same two decorators."""

    def unchanged(function: Callable[..., int]) -> Callable[..., int]:
        @wraps(function)
        def called(state: int, event: Any) -> int:
            return function(state, event)

        return called

    return unchanged(unchanged(stepping(by)))


@pytest.mark.parametrize(
    "made",
    [
        stepping,
        lambda by: partial(step, by=by),
        lambda by: Stepper(by).step,
        Stepper,
        dispatched,
        dispatched_method,
        dispatched_object,
        around,
        inside,
    ],
    ids=[
        "enclosed",
        "partial",
        "method",
        "object",
        "dispatched",
        "dispatched method",
        "dispatched object",
        "decorated",
        "inside",
    ],
)
def test_a_snapshot_is_of_an_evolve_with_what_it_was_given(own_store: Any, made: Any) -> None:
    one, ten = (Decider(initial=int, evolve=made(by)) for by in (1, 10))
    own_store.append("s", [sold(0), sold(1)])
    for decider, expected in ((one, 2), (ten, 20), (Decider(initial=int, evolve=made(1)), 2)):
        handled = own_store.handle(decider, "s", lambda state: None, snapshot_every=1)
        assert handled.state == expected
    assert len(own_store.list_snapshots(stream="s")) == 2
