"""The power goes while threads write: nothing that was acknowledged is lost (power/DESIGN.md)."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path

import pytest

from tests.crash.power import lab

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc and record locks")
MIDST = ("log write", "log sync", "checkpoint", "lifecycle")
"""Kinds of operations of which the long run must have been cut in several."""
REPORT = Path(os.environ.get("PYESDB_POWER_REPORT", lab.ROOT / "build" / "crash" / "power.json"))
SEED = os.environ.get("PYESDB_SEED", "")


def nothing_lost(report: lab.Report) -> None:
    again = "PYESDB_SEED={} .venv/bin/pytest -m stress tests/crash/test_power.py"
    assert report.problems == [], f"seed {report.seed}; the long run: {again.format(report.seed)}"


TURNS = [
    ("x0", "live"),
    ("x0", "live"),
    ("x0", "frozen"),
    ("x0", "live"),
    ("x0", "backup"),
    ("x1", "live", "copy"),
    ("x0", "trash"),
    ("x0", "live"),
    ("x1", "absent"),
    ("x2", "live", "restore"),
    ("x2", "trash"),
    ("x2", "absent"),
]
"""Stores, and what becomes of them: made, written to, backed up, removed, recovered, erased."""


def test_nothing_is_lost(tmp_path: Path) -> None:
    report = lab.run(tmp_path, "short", cuts=4, images=1, kinds=MIDST, longest=150)
    nothing_lost(report)
    assert report.acknowledged > 0
    assert len(report.cuts) >= 3


def test_the_power_goes_behind_each_step_of_a_stores_life(tmp_path: Path) -> None:
    report = lab.run_turns(tmp_path, TURNS)
    nothing_lost(report)
    assert report.images == len(TURNS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_in_several_cuts_of_several_lives(tmp_path: Path) -> None:
    report = lab.run(tmp_path, "medium", cuts=20)
    nothing_lost(report)
    assert report.acknowledged > 500
    assert len(report.cuts) >= 3
    assert report.looks["answered"] >= 5, report.line()


@pytest.mark.parametrize("lies", ["files", "names"])
def test_the_laboratory_sees_what_a_lying_disk_loses(tmp_path: Path, lies: str) -> None:
    """The negative control: a disk that says "synced" and is not."""
    report = lab.run(tmp_path, "lies", cuts=1, images=1, kinds=["log sync"], lies=lies)
    assert any("LOST" in problem or "cannot be used" in problem for problem in report.problems)


@pytest.mark.stress
def test_the_power_is_cut_200_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = SEED or str(random.SystemRandom().randrange(10**9))
    report = lab.run(tmp_path, seed, cuts=int(os.environ.get("PYESDB_CUTS", "200")))
    with capsys.disabled():
        print(f"\n{report.line()}")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    for recording in tmp_path.rglob(lab.RECORDING):
        shutil.copy(recording, REPORT.parent)
    REPORT.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    nothing_lost(report)
    assert report.acknowledged >= 2000
    assert report.looks["answered"] >= 50, report.line()
    assert {kind: report.cuts[kind] for kind in MIDST if report.cuts[kind] < 5} == {}
