"""The catalog: verified, and made anew of the stores that are there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from pyesdb.model.keys import Key
from pyesdb.node import rebuilding, reconcile
from pyesdb.operations import doctor, rebuild_catalog, verify_catalog
from pyesdb.sqlite import cipher, files
from tests.cli.conftest import run_here
from tests.contract.other import other
from tests.contract.tools import everything
from tests.verify.tools import checkpoint, flip

Break = Callable[[Path], None]
COMMAND = "pyesdb doctor --rebuild-catalog"


@pytest.fixture
def data(data_dir: Path) -> Path:
    """Three stores and the default one; `gone` is in the trash, and there is another one of it."""
    with pyesdb.open(data_dir, durability="os") as db:
        db.save_template("small", max_events=50, description="of a template")
        for store_id in ("acme", "frozen", "gone"):
            store = db.create_store(store_id, max_age=30 * 86400, template="small", tags=["eu"])
            store.append("s", [NewEvent("E", {"n": n}, tags=["t"]) for n in range(5)])
        db.store("acme").save_subscription("sub", select.everything)
        db.freeze_store("frozen")
        db.remove_store("gone")
        db.create_store("gone", indexed_payload=["n"], timeout=7).append("s", NewEvent("New"))
    return data_dir


def catalog(base: Path) -> Path:
    return base / "stores" / "$system" / "store.db"


def lost(base: Path) -> None:
    shutil.rmtree(catalog(base).parent)


def unreadable(base: Path) -> None:
    catalog(base).write_bytes(b"nothing of ours" * 5000)


def damaged(base: Path) -> None:
    """The page of an event in the middle; all others can be read."""
    checkpoint(catalog(base))
    content = catalog(base).read_bytes()
    at = content.index(b"of a template")  # in the page of the first events
    flip(catalog(base), at)


def of_another(base: Path) -> None:
    with pyesdb.open(base.parent / "another", durability="os"):
        pass
    lost(base)
    shutil.copytree(base.parent / "another" / "stores" / "$system", catalog(base).parent)


BREAKING = [lost, unreadable, damaged, of_another]


def seen(base: Path) -> dict[str, Any]:
    with pyesdb.open(base) as db:
        return {
            "stores": {
                store_id: (
                    info.incarnation, info.status, info.created, info.config.max_age,
                    info.config.max_events, info.config.indexed_payload,
                    everything(db.store(store_id)),
                )
                for store_id, info in db.list_stores().items()
            },
            "trash": [(found.store_id, found.incarnation) for found in db.trash()],
        }  # fmt: skip


@pytest.mark.parametrize("breaking", BREAKING)
def test_all_that_stores_know_comes_back(data: Path, breaking: Break) -> None:
    before = seen(data)
    with pyesdb.open(data) as db:
        token = db.store("acme").append("s", NewEvent("Last")).token
        cursor = db.store("acme").read_all().to_list()[-1].cursor
    expected = {**before, "stores": {**before["stores"], "acme": seen(data)["stores"]["acme"]}}
    breaking(data)
    with pytest.raises(pyesdb.PyesdbError):
        seen(data)
    made = rebuild_catalog(data)
    assert made.stores == ("acme", "default", "frozen", "gone")
    assert (len(made.trash), made.left) == (1, ())
    assert (Path(made.kept).parent == data / "trash") is (breaking is not lost)
    assert seen(data) == expected
    with pyesdb.open(data) as db:
        assert verify_catalog(db).problems == ()
        acme = db.store("acme")
        assert acme.read("s", at_least=token).to_list()[-1].type == "Last"
        assert acme.follow(after=cursor).get(0) is None
        assert acme.subscription_info("sub").lag == 6
        with pytest.raises(pyesdb.LimitExceeded):
            acme.append("s", [NewEvent("E")] * 50)
        assert acme.append("s", NewEvent("E"), expected=5).version == 6
        db.thaw_store("frozen")
        db.store("frozen").append("s", NewEvent("E"))
        assert db.recover_store("gone", as_="back").version("s") == 4
        newest = max(info.incarnation for info in db.list_stores().values())
        assert db.create_store("new").info().incarnation > newest + 1000
        db.update_store("acme", max_events=100)
        acme.append("s", [NewEvent("E")] * 50)
        assert all(db.store(store_id).verify().ok for store_id in db.list_stores())
    found = [finding for finding in doctor(data, environ={}).findings if finding.level != "ok"]
    assert [finding.what[:10] for finding in found] == (["kept aside"] if made.kept else [])


def test_what_a_damaged_one_still_says_is_kept(data: Path) -> None:
    def told() -> list[Any]:
        with pyesdb.open(data) as db:
            infos = db.list_stores().values()
            return [
                db.templates(),
                [(i.store_id, i.created, i.template, i.config) for i in infos if i.template],
                [found.expires for found in db.trash()],
            ]

    with pyesdb.open(data) as db:  # the damage is far from both ends
        for n in range(30):
            db.save_template(f"t{n}", description=f"number {n} " * 40)
        db.create_store("late", template="t20", tags=["late"])
    checkpoint(catalog(data))
    content = catalog(data).read_bytes()
    before = told()
    flip(catalog(data), content.index(b"number 15 number 15"))
    rebuild_catalog(data)
    after = told()
    assert set(before[0]) > set(after[0]) > {"small"}
    assert [store for store in before[1] if store in after[1]] == after[1]
    assert {store[0] for store in after[1]} >= {"acme", "frozen"}
    assert after[2] == before[2]


def test_a_good_one_is_never_replaced(data: Path) -> None:
    before = catalog(data).read_bytes()
    with pytest.raises(pyesdb.RequestError, match="is whole"):
        rebuild_catalog(data)
    lost_one = data.parent / "nothing"
    with pytest.raises(pyesdb.DatabaseNotFound):
        rebuild_catalog(lost_one)
    assert not lost_one.exists()
    assert catalog(data).read_bytes() == before


def test_nobody_may_have_it_open(data: Path) -> None:
    for read_only in (False, True):
        with pyesdb.open(data, read_only=read_only), pytest.raises(pyesdb.DatabaseLocked):
            rebuild_catalog(data)
    with other(data) as say:
        assert say("store.exists('s')") == "True" or say("1") == "1"
        with pytest.raises(pyesdb.DatabaseLocked, match="in use"):
            rebuild_catalog(data)


def test_what_is_no_store_of_it_stays_where_it_is(data: Path) -> None:
    stores = data / "stores"
    shutil.copytree(stores / "acme", stores / "copy")
    shutil.copytree(stores / "acme", stores / "No Id")
    (stores / "empty").mkdir()
    (stores / "frozen" / "store.db").write_bytes(b"damage" * 1000)
    with pyesdb.open(data.parent / "another", durability="os"):
        pass
    shutil.copytree(data.parent / "another" / "stores" / "default", stores / "foreign")
    lost(data)
    made = rebuild_catalog(data)
    assert made.stores == ("acme", "default", "gone")
    left = {Path(where).name: why for where, why in made.left}
    assert set(left) == {"copy", "No Id", "empty", "frozen", "foreign"}
    assert ("copy of another" in left["copy"], "another database" in left["foreign"]) == (
        True,
        True,
    )
    with pyesdb.open(data) as db:
        assert list(db.list_stores()) == ["acme", "default", "gone"]
    assert all((stores / name).exists() for name in left)


def test_a_store_whose_key_is_not_there_is_waited_for(data: Path) -> None:
    """Else the catalog would be whole without it, and never be made anew."""
    check = cipher.check_path(data / "stores" / "acme" / "store.db")
    cipher.write_check(check.with_name("store.db"), cipher.new_check(Key(bytes(32))))
    lost(data)
    with pytest.raises(pyesdb.AccessDenied):
        rebuild_catalog(data)
    assert not catalog(data).exists()
    check.unlink()
    assert "acme" in rebuild_catalog(data).stores


@pytest.mark.parametrize("step", [1, 2])
def test_one_that_is_interrupted_is_done_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = seen(data)
    unreadable(data)
    rename, calls = os.rename, [0]

    def dying(*args: Any) -> None:
        calls[0] += 1
        if calls[0] == step:
            raise InterruptedError
        rename(*args)

    with monkeypatch.context() as patch:
        patch.setattr(rebuilding.os, "rename", dying)
        with pytest.raises(InterruptedError):
            rebuild_catalog(data)
    with pytest.raises(pyesdb.Fault, match=COMMAND):
        pyesdb.open(data)
    rebuild_catalog(data)
    assert seen(data) == before


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("breaking", [lost, unreadable, damaged])
def test_errors_say_what_to_do(data: Path, breaking: Break, *, read_only: bool) -> None:
    breaking(data)
    with (
        pytest.raises(pyesdb.Fault, match=COMMAND),
        pyesdb.open(data, read_only=read_only) as db,
    ):
        db.list_stores()


def test_the_commands(data: Path) -> None:
    assert run_here("store", "verify", "$system", "--data", str(data)).out.startswith("$system: ok")
    with pyesdb.open(data) as db:
        checkpoint(catalog(data))
        flip(catalog(data), catalog(data).read_bytes().index(b"of a template"))
        found = verify_catalog(db)
        assert not found.ok
        assert all(COMMAND in problem.advice for problem in found.problems)
    answer = run_here("doctor", str(data))
    assert (answer.code, COMMAND in answer.out) == (1, True)
    answer = run_here("doctor", "--rebuild-catalog", str(data), "--json")
    assert [finding["level"] for finding in answer.documents] == ["ok", "hint"]
    answer = run_here("doctor", "--rebuild-catalog", str(data))
    assert (answer.code, "is whole" in answer.err) != (0, False)
    rows = run_here("store", "verify", "--all", "--data", str(data), "--json").documents
    assert [row["store"] for row in rows] == ["$system", "acme", "default", "frozen", "gone"]
    assert all(row["ok"] for row in rows)


def in_pages(db: Any, count: int = 30) -> None:
    """So much that damage to one event leaves those before and behind it."""
    for n in range(count):
        db.save_template(f"t{count}-{n}", description=f"number {n} " * 40)


def break_at(base: Path, what: bytes) -> None:
    checkpoint(catalog(base))
    flip(catalog(base), catalog(base).read_bytes().index(what))


def test_a_catalog_of_another_database_says_nothing_of_our_stores(tmp_path: Path) -> None:
    """Machines that are set up alike give the same incarnations to different stores."""
    for name, max_count in (("ours", None), ("theirs", 2)):
        with pyesdb.open(tmp_path / name, durability="os") as db:
            db.save_template("small", max_count=2)
            db.create_store("orders", max_count=max_count or 1000)
            db.store("orders").append("s", [NewEvent("E")] * 9)
    ours = tmp_path / "ours"
    lost(ours)
    shutil.copytree(tmp_path / "theirs" / "stores" / "$system", catalog(ours).parent)
    assert rebuild_catalog(ours).templates == ()
    with pyesdb.open(ours) as db:
        assert db.get_store_config("orders").max_count == 1000
        db.store("orders").scavenge()
        assert len(db.store("orders").read("s").to_list()) == 9


def test_what_a_file_knows_is_newer_than_what_is_left_of_the_catalog(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.save_template("small", max_events=50, max_streams=7)
        db.create_store("a", max_count=2, timeout=7, max_age=60, template="small")
        in_pages(db, 30)
        db.update_store(
            "a", max_count=None, max_age=90, max_events=80, description="a new page " * 40
        )
        in_pages(db, 31)
        db.store("a").append("s", [NewEvent("E")] * 20)
    break_at(data_dir, b"a new page a new page")
    made = rebuild_catalog(data_dir)
    assert {"small", "t30-0", "t31-30"} <= set(made.templates)
    with pyesdb.open(data_dir) as db:
        config = db.get_store_config("a")
        assert (config.max_count, config.max_age, config.max_events) == (None, 90, 80)
        assert (config.max_streams, config.timeout, config.description) == (7, 7, "")
        assert db.list_stores()["a"].template == "small"
        db.store("a").scavenge()
        assert len(db.store("a").read("s").to_list()) == 20
        db.save_template("small", max_events=50, max_streams=8)
        config = db.get_store_config("a")
        assert (config.max_events, config.max_streams) == (80, 8)


def test_a_freeze_that_had_not_reached_the_file_holds(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog is the newer one."""

    class Died(BaseException):
        pass

    def hook(at: str) -> None:
        if at == "noted StoreFrozen":
            raise Died

    with pyesdb.open(data) as db:
        in_pages(db)
        with monkeypatch.context() as patch:
            patch.setattr(reconcile, "hook", hook)
            with pytest.raises(Died):
                db.freeze_store("acme")
    break_at(data, b"number 15 number 15")
    rebuild_catalog(data)
    with pyesdb.open(data) as db, pytest.raises(pyesdb.StoreFrozen):
        db.store("acme").append("s", NewEvent("E"))


def test_one_that_is_mended_is_taken_in_by_the_next_rebuild(data: Path) -> None:
    before = seen(data)
    file = data / "stores" / "default" / "store.db"
    good = file.read_bytes()
    file.write_bytes(b"damage" * 1000)
    lost(data)
    assert [Path(where).name for where, _ in rebuild_catalog(data).left] == ["default"]
    file.write_bytes(good)
    assert rebuild_catalog(data).left == ()
    assert seen(data) == before
    with pytest.raises(pyesdb.RequestError, match="is whole"):
        rebuild_catalog(data)


@pytest.mark.parametrize("name", ["acme", "$system"])
def test_what_cannot_be_read_at_this_moment_ends_it(
    data: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the key is not offered: nobody can say whether it is damaged."""
    unreadable(data)
    content = catalog(data).read_bytes()
    connect = files.open_reader

    def refused(path: Path, **how: Any) -> Any:
        if path.parent.name == name:
            raise pyesdb.AccessDenied("none of the keys fits")
        return connect(path, **how)

    with monkeypatch.context() as patch:
        patch.setattr(files, "open_reader", refused)
        with pytest.raises(
            pyesdb.AccessDenied, match=r"none of the keys fits.*nothing was changed"
        ):
            rebuild_catalog(data)
    assert catalog(data).read_bytes() == content
    assert rebuild_catalog(data).left == ()


def test_the_marker_of_another_database_costs_no_catalog(data: Path) -> None:
    with pyesdb.open(data.parent / "another", durability="os"):
        pass
    marker, own = data / "pyesdb.json", (data / "pyesdb.json").read_bytes()
    before, content = seen(data), catalog(data).read_bytes()
    shutil.copy(data.parent / "another" / "pyesdb.json", marker)
    with pytest.raises(pyesdb.Fault, match=r"pyesdb\.json is that of another"):
        pyesdb.open(data)
    with pytest.raises(pyesdb.RequestError, match=r"so is the catalog.*put its own one back"):
        rebuild_catalog(data)
    assert catalog(data).read_bytes() == content
    marker.write_bytes(own)
    assert seen(data) == before


def test_stores_of_which_none_can_be_read_are_not_forgotten(data: Path) -> None:
    for file in data.glob("*/*/store.db"):
        file.write_bytes(b"damage" * 1000)
    with pytest.raises(pyesdb.RequestError, match=r"no store in .* can be read"):
        rebuild_catalog(data)


@pytest.mark.parametrize("step", ["noted StoreRemoved", "in the trash", "noted StoreErased"])
def test_an_erasure_that_was_cut_short_is_done(
    data: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Died(BaseException):
        pass

    def hook(at: str) -> None:
        if at == step:
            raise Died

    with pyesdb.open(data) as db:
        in_pages(db)
        with monkeypatch.context() as patch:
            patch.setattr(reconcile, "hook", hook)
            with pytest.raises(Died):
                db.remove_store("acme", purge=True)
    break_at(data, b"number 15 number 15")
    made = rebuild_catalog(data)
    assert made.stores == ("default", "frozen", "gone")
    assert len(made.trash) == 1
    with pyesdb.open(data) as db:
        assert [found.store_id for found in db.trash()] == ["gone"]
        assert "acme" not in db.list_stores()
        assert not [
            path for path in data.glob("*/*") if path.name.startswith("acme") and path.is_dir()
        ]
        db.create_store("acme")


def test_a_change_of_key_that_was_cut_short_is_settled_first(data: Path) -> None:
    """The directory is not in its place."""
    before = seen(data)
    (data / "swap").mkdir(exist_ok=True)
    (data / "stores" / "acme").rename(data / "swap" / "acme.old")
    lost(data)
    assert rebuild_catalog(data).left == ()
    assert seen(data) == before
