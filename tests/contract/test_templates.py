"""API "Stores": templates are settings that stores share; later changes reach them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.config.settings import BY_NAME, as_tuple
from pyesdb.sqlite import files
from tests.config.samples import stored
from tests.contract.other import other
from tests.contract.test_recovery import core
from tests.contract.test_stores import BAD_SETTINGS
from tests.contract.tools import named, new_events, one


def full(store: Any) -> bool:
    """Whether the store takes no event more."""
    try:
        store.append("s", one())
    except pyesdb.LimitExceeded:
        return True
    return False


def template_events(db: Any) -> list[str]:
    return [event.type for event in db.audit() if event.stream.startswith("$template-")]


# -- layers


def test_every_layer_wins_over_those_below(open_db: Any, data_dir: Path) -> None:
    config = {"max_events": 1, "max_streams": 1, "max_count": 1, "durability": "os"}
    db = open_db(data_dir, config=config)
    db.save_template("t", max_streams=2, max_count=2)
    db.create_store("a", template="t", max_count=3)
    for _ in range(2):
        found = db.get_store_config("a")
        assert [
            (getattr(found, name), found.origin(name))
            for name in ("max_bytes", "max_events", "max_streams", "max_count")
        ] == [(None, "default"), (1, "server"), (2, "template"), (3, "store")]
        assert db.list_stores()["a"].template == "t"
        db.close()
        db = open_db(data_dir)
    assert db.list_stores()["default"].template is None


def test_every_setting_can_be_a_templates(db: Any) -> None:
    db.save_template("t", **{name: stored(name) for name in BY_NAME})
    db.create_store("a", template="t")
    found = db.get_store_config("a")
    for name in BY_NAME:
        assert getattr(found, name) == as_tuple(stored(name)), name
        assert found.origin(name) == "template", name


def test_saving_replaces_the_whole(db: Any) -> None:
    db.save_template("t", max_events=5, description="one")
    db.create_store("a", template="t")
    db.save_template("t", description="two")
    found = db.get_store_config("a")
    assert (found.max_events, found.origin("max_events")) == (None, "default")
    assert found.description == "two"


def test_a_stores_own_settings_win_over_later_changes(db: Any) -> None:
    db.save_template("t", max_events=1)
    own = db.create_store("own", template="t", max_events=2)
    late = db.create_store("late", template="t")
    db.update_store("late", max_events=2)
    db.save_template("t", max_events=9)
    for store in (own, late):
        store.append("s", new_events(2))
        assert full(store)
    assert db.update_store("own", max_events=None).max_events == 9
    assert not full(own)


# -- changes


def test_a_change_reaches_open_stores_at_once(db: Any) -> None:
    db.save_template("t", max_events=1)
    stores = [db.create_store(name, template="t") for name in ("a", "b", "c")]
    for store in stores:
        store.append("s", one())
        assert full(store)
    db.save_template("t", max_events=2, timeout=3)
    for store in stores:
        assert store.info().config.timeout == 3.0
        assert not full(store)
        assert full(store)


def test_no_file_is_opened_by_it_and_closed_stores_have_it_before_their_next_command(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.save_template("t", max_events=1, indexed_payload=[])
    stores = [db.create_store(f"s{n}", template="t") for n in range(5)]
    for store in stores:
        store.append("s", one(data={"n": 1}))
    opened = core(db).opened
    for _ in range(1000):  # a leader may still be handing on its lead
        opened.close_idle(math.inf)
        if len(opened) == 0:
            break
        time.sleep(0.005)
    assert len(opened) == 0
    calls: list[Path] = []
    for name in ("open_writer", "open_reader"):
        real = getattr(files, name)

        def counted(path: Path, *args: Any, real: Any = real, **kwargs: Any) -> Any:
            calls.append(path)
            return real(path, *args, **kwargs)

        monkeypatch.setattr(files, name, counted)
    db.save_template("t", max_events=2, indexed_payload=["n"])
    assert calls == []
    for store in stores:
        assert not full(store)
        assert full(store)
        chosen = pyesdb.select.payload({"n": 1})
        assert len(store.read_all(select=chosen).to_list()) == 1
    assert {path.parent.name for path in calls} == {f"s{n}" for n in range(5)}


def test_a_change_reaches_stores_after_reopening(open_db: Any, data_dir: Path) -> None:
    db = open_db(data_dir, durability="os")
    db.save_template("t", max_events=1)
    db.create_store("a", template="t").append("s", one())
    db.close()
    db = open_db(data_dir)
    db.save_template("t", max_events=2)
    db.close()
    db = open_db(data_dir)
    assert not full(db.store("a"))
    assert full(db.store("a"))


def test_a_change_reaches_other_processes_when_they_look(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, other(data_dir) as say:
        db.save_template("t", max_events=1)
        db.create_store("a", template="t")
        assert say("store.append('s', one()).version") == "0"
        db.save_template("t", max_events=2, timeout=3)
        assert say("node.refresh()") == "None"
        assert say("store._handle.timeout(None)") == "3.0"
        assert say("store.append('s', one()).version") == "1"
        assert say("store.append('s', one()).version") == "LimitExceeded"
        # here it was closed: its first command brings what there has been
        with pytest.raises(pyesdb.LimitExceeded):
            db.store("a").append("s", one())
        assert say("db.save_template('t', max_events=3)") == "None"
        assert db.get_store_config("a").max_events == 3
        core(db).refresh()
        assert db.store("a").append("s", one()).version == 2


def test_the_trouble_of_one_store_is_its_own(
    open_db: Any, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = open_db(data_dir, durability="os")
    db.save_template("t", max_events=1)
    for name in ("bad", "good"):
        db.create_store(name, template="t").append("s", one())
    bad = core(db).runtime("bad")

    def trouble() -> None:
        raise pyesdb.Unavailable("the disk is away")

    monkeypatch.setattr(bad, "barrier", trouble)
    db.save_template("t", max_events=2)
    for name in ("bad", "good"):
        assert not full(db.store(name))
        assert full(db.store(name))


# -- removal


def test_after_removal_stores_keep_it_and_new_ones_cannot_have_it(
    open_db: Any, data_dir: Path
) -> None:
    db = open_db(data_dir, durability="os")
    db.save_template("t", max_events=1)
    db.create_store("a", template="t").append("s", one())
    assert db.remove_template("t") is None
    for _ in range(2):
        assert db.templates() == {}
        assert full(db.store("a"))
        found = db.get_store_config("a")
        assert (found.max_events, found.origin("max_events")) == (1, "template")
        with pytest.raises(pyesdb.InvalidConfig, match="save_template"):
            db.create_store("b", template="t")
        assert "b" not in db.list_stores()
        db.close()
        db = open_db(data_dir, durability="os")
    db.save_template("t", max_events=2)
    assert not full(db.store("a"))
    assert full(db.create_store("b", template="t", max_events=1)) is False


def test_removing_what_is_not_there(db: Any) -> None:
    db.save_template("known")
    for name in ("none", "gone"):
        if name == "gone":
            db.save_template(name)
            db.remove_template(name)
        with pytest.raises(pyesdb.InvalidConfig, match="known"):
            db.remove_template(name)
    assert template_events(db).count("TemplateRemoved") == 1


# -- names, values


@pytest.mark.parametrize("bad", ["A", "", "a b", "$t", "../t", "x" * 64, 5, None, b"t", ["t"]])
def test_names_are_spelt_like_store_ids(db: Any, bad: Any) -> None:
    for call in (db.save_template, db.remove_template):
        with pytest.raises(pyesdb.InvalidConfig):
            call(bad)
    if bad is not None:
        with pytest.raises(pyesdb.InvalidConfig):
            db.create_store("a", template=bad)
    assert (db.templates(), list(db.list_stores())) == ({}, ["default"])


def test_a_template_and_a_store_may_share_a_name(db: Any) -> None:
    db.save_template("a", max_events=1)
    assert not full(db.create_store("a", template="a"))
    db.remove_store("a")
    assert list(db.templates()) == ["a"]
    db.remove_template("a")
    assert full(db.recover_store("a"))


@pytest.mark.parametrize(
    "bad",
    [*BAD_SETTINGS, {"time_out": 5}, {"data_dir": "/x"}, {"timeout": None}, {"max_events": None}],
    ids=named,
)
def test_what_is_wrong_saves_nothing(db: Any, bad: dict[str, Any]) -> None:
    db.save_template("t", max_events=1)
    with pytest.raises(pyesdb.RequestError) as caught:
        db.save_template("t", **bad)
    assert next(iter(bad)) in str(caught.value)
    assert db.templates() == {"t": {"max_events": 1}}


def test_what_is_returned_is_a_copy(db: Any) -> None:
    tags = ["eu"]
    db.save_template("t", tags=tags, timeout=timedelta(seconds=5))
    db.save_template("b")
    db.create_store("a", template="t")
    tags.append("changed")
    found = db.templates()
    assert list(found) == ["b", "t"]
    assert found["t"] == {"tags": ["eu"], "timeout": 5.0}
    found["t"]["tags"].append("changed")
    found["t"]["timeout"] = 1
    del found["b"]
    assert db.templates() == {"b": {}, "t": {"tags": ["eu"], "timeout": 5.0}}
    assert db.get_store_config("a").tags == ("eu",)


def test_saving_the_same_again_is_not_written(db: Any) -> None:
    for _ in range(3):
        db.save_template("t", max_events=1, tags=["eu"])
    assert template_events(db) == ["TemplateSaved"]
    db.remove_template("t")
    db.save_template("t", max_events=1, tags=["eu"])
    assert template_events(db) == ["TemplateSaved", "TemplateRemoved", "TemplateSaved"]


def test_exist_ok_with_another_template(db: Any) -> None:
    db.save_template("t", max_events=1)
    db.save_template("other")
    db.create_store("a", template="t")
    db.create_store("plain")
    assert db.create_store("a", exist_ok=True).id == "a"
    assert db.create_store("a", exist_ok=True, template="t", max_events=1).id == "a"
    for store_id, template in (("a", "other"), ("plain", "t")):
        with pytest.raises(pyesdb.InvalidConfig, match=template):
            db.create_store(store_id, exist_ok=True, template=template)
    with pytest.raises(pyesdb.StoreAlreadyExists):
        db.create_store("a", template="t")
    assert db.list_stores()["a"].template == "t"
    assert db.list_stores()["plain"].template is None


def test_many_save_and_remove_one_template(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db, ThreadPoolExecutor(8) as pool:
        db.save_template("t", max_events=1)

        def racing(call: Callable[[], None]) -> bool:
            try:
                call()
            except pyesdb.InvalidConfig:
                return False
            return True

        removed = list(pool.map(racing, [lambda: db.remove_template("t")] * 8))
        assert sum(removed) == 1
        calls = [lambda n=n: db.save_template("t", max_events=n) for n in range(1, 9)]
        assert all(pool.map(racing, calls))
        assert template_events(db).count("TemplateRemoved") == 1
        saved = db.templates()["t"]["max_events"]
        store = db.create_store("a", template="t")
        store.append("s", new_events(saved))
        assert full(store)
