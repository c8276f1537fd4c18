"""Killed at every step of create, remove and purge: afterwards the catalog equals the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.stress.tools import environment

ROOT = Path(__file__).parents[2]
STEPS = {
    "create": ["noted StoreCreated", "file made", "file in place", "noted StoreReady"],
    "remove": ["noted StoreRemoved", "sealed", "in the trash"],
    "purge": ["noted StoreRemoved", "sealed", "in the trash", "noted StoreErased"],
}


@contextmanager
def dying(directory: Path, operation: str, places: list[str]) -> Iterator[Any]:
    """Another process that dies at each of the places, one after the other."""
    env = environment()
    env["PYTHONPATH"] += os.pathsep + str(ROOT)
    script = Path(__file__).with_name("dying.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(directory), operation, *places],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def following() -> str:
            process.stdin.write("go\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield following
        process.stdin.close()
        process.kill()


def prepare(directory: Path, operation: str) -> None:
    with pyesdb.open(directory, durability="os") as db:
        db.create_store("kept", exist_ok=True)
        if operation == "create":
            db.remove_store("x", missing_ok=True)
        else:
            db.create_store("x", exist_ok=True).append("s", NewEvent("Old"))


def disk(directory: Path) -> set[str]:
    """The directories of stores; what is half-made starts with a dot."""
    return {path.name for path in (directory / "stores").iterdir()}


def check(directory: Path, operation: str, *, may_be_undone: bool) -> None:
    """Done or undone, catalog equals disk, and everything goes on."""
    before = {path.name for path in (directory / "trash").iterdir()}
    with pyesdb.open(directory, durability="os") as db:
        listed = db.list_stores(system=True)
        assert {info.status for info in listed.values()} == {"running"}
        assert disk(directory) == set(listed)
        assert "kept" in listed
        done = ("x" in listed) == (operation == "create")
        assert done or may_be_undone
        trash = {path.name for path in (directory / "trash").iterdir()}
        if operation == "purge" and done:
            assert trash <= before
            assert [e.type for e in db.audit(store_id="x")][-1] == "StoreErased"
        if operation == "remove" and done:
            incarnation = [e for e in db.audit(store_id="x") if e.type == "StoreCreated"][
                -1
            ].position
            assert f"x.{incarnation}" in trash
        if "x" in listed:
            db.store("x").append("s", NewEvent("More"))
            db.remove_store("x")
        made = db.create_store("x")
        assert (
            made.append("s", NewEvent("New"), expected=pyesdb.StreamState.NO_STREAM).position == 1
        )
        assert [e.type for e in made.read_all()] == ["New"]
        assert not [name for name in disk(directory) if name.startswith(".")]
    assert not [p.name for p in (directory / "trash").iterdir() if ".unknown." in p.name]


@pytest.mark.parametrize("operation", STEPS)
def test_killed_between_two_steps(data_dir: Path, operation: str) -> None:
    prepare(data_dir, operation)
    with dying(data_dir, operation, STEPS[operation]) as following:
        for _ in STEPS[operation]:
            prepare(data_dir, operation)
            assert following() == "died"
            # every hook stands behind the first event, so the operation must be finished
            check(data_dir, operation, may_be_undone=False)


def killed_everywhere(directory: Path, operation: str, first: int, stride: int) -> int:
    places = [f"step:{n}" for n in range(first, 20_000, stride)]
    died = 0
    prepare(directory, operation)
    with dying(directory, operation, places) as following:
        prepare(directory, operation)
        while following() == "died":
            died += 1
            check(directory, operation, may_be_undone=True)
            prepare(directory, operation)
    return died


@pytest.mark.parametrize("operation", STEPS)
def test_killed_at_any_step(data_dir: Path, operation: str) -> None:
    assert killed_everywhere(data_dir, operation, 7, 97) >= 4


@pytest.mark.stress
@pytest.mark.parametrize("operation", STEPS)
def test_killed_at_every_third_step(
    data_dir: Path, operation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    died = killed_everywhere(data_dir, operation, 1, 3)
    with capsys.disabled():
        print(f"\n{operation}: killed at {died} places, always done or undone")
