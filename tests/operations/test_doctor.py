"""`doctor`: each thing that can be wrong is found with advice; nothing is made or changed."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

import pyesdb
from pyesdb import NewEvent
from pyesdb.operations import doctor, surroundings
from pyesdb.operations import doctor as examine
from pyesdb.transfer import export_events
from tests.cli.conftest import run_here
from tests.contract.tools import python
from tests.verify.tools import change, checkpoint, flip

DOCTOR = sys.modules["pyesdb.operations.doctor"]


@pytest.fixture
def data(data_dir: Path) -> Path:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("acme", max_events=10)
        store.append("s", NewEvent("E"))
    return data_dir


def found(base: Path | None, **more: Any) -> list[str]:
    """What is not ok, each on a line."""
    findings = examine(base, environ=more.pop("environ", {}), **more).findings
    assert all(one.advice or one.level == "ok" or "not tried" in one.what for one in findings)
    return [f"{one.level} {one.area}: {one.what}" for one in findings if one.level != "ok"]


def everything(base: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size, path.lstat().st_mode)
        for path in [base, *base.rglob("*")]
    }


def test_a_healthy_database_has_no_finding_and_is_left_as_it_was(data: Path) -> None:
    before = everything(data)
    assert found(data) == []
    assert everything(data) == before
    areas = [one.area for one in examine(data, environ={}).findings]
    assert set(areas) == {"environment", "disk", "permissions", "database", "stores"}


def test_what_a_new_key_leaves_is_ours(data: Path, tmp_path: Path) -> None:
    (data / "swap").mkdir(mode=0o700)
    assert found(data) == []
    with pyesdb.open(data) as db:
        store = db.store("acme")
        for own in ("swap", "drafts"):
            with pytest.raises(pyesdb.RequestError, match="own files"):
                export_events(store, data / own / "x")
            with pytest.raises(pyesdb.RequestError, match="own files"):
                db.backup_store("acme", data / own / "x")


def test_folders_that_are_not_made_yet(data: Path) -> None:
    for name in ("trash", "drafts"):
        shutil.rmtree(data / name)
    assert found(data) == []


def test_stores_that_come_and_go_meanwhile(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removed(*_: Any) -> Any:
        raise pyesdb.StoreNotFound("gone")

    with monkeypatch.context() as patch:
        patch.setattr(pyesdb.Database, "store_stats", removed)
        assert found(data) == []
    listing = pyesdb.Database.list_stores

    def starting(*args: Any, **more: Any) -> Any:
        status = pyesdb.StoreStatus.STARTING
        known = listing(*args, **more)
        made = msgspec.structs.replace(known["acme"], status=status, reason="being created")
        return {**known, "acme": made}

    monkeypatch.setattr(pyesdb.Database, "list_stores", starting)
    assert found(data) == ["hint stores: acme is starting: being created"]


def test_a_database_in_use_here(data: Path) -> None:
    with pyesdb.open(data) as db:
        assert found(data) == []
        db.store("acme").append("s", NewEvent("E"))
        assert found(data) == []
        alone = "import pyesdb, sys; pyesdb.open(sys.argv[1], exclusive=True)"
        assert "DatabaseLocked" in python(alone, str(data)).stderr  # no lock was dropped


def test_a_database_that_somebody_has_alone(data: Path) -> None:
    with pyesdb.open(data, exclusive=True):
        code = "from pyesdb.operations import doctor; import sys; print(doctor(sys.argv[1]))"
        said = python(code, str(data)).stdout
    assert f"process {os.getpid()}" in said
    assert "its stores were not looked at" in said
    assert "level='problem'" not in said


def test_no_database_at_all(tmp_path: Path) -> None:
    assert found(None) == ["hint database: no database was looked at"]
    (line,) = found(tmp_path / "never")
    assert line.startswith("problem database: it cannot be opened")
    assert not (tmp_path / "never").exists()
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / "other" / "file").touch(0o600)
    assert any("holds other files" in line for line in found(tmp_path / "other"))


def test_the_directory_comes_from_the_environment(data: Path) -> None:
    for name in ("PYESDB_URL", "PYESDB_DATA_DIR"):
        areas = {one.area for one in doctor(environ={name: str(data)}).findings}
        assert "stores" in areas


def spoil_marker(base: Path) -> None:
    (base / "pyesdb.json").write_text("{")


def lose_system(base: Path) -> None:
    shutil.rmtree(base / "stores" / "$system")


def lose_store(base: Path) -> None:
    shutil.rmtree(base / "stores" / "acme")


def spoil_store(base: Path) -> None:
    path = base / "stores" / "acme" / "store.db"
    checkpoint(path)
    flip(path, 3000)


def newer_store(base: Path) -> None:
    change(base / "stores" / "acme" / "store.db", "PRAGMA user_version=99")


def foreign_file(base: Path) -> None:
    (base / "notes.txt").touch(0o600)


def unknown_directory(base: Path) -> None:
    (base / "stores" / "stranger").mkdir(mode=0o700)


def draft(base: Path) -> None:
    (base / "stores" / ".x.7.new").mkdir(mode=0o700)


def old_trash(base: Path) -> None:
    (base / "trash" / "gone.3").mkdir(mode=0o700)


def readable(base: Path) -> None:
    (base / "stores" / "acme" / "store.db").chmod(0o644)


def alike(base: Path) -> None:
    with pyesdb.open(base) as db:
        db.create_store("a-b", durability="os")
        db.create_store("a_b", durability="os")


def device(base: Path) -> None:
    with pyesdb.open(base) as db:
        db.create_store("con-1", durability="os")


def nearly_full(base: Path) -> None:
    with pyesdb.open(base) as db:
        db.store("acme").append("s", [NewEvent("E") for _ in range(8)])


BROKEN: dict[Callable[[Path], None], str] = {
    spoil_marker: "problem database: it cannot be opened: .*pyesdb.json is damaged",
    lose_system: "problem database: it cannot be opened: .*system",
    lose_store: "problem stores: acme: .*missing",
    spoil_store: "problem stores: acme: ",
    newer_store: "problem stores: acme: .*format 99",
    foreign_file: "hint database: these are not pyesdb's: notes.txt",
    unknown_directory: "hint database: the catalog does not know stores/stranger",
    draft: "hint database: 1 drafts of stores: .x.7.new",
    old_trash: "hint database: beyond its time in the trash: gone.3",
    readable: "problem permissions: other users may look into .*acme/store.db",
    alike: "hint stores: a-b, a_b differ",
    device: "hint stores: 'con-1' looks like a device",
    nearly_full: "hint stores: acme has 9 events of max_events=10",
}


@pytest.mark.parametrize("breaking", BROKEN, ids=lambda one: one.__name__)
def test_what_is_wrong_with_a_directory(data: Path, breaking: Callable[[Path], None]) -> None:
    import re

    breaking(data)
    before = everything(data)
    (line,) = found(data)
    assert re.match(BROKEN[breaking], line), line
    assert everything(data).keys() == before.keys()


def test_a_large_log(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DOCTOR, "WAL_LARGE", 1)
    with pyesdb.open(data) as db:
        db.store("acme").append("s", NewEvent("E"))
        assert any("acme: its write-ahead log" in line for line in found(data))


def test_variables_that_mean_nothing(data: Path) -> None:
    environ = {"PYESDB_TIMEOT": "3", "PYESDB_TIMEOUT": "3", "PYESDB_XYZ": "", "OTHER": ""}
    hints = [one for one in examine(data, environ=environ).findings if one.area == "settings"]
    assert [(one.what.split()[0], one.advice) for one in hints] == [
        ("PYESDB_TIMEOT", "did you mean PYESDB_TIMEOUT?"),
        ("PYESDB_XYZ", "`pyesdb config show` knows the settings"),
    ]


def test_what_it_stands_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(data)
    cases: list[tuple[Any, str, Any, str]] = [
        (metadata, "version", lambda name: "3.46.1.0", "problem environment: apsw-sqlite3mc 3.46"),
        (resource, "getrlimit", lambda _: (256, 4096), "hint environment: a process may open 256"),
        (shutil, "disk_usage", lambda _: usage._replace(free=1000), "problem disk: 0.0 GiB"),
        (shutil, "disk_usage", lambda _: usage._replace(total=2**60, free=2**50), "hint disk: 1,0"),
        (surroundings, "FSYNC_SLOW_MS", -1.0, "hint disk: an fsync takes"),
        (os, "geteuid", lambda: 12345, "problem permissions: these belong to another user"),
    ]
    for owner, name, value, said in cases:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value)
            lines = found(data)
        assert [line[: len(said)] for line in lines] == [said]


def no_version(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def failing(*_: Any, **__: Any) -> Any:
    raise OSError(5, "Input/output error")


def test_what_cannot_be_told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", no_version)
        assert found(data) == ["hint environment: the version of apsw is not known"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        assert found(data) == ["problem disk: fsync fails: Input/output error"]
    with monkeypatch.context() as patch:
        patch.delattr(os, "O_TMPFILE", raising=False)  # as on a system without them, or mounts
        patch.setattr(Path, "read_text", failing)
        findings = list(surroundings.disk(data))
    assert [one.level for one in findings] == ["ok", "ok"]
    assert "file system not known" in findings[0].what
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        assert "hint disk: fsync was not tried: Input/output error" in found(data)


def test_progress_is_stores(data: Path) -> None:
    told: list[tuple[int, int]] = []
    examine(data, environ={}, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_command(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYESDB_DATA_DIR", str(data))
    answer = run_here("doctor")
    assert answer.code == 0
    assert answer.lines[0].startswith("ok       environment  Python")
    alike(data)
    assert run_here("doctor", str(data)).code == 0
    lose_store(data)
    answer = run_here("doctor", "--data", str(data), "--json")
    assert answer.code == 1
    levels = [json.loads(line)["level"] for line in answer.lines]
    assert levels.count("problem") == 1
    assert set(answer.documents[0]) == {"area", "level", "what", "advice"}
    people = run_here("doctor", str(data)).out
    assert "restore it from a backup" in people
