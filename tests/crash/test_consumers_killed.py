"""Producers, consumers and projectors that are killed lose nothing; and the checks would see it."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.consumers import check
from tests.crash.consumers.check import Event, Handled
from tests.crash.consumers.lab import KILLS, Lab
from tests.stress.tools import stress_seconds


def look(folder: Path, seconds: float, seed: int) -> None:
    report = Lab(folder, seed).run(seconds)
    print(report)
    assert report.problems == []
    assert report.kills >= KILLS
    assert report.acknowledged >= 100
    assert report.handled == report.stored


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_killed_for_a_short_while(tmp_path: Path) -> None:
    look(tmp_path, 8, random.randrange(1 << 32))


@pytest.mark.stress
def test_killed_for_a_minute(tmp_path: Path) -> None:
    look(tmp_path, max(60.0, stress_seconds() / 10), random.randrange(1 << 32))


# -- the checks see what they are for

EVENTS = [Event(1, "a", 0, 5), Event(2, "b", 0, 7), Event(3, "a", 1, 1)]


def well_handled() -> dict[int, Handled]:
    done: dict[int, Handled] = defaultdict(Handled)
    for event in EVENTS:
        when = event.position * 10
        done[event.position] = Handled([when], [when + 5], when + 6)
    return done


def test_what_was_acknowledged_and_is_not_stored_is_seen() -> None:
    assert list(check.lost(EVENTS, [["1", "3"]])) == []
    assert len(list(check.lost(EVENTS, [["1", "1"], ["3", "4"]]))) == 1


def test_what_was_never_handled_is_seen() -> None:
    done = well_handled()
    assert list(check.left_out(EVENTS, done)) == []
    done[2].ended = []
    assert len(list(check.left_out(EVENTS, done))) == 1


def test_what_overtook_its_stream_is_seen() -> None:
    done = well_handled()
    assert list(check.out_of_order(EVENTS, done)) == []
    done[3] = Handled([14], [16])
    assert len(list(check.out_of_order(EVENTS, done))) == 1
    done[3] = Handled([14, 40], [45])
    assert len(list(check.out_of_order(EVENTS, done))) == 1
    done = well_handled()
    done[2] = Handled([1], [2])  # another stream may
    assert list(check.out_of_order(EVENTS, done)) == []


def test_what_came_after_its_acknowledgement_is_seen() -> None:
    done = well_handled()
    assert list(check.again(done)) == []
    done[1].began.append(17)
    assert len(list(check.again(done))) == 1


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([("a", 2, 6, 1), ("b", 1, 7, 0)], 0),
        ([("a", 2, 6, 1)], 1),
        ([("a", 3, 7, 1), ("b", 1, 7, 0)], 1),
        ([("a", 2, 6, 1), ("b", 1, 7, 0), ("c", 1, 1, 0)], 1),
    ],
)
def test_a_wrong_total_is_seen(
    tmp_path: Path, rows: list[tuple[str, int, int, int]], wrong: int
) -> None:
    with closing(sqlite3.connect(tmp_path / "read.db")) as connection:
        connection.execute("CREATE TABLE total (stream PRIMARY KEY, events, amount, version)")
        connection.executemany("INSERT INTO total VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    assert len(list(check.wrong_totals(EVENTS, tmp_path / "read.db"))) == wrong
