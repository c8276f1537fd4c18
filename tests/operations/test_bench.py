"""`pyesdb.operations.bench`: who is measured when, what a figure means, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.operations import bench
from pyesdb.operations.bench import callers, run, scratch, sides
from pyesdb.operations.bench.findings import ALONE, SYNC, TASKS, Bench, Measured
from pyesdb.operations.bench.work import BODIES, EVENT_BYTES
from pyesdb.sqlite.bare import bare_reader, bare_writer

TINY = 0.005


def test_turns_alternate_and_the_first_round_warms_up() -> None:
    assert list(callers.turns(["a", "b", "c"], 2)) == [
        (-1, "c"), (-1, "a"), (-1, "b"),
        (0, "a"), (0, "b"), (0, "c"),
        (1, "b"), (1, "c"), (1, "a"),
    ]  # fmt: skip


@pytest.mark.slow
def test_everything_is_measured_in_every_round(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = bench.measure(
        tmp_path, seconds=TINY, on_progress=lambda done, total: seen.append((done, total))
    )
    names = [case.case for case in found.cases]
    assert len(names) == len(set(names)) == 15
    assert {len(case.samples) for case in found.cases} == {run.ROUNDS}
    assert all(sample > 0 for case in found.cases for sample in case.samples)
    against = {case.case: case.limit for case in found.cases if case.limit}
    assert len(against) == 9
    assert set(against.values()) <= set(names)
    assert all((case.ratio is not None) == (case.limit is not None) for case in found.cases)
    assert seen == [(n + 1, len(names) * 6) for n in range(len(names) * 6)]
    assert os.listdir(tmp_path) == []


def test_a_database_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pyesdb.open(tmp_path) as db:
        db.store().append("s", pyesdb.NewEvent("E"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    names: list[str] = []
    monkeypatch.setattr(run, "_take_turns", lambda *_: names.extend(os.listdir(tmp_path)))
    monkeypatch.setattr(run, "_measured", lambda _: ())
    bench.measure(tmp_path, seconds=TINY)
    [made] = [name for name in names if name.startswith(scratch.PREFIX)]
    assert not (tmp_path / made).exists()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == (
        before
    )


def test_everything_is_durable_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYESDB_DURABILITY", "os")
    with ExitStack() as stack:
        opened = run._Opened(stack, tmp_path)
        opened.writer()
        opened.tasks()
        opened.reads(100)
    for name in ("threads", "tasks"):
        with pyesdb.open(tmp_path / name, read_only=True) as db:
            stores = {name: info.config.durability for name, info in db.list_stores().items()}
        made = [name for name in stores if name.startswith("bench")]
        assert made != []
        assert {stores[name] for name in made} == {"fsync"}


@pytest.mark.parametrize("failure", [KeyboardInterrupt, pyesdb.DiskFull])
def test_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    threads = threading.active_count()

    def fail(self: sides.Creating, _: float) -> float:
        raise failure("now")

    monkeypatch.setattr(sides.Creating, "rate", fail)
    with pytest.raises(failure):
        bench.measure(tmp_path, seconds=TINY)
    assert os.listdir(tmp_path) == []
    assert threading.active_count() == threads


def test_errors_of_the_system_have_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> float:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sides.Creating, "rate", full)
    with pytest.raises(pyesdb.DiskFull):
        bench.measure(tmp_path, seconds=TINY)


def test_too_little_space_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    monkeypatch.setattr(run, "scratch", None)
    with pytest.raises(pyesdb.DiskFull, match="1 MiB are free"):
        bench.measure(tmp_path, seconds=1)


@pytest.mark.parametrize("looks", [1, 2, 20])
def test_space_that_goes_meanwhile_is_not_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    usage = shutil.disk_usage(tmp_path)
    left = iter([usage] * looks)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: next(left, usage._replace(free=1 << 20)))
    turns: list[int] = []
    with pytest.raises(pyesdb.DiskFull, match="all of it was removed again"):
        bench.measure(tmp_path, seconds=TINY, on_progress=lambda done, _: turns.append(done))
    assert len(turns) == max(0, looks - 2)  # before anything, before the filled store, then turns
    assert os.listdir(tmp_path) == []


def test_what_a_killed_one_has_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    dead = tmp_path / f"{scratch.PREFIX}dead"
    (dead / "threads").mkdir(parents=True)
    (dead / "threads" / "file").touch()
    (tmp_path / "mine").mkdir()
    elsewhere = tmp_path / f"{scratch.PREFIX}link"
    elsewhere.symlink_to(tmp_path / "mine")
    with scratch.scratch(tmp_path) as one, scratch.scratch(tmp_path) as other:
        scratch.sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {
            "mine", elsewhere.name, one.name, other.name
        }  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"mine", elsewhere.name}


def test_what_is_left_over_does_not_take_the_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = tmp_path / f"{scratch.PREFIX}dead"
    dead.mkdir()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: usage._replace(free=0 if dead.exists() else 1 << 30)
    )
    monkeypatch.setattr(run, "_take_turns", lambda *_: None)
    monkeypatch.setattr(run, "_measured", lambda _: ())
    bench.measure(tmp_path, seconds=TINY)
    assert os.listdir(tmp_path) == []


def test_a_sweep_that_comes_too_early_takes_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, swept = scratch._locked, [False]

    def late(folder: Path) -> int:
        if not swept[0]:
            swept[0] = True
            scratch.sweep(tmp_path)
            assert not folder.exists()
        return locked(folder)

    monkeypatch.setattr(scratch, "_locked", late)
    with scratch.scratch(tmp_path) as made:
        assert made.is_dir()
    assert (swept, os.listdir(tmp_path)) == ([True], [])


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 601])
def test_seconds_are_some(tmp_path: Path, seconds: float) -> None:
    with pytest.raises(pyesdb.RequestError):
        bench.measure(tmp_path, seconds=seconds)


def test_a_place_is_a_directory(tmp_path: Path) -> None:
    for place in (tmp_path / "none", ":memory:", __file__):
        with pytest.raises(pyesdb.InvalidTarget):
            bench.measure(place, seconds=1)


class Failing:
    """A writer that gives up at its third call."""

    def __init__(self) -> None:
        self.calls = 0

    def append(self, stream: str, version: int, bodies: Sequence[dict[str, object]]) -> None:
        self.calls += 1
        if self.calls >= 3:
            raise pyesdb.Unavailable("not now")


def test_a_caller_that_fails_is_heard() -> None:
    with pytest.raises(pyesdb.Unavailable):
        callers.Threads(Failing(), 4).rate(0.01)
    with pytest.raises(pyesdb.Unavailable):
        callers.Appending(Failing(), 1).rate(60)


def test_threads_end_when_they_are_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    class Quiet:
        def append(self, stream: str, version: int, bodies: Any) -> None: ...

    threads = threading.active_count()
    monkeypatch.setattr(callers.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        callers.Threads(Quiet(), 4).rate(1)
    assert threading.active_count() == threads


def test_the_limit_writes_what_a_store_writes(tmp_path: Path) -> None:
    """The same rows in the same tables: a store reads them back by its own statements."""
    path = tmp_path / "bare.db"
    with bare_writer(path) as bare:
        limit = sides.LimitWriter(bare)
        limit.append("a", 0, BODIES[:150])
        limit.append("b", 0, BODIES[:1])
        limit.append("a", 150, BODIES[:2])
    with bare_reader(path) as reader:
        assert [len(data) for data in reader.scan()] == [EVENT_BYTES] * 153
        assert len(reader.replay(1)) == 152
        execute = reader._execute
        assert execute("SELECT count(*), count(DISTINCT id) FROM event").get == (153, 153)
        assert execute("SELECT count(*) FROM command").get == 3


def test_a_wrong_count_is_no_figure(tmp_path: Path) -> None:
    with pyesdb.open(tmp_path) as db:
        store = db.store()
        sides.fill(store, 100)
        path = Path(db.get_store_config("default").data_dir) / "store.db"
        with bare_reader(path) as bare:
            reads = sides.Reads(store, bare, 100, 5)
            for rate in (reads.all, reads.all_bare, reads.replay, reads.replay_bare):
                assert rate(0) > 0
            store.append("one", pyesdb.NewEvent("E", BODIES[0]))
            with pytest.raises(pyesdb.Internal):
                reads.all(0)
            with pytest.raises(pyesdb.Internal):
                reads.all_bare(0)


def found(alone: float, many: float, others: float | None = 0.0, *, syncs: float = 2000) -> Bench:
    cases = (
        Measured(SYNC, "syncs/s", (syncs,), 0.1),
        Measured(ALONE, "appends/s", (1000.0,), alone),
        Measured(TASKS, "appends/s", (9000.0,), many),
    )
    return Bench(cases, 5, 1.5, "here", "ext4", others, {"cores": 2})


@pytest.mark.parametrize(
    ("alone", "many", "first", "second"),
    [
        (0.2, 0.96, "this disk", "; 64 tasks share syncs, they are limited by the CPU (96 %)."),
        (0.2, 0.3, "this disk", ", and so are 64 tasks (30 %)."),
        (0.9, 1.0, "the CPU", ", and so are 64 tasks (100 %)."),
    ],
)
def test_what_limits_is_said_in_a_sentence(
    alone: float, many: float, first: str, second: str
) -> None:
    busy = f"the CPU is busy {alone * 100:.0f} % of the time"
    assert bench.verdict(found(alone, many)) == (
        f"One caller is limited by {first} (a sync takes 0.50 ms, {busy}){second}"
    )


def test_what_waits_on_a_fast_disk_does_not_wait_for_it() -> None:
    said = bench.verdict(found(0.2, 0.9, syncs=20_000))
    assert said.startswith("One caller is limited by the rest of the system (a sync takes 0.05 ms")


def test_a_busy_machine_is_said() -> None:
    assert bench.rough(found(0.2, 0.9, others=0.1)) == ""
    assert bench.rough(found(0.2, 0.9, others=None)) == ""
    assert "kept 1.5 of 2 cores busy" in bench.rough(found(0.2, 0.9, others=1.5))


def test_a_ratio_is_the_middle_of_the_rounds_ratios() -> None:
    from pyesdb.operations.bench.findings import ratio

    assert ratio([1, 20, 3], [2, 10, 3]) == 1
    assert replace(found(0, 0).cases[0], samples=(1.0, 9.0, 2.0)).median == 2
