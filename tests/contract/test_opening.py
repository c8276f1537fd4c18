"""API "Opening": targets, defaults, what is created and what is refused."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from tests.contract.tools import one, seconds, versions


def test_a_directory_is_made_if_missing_with_its_parents(open_db: Any, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "er" / "data"
    open_db(place).store().append("s", one())
    assert place.is_dir()


@pytest.mark.parametrize("kind", [str, Path, os.fspath])
def test_a_path_is_text_or_path(open_db: Any, data_dir: Path, kind: Any) -> None:
    open_db(kind(data_dir)).store().append("s", one())
    assert data_dir.is_dir()


def test_a_relative_path_is_below_the_working_directory(
    open_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    db = open_db("shop-data")
    db.store().append("s", one())
    monkeypatch.chdir("/")
    assert db.store().append("s", one()).version == 1
    assert (tmp_path / "shop-data").is_dir()


def test_an_empty_existing_directory_is_taken(open_db: Any, data_dir: Path) -> None:
    data_dir.mkdir()
    assert open_db(data_dir).store().append("s", one()).version == 0


def test_what_was_stored_is_there_after_reopening(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.store().append("s", one("Kept"))
    db.create_store("a").append("t", one("Kept too"))
    db.close()
    again = open_db(data_dir)
    assert [e.type for e in again.store().read("s")] == ["Kept"]
    assert [e.type for e in again.store("a").read("t")] == ["Kept too"]


def test_memory_is_private_and_erased_at_close(open_db: Any) -> None:
    one_db, two = open_db(":memory:"), open_db(":memory:")
    one_db.store().append("s", one())
    place = Path(one_db.get_store_config("default").data_dir)
    assert place.exists()
    assert not two.store().exists("s")
    assert not Path(":memory:").exists()
    one_db.close()
    assert not place.exists()
    assert two.store().append("s", one()).version == 0


def test_memory_is_always_durable_by_os(open_db: Any) -> None:
    db = open_db(":memory:", durability="fsync")
    assert db.get_store_config("default").durability == "os"
    db.create_store("a")
    assert db.get_store_config("a").durability == "os"


def test_without_target_the_environment_names_it(
    open_db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYESDB_DATA_DIR", str(data_dir))
    open_db().store().append("s", one())
    assert data_dir.is_dir()


def test_without_target_and_environment_there_is_no_target(open_db: Any) -> None:
    with pytest.raises(pyesdb.NoTarget) as caught:
        open_db()
    assert "PYESDB_DATA_DIR" in str(caught.value)
    assert "PYESDB_URL" in str(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        "postgres://user:hunter2@host/db",
        "esdb://localhost:2113",
        "file:///tmp/data",
        "http://localhost",
        "sqlite:///data.db",
        "PG://x",
        "pyesdb://u:hunter2@localhost",
        "pyesdb://u:pa/hunter2@localhost/store",
        "pyesdb://u:pa@hunter2@localhost?tls=1",
        "pyesdb://u:pa:hunter2@localhost",
        "pyesdb://hunter2@localhost",
        "pyesdb://u:hun\nhunter2@localhost",
    ],
)
def test_another_scheme_is_an_invalid_target_never_a_directory(
    open_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pyesdb.InvalidTarget) as caught:
        open_db(target)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value)
    assert 'only a directory (its path) or ":memory:"' in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_url_from_the_environment_is_judged_too(
    open_db: Any, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    monkeypatch.setenv("PYESDB_URL", "redis://localhost")
    monkeypatch.setenv("PYESDB_DATA_DIR", str(data_dir))
    with pytest.raises(pyesdb.InvalidTarget):
        open_db()
    assert not data_dir.exists()


@pytest.mark.parametrize("target", ["", "a\x00b", 5, b"data", True, ["data"]])
def test_what_is_no_target_is_an_invalid_target(open_db: Any, target: Any) -> None:
    with pytest.raises(pyesdb.InvalidTarget) as caught:
        open_db(target)
    assert len(str(caught.value)) > 20


def test_create_false_needs_a_database(open_db: Any, data_dir: Path) -> None:
    with pytest.raises(pyesdb.DatabaseNotFound) as caught:
        open_db(data_dir, create=False)
    assert str(data_dir) in str(caught.value)
    assert not data_dir.exists()
    open_db(data_dir).close()
    open_db(data_dir, create=False).store().append("s", one())


def test_a_directory_of_someone_else_is_left_alone(open_db: Any, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "thesis.txt").write_text("precious")
    with pytest.raises(pyesdb.NotADatabase) as caught:
        open_db(data_dir)
    assert str(data_dir) in str(caught.value)
    assert [p.name for p in data_dir.iterdir()] == ["thesis.txt"]


def test_a_file_is_not_a_database(open_db: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises((pyesdb.NotADatabase, pyesdb.InvalidTarget)) as caught:
            open_db(target)
        assert str(tmp_path / "file") in str(caught.value)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_link_to_a_directory_is_that_directory(open_db: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    one_db, two = open_db(tmp_path / "real"), open_db(tmp_path / "link")
    one_db.store().append("s", one())
    assert two.store().version("s") == 0


def test_directories_are_0700_and_files_0600(open_db: Any, data_dir: Path) -> None:
    old = os.umask(0)
    try:
        db = open_db(data_dir)
        db.create_store("a").append("s", one())
        for path in [data_dir, *data_dir.rglob("*")]:
            mode = stat.S_IMODE(path.lstat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path
    finally:
        os.umask(old)


def test_close_is_idempotent_and_ends_handles(db: Any) -> None:
    store = db.store()
    store.append("s", one())
    db.close()
    db.close()
    with pytest.raises(pyesdb.DatabaseClosed):
        store.append("s", one())
    with pytest.raises(pyesdb.DatabaseClosed):
        store.version("s")
    with pytest.raises(pyesdb.DatabaseClosed):
        db.list_stores()


def test_with_closes(face: Any, data_dir: Path) -> None:
    with face.open(data_dir) as db:
        store = db.store()
        store.append("s", one())
    with pytest.raises(pyesdb.DatabaseClosed):
        store.version("s")


def test_opens_of_one_directory_share_what_they_do(open_db: Any, data_dir: Path) -> None:
    first, second = open_db(data_dir), open_db(data_dir)
    first.create_store("a").append("s", one())
    assert second.store("a").version("s") == 0
    second.store("a").append("s", one())
    first.close()
    assert second.store("a").append("s", one()).version == 2
    assert versions(second.store("a").read("s")) == [0, 1, 2]


def test_sync_and_async_share_one_engine(runner: Any, data_dir: Path) -> None:
    from tests.contract.faces import AsyncFace, SyncFace

    with SyncFace().open(data_dir) as blocking, AsyncFace(runner).open(data_dir) as driven:
        assert blocking.store().append("s", one()).version == 0
        assert driven.store().append("s", one()).version == 1
        assert blocking.store().append("s", one(), expected=1).version == 2
        assert versions(driven.store().read("s")) == [0, 1, 2]


def test_a_forgotten_close_is_a_resource_warning_never_damage(data_dir: Path) -> None:
    db = pyesdb.open(data_dir, durability="os")
    db.store().append("s", one())
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        del db
        gc.collect()
    assert any(issubclass(w.category, ResourceWarning) for w in seen)
    with pyesdb.open(data_dir) as again:
        assert again.store().append("s", one()).version == 1


def test_defaults_of_open_are_written_into_created_stores(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os", timeout=7)
    db.create_store("a")
    db.close()
    again = open_db(data_dir, durability="fsync", timeout=9)
    again.create_store("b")
    for name, durability, timeout in (("default", "os", 7), ("a", "os", 7), ("b", "fsync", 9)):
        config = again.get_store_config(name)
        assert (config.durability, seconds(config.timeout)) == (durability, timeout), name


def test_the_default_durability_is_fsync_and_timeout_15_s(open_db: Any, data_dir: Path) -> None:
    config = open_db(data_dir).get_store_config("default")
    assert (config.durability, seconds(config.timeout)) == ("fsync", 15)


@pytest.mark.parametrize("durability", ["none", "fast", "FSYNC", None, True, 1])
def test_there_is_no_other_durability(open_db: Any, data_dir: Path, durability: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        open_db(data_dir, durability=durability)
    assert "fsync" in str(caught.value)
    assert "os" in str(caught.value)
    assert not data_dir.exists()


@pytest.mark.parametrize("timeout", [0, -1, 121, 15_000, float("nan"), float("inf"), True, "15"])
def test_a_timeout_is_seconds_up_to_120(open_db: Any, data_dir: Path, timeout: Any) -> None:
    with pytest.raises(pyesdb.RequestError) as caught:
        open_db(data_dir, timeout=timeout)
    assert "timeout" in str(caught.value)
    if timeout in (121, 15_000):
        assert "seconds, not milliseconds" in str(caught.value)
    assert not data_dir.exists()


def test_a_timeout_may_be_a_timedelta(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, timeout=timedelta(seconds=120))
    assert seconds(db.get_store_config("default").timeout) == 120
    with pytest.raises(pyesdb.RequestError):
        open_db(data_dir, timeout=timedelta(minutes=3))


def test_the_default_store_exists_from_first_start(db: Any) -> None:
    assert list(db.list_stores()) == ["default"]
    assert db.store().id == "default"
    assert db.store("default").append("s", one()).version == 0
    assert db.store().version("s") == 0


def test_the_environment_names_the_default_store(
    open_db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYESDB_STORE_ID", "shop")
    db = open_db(data_dir)
    assert db.store().id == "shop"
    assert list(db.list_stores()) == ["shop"]


def test_a_bad_default_store_id_is_refused(
    open_db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYESDB_STORE_ID", "My Shop")
    with pytest.raises(pyesdb.PyesdbError) as caught:
        open_db(data_dir)
    assert "my-shop" in str(caught.value)


def test_a_database_shows_where_it_is(db: Any, data_dir: Path) -> None:
    assert str(data_dir) in repr(db)
    assert "default" in repr(db.store())


def test_a_database_that_another_process_makes_at_this_moment(
    open_db: Any, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It appears between the look for its marker and the look for other files."""
    with pyesdb.open(tmp_path / "other") as db:
        db.create_store("made")
    read_bytes, made = Path.read_bytes, []

    def look(path: Path) -> bytes:
        if path.name == "pyesdb.json" and not made:
            made.append(shutil.copytree(tmp_path / "other", data_dir))
            raise FileNotFoundError(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", look)
    assert "made" in open_db(data_dir).list_stores()
