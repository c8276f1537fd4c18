"""API "Opening" and `open(config=)`: what is said there reaches the stores that are created."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.config.load import variable
from pyesdb.config.settings import BY_NAME, as_tuple
from pyesdb.node.catalog import Catalog
from tests.config.samples import stored, toml, word
from tests.contract.tools import one
from tests.stress.tools import children

Says = Callable[[pytest.MonkeyPatch, Path], Any]


def in_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return {name: stored(name) for name in BY_NAME}


def in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    path = tmp_path / "pyesdb.toml"
    path.write_text("".join(map(toml, BY_NAME)))
    return path


def in_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    for name in BY_NAME:
        monkeypatch.setenv(variable(name), word(name))


def in_a_file_of_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("PYESDB_CONFIG", str(in_a_file(monkeypatch, tmp_path)))


@pytest.mark.parametrize("says", [in_code, in_a_file, in_variables, in_a_file_of_a_variable])
def test_every_setting_reaches_stores_that_are_created_and_no_other(
    says: Says, open_db: Any, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_db(data_dir, durability="os")
    db.create_store("older")
    older = db.get_store_config("older")
    db.close()
    config = says(monkeypatch, tmp_path)
    db = open_db(data_dir, config=config)
    assert db.get_store_config("older") == older
    db.create_store("made", description="mine")
    found = db.get_store_config("made")
    for name in BY_NAME.keys() - {"description"}:
        assert getattr(found, name) == as_tuple(stored(name)), name
        assert found.origin(name) == "server", name
    assert (found.description, found.origin("description")) == ("mine", "store")


def test_parameters_win_over_config_and_config_over_variables(
    open_db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYESDB_TIMEOUT", "20")
    monkeypatch.setenv("PYESDB_DURABILITY", "os")
    monkeypatch.setenv("PYESDB_MAX_EVENTS", "20")
    db = open_db(data_dir, timeout=40, config={"timeout": 30, "max_events": 30})
    found = db.get_store_config("default")
    assert (found.timeout, found.durability, found.max_events) == (40.0, "os", 30)


def test_memory_is_durable_by_os_whatever_config_says(open_db: Any) -> None:
    db = open_db(":memory:", config={"durability": "fsync"})
    assert db.get_store_config("default").durability == "os"


def test_a_limit_from_config_holds(open_db: Any) -> None:
    db = open_db(":memory:", config={"max_events": 1})
    db.store().append("s", one())
    with pytest.raises(pyesdb.LimitExceeded):
        db.store().append("s", one())


@pytest.mark.parametrize("config", [{"max_event": 1}, "none.toml", {"encryption": {"key": b"k"}}])
def test_a_bad_config_opens_nothing(config: Any, open_db: Any, data_dir: Path) -> None:
    with pytest.raises(pyesdb.InvalidConfig):
        open_db(data_dir, config=config)
    assert not data_dir.exists()


def test_max_stores_counts_what_exists(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os", config={"max_stores": 3})
    db.create_store("a")
    db.create_store("b")
    with pytest.raises(pyesdb.LimitExceeded, match="max_stores is 3") as caught:
        db.create_store("c")
    assert (caught.value.limit, caught.value.value) == (3, 4)
    assert caught.value.setting == "max_stores"
    assert [event.stream for event in db.audit(store_id="c")] == []
    assert sorted(db.list_stores()) == ["a", "b", "default"]
    db.create_store("a", exist_ok=True)
    with pytest.raises(pyesdb.StoreAlreadyExists):
        db.create_store("a")
    db.remove_store("a")
    db.create_store("c")
    with pytest.raises(pyesdb.LimitExceeded):
        db.create_store("a")


def test_max_stores_counts_what_is_recovered(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os", config={"max_stores": 2})
    db.create_store("a").append("s", one())
    db.remove_store("a")
    db.create_store("b")
    for as_ in (None, "c"):
        with pytest.raises(pyesdb.LimitExceeded):
            db.recover_store("a", as_=as_)
    assert [trashed.store_id for trashed in db.trash()] == ["a"]
    db.remove_store("b")
    assert db.recover_store("a", as_="c").version("s") == 0
    with pytest.raises(pyesdb.LimitExceeded):
        db.create_store("d")


def test_max_stores_belongs_to_the_handle(open_db: Any, data_dir: Path) -> None:
    small = open_db(data_dir, durability="os", config={"max_stores": 1})
    free = open_db(data_dir, durability="os")
    with pytest.raises(pyesdb.LimitExceeded):
        small.create_store("a")
    free.create_store("a")
    free.create_store("b")
    with pytest.raises(pyesdb.LimitExceeded) as caught:
        small.create_store("c")
    assert caught.value.value == 4


def test_max_open_stores_belongs_to_the_directory_in_this_process(data_dir: Path) -> None:
    def most(db: pyesdb.Database) -> int:
        return db._core.node.max_open_stores

    with pyesdb.open(data_dir, durability="os") as db:
        assert 1 <= most(db) <= 512
        with pyesdb.open(data_dir, config={"max_open_stores": 7}):
            assert most(db) == 7
            with pyesdb.open(data_dir, config={"max_open_stores": 9}), pyesdb.open(data_dir):
                assert most(db) == 9


def test_a_directory_that_is_full_opens(open_db: Any, data_dir: Path) -> None:
    open_db(data_dir, durability="os").create_store("a")
    db = open_db(data_dir, durability="os", config={"max_stores": 1})
    assert sorted(db.list_stores()) == ["a", "default"]


def test_a_store_that_is_added_behind_the_count_counts(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"max_stores": 2}
    with pyesdb.open(data_dir, durability="os", config=config) as db, pyesdb.open(data_dir) as free:
        count = Catalog.count
        others = ["other"]

        def slow(catalog: Catalog) -> tuple[int, int]:
            found = count(catalog)
            if others:
                free.create_store(others.pop())
            return found

        monkeypatch.setattr(Catalog, "count", slow)
        with pytest.raises(pyesdb.LimitExceeded):
            db.create_store("late")
        assert sorted(db.list_stores()) == ["default", "other"]


def test_32_threads_make_as_many_stores_as_max_stores_allows(data_dir: Path) -> None:
    config = {"max_stores": 10}
    with (
        pyesdb.open(data_dir, durability="os", config=config) as db,
        ThreadPoolExecutor(32) as pool,
    ):

        def create(number: int) -> bool:
            try:
                db.create_store(f"s{number}")
            except pyesdb.LimitExceeded:
                return False
            return True

        made = list(pool.map(create, range(32)))
        assert sum(made) == 9
        assert len(db.list_stores()) == 10
        assert [f"s{n}" for n in range(32) if made[n]] == sorted(
            (store_id for store_id in db.list_stores() if store_id != "default"),
            key=lambda store_id: int(store_id[1:]),
        )


def test_four_processes_make_as_many_stores_as_max_stores_allows(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        with children(4, "fill", data_dir, 10) as started:
            for child in started:
                child.go()
            reports = [child.report() for child in started]
        assert sum(reports) == 9
        assert len(db.list_stores()) == 10


def test_variables_of_other_programs_are_passed_over(
    open_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYESDB_COLOUR", "red")
    assert open_db(":memory:").list_stores()
