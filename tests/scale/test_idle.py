"""Stores that nobody uses close their files, and nobody notices: many stores, few descriptors."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

import pyesdb
from pyesdb import NewEvent, select
from tests.contract.tools import output_of, versions
from tests.scale.conftest import CROWD
from tests.scale.tools import let_rest, node_of, rests, store_files, threads
from tests.stress.interrupts import at_step, interrupt

MANY = 120
APPEND = """
import sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    print(db.store(sys.argv[2]).append("s", pyesdb.NewEvent("There")).version)
"""
RECREATE = """
import sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    db.remove_store(sys.argv[2])
    db.create_store(sys.argv[2])
"""
UPDATE = """
import sys, pyesdb
with pyesdb.open(sys.argv[1]) as db:
    db.save_template("small", max_append_events=1)
"""


def test_descriptors_and_threads_follow_the_stores_in_use(crowd: Path) -> None:
    with pyesdb.open(crowd, config={"max_open_stores": 8}) as db:
        stores = [db.store(store_id) for store_id in CROWD]
        before = threads()
        most = 0
        for number, store in enumerate(stores):
            assert store.append("use", NewEvent("E", {"n": number})).version == 0
            assert len(store.read("use").to_list()) == 1
            most = max(most, len({file.split("/")[-2] for file in store_files(crowd)}))
        assert most <= 8 + 1  # locks/ is a folder, too
        assert len(store_files(crowd)) <= 8 * 7
        assert threads() <= before + 1  # the duties'
        assert db.get_store_status(CROWD[0]) == pyesdb.StoreStatus.RUNNING
        assert [store.version("use") for store in stores] == [0] * len(stores)


def test_a_store_that_rests_costs_no_descriptor(crowd: Path) -> None:
    with pyesdb.open(crowd) as db:
        store = db.store(CROWD[0])
        store.append("rest", NewEvent("E"))
        assert store_files(crowd)
        let_rest(store)
        assert store_files(crowd) == []
        assert store.append("rest", NewEvent("E")).version == 1


def test_many_readers_of_a_store_count_as_what_they_cost(crowd: Path) -> None:
    """Below the limit of stores, descriptors are the limit: the process needs some, too."""
    with pyesdb.open(crowd) as db:
        node_of(db).opened._descriptors = 60

        def nested(store: Any, left: int) -> int:
            """So many readers at once."""
            handle = store._handle
            return handle.ask(lambda _: nested(store, left - 1) if left else len(handle.store_id))

        for store_id in CROWD[:12]:
            assert nested(db.store(store_id), 4) == len(store_id)
        assert len(store_files(crowd)) <= 60


def test_creating_many_stores_leaves_nothing_open(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        for number in range(5):
            db.create_store(f"store-{number}")
        assert store_files(data_dir) == []


def test_threads_use_many_more_stores_than_may_be_open(crowd: Path) -> None:
    """Every answer is right, whoever's file was closed at that moment."""
    errors: list[BaseException] = []
    answers: dict[str, list[int]] = {store_id: [] for store_id in CROWD[:MANY]}
    with pyesdb.open(crowd, config={"max_open_stores": 4}) as db:
        stores = {store_id: db.store(store_id) for store_id in answers}

        def work(seed: int) -> None:
            order = list(answers)
            Random(seed).shuffle(order)
            try:
                for store_id in order:
                    result = stores[store_id].append("threads", NewEvent("E", {"seed": seed}))
                    answers[store_id].append(result.version)
            except BaseException as error:  # noqa: BLE001  (shown by the test)
                errors.append(error)

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert errors == []
        assert all(sorted(found) == list(range(8)) for found in answers.values())
        sample = stores[CROWD[7]].read("threads")
        assert sorted(event.json()["seed"] for event in sample) == list(range(8))
        node_of(db).duties.run("idle")
        assert len(node_of(db).opened) <= 4


def test_tasks_use_many_more_stores_than_may_be_open(crowd: Path) -> None:
    async def work() -> None:
        async with await pyesdb.open_async(crowd, config={"max_open_stores": 4}) as db:
            stores = [db.store(store_id) for store_id in CROWD[:100]]
            appends = [store.append("tasks", NewEvent("E")) for _ in range(4) for store in stores]
            found = await asyncio.gather(*appends)
            for number in range(100):
                assert sorted(r.version for r in found[number::100]) == [0, 1, 2, 3]
            reads = await asyncio.gather(*[store.read("tasks").to_list() for store in stores])
            assert [versions(events) for events in reads] == [[0, 1, 2, 3]] * 100

    asyncio.run(work())


def test_a_read_under_way_goes_on_behind_the_rest(own_store: Any) -> None:
    own_store.append("long", [NewEvent("E", {"n": n}) for n in range(200)])
    events = own_store.read("long")
    every = own_store.read_all(select=select.event_type("E"))
    names = own_store.streams()
    found = [next(events).version for _ in range(64)]
    assert next(every).position == 1
    let_rest(own_store)
    own_store.append("long", NewEvent("Later"))
    let_rest(own_store)
    found += versions(events)
    assert found == list(range(200))  # its end was fixed when it started
    assert len(list(every)) == 199
    assert list(names) == ["long"]


@pytest.mark.parametrize("use", ["append", "read", "version"])
def test_a_store_made_again_by_another_process_is_not_the_same(data_dir: Path, use: str) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("acme")
        store.append("s", NewEvent("E"))
        let_rest(store)
        output_of(RECREATE, str(data_dir), "acme")
        with pytest.raises(pyesdb.StoreRemoved):
            {
                "append": lambda: store.append("s", NewEvent("E")),
                "read": lambda: store.read("s"),
                "version": lambda: store.version("s"),
            }[use]()
        assert db.store("acme").read("s", missing_ok=True).to_list() == []


@pytest.mark.parametrize("rests", [True, False], ids=["rests", "open"])
def test_a_template_that_another_process_changed_holds(data_dir: Path, rests: bool) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.save_template("small", max_append_events=2)
        store = db.create_store("acme", template="small")
        store.append("s", [NewEvent("E"), NewEvent("E")])
        if rests:
            let_rest(store)
        output_of(UPDATE, str(data_dir))
        if not rests:
            node_of(db).duties.run("refresh")
        with pytest.raises(pyesdb.LimitExceeded):
            store.append("s", [NewEvent("E"), NewEvent("E")])
        assert store.append("s", NewEvent("E")).version == 2


def test_what_another_process_wrote_meanwhile_is_there(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("acme")
        store.append("s", NewEvent("Here"))
        let_rest(store)
        assert output_of(APPEND, str(data_dir), "acme").strip() == "1"
        assert store.append("s", NewEvent("Here"), expected=1).version == 2
        assert [event.type for event in store.read("s")] == ["Here", "There", "Here"]


def test_idle_stores_close_by_their_own_setting(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        brief = db.create_store("brief", idle_close_after=5)
        lasting = db.create_store("lasting")
        assert lasting.info().config.idle_close_after == 300
        for store in (brief, lasting):
            store.append("s", NewEvent("E"))
        opened = node_of(db).opened
        opened.close_idle(time.monotonic() + 4)
        assert len(opened) == 2
        opened.close_idle(time.monotonic() + 6)
        assert {file.split("/")[-2] for file in store_files(data_dir)} <= {"lasting", "locks"}
        opened.close_idle(time.monotonic() + 301)
        assert store_files(data_dir) == []
        assert list(db.audit())  # $system never closes
        assert brief.version("s") == 0


def test_a_store_in_use_does_not_close(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.append("s", NewEvent("E"))
        inside, go_on = threading.Event(), threading.Event()

        def question(_: object) -> str:
            inside.set()
            assert go_on.wait(30)
            return "answered"

        runtime = store._handle.runtime()
        with ThreadPoolExecutor(2) as pool:
            asked = pool.submit(store._handle.ask, question)
            assert inside.wait(30)
            assert not rests(store)
            go_on.set()
            assert asked.result() == "answered"
            inside.clear()
            go_on.clear()
            real = runtime.applier.begin

            def begin() -> tuple[int, int]:
                found = real()
                question(None)
                return found

            runtime.applier.begin = begin
            appended = pool.submit(store.append, "s", NewEvent("E"))
            assert inside.wait(30)
            assert not rests(store)
            go_on.set()
            assert appended.result().version == 1
        del runtime.applier.begin
        let_rest(store)


def test_an_interrupt_while_a_store_closes_leaves_it_usable(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        for step in range(1, 120, 3):
            before = store.append("s", NewEvent("E")).version
            runtime = store._handle.runtime()
            with suppress(KeyboardInterrupt):
                at_step(step, interrupt, lambda runtime=runtime: runtime.rest())
            assert store.append("s", NewEvent("E"), timeout=5).version == before + 1


class InterruptedClose:
    """A connection; a signal comes when it has just been closed."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._closed = False

    def close(self) -> None:
        first, self._closed = not self._closed, True
        self._connection.close()
        if first:
            raise KeyboardInterrupt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_an_interrupt_right_behind_the_close_leaves_the_store_usable(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.store()
        store.append("s", NewEvent("E"))
        runtime = store._handle.runtime()
        runtime.applier._connection = InterruptedClose(runtime.applier._connection)
        with pytest.raises(KeyboardInterrupt):
            runtime.rest()
        assert store.append("s", NewEvent("E")).version == 1


def test_expiry_reaches_stores_that_rest_and_lets_them_rest(clock: Any, data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        ageing = db.create_store("ageing", max_age=60)
        plain = db.create_store("plain")
        by_stream = db.create_store("by-stream")
        for store in (ageing, plain, by_stream):
            store.append("s", NewEvent("E"))
        by_stream.set_stream_metadata("s", max_age=60)
        for store in (ageing, plain, by_stream):
            let_rest(store)
        clock.move(seconds=61)
        node_of(db).duties.run("age")
        assert store_files(data_dir) == []
        found = [store.read("s").to_list() for store in (ageing, plain, by_stream)]
        assert [len(events) for events in found] == [0, 1, 0]


def test_what_was_long_enough_in_the_trash_is_erased(clock: Any, data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("acme")
        db.remove_store("acme")
        node_of(db).duties.run("trash")
        assert [trashed.store_id for trashed in db.trash()] == ["acme"]
        clock.move(hours=25)
        node_of(db).duties.run("trash")
        assert db.trash() == []


def test_a_store_that_nobody_names_is_forgotten(data_dir: Path) -> None:
    """What remains of a store at rest without a handle is its line in the catalog."""
    with pyesdb.open(data_dir, durability="os") as db:
        db.create_store("acme").append("s", NewEvent("E"))
        node = node_of(db)
        let_rest(db.store("acme"))
        node.duties.run("age")
        gc.collect()
        assert "acme" not in node._runtimes
        assert db.store("acme").version("s") == 0


def test_why_a_store_failed_is_not_forgotten(data_dir: Path) -> None:
    with pyesdb.open(data_dir, durability="os") as db:
        store = db.create_store("acme")
        store.append("s", NewEvent("E"))
        runtime = store._handle.runtime()
        runtime.failure = "a damaged page"
        let_rest(store)
        del store, runtime
        gc.collect()
        assert db.get_store_status("acme") == pyesdb.StoreStatus.FAILED
