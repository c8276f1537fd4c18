"""A power cut in a checkpoint tears pages of the file; the write-ahead log still has them whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent
from tests.verify.tools import flip

PAGE = 4096


@pytest.fixture
def cut(data_dir: Path, tmp_path: Path) -> Path:
    """A database as a power cut leaves it: pages of the last appends are in the log only."""
    with pyesdb.open(data_dir) as db:
        store = db.store()
        for n in range(40):
            store.append("s", NewEvent("E", {"n": n, "pad": "x" * 2000}))
        shutil.copytree(data_dir, tmp_path / "cut", ignore=shutil.ignore_patterns("*-shm"))
    return tmp_path / "cut"


def file_of(directory: Path) -> Path:
    return directory / "stores" / "default" / "store.db"


def verified(directory: Path) -> tuple[bool, list[str]]:
    with pyesdb.open(directory) as db:
        assert [event.json()["n"] for event in db.store().read_all()] == list(range(40))
        found = db.store().verify()
        return found.ok, [problem.where for problem in found.problems]


def logged(directory: Path) -> set[int]:
    """Pages that the log holds."""
    log = Path(f"{file_of(directory)}-wal").read_bytes()
    return {int.from_bytes(log[at : at + 4]) for at in range(32, len(log), PAGE + 24)}


def test_a_torn_page_that_the_log_has_is_no_damage(cut: Path) -> None:
    pages = range(1, file_of(cut).stat().st_size // PAGE + 1)
    torn = logged(cut).intersection(pages)
    assert len(torn) > 3
    for page in torn:
        flip(file_of(cut), page * PAGE - 200)
    assert verified(cut) == (True, [])


def test_a_file_that_had_no_time_to_grow_is_no_damage(cut: Path, data_dir: Path) -> None:
    header = file_of(data_dir).read_bytes()[:PAGE]  # of the file that was closed, and has grown
    with file_of(cut).open("r+b") as file:
        file.write(header)
    assert file_of(cut).stat().st_size < int.from_bytes(header[28:32]) * PAGE
    assert verified(cut) == (True, [])


def test_a_page_that_the_log_does_not_have_stays_a_finding(cut: Path) -> None:
    pages = file_of(cut).stat().st_size // PAGE
    lost = max(set(range(2, pages + 1)) - logged(cut))
    flip(file_of(cut), (lost - 1) * PAGE + 300)
    ok, where = verified(cut)
    assert not ok
    assert any(f"page {lost}" in place for place in where)
