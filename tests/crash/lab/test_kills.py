"""Processes under random load, killed at random moments and at chosen places; then everything that
was answered is there, once, and whatever was not is whole or not there at all.

A failure names its seed. PYESDB_SEED=... repeats the same plan: which calls, which places, which
moments; how processes and threads take turns is the machine's own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import pyesdb
from tests.crash.lab import content, lab
from tests.crash.lab.ledger import Ledger
from tests.crash.lab.places import PLACES
from tests.stress.tools import stress_seconds

SEED = os.environ.get("PYESDB_SEED")
RESULTS = lab.ROOT / "build/crash/kills.json"
SHORT = [
    "written, before COMMIT",
    "in COMMIT: log written, not synced",
    "import: synced, before the answer",
    "noted StoreCreated",
    "sealed",
    "",
]
KILLS_PER_MINUTE = 50
"""Of `make stress`: 500 in its 10 minutes, of which they take about a half on two idle cores."""


def passed(report: lab.Report) -> lab.Report:
    again = f"PYESDB_SEED={report.seed} .venv/bin/pytest {Path(__file__).relative_to(lab.ROOT)}"
    assert report.problems == [], f"\n{report.told()}\nrepeat: {again}"
    assert report.events["lost"] == 0
    there = sum(report.events[name] for name in ("there", "scavenged", "erased"))
    assert there == report.events["acknowledged"]
    return report


def test_killed_at_a_few_places(tmp_path: Path) -> None:
    report = passed(lab.run(tmp_path, SEED or "short", len(SHORT), SHORT))
    assert report.kills == len(SHORT)
    assert report.missed == 0, report.told()
    assert report.events["acknowledged"] > 50


@pytest.mark.slow
def test_killed_once_at_every_place(tmp_path: Path) -> None:
    report = passed(lab.run(tmp_path, SEED or "slow", len(PLACES), [*PLACES]))
    assert set(report.places) >= set(PLACES)


def test_what_is_lost_is_seen(tmp_path: Path) -> None:
    """The negative control: answers that nobody gave, of events that nobody stored."""
    with lab.launched(tmp_path) as launcher:
        launcher.fresh()
        say = Ledger(tmp_path / "outside" / "liar.jsonl").say
        for store in (*content.STORES, content.CONTESTED[0]):
            say("call", c=store, op="put", s=store, p=[["solo-0", 1]])
            say("answer", c=store, r=[["solo-0", 0, 0, 2, 2]], i=1, d=False)
        found = launcher.ask("check")["problems"]
        assert sum("lost" in problem for problem in found) == 3, found
        assert launcher.ask("count")["lost"] == 3


def test_a_sweep_before_the_cut_excuses_nothing(tmp_path: Path) -> None:
    """The cut of the stream was asked for when the sweep that should have taken it was over."""
    with lab.launched(tmp_path) as launcher:
        launcher.fresh()
        say = Ledger(tmp_path / "outside" / "liar.jsonl").say
        for store in content.STORES:
            say("call", c=store, op="put", s=store, p=[["cut-0", 1]])
            say("answer", c=store, r=[["cut-0", 0, 0, 2, 2]], i=1, d=False)
            for op in ("scavenge", "truncate"):
                say("call", c=f"{op} {store}", op=op, s=store, stream="cut-0", before=1)
                say("answer", c=f"{op} {store}")
        found = launcher.ask("check")["problems"]
        assert sum("lost" in problem for problem in found) == 2, found
        assert launcher.ask("count")["lost"] == 2


@pytest.mark.parametrize("how", ["removed", "purged", "in the trash"])
def test_an_end_that_nobody_asked_for_is_seen(tmp_path: Path, how: str) -> None:
    """A store is removed or erased behind the ledger's back."""
    store = content.CONTESTED[0]
    with lab.launched(tmp_path) as launcher:
        launcher.fresh()
        say = Ledger(tmp_path / "outside" / "liar.jsonl").say
        with pyesdb.open(tmp_path / "data") as db:
            say("call", c="create", op="create", s=store)
            made = db.create_store(store)
            say("answer", c="create")
            say("call", c="put", op="put", s=store, p=[["s", 1]])
            put = made.append("s", content.events("put", 0, 1))
            say("answer", c="put", r=[["s", 0, 0, 1, 1]], i=put.token.incarnation, d=False)
            if how == "in the trash":
                say("call", c="remove", op="remove", s=store)
                db.remove_store(store)
                say("answer", c="remove")
            db.remove_store(store, purge=how != "removed")
        found = launcher.ask("check")["problems"]
        wanted = "remove 1 times, not 0 to 0" if how == "removed" else "erased by 1 purges, and 0"
        assert any(wanted in problem for problem in found), found
        assert launcher.ask("count")["lost"] == (how != "removed")


@pytest.mark.stress
def test_killed_500_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kills = round(KILLS_PER_MINUTE * stress_seconds() / 60)
    seed = SEED or str(int.from_bytes(os.urandom(4)))
    report = lab.run(tmp_path, seed, kills)
    with capsys.disabled():
        print(f"\n{report.told()}")
    passed(report)
    assert report.kills == kills
    assert report.missed <= kills // 50, report.told()
    if kills >= 500:
        assert min(report.places[place] for place in PLACES) >= 5
        assert report.events["acknowledged"] >= 2_000
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report.written(), indent=1) + "\n")
