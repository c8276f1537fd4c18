"""Every row runs, and what it says of us and of who is missing."""

import importlib.util
import sqlite3
from collections import Counter
from contextlib import closing
from importlib import import_module
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import report, results, row10_growth, row11_bytes, row12_recovery
from benchmarks.goals import GOALS
from benchmarks.peers.durable import make_durable
from benchmarks.peers.umadb import Uma
from benchmarks.plan import SMALL
from benchmarks.row5_conditions import Deciding
from benchmarks.work import BODIES, stream_name
from tests.benchmarks.plans import tiny


def test_goals_have_keys_and_labels_of_their_own() -> None:
    assert [key for key, times in Counter(goal.key for goal in GOALS).items() if times > 1] == []
    sides = {side for goal in GOALS for side in (goal.ours, goal.theirs, goal.beside) if side}
    assert sides - report.LABELS.keys() == set()
    assert {goal.row for goal in GOALS} - set(results.ROWS) == set()


@pytest.mark.parametrize(
    ("sample", "kept"), [(1234.56, 1235), (99.96, 100.0), (12.345, 12.3), (0.0123456, 0.0123)]
)
def test_samples_keep_three_figures(sample: float, kept: float) -> None:
    assert results._short(sample) == kept


def test_what_was_acknowledged_must_be_there() -> None:
    assert row12_recovery._check({0: 3, 5: 2}, {0: 3, 5: 3}) == 5
    with pytest.raises(ValueError, match="writer 5 was told of 2 appends, 1 are there"):
        row12_recovery._check({0: 3, 5: 2}, {0: 3, 5: 1})
    with pytest.raises(ValueError, match="writer 0 was told of 3 appends, 5 are there"):
        row12_recovery._check({0: 3}, {0: 5})


def test_who_ignores_conditions_is_not_measured() -> None:
    class Careless:
        def append(self, stream: str, version: int, bodies: object) -> None:
            raise AssertionError("not called")

        def append_if(self, stream: str, version: int, body: object, after: int) -> int:
            return 1

    with pytest.raises(ValueError, match="though its condition did not hold"):
        Deciding(Careless(), 10_000, 1)


def test_eventsourcing_is_durable_whatever_its_sqlite_does() -> None:
    def careless() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:")
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    pool = SimpleNamespace(_create_connection=careless)
    make_durable(pool)
    with closing(pool._create_connection()) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize(("tagged", "tags"), [(True, 3), (False, 1)])
def test_an_event_has_as_many_tags_everywhere(tagged: bool, tags: int) -> None:
    module = SimpleNamespace(Event=lambda *fields: fields)
    [(_kind, _data, found, _id)] = Uma(None, module, 0, tagged=tagged)._events(
        stream_name(7), 0, BODIES[:1]
    )
    assert len(found) == tags


@pytest.mark.slow
@pytest.mark.usefixtures("unrecorded")
@pytest.mark.parametrize("row", results.ROWS)
def test_a_row_measures_us_and_says_why_others_are_missing(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if row == "row11_bytes":  # tmpfs, where tests often run, writes nothing
        pages = count(0, 4096)
        monkeypatch.setattr(row11_bytes, "_written", lambda _folder: next(pages))
    find = importlib.util.find_spec
    peers = ("umadb", "eventsourcing", "psycopg")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in peers else find(name)
    )
    monkeypatch.setattr(row10_growth, "LONGEST", SMALL)
    cases = import_module(f"benchmarks.{row}").run(tiny(tmp_path))
    for case in cases:
        assert any(who.startswith("pyesdb") for who in case.samples), case
        assert all(sample > 0 for samples in case.samples.values() for sample in samples)
        assert [why for why in case.absent.values() if "failed" in why] == []
        assert case.samples.keys() | case.absent.keys() <= report.LABELS.keys() | {"pyesdb 20k"}
