"""The log's clock, and retention by age: one wrong clock deletes nothing."""

from __future__ import annotations

import pytest

from pyesdb.model import commands as c
from pyesdb.model.versions import ANY
from tests.machine.lab import SECOND, START, Lab, events, value

HOUR = 3600 * SECOND
YEAR = 365 * 24 * HOUR


def test_the_clock_never_goes_back(lab: Lab) -> None:
    lab.append("s")
    late = lab.now
    for jump in (-YEAR, 0, -HOUR):
        lab.send(lab.appending(("s", ANY, events(1))), at=late + jump)
    lab.reopen()
    lab.send(lab.appending(("s", ANY, events(1))), at=START - YEAR)
    created = [row[0] for row in lab.rows("SELECT created FROM event ORDER BY position")]
    assert created == [late] * 5
    lab.send(lab.appending(("s", ANY, events(1))), at=late + 1)
    assert lab.rows("SELECT max(created) FROM event") == [(late + 1,)]


@pytest.fixture
def aged(lab: Lab) -> Lab:
    """Four events, an hour apart; the stream keeps two hours and a half."""
    for hour in range(4):
        lab.send(lab.appending(("s", ANY, events(1))), at=START + hour * HOUR)
    lab.do(c.SetStreamMetadata, "s", {"max_age": 5 * HOUR // 2})
    return lab


def expire(lab: Lab, own: int, log: int) -> int:
    """Expire, proposed by a process whose clock says `own`, at a log time; the first visible."""
    answer = lab.send(lab.make(c.Expire, own, 0, 100), at=log)[0]
    assert value(answer) is None
    return lab.stream("s")[1]


def test_expiry_hides_what_is_older(aged: Lab) -> None:
    now = START + 4 * HOUR
    assert expire(aged, now, now) == 2
    assert expire(aged, now, now) == 2  # doing it twice changes nothing
    assert aged.versions("s") == [0, 1, 2, 3]  # hidden, not reclaimed


def test_exactly_at_max_age_an_event_is_still_visible(aged: Lab) -> None:
    at = START + 5 * HOUR // 2
    assert expire(aged, at + HOUR, at + HOUR) == 1
    assert expire(aged, at + HOUR + 1, at + HOUR + 1) == 2


@pytest.mark.parametrize(("own", "log"), [(YEAR, 3 * HOUR + 1), (3 * HOUR + 1, YEAR)])
def test_one_wrong_clock_deletes_nothing(aged: Lab, own: int, log: int) -> None:
    """Either clock alone is a year ahead: only what both say is hidden."""
    assert expire(aged, START + own, START + log) == 1  # version 0 is more than 2.5 hours old


def test_a_clock_set_back_deletes_nothing(aged: Lab) -> None:
    assert expire(aged, START - YEAR, START + 4 * HOUR) == 0


def test_all_expired_is_an_empty_stream_that_goes_on(aged: Lab) -> None:
    assert expire(aged, START + YEAR, START + YEAR) == 4
    aged.append("s")
    assert aged.stream("s")[1] == 4
    assert aged.versions("s")[-1] == 4


def test_default_max_age_and_the_streams_own(lab: Lab) -> None:
    lab.configure(max_age=HOUR)
    lab.append("default")
    lab.append("own")
    lab.do(c.SetStreamMetadata, "own", {"max_age": YEAR})
    lab.append("deleted")
    lab.do(c.DeleteStream, "deleted", ANY)
    now = lab.now + 2 * HOUR
    lab.send(lab.make(c.Expire, now, 0, 100), at=now)
    assert lab.stream("default")[1] == 1
    assert lab.stream("own")[1] == 0
    assert lab.stream("deleted")[0] == 1


def test_expiry_goes_on_behind_its_limit(lab: Lab) -> None:
    lab.configure(max_age=HOUR)
    for number in range(5):
        lab.append(f"s{number}")
    now, after, steps = lab.now + YEAR, 0, 0
    lab.send(lab.make(c.Barrier), at=now)
    while after is not None:
        after = value(lab.send(lab.make(c.Expire, now, after, 2))[0])
        steps += 1
    assert steps == 3
    assert {lab.stream(f"s{n}")[1] for n in range(5)} == {1}


def test_expiry_of_many_events_finds_the_boundary(lab: Lab) -> None:
    """Also where events of one moment, hidden ones and reclaimed ones lie in between."""
    for step in range(50):
        lab.send(lab.appending(("s", ANY, events(1 + step % 3))), at=START + step * HOUR)
    lab.do(c.SetStreamMetadata, "s", {"max_age": 10 * HOUR})
    for hours in range(5, 60, 7):
        now = max(lab.now, START + hours * HOUR)
        lab.send(lab.make(c.Expire, now, 0, 10), at=now)
        wanted = lab.rows("SELECT min(version) FROM event WHERE created >= ?", now - 10 * HOUR)
        last = lab.rows("SELECT max(version) FROM event")[0][0]
        assert lab.stream("s")[1] == (last + 1 if wanted[0][0] is None else wanted[0][0])
        lab.do(c.Scavenge, 0, 10)
