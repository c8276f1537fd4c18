"""Persistent subscriptions in the machine: who was given what, decided in the log."""

from __future__ import annotations

from typing import Any

import pytest

from pyesdb.model import commands as c
from pyesdb.model.outcomes import Outcome
from pyesdb.model.selectors import Clause
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
        self.number: int = value(lab.do(c.SaveSubscription, "sub", (), 0, settings))
        self.epoch = 0

    def claiming(
        self,
        consumer: bytes,
        *positions: int,
        cursor: int | None = None,
        to: int | None = None,
        limit: int = 100,
        **more: Any,
    ) -> c.Claim:
        cursor = self.cursor if cursor is None else cursor
        to = max(positions, default=cursor) if to is None else to
        place = self.number, self.epoch, consumer, cursor, to
        return self.lab.make(c.Claim, *place, positions, limit, **more)

    def claim(self, consumer: bytes, *positions: int, **more: Any) -> list[tuple[int, int]]:
        """What is given: (position, attempt)."""
        _, now, _, again, taken, waiting, _ = self.answer(consumer, *positions, **more)
        assert now == self.cursor
        given = [(position, attempt) for position, attempt, _ in again]
        return given + [(position, 1) for position in positions[:taken] if position not in waiting]

    def answer(self, consumer: bytes, *positions: int, **more: Any) -> list[Any]:
        return value(self.lab.send(self.claiming(consumer, *positions, **more))[0])

    def settle(self, consumer: bytes, acks: tuple[int, ...] = (), *nacks: c.Nack) -> int:
        return value(self.lab.do(c.Settle, self.number, self.epoch, consumer, acks, nacks))

    def gone(self, consumer: bytes, *, well: bool) -> int:
        return value(self.lab.do(c.Gone, self.number, consumer, well))

    def tick(self, at: int | None = None) -> int:
        return value(self.lab.send(self.lab.make(c.Tick, self.number), at=at)[0])

    def unpark(
        self, positions: tuple[int, ...] | None = None, *, replay: bool = True, limit: int = 100
    ) -> int:
        return value(self.lab.do(c.Unpark, "sub", replay, positions, 0, limit))[0]

    def update(self, **changes: Any) -> None:
        value(self.lab.do(c.UpdateSubscription, "sub", changes))

    @property
    def cursor(self) -> int:
        return self.lab.rows("SELECT cursor FROM subscription")[0][0]

    def deliveries(self) -> dict[int, tuple[int, int]]:
        """Position -> (state, attempt)."""
        rows = self.lab.rows("SELECT position, state, attempt FROM delivery ORDER BY position")
        return {position: (state, attempt) for position, state, attempt in rows}

    def states(self) -> dict[int, int]:
        return {position: state for position, (state, _) in self.deliveries().items()}


class Steps:
    """How many steps SQLite's machine makes on the write connection of a lab."""

    def __init__(self, lab: Lab) -> None:
        assert lab.tx is not None
        self.count = 0
        lab.applier._connection.set_progress_handler(self._step, 10)  # type: ignore[union-attr]

    def _step(self) -> bool:
        self.count += 1
        return False

    def taken(self) -> int:
        return self.count


def retry(position: int, delay: int = 0) -> c.Nack:
    return c.Nack(position, "retry", "why", delay)


def park(position: int) -> c.Nack:
    return c.Nack(position, "park", "bad", 0)


A_CLAUSE, OTHER = Clause(types=("A",)), Clause(types=("B",))


def test_saving_again_is_no_op_or_conflict(lab: Lab) -> None:
    def save(settings: dict[str, Any], *clauses: Clause, **more: Any) -> Outcome:
        return lab.do(c.SaveSubscription, "sub", clauses, 0, settings, **more)

    assert value(save({"window": 5}, A_CLAUSE, OTHER)) == 1
    assert value(save({"window": 5}, OTHER, A_CLAUSE)) == 1
    assert refused(save({"window": 5}, OTHER)) == "subscription_already_exists"
    assert refused(save({"window": 6}, A_CLAUSE, OTHER)) == "subscription_already_exists"
    assert value(save({"window": 6}, exist_ok=True)) == 1
    assert lab.rows("SELECT count(*) FROM subscription") == [(1,)]
    assert value(save({"window": 5}, A_CLAUSE, OTHER)) == 1  # as it was


@pytest.mark.parametrize(
    "settings",
    [
        {"nonsense": 1},
        {"window": 0},
        {"window": 10_001},
        {"max_retries": -1},
        {"ack_timeout": 0},
        {"order": "total"},
        {"order": "none", "on_poison": "park_stream"},
        {"epoch": 3},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(lab: Lab, settings: dict[str, Any]) -> None:
    assert refused(lab.do(c.SaveSubscription, "sub", (), 0, settings)) == "invalid_config"
    value(lab.do(c.SaveSubscription, "sub", (), 0, {}))
    assert refused(lab.do(c.UpdateSubscription, "sub", settings)) == "invalid_config"


def test_the_end_is_that_of_the_moment_it_is_applied(lab: Lab) -> None:
    saving = lab.make(c.SaveSubscription, "sub", (), c.AT_END, {})
    lab.send(lab.appending(("s", ANY, events(3))), saving)
    assert lab.rows("SELECT cursor FROM subscription") == [(3,)]
    resetting = lab.make(c.ResetSubscription, "sub", c.AT_END)
    lab.send(lab.appending(("s", ANY, events(2))), resetting)
    assert lab.rows("SELECT cursor FROM subscription") == [(5,)]


@pytest.mark.parametrize(
    "command",
    [
        (c.UpdateSubscription, "none", {}),
        (c.RemoveSubscription, "none"),
        (c.ResetSubscription, "none", 0),
        (c.Unpark, "none", True, None, 0, 9),
        (c.Claim, 7, 0, A, 0, 0, (), 9),
        (c.Settle, 7, 0, A),
        (c.Gone, 7, A, True),
        (c.Tick, 7),
    ],
    ids=lambda command: command[0].__name__,
)
def test_without_a_subscription_everything_is_refused(lab: Lab, command: tuple[Any, ...]) -> None:
    wanted = "subscription_not_found" if command[1] == "none" else "subscription_removed"
    assert refused(lab.do(*command)) == wanted


def test_a_number_is_never_given_again(lab: Lab) -> None:
    desk = Desk(lab)
    assert desk.claim(A, 1) == [(1, 1)]
    value(lab.do(c.RemoveSubscription, "sub"))
    again = value(lab.do(c.SaveSubscription, "sub", (), 0, {}))
    assert again != desk.number
    late = lab.do(c.Settle, desk.number, 0, A, (1,))
    assert refused(late) == "subscription_removed"


def test_a_claim_moves_the_cursor_and_only_from_where_it_is(lab: Lab) -> None:
    desk = Desk(lab)
    assert desk.claim(A, 1, 2, to=3) == [(1, 1), (2, 1)]
    assert desk.cursor == 3
    assert desk.claim(B, 3, 4, cursor=0) == []  # selected from an old cursor
    assert desk.claim(B, 7, 8, cursor=6) == []  # or from one that never was
    assert desk.cursor == 3
    assert desk.claim(B, 4) == []  # its stream is in flight with another consumer
    assert desk.states() == {1: IN_FLIGHT, 2: IN_FLIGHT, 4: DUE}
    assert desk.claim(B) == []  # and it stays so


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
    assert desk.states() == {1: IN_FLIGHT, 2: IN_FLIGHT, 3: DUE, 4: IN_FLIGHT}
    assert desk.claim(B) == []
    desk.settle(A, (1,))
    assert desk.claim(B) == [(3, 1)]


def test_who_holds_a_stream_goes_on_in_it(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1)
    assert desk.claim(B, 3, 5, 7) == []
    assert desk.states() == {1: IN_FLIGHT, 3: DUE, 5: WAITING, 7: WAITING}
    assert desk.claim(A, limit=2) == [(3, 1), (5, 1)]
    assert desk.claim(B) == []
    assert desk.states()[7] == DUE
    desk.settle(A, (1, 3, 5))
    assert desk.claim(B) == [(7, 1)]


def test_what_waits_behind_a_retry_comes_with_it_in_one_claim(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1)
    desk.claim(B, 3, 5, 7)
    desk.settle(A, (), retry(1))
    assert desk.claim(B) == [(1, 2), (3, 1), (5, 1), (7, 1)]


def test_what_waits_comes_only_up_to_the_next_parked_one(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 3, 5, 7)
    desk.settle(A, (), park(5))
    desk.settle(A, (), retry(1))
    assert desk.states() == {1: DUE, 3: WAITING, 5: PARKED, 7: WAITING}
    assert desk.claim(B) == [(1, 2), (3, 1)]
    desk.settle(B, (1, 3))
    assert desk.claim(B) == []
    assert desk.unpark() == 1
    assert desk.claim(B) == [(5, 1), (7, 1)]


def test_without_order_nothing_waits(lab: Lab) -> None:
    desk = Desk(lab, order="none")
    desk.claim(A, 1)
    assert desk.claim(B, 2, 3) == [(2, 1), (3, 1)]
    desk.settle(A, (), retry(1))
    assert desk.states() == {1: DUE, 2: IN_FLIGHT, 3: IN_FLIGHT}


def test_a_claim_settles_first_what_its_consumer_says(lab: Lab) -> None:
    desk = Desk(lab, window=2)
    desk.claim(A, 1, 2)
    assert desk.claim(A, 3) == []
    answer = desk.answer(A, 3, 4, acks=(1, 9), nacks=(retry(2, 9 * SECOND),))
    assert answer[2] == 2  # counted
    assert desk.states() == {2: DUE, 3: IN_FLIGHT, 4: WAITING}


def test_an_ack_counts_only_from_who_holds_the_event(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2)
    assert desk.settle(B, (1, 2)) == 0
    assert desk.settle(A, (1, 9)) == 1
    assert desk.settle(A, (1,)) == 0
    assert desk.settle(B, (), retry(2), c.Nack(2, "skip", "", 0)) == 0
    assert desk.states() == {2: IN_FLIGHT}


def test_nacks_of_one_stream_all_count(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 3, 5)
    assert desk.settle(A, (), retry(1), retry(3)) == 2
    assert desk.deliveries() == {1: (DUE, 1), 3: (WAITING, 1), 5: (WAITING, 0)}
    assert desk.claim(B) == [(1, 2), (3, 2), (5, 1)]


def test_what_was_not_handed_out_is_returned_and_not_counted(lab: Lab) -> None:
    desk = Desk(lab, max_retries=0)
    desk.claim(A, 1, 2, 3)
    given_back = [c.Nack(position, "return", "", 0) for position in (2, 3)]
    assert desk.settle(A, (1,), *given_back) == 3
    assert desk.states() == {2: DUE, 3: DUE}
    assert desk.claim(B) == [(2, 1), (3, 1)]


def test_a_retry_counts_waits_for_its_delay_and_holds_back_what_follows(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3, 5)
    desk.settle(A, (), retry(1, 10 * SECOND))
    assert desk.states() == {1: DUE, 2: IN_FLIGHT, 3: WAITING, 5: WAITING}
    assert desk.claim(B) == []
    lab.now += 10 * SECOND
    assert desk.settle(A, (3,)) == 0  # it was taken back
    assert desk.claim(B, limit=1) == [(1, 2)]
    assert desk.claim(A) == []
    desk.settle(B, (1,))
    assert desk.claim(A) == [(3, 1), (5, 1)]


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
    desk.settle(B, (3, 5))
    assert desk.claim(A, 7) == [(7, 1)]
    assert desk.unpark() == 1
    assert desk.claim(B) == []  # an event of its stream is elsewhere
    assert desk.claim(A) == [(1, 1)]


def test_lost_consumers_are_counted_and_good_leavers_are_not(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1)
    assert desk.gone(A, well=False) == 1
    assert desk.claim(B) == [(1, 2)]
    assert desk.gone(B, well=True) == 1
    assert desk.claim(A) == [(1, 2)]
    assert desk.gone(B, well=False) == 0


def test_a_consumer_that_is_killed_by_an_event_every_time_gets_it_parked(lab: Lab) -> None:
    desk = Desk(lab, max_retries=2)
    desk.claim(A, 1)
    for _ in range(3):
        desk.gone(A, well=False)
        desk.claim(A)
    assert desk.states() == {1: PARKED}
    assert lab.rows("SELECT attempt, reason FROM delivery") == [(3, "the consumer was lost")]


def test_what_was_lost_comes_alone_until_it_is_settled(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 4)
    assert desk.gone(A, well=False) == 3
    assert desk.claim(B, 5, 6) == [(1, 2)]
    answer = desk.answer(B, 5, 6)
    assert (answer[3], answer[4], answer[6]) == ([], 0, True)  # settle first what you hold
    assert desk.claim(A, 5, 6) == [(2, 2)]  # another one may go on meanwhile
    desk.settle(B, (1,))
    desk.settle(A, (2,))
    assert desk.claim(A) == [(4, 2)]
    desk.settle(A, (4,))
    assert desk.claim(A, 5, 6) == [(5, 1), (6, 1)]


def test_who_wants_them_together_gets_them_together(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3)
    desk.gone(A, well=False)
    assert desk.claim(B, 4, together=True) == [(1, 2), (2, 2), (3, 2), (4, 1)]


@pytest.mark.parametrize("max_retries", [0, 2])
def test_only_the_event_that_kills_is_parked_of_all_that_were_in_hand(
    lab: Lab, max_retries: int
) -> None:
    desk = Desk(lab, max_retries=max_retries)
    desk.claim(A, 1, 2, 3, 4)  # 2 kills whoever handles it
    handled: list[int] = []
    given = [(1, 1), (2, 1), (3, 1), (4, 1)]
    for _ in range(20):
        died = False
        for position, _ in given:
            if position == 2:
                desk.gone(A, well=False)
                died = True
                break
            handled.append(position)
        if not died:
            desk.settle(A, tuple(position for position, _ in given))
        given = desk.claim(A, *(range(desk.cursor + 1, 9)))
    assert desk.states() == {2: PARKED, 4: WAITING, 6: WAITING, 8: WAITING}
    assert [p for p in dict.fromkeys(handled) if p % 2] == [1, 3, 5, 7]


def test_leases_run_out_by_the_logs_clock(lab: Lab) -> None:
    desk = Desk(lab, ack_timeout=30 * SECOND)
    desk.claim(A, 1, 2, 3)
    given = lab.now
    assert desk.tick(given + 30 * SECOND - 1) == 0
    assert desk.tick(given + 30 * SECOND) == 3
    assert desk.states() == {1: DUE, 2: DUE, 3: WAITING}
    assert desk.settle(A, (1,)) == 0  # too late
    assert desk.claim(B) == [(1, 2)]


def test_what_follows_a_late_one_is_taken_back_and_not_counted(lab: Lab) -> None:
    desk = Desk(lab, ack_timeout=30 * SECOND)
    desk.claim(A, 1)
    lab.now += 20 * SECOND
    desk.claim(A, 3)
    assert desk.tick(lab.now + 10 * SECOND) == 1
    assert desk.deliveries() == {1: (DUE, 1), 3: (WAITING, 0)}


def test_parked_events_are_tried_again_or_dropped(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3)
    desk.settle(A, (), park(1), park(2))
    assert desk.states() == {1: PARKED, 2: PARKED, 3: WAITING}
    assert desk.unpark((2,), replay=False) == 1
    assert desk.unpark((1, 99)) == 1
    assert desk.claim(B) == [(1, 1), (3, 1)]  # from attempt 1
    assert desk.unpark() == 0


def test_discarding_lets_the_stream_go_on(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 3)
    desk.settle(A, (), park(1))
    assert desk.unpark(replay=False) == 1
    assert desk.states() == {3: DUE}


def test_parked_events_are_unparked_step_by_step(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3)
    desk.settle(A, (), park(1), park(2), park(3))
    assert value(lab.do(c.Unpark, "sub", True, None, 0, 2)) == [2, 2]
    assert desk.states() == {1: DUE, 2: DUE, 3: PARKED}
    assert value(lab.do(c.Unpark, "sub", True, None, 2, 2)) == [1, None]
    assert desk.claim(B) == [(1, 1), (2, 1), (3, 1)]


def test_replayed_events_of_one_stream_are_not_given_to_two_consumers(lab: Lab) -> None:
    desk = Desk(lab, on_poison="park_event", window=1)
    for position in (1, 3):
        desk.claim(A, position)
        desk.settle(A, (), park(position))
    assert desk.unpark() == 2
    assert desk.claim(A) == [(1, 1)]
    desk.update(window=9)
    assert desk.claim(B) == []
    desk.settle(A, (1,))
    assert desk.claim(B) == [(3, 1)]


def test_reset_forgets_and_starts_anew(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 2, 3)
    desk.settle(A, (), park(1))
    value(lab.do(c.ResetSubscription, "sub", 2))
    assert desk.deliveries() == {}
    old = desk.answer(B, 3)
    assert old == [1, 2, 0, [], 0, [], False]
    desk.epoch = 1
    assert desk.claim(A, 3) == [(3, 1)]
    desk.epoch = 0
    assert desk.settle(A, (3,)) == 0  # of before the reset
    assert desk.states() == {3: IN_FLIGHT}
    value(lab.do(c.RemoveSubscription, "sub"))
    assert lab.rows("SELECT count(*) FROM delivery") == [(0,)]


def test_another_ack_timeout_holds_for_what_is_in_flight(lab: Lab) -> None:
    desk = Desk(lab, ack_timeout=30 * SECOND)
    desk.claim(A, 1)
    given = lab.now
    desk.update(ack_timeout=60 * SECOND)
    assert desk.tick(given + 59 * SECOND) == 0
    desk.update(ack_timeout=10 * SECOND)
    assert desk.tick() == 1


def test_order_can_be_given_up_and_asked_for_while_events_wait(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1)
    desk.claim(B, 3, 5)
    desk.update(order="none")
    assert desk.claim(B) == [(3, 1), (5, 1)]
    desk.settle(B, (), retry(3), retry(5))
    desk.update(order="stream")
    assert desk.states() == {1: IN_FLIGHT, 3: DUE, 5: WAITING}
    assert desk.claim(B) == []
    desk.settle(A, (1,))
    assert desk.claim(B) == [(3, 2), (5, 2)]


def test_streams_go_on_when_events_are_to_park_without_them(lab: Lab) -> None:
    desk = Desk(lab)
    desk.claim(A, 1, 3)
    desk.settle(A, (), park(1))
    assert desk.claim(B) == []
    desk.update(on_poison="park_event")
    assert desk.claim(B) == [(3, 1)]


def test_reclaimed_events_are_passed_over(lab: Lab) -> None:
    desk = Desk(lab)
    value(lab.do(c.ResetSubscription, "sub", 8))
    lab.do(c.TruncateStream, "s", 2)
    lab.do(c.Scavenge, 0, 10)
    value(lab.do(c.ResetSubscription, "sub", 0))
    desk.epoch = 2
    assert desk.claim(A, 1, 2, 3, 4, 5) == [(2, 1), (4, 1), (5, 1)]


def test_a_claim_sent_twice_gives_the_same_answer_and_counts_once(lab: Lab) -> None:
    desk = Desk(lab)
    claim = desk.claiming(A, 1, 2)
    assert lab.send(claim)[0] == lab.send(claim)[0]
    assert desk.deliveries() == {1: (IN_FLIGHT, 1), 2: (IN_FLIGHT, 1)}


@pytest.mark.parametrize("positions", [(1, 1), (2, 1), tuple(range(1, 1002))], ids=len)
def test_claims_that_are_no_page_are_refused(lab: Lab, positions: tuple[int, ...]) -> None:
    desk = Desk(lab)
    refused(lab.send(desk.claiming(A, *positions))[0])
    assert desk.deliveries() == {}


def test_the_cost_of_a_claim_and_of_acks_does_not_grow_with_what_waits(lab: Lab) -> None:
    """Neither statements nor the rows that they step through."""
    costs = []
    for waiting in (10, 500):
        made = Lab(lab.path.with_name(f"{waiting}.db"))
        made.append("poison", waiting)
        made.append("flow", 40)
        number = value(made.do(c.SaveSubscription, "sub", (), 0, {}))
        first = tuple(range(1, waiting + 1))
        value(made.do(c.Claim, number, 0, A, 0, 1, (1,), 1))
        value(made.do(c.Settle, number, 0, A, (), (park(1),)))
        value(made.do(c.Claim, number, 0, A, 1, waiting, first[1:], 100))
        steps = Steps(made)
        flow = tuple(range(waiting + 1, waiting + 41))
        answer = value(made.do(c.Claim, number, 0, A, waiting, waiting + 40, flow, 100))
        assert answer[4:6] == [40, []]
        assert value(made.do(c.Settle, number, 0, A, flow)) == 40
        costs.append(steps.taken())
        made.close()
    assert costs[1] < costs[0] * 1.2
