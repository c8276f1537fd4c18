"""Persistent subscriptions in the machine: who was given what, decided in the log."""

from __future__ import annotations

from typing import Any

import pytest

from pyesdb.model import commands as c
from pyesdb.model.outcomes import Outcome
from pyesdb.model.versions import ANY
from tests.machine.lab import SECOND, Lab, events, refused, value

A, B = b"consumer-a", b"consumer-b"
DUE, IN_FLIGHT, PARKED, WAITING = 0, 1, 2, 3


class Desk:
    """A subscription to two streams: positions 1, 3, 5, 7 are of "s", 2, 4, 6, 8 of "t"."""

    def __init__(self, lab: Lab, **settings: Any) -> None:
        self.lab = lab
        for _ in range(4):
            lab.send(lab.appending(("s", ANY, events(1))), lab.appending(("t", ANY, events(1))))
        value(lab.do(c.SaveSubscription, "sub", (), 0, settings))

    def claim(
        self, consumer: bytes, *positions: int, cursor: int | None = None, to: int | None = None
    ) -> list[tuple[int, int]]:
        """What is given: (position, attempt)."""
        cursor = self.cursor if cursor is None else cursor
        to = max(positions, default=cursor) if to is None else to
        given, now = value(self.lab.do(c.Claim, "sub", consumer, cursor, to, positions))
        assert now == self.cursor
        return [(position, attempt) for position, attempt, _ in given]

    def settle(self, consumer: bytes, acks: tuple[int, ...] = (), *nacks: c.Nack) -> int:
        return value(self.lab.do(c.Settle, "sub", consumer, acks, nacks))

    @property
    def cursor(self) -> int:
        return self.lab.rows("SELECT cursor FROM subscription")[0][0]

    def deliveries(self) -> dict[int, tuple[int, int]]:
        """Position -> (state, attempt)."""
        rows = self.lab.rows("SELECT position, state, attempt FROM delivery ORDER BY position")
        return {position: (state, attempt) for position, state, attempt in rows}

    def states(self) -> dict[int, int]:
        return {position: state for position, (state, _) in self.deliveries().items()}


def retry(position: int, delay: int = 0) -> c.Nack:
    return c.Nack(position, "retry", "why", delay)


def park(position: int) -> c.Nack:
    return c.Nack(position, "park", "bad", 0)


def test_saving_again_is_no_op_or_conflict_or_change(lab: Lab) -> None:
    def save(settings: dict[str, Any], **more: Any) -> Outcome:
        return lab.do(c.SaveSubscription, "sub", (), 0, settings, **more)

    assert value(save({"window": 5})) is None
    assert value(save({"window": 5})) is None
    assert refused(save({"window": 6})) == "subscription_already_exists"
    assert value(save({"window": 6}, replace=True)) is None
    assert refused(save({"nonsense": 1})) == "invalid_config"
    assert lab.rows("SELECT count(*) FROM subscription") == [(1,)]


@pytest.mark.parametrize(
    "command",
    [
        (c.RemoveSubscription, "none"),
        (c.ResetSubscription, "none", 0),
        (c.Claim, "none", A, 0, 0, ()),
        (c.Settle, "none", A),
        (c.Gone, "none", A, True),
        (c.Tick, "none"),
        (c.Unpark, "none", True, None),
    ],
    ids=lambda command: command[0].__name__,
)
def test_without_a_subscription_everything_is_refused(lab: Lab, command: tuple[Any, ...]) -> None:
    assert refused(lab.do(*command)) == "subscription_not_found"


def test_a_claim_moves_the_cursor_and_only_from_where_it_is(lab: Lab) -> None:
    desk = Desk(lab)
    assert desk.claim(A, 1, 2, to=3) == [(1, 1), (2, 1)]
    assert desk.cursor == 3
    assert desk.claim(B, 3, 4, cursor=0) == []  # selected from an old cursor
    assert desk.claim(B, 4) == []  # its stream is in flight with another consumer
    assert desk.states() == {1: IN_FLIGHT, 2: IN_FLIGHT, 4: WAITING}


def test_a_claim_that_found_nothing_moves_the_cursor_too(lab: Lab) -> None:
    desk = Desk(lab)
    assert desk.claim(A, to=6) == []
    assert desk.cursor == 6
    assert desk.claim(A, to=1_000) == []
    assert desk.cursor == 8  # never beyond the head


def test_a_cursor_beyond_the_head_does_not_come_back(lab: Lab) -> None:
    desk = Desk(lab)
    lab.do(c.ResetSubscription, "sub", 100)
    assert desk.claim(A, to=8, cursor=100) == []
    assert desk.cursor == 100


def test_positions_outside_what_was_scanned_are_not_given(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2)
    assert desk.claim(A, 1, 2, 3, 8, 99, to=5) == [(3, 1)]
    assert desk.cursor == 5


def test_the_window_counts_all_consumers(lab: Lab) -> None:
    desk = Desk(lab, window=3, order="none")
    assert len(desk.claim(A, 1, 2)) == 2
    assert desk.claim(B, 3, 4, 5) == [(3, 1)]
    assert desk.cursor == 3
    assert desk.claim(B, 4, 5) == []
    desk.settle(A, (1,))
    assert desk.claim(B, 4, 5) == [(4, 1)]


def test_order_of_a_stream_over_consumers(lab: Lab) -> None:
    desk = Desk(lab)
    assert desk.claim(A, 1) == [(1, 1)]
    assert desk.claim(B, 2, 3, 4) == [(2, 1), (4, 1)]
    assert desk.states() == {1: IN_FLIGHT, 2: IN_FLIGHT, 3: WAITING, 4: IN_FLIGHT}
    desk.settle(A, (1,))
    assert desk.states()[3] == DUE
    assert desk.claim(B) == [(3, 1)]


def test_without_order_nothing_waits(lab: Lab) -> None:
    desk = Desk(lab, order="none")
    desk.claim(A, 1)
    assert desk.claim(B, 2, 3) == [(2, 1), (3, 1)]
    desk.settle(A, (), retry(1))
    assert desk.states() == {1: DUE, 2: IN_FLIGHT, 3: IN_FLIGHT}


def test_an_ack_counts_only_from_who_holds_the_event(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2)
    assert desk.settle(B, (1, 2)) == 0
    assert desk.settle(A, (1, 9)) == 1
    assert desk.settle(A, (1,)) == 0
    assert desk.states() == {2: IN_FLIGHT}


def test_a_retry_counts_waits_for_its_delay_and_holds_back_what_follows(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3, 5)
    desk.settle(A, (), retry(1, 10 * SECOND))
    assert desk.states() == {1: DUE, 2: IN_FLIGHT, 3: WAITING, 5: WAITING}
    assert desk.claim(B) == []
    lab.now += 10 * SECOND
    assert desk.claim(B) == [(1, 2)]
    assert desk.settle(A, (3,)) == 0  # it was taken back
    desk.settle(B, (1,))
    assert desk.claim(A) == [(3, 1)]
    desk.settle(A, (3,))
    assert desk.claim(B) == [(5, 1)]


def test_skip_lets_the_stream_go_on(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1)
    desk.claim(B, 3)
    assert desk.settle(A, (), c.Nack(1, "skip", "", 0)) == 1
    assert desk.claim(B) == [(3, 1)]


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_poison_is_parked_after_max_retries(lab: Lab, max_retries: int) -> None:
    desk = Desk(lab, max_retries=max_retries)
    attempts = []
    desk.claim(A, 1, 3)
    for _ in range(10):
        if desk.deliveries()[1][0] == PARKED:
            break
        attempts.append(desk.deliveries()[1][1])
        desk.settle(A, (), retry(1))
        desk.claim(A)
    assert attempts == list(range(1, max_retries + 2))
    assert desk.states() == {1: PARKED, 3: WAITING}  # what follows waits, other streams flow
    assert desk.claim(B, 4) == [(4, 1)]
    assert desk.claim(B, 5) == []


def test_with_park_event_the_stream_goes_on(lab: Lab) -> None:
    desk = Desk(lab, on_poison="park_event")
    desk.claim(A, 1)
    desk.claim(B, 3)
    desk.settle(A, (), park(1))
    assert desk.states() == {1: PARKED, 3: DUE}
    assert desk.claim(B, 5) == [(3, 1), (5, 1)]


def test_lost_consumers_are_counted_and_good_leavers_are_not(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2)
    assert value(lab.do(c.Gone, "sub", A, False)) == 2
    assert desk.claim(B) == [(1, 2), (2, 2)]
    assert value(lab.do(c.Gone, "sub", B, True)) == 2
    assert desk.claim(A) == [(1, 2), (2, 2)]
    assert value(lab.do(c.Gone, "sub", B, False)) == 0


def test_a_consumer_that_is_killed_by_an_event_every_time_gets_it_parked(lab: Lab) -> None:
    desk = Desk(lab, max_retries=2)
    desk.claim(A, 1)
    for _ in range(3):
        lab.do(c.Gone, "sub", A, False)
        desk.claim(A)
    assert desk.states() == {1: PARKED}
    assert lab.rows("SELECT attempt, reason FROM delivery") == [(3, "the consumer was lost")]


def test_leases_run_out_by_the_logs_clock(lab: Lab) -> None:
    desk = Desk(lab, ack_timeout=30 * SECOND)
    desk.claim(A, 1, 2, 3)
    given = lab.now
    late = lab.make(c.Tick, "sub")
    assert value(lab.send(late, at=given + 30 * SECOND - 1)[0]) == 0
    assert value(lab.send(lab.make(c.Tick, "sub"), at=given + 30 * SECOND)[0]) == 3
    assert desk.states() == {1: DUE, 2: DUE, 3: WAITING}
    assert desk.settle(A, (1,)) == 0  # too late
    assert desk.claim(B) == [(1, 2), (2, 2)]


def test_parked_events_are_tried_again_or_dropped(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3)
    desk.settle(A, (), park(1), park(2))
    assert desk.states() == {1: PARKED, 2: PARKED, 3: WAITING}
    assert value(lab.do(c.Unpark, "sub", False, (2,))) == 1
    assert value(lab.do(c.Unpark, "sub", True, (1, 99))) == 1
    assert desk.claim(B) == [(1, 1)]  # from attempt 1
    desk.settle(B, (1,))
    assert desk.claim(B) == [(3, 1)]
    assert value(lab.do(c.Unpark, "sub", True, None)) == 0


def test_discarding_lets_the_stream_go_on(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 3)
    desk.settle(A, (), park(1))
    value(lab.do(c.Unpark, "sub", False, None))
    assert desk.states() == {3: DUE}


def test_replayed_events_of_one_stream_are_not_given_to_two_consumers(lab: Lab) -> None:
    desk = Desk(lab, on_poison="park_event", window=1)
    for position in (1, 3):
        desk.claim(A, position)
        desk.settle(A, (), park(position))
    assert value(lab.do(c.Unpark, "sub", True, None)) == 2
    assert desk.claim(A) == [(1, 1)]
    lab.do(c.SaveSubscription, "sub", (), 0, {"on_poison": "park_event", "window": 9}, True)
    assert desk.claim(B) == []
    desk.settle(A, (1,))
    assert desk.claim(B) == [(3, 1)]


def test_reset_forgets_and_starts_anew(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3)
    desk.settle(A, (), park(1))
    value(lab.do(c.ResetSubscription, "sub", 2))
    assert desk.deliveries() == {}
    assert desk.claim(B, 3) == [(3, 1)]
    value(lab.do(c.RemoveSubscription, "sub"))
    assert lab.rows("SELECT count(*) FROM delivery") == [(0,)]


def test_reclaimed_events_are_passed_over(lab: Lab) -> None:
    desk = Desk(lab)
    value(lab.do(c.ResetSubscription, "sub", 8))
    lab.do(c.TruncateStream, "s", 2)
    lab.do(c.Scavenge, 0, 10)
    value(lab.do(c.ResetSubscription, "sub", 0))
    assert desk.claim(A, 1, 2, 3, 4, 5) == [(2, 1), (4, 1), (5, 1)]


def test_a_claim_sent_twice_gives_the_same_answer_and_counts_once(lab: Lab) -> None:
    desk = Desk(lab)
    claim = lab.make(c.Claim, "sub", A, 0, 2, (1, 2))
    assert lab.send(claim)[0] == lab.send(claim)[0]
    assert desk.deliveries() == {1: (IN_FLIGHT, 1), 2: (IN_FLIGHT, 1)}
