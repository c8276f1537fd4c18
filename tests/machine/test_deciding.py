"""The machine's contract, 3 and 4: order of the checks, refusals, recorded outcomes, expiry."""

from __future__ import annotations

import pytest

from pyesdb import select
from pyesdb.model import commands as c
from pyesdb.model.limits import EXPIRES_US
from pyesdb.model.outcomes import Appended, Refused
from pyesdb.model.versions import ANY, EXISTS, NO_STREAM
from tests.machine.lab import SECOND, Lab, event, events, refused, stored

WRONG = "wrong_expected_version"
TABLE = {
    # state: {expected: what comes out}; the stream has events 0..2, or never existed
    "missing": {ANY: 0, NO_STREAM: 0, EXISTS: WRONG, 0: WRONG, 2: WRONG, 3: WRONG},
    "active": {ANY: 3, NO_STREAM: WRONG, EXISTS: 3, 0: WRONG, 2: 3, 3: WRONG},
    "deleted": {ANY: 3, NO_STREAM: 3, EXISTS: "stream_deleted", 0: WRONG, 2: 3, 3: WRONG},
    "tombstoned": dict.fromkeys((ANY, NO_STREAM, EXISTS, 0, 2, 3), "stream_tombstoned"),
}


def prepare(lab: Lab, state: str) -> None:
    lab.append("other", 2)
    if state != "missing":
        lab.append("s", 3)
    if state in ("deleted", "tombstoned"):
        lab.do(c.DeleteStream, "s", ANY, state == "tombstoned")


@pytest.mark.parametrize("known", ["remembered", "reopened"])
@pytest.mark.parametrize(
    ("state", "expected"), [(s, e) for s, cells in TABLE.items() for e in cells]
)
def test_the_table_of_expected_versions(lab: Lab, state: str, expected: int, known: str) -> None:
    prepare(lab, state)
    if known == "reopened":
        lab.reopen()
    before = lab.content()
    outcome = lab.append("s", 2, expected)
    wanted = TABLE[state][expected]
    if isinstance(wanted, str):
        assert refused(outcome) == wanted
        assert lab.content() == before
    else:
        assert stored(outcome)[:2] == (2, wanted + 1)
    if wanted == WRONG:
        assert isinstance(outcome, Refused)
        assert outcome.fields["actual"] == (-1 if state == "missing" else 2)


def test_a_refusal_leaves_no_stream_type_tag_or_position(lab: Lab) -> None:
    lab.append("s", [event("A", tags=["x"])])
    before = lab.content()
    refusals = (
        lab.appending(("new", 5, [event("NewType", tags=["new"])])),
        lab.appending(("new", ANY, [event("NewType", tags=["new"])]), condition=select.tags("x")),
        lab.appending(
            ("new", ANY, [event("NewType", tags=["new"])]), ("s", 7, [event()]), many=True
        ),
        lab.make(c.DeleteStream, "new", ANY),
        lab.make(c.TruncateStream, "new", 1),
        lab.make(c.SetStreamMetadata, "new", {"max_count": 1}),
        lab.make(c.RecordSnapshot, "src", "new", 0, b"", "text/plain", b""),
        lab.make(c.RecordSnapshot, "src", "s", 9, b"", "text/plain", b""),
        lab.make(c.DeleteSnapshot, "src", "s", None),
        lab.make(c.RemoveSubscription, "none"),
        lab.make(c.RaiseMachine, 99),
        lab.make(c.Configure, 9, {"no_such_setting": 1}),
    )
    for command in refusals:
        refused(lab.send(command)[0])
        assert lab.content() == before, command
    assert stored(lab.append("s")) == (1, 1, 2)  # no position was lost
    assert lab.rows("SELECT name FROM type ORDER BY id") == [("A",), ("Happened",)]


def test_one_refusal_does_not_disturb_its_group(lab: Lab) -> None:
    outcomes = lab.send(
        lab.appending(("a", NO_STREAM, events(2))),
        lab.appending(("a", NO_STREAM, events(2))),
        lab.appending(("b", 4, events(1))),
        lab.appending(("a", 1, events(1))),
    )
    assert stored(outcomes[0]) == (2, 1, 2)
    assert refused(outcomes[1]) == refused(outcomes[2]) == WRONG
    assert stored(outcomes[3]) == (1, 2, 3)
    assert lab.rows("SELECT position FROM event ORDER BY position") == [(1,), (2,), (3,)]


def test_a_condition_sees_what_stands_before_it_in_its_own_group(lab: Lab) -> None:
    rule = select.tags("seat-1")
    first, second = (
        lab.appending((name, ANY, [event("Booked", tags=["seat-1"])]), condition=rule)
        for name in "ab"
    )
    outcomes = lab.send(first, second)
    assert stored(outcomes[0])[0] == 1
    assert refused(outcomes[1]) == "condition_failed"
    assert outcomes[1].fields == {"position": 1}  # type: ignore[union-attr]


ORDER = ["recorded", "sealed", "frozen", "limit", "tombstone", "expected", "tracking", "condition"]
CODES = {
    "recorded": "command_mismatch",
    "sealed": "store_removed",
    "frozen": "store_frozen",
    "limit": "limit_exceeded",
    "tombstone": "stream_tombstoned",
    "expected": WRONG,
    "tracking": "tracking_conflict",
    "condition": "condition_failed",
}


@pytest.mark.parametrize("first", ORDER)
def test_the_order_of_the_checks(lab: Lab, first: str) -> None:
    """A command that is wrong in every way from `first` on is refused for `first`."""
    wrong = ORDER[ORDER.index(first) :]
    used = lab.id()
    lab.append("s", [event("T", tags=["x"])], tracking=("src", 5))
    lab.append("done", id=used)
    lab.append("dead")
    if "tombstone" in wrong:
        lab.do(c.DeleteStream, "dead", ANY, True)
    if "limit" in wrong:
        lab.configure(max_append_events=2)
    for kind, name in ((c.Freeze, "frozen"), (c.Seal, "sealed")):
        if name in wrong:
            lab.do(kind, True)
    command = lab.appending(
        ("s", 9 if "expected" in wrong else ANY, events(3)),
        ("dead", ANY, events(1)),
        id=used if "recorded" in wrong else None,
        condition=select.tags("x") if "condition" in wrong else None,
        tracking=("src", 5 if "tracking" in wrong else 6),
        many=True,
    )
    before = lab.content()
    assert refused(lab.send(command)[0]) == CODES[first]
    assert lab.content() == before


def test_quotas_are_judged_last(lab: Lab) -> None:
    lab.append("s", [event(tags=["x"])])
    lab.configure(max_events=2)
    over = lab.appending(("s", ANY, events(3)), condition=select.tags("x"))
    assert refused(lab.send(over)[0]) == "condition_failed"
    assert refused(lab.append("s", 3)) == "limit_exceeded"


# -- recorded outcomes


@pytest.mark.parametrize("how", ["same group", "next entry", "reopened"])
def test_a_success_comes_again_as_a_duplicate_and_stores_nothing(lab: Lab, how: str) -> None:
    command = lab.appending(("s", ANY, events(2)))
    if how == "same group":
        first, again = lab.send(command, command)
    else:
        first = lab.send(command)[0]
        if how == "reopened":
            lab.reopen()
        again = lab.send(command)[0]
    assert isinstance(first, Appended)
    assert isinstance(again, Appended)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert first.results == again.results
    assert lab.versions("s") == [0, 1]


def test_other_content_under_an_id_that_succeeded_is_a_mismatch(lab: Lab) -> None:
    used = lab.id()
    lab.append("s", id=used)
    assert refused(lab.append("s", id=used)) == "command_mismatch"
    assert lab.versions("s") == [0]


def test_a_refusal_binds_only_this_content(lab: Lab) -> None:
    used, new = lab.id(), events(1)
    late = lab.appending(("s", 4, new), id=used)
    first = lab.send(late)[0]
    assert stored(lab.append("s", new, NO_STREAM, id=used)) == (1, 0, 1)  # the user's second try
    assert refused(first) == WRONG
    # a late copy of the first try: the id has succeeded with other content
    assert refused(lab.send(late)[0]) == "command_mismatch"


def test_a_late_copy_meets_its_recorded_refusal_though_it_would_succeed_now(lab: Lab) -> None:
    late = lab.appending(("s", 0, events(1)))
    refused(lab.send(late)[0])
    lab.append("s")
    assert refused(lab.send(late)[0]) == WRONG
    lab.reopen()
    assert refused(lab.send(late)[0]) == WRONG
    assert lab.versions("s") == [0]


def test_every_command_is_recorded_not_only_appends(lab: Lab) -> None:
    lab.append("s")
    delete = lab.make(c.DeleteStream, "s", ANY)
    first = lab.send(delete)[0]
    lab.append("s")
    assert lab.send(delete)[0] == first  # and the stream is not deleted again
    assert lab.stream("s")[0] == 0


def test_an_expired_unknown_command_is_refused_and_not_recorded(lab: Lab) -> None:
    lab.append("s")
    deadline = lab.now + EXPIRES_US
    made = lab.appending(("s", ANY, events(1)))
    late = c.AppendEvents(
        made.id, made.digest, deadline, made.appends, made.condition, made.tracking, made.many
    )
    before = lab.content()
    assert refused(lab.send(late, at=deadline + 1)[0]) == "deadline_exceeded"
    assert lab.content() == before
    assert lab.rows("SELECT count(*) FROM command WHERE id = ?", made.id) == [(0,)]


def test_at_its_deadline_a_command_is_still_accepted(lab: Lab) -> None:
    made = lab.make(c.Barrier)
    due = c.Barrier(made.id, made.digest, lab.now + EXPIRES_US)
    assert not isinstance(lab.send(due, at=due.expires)[0], Refused)


def test_an_expired_known_command_gets_its_outcome(lab: Lab) -> None:
    command = lab.appending(("s", ANY, events(1)))
    first = lab.send(command)[0]
    sent = lab.entries[-1].commands[0]
    again = lab.send(sent, at=lab.now + EXPIRES_US + 5 * SECOND)[0]
    assert isinstance(first, Appended)
    assert again == Appended(first.results, duplicate=True)


# -- comparing event ids


def test_a_repeat_with_the_same_events_is_the_first_result(lab: Lab) -> None:
    new = events(2)
    first = lab.append("s", new, NO_STREAM)
    lab.append("s", 3)
    assert stored(lab.append("s", new, NO_STREAM)) == stored(first)
    middle = events(2)
    second = lab.append("s", middle, 4)
    lab.append("s", 1)
    assert stored(lab.append("s", middle, 4)) == stored(second)
    assert refused(lab.append("s", middle[:1] + events(1), 4)) == WRONG
    last = events(2)
    third = lab.append("s", last)
    assert stored(lab.append("s", last)) == stored(lab.append("s", last, EXISTS)) == stored(third)
    lab.append("s")
    assert stored(lab.append("s", last))[1] > stored(third)[1]  # an older repeat under ANY


def test_a_repeat_of_append_many_is_found_with_an_empty_part(lab: Lab) -> None:
    """A part without events has nothing to compare: it does not hide the repeat of the others."""
    new = events(2)
    parts = (("a", NO_STREAM, new), ("b", ANY, []))
    first = lab.send(lab.appending(*parts, many=True))[0]
    again = lab.send(lab.appending(*parts, many=True))[0]
    assert isinstance(first, Appended)
    assert isinstance(again, Appended)
    assert again.duplicate
    assert again.results[0] == first.results[0]


def test_a_repeat_is_judged_before_tracking_and_condition(lab: Lab) -> None:
    new = [event("T", tags=["x"])]
    first = lab.append("s", new, NO_STREAM, tracking=("src", 1), condition=select.tags("x"))
    again = lab.append("s", new, NO_STREAM, tracking=("src", 1), condition=select.tags("x"))
    assert stored(again) == stored(first)


# -- tracking


def test_tracking_must_increase_per_source(lab: Lab) -> None:
    lab.append("s", tracking=("src", 5))
    for position in (5, 4, 0):
        outcome = lab.append("s", tracking=("src", position))
        assert refused(outcome) == "tracking_conflict"
        assert outcome.fields["recorded"] == 5  # type: ignore[union-attr]
    assert stored(lab.append("s", tracking=("other", 1)))[1] == 1
    assert stored(lab.append("s", tracking=("src", 6)))[1] == 2
    assert lab.rows("SELECT * FROM tracking ORDER BY 1") == [("other", 1), ("src", 6)]


def test_a_refused_append_does_not_move_tracking(lab: Lab) -> None:
    refused(lab.append("s", 1, 5, tracking=("src", 5)))
    assert lab.rows("SELECT * FROM tracking") == []
    assert stored(lab.append("s", [], tracking=("src", 2)))[0] == 0  # no event, but tracked
    assert lab.rows("SELECT * FROM tracking") == [("src", 2)]
