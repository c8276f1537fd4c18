"""Files that are moved or replaced behind an open database's back."""

import shutil
from pathlib import Path

import pytest

import pyesdb
from pyesdb import NewEvent


def replace_by_copy(folder: Path) -> Path:
    """Put a copy in the place of a directory; returns where the original went."""
    aside = folder.with_name(f"{folder.name}-aside")
    shutil.copytree(folder, folder.with_name(f"{folder.name}-copy"))
    folder.rename(aside)
    folder.with_name(f"{folder.name}-copy").rename(folder)
    return aside


def types_in(folder: Path) -> list[str]:
    """Types of the events in a store's file, read by nobody but SQLite."""
    import apsw

    with apsw.Connection(str(folder / "store.db")) as file:
        return [row[0] for row in file.execute("SELECT type FROM events ORDER BY position")]


def test_a_writer_does_not_go_on_in_a_file_that_was_moved_away(data_dir: Path) -> None:
    with pyesdb.open(data_dir) as db:
        store = db.create_store("moved")
        store.append("s", NewEvent("Before"))
        folder = Path(db.get_store_config("moved").data_dir)
        aside = replace_by_copy(folder)
        assert store.append("s", NewEvent("After")).version == 1
    assert types_in(aside) == ["Before"]
    assert types_in(folder) == ["Before", "After"]


def test_a_reader_notices_that_the_file_is_another_one(data_dir: Path) -> None:
    with pyesdb.open(data_dir) as db:
        store = db.create_store("moved")
        store.append("s", NewEvent("Before"))
        assert len(store.read("s").to_list()) == 1
        folder = Path(db.get_store_config("moved").data_dir)
        replace_by_copy(folder)
        with pytest.raises(pyesdb.StoreStarting, match="try again"):
            store.read("s")
        assert len(store.read("s").to_list()) == 1  # the writer goes on in the new one, too
        replace_by_copy(folder.rename(folder.with_name("gone")))
        with pytest.raises(pyesdb.StoreFailed, match="missing or was replaced"):
            store.read("s")


def test_a_command_that_was_taken_back_is_not_stored(data_dir: Path) -> None:
    """Its deadline passes while another thread's commit is under way."""
    import threading

    with pyesdb.open(data_dir) as db:
        store = db.store()
        store.append("s", NewEvent("First"))
        applier = store._handle.runtime().applier
        inside, go_on = threading.Event(), threading.Event()
        real = applier.begin

        def slow() -> tuple[int, int]:
            inside.set()
            assert go_on.wait(30)
            return real()

        applier.begin = slow  # type: ignore[method-assign]
        leader = threading.Thread(target=store.append, args=("s", NewEvent("Second")))
        leader.start()
        assert inside.wait(30)
        with pytest.raises(pyesdb.DeadlineExceeded):
            store.append("s", NewEvent("TakenBack"), timeout=0.05)
        go_on.set()
        leader.join()
        del applier.begin
        store.append("s", NewEvent("Third"))
        assert [e.type for e in store.read("s")] == ["First", "Second", "Third"]
