"""`pyesdb bench`: the table, where it measures, and what it answers to a bad place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyesdb.operations import bench as measuring
from pyesdb.operations.bench.findings import ALONE, SYNC, TASKS, Bench, Measured
from tests.cli.conftest import run_here

FOUND = Bench(
    (
        Measured(SYNC, "syncs/s", (2000.0, 2100.0, 1900.0), 0.1),
        Measured(ALONE, "appends/s", (1000.0, 1100.0, 900.0), 0.2, SYNC, 0.5),
        Measured(TASKS, "appends/s", (9000.0, 9100.0, 8900.0), 0.9, SYNC, 4.5),
    ),
    3, 0.5, "here\x1b[2J", "ext4", 1.2,
    {"cpu": "Z80", "cores": 2, "system": "CP/M", "python": "3.11", "pyesdb": "0.1.0"},
)  # fmt: skip


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Every place that was measured, and for how long; nothing is."""
    seen: list[tuple[str, float]] = []

    def measure(directory: str, *, seconds: float, on_progress: object) -> Bench:
        seen.append((directory, seconds))
        return FOUND

    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.delenv("PYESDB_DATA_DIR", raising=False)
    return seen


def test_a_table_and_what_limits(places: list[tuple[str, float]]) -> None:
    answer = run_here("bench")
    assert answer.code == 0
    assert [" ".join(line.split()) for line in answer.lines[:3]] == [
        "CASE MEDIAN LOWEST HIGHEST UNIT LIMIT RATIO",
        "disk: write and sync 4 KiB 2,000 1,900 2,100 syncs/s",
        "append, 1 caller 1,000 900 1,100 appends/s 2,000 0.50",
    ]
    assert "3 rounds at here\\u001b[2J (ext4) on Z80, 2 cores" in answer.out
    assert "One caller is limited by this disk" in answer.lines[-2]
    assert "1.2 of 2 cores busy" in answer.lines[-1]


def test_where_is_measured(
    places: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here("bench")
    monkeypatch.setenv("PYESDB_DATA_DIR", "of-the-variable")
    run_here("bench", "--seconds", "3")
    run_here("bench", "--data", "given")
    assert places == [(os.curdir, 1.5), ("of-the-variable", 3.0), ("given", 1.5)]


def test_a_bad_place_is_a_bad_call(tmp_path: Path) -> None:
    answer = run_here("bench", "--data", str(tmp_path / "none"), "--json")
    assert (answer.code, answer.error["code"], answer.out) == (2, "invalid_target", "")
    assert not (tmp_path / "none").exists()
    assert run_here("bench", "--data", str(tmp_path), "--seconds", "0").code == 2


_ENDLESS = """
import sys
from pyesdb.cli import main
from pyesdb.operations.bench import run

def turns(*_):
    print("measuring", flush=True)
    while True:
        pass

run._take_turns = turns
main(["bench", "--data", sys.argv[1], "--seconds", "0.005"])
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_ended_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "measuring\n"
        assert len(os.listdir(tmp_path)) == 1
        process.send_signal(ending)
        assert process.wait(100) == 130
        assert process.stderr.read().strip() == "interrupted"
    assert os.listdir(tmp_path) == []


def test_signals_mean_afterwards_what_they_meant(places: list[tuple[str, float]]) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)]
    assert run_here("bench").code == 0
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)] == before
