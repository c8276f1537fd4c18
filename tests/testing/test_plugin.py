"""The fixtures for pytest: found by pytest, used in a project of a user's, and out of the way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]

USERS = """
import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import pyesdb
import pytest
from pyesdb import EventTypes, NewEvent

@pytest.mark.parametrize("time", [1, 2])
def test_each_test_has_its_own_store(pyesdb_store, time):
    assert pyesdb_store.append("s", NewEvent("E")).position == 1

def test_store_and_database_belong_together(pyesdb_store, pyesdb_database):
    pyesdb_store.append("s", NewEvent("E"))
    assert pyesdb_database.store().version("s") == 0
    assert set(pyesdb_database.list_stores()) == {"default"}

def test_the_clock_stands_still_whatever_the_order(pyesdb_store, pyesdb_clock):
    pyesdb_store.append("s", NewEvent("E"))
    assert pyesdb_store.read("s").first().created == datetime(2030, 1, 1, tzinfo=UTC)
    pyesdb_clock.move(days=1)
    pyesdb_store.append("s", NewEvent("E"))
    assert pyesdb_store.read("s", from_version=1).first().created.day == 2

def test_async(pyesdb_async_store):
    async def main():
        async with pyesdb_async_store as store:
            await store.append("s", NewEvent("E"))
            return await store.version("s")
    assert asyncio.run(main()) == 0

def test_async_database(pyesdb_async_database, pyesdb_clock):
    async def main():
        async with pyesdb_async_database as database:
            await database.store().append("s", NewEvent("E"))
            return await database.store().read("s").first()
    assert asyncio.run(main()).created.year == 2030

def test_the_async_store_is_of_the_async_database(pyesdb_async_store, pyesdb_async_database):
    async def main():
        async with pyesdb_async_database as database:
            async with pyesdb_async_store as store, pyesdb_async_database as again:
                assert again is database
                await store.append("s", NewEvent("E"))
            return await database.store().version("s")
    assert asyncio.run(main()) == 0

def test_the_async_database_stays_as_long_as_somebody_has_it(pyesdb_async_database):
    async def have(turns):
        async with pyesdb_async_database as database:
            await database.store().append("s", NewEvent("E"))
            for _ in range(turns):
                await asyncio.sleep(0)
            return database
    async def main():
        first, second = await asyncio.gather(have(1), have(9))
        assert first is second
        with pytest.raises(pyesdb.DatabaseClosed):
            await first.store().version("s")
        async with pyesdb_async_database as database:
            assert not await database.store().exists("s")
    asyncio.run(main())
    asyncio.run(have(0))

def test_an_async_store_that_is_not_entered_is_no_harm(pyesdb_async_store):
    pass

@dataclass
class Placed:
    total: int

class TestTypes:
    @pytest.fixture
    def pyesdb_types(self):
        types = EventTypes()
        types.add(Placed)
        return types

    def test_types(self, pyesdb_store):
        pyesdb_store.append("s", Placed(3))
        assert pyesdb_store.read("s").first().body == Placed(3)
"""

UNUSED = """
import sys

def test_pyesdb_is_not_imported_where_nobody_uses_it():
    assert "pyesdb_pytest" in sys.modules
    assert not [name for name in sys.modules if name.split(".")[0] in ("pyesdb", "apsw", "msgspec")]
"""


def pytest_of_a_user(folder: Path, text: str, *options: str) -> str:
    (folder / "test_users.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_fixtures_in_a_project_of_a_user(tmp_path: Path) -> None:
    assert "10 passed" in pytest_of_a_user(tmp_path, USERS, "-p", "pyesdb_pytest")


def test_pyesdb_is_imported_only_when_it_is_used(tmp_path: Path) -> None:
    options = ("-p", "pyesdb_pytest", "-p", "no:hypothesispytest", "-p", "no:cov")
    assert "1 passed" in pytest_of_a_user(tmp_path, UNUSED, *options)


def test_every_fixture_says_what_it_is(tmp_path: Path) -> None:
    said = pytest_of_a_user(tmp_path, USERS, "-p", "pyesdb_pytest", "--fixtures", "-v")
    for name in ("store", "database", "async_store", "async_database", "clock", "types"):
        assert f"pyesdb_{name} -- " in said or f"pyesdb_{name} [" in said
    fixtures = re.split(r"^(?=\w)", said, flags=re.MULTILINE)
    ours = [text for text in fixtures if text.startswith("pyesdb_") and "test_users" not in text]
    assert len(ours) == 6
    assert not [text for text in ours if "no docstring" in text]


def test_pytest_finds_the_fixtures_by_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    entries = project["project"]["entry-points"]["pytest11"]
    assert entries == {"pyesdb_pytest": "pyesdb_pytest"}
    assert (
        "src/pyesdb_pytest.py" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    assert hasattr(import_module("pyesdb_pytest"), "pyesdb_store")
