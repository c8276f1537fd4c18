"""API "Append": many threads on one store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pyesdb
from tests.contract.tools import one, versions


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_64_writers_with_one_expected_version_have_one_winner(own_store: Any) -> None:
    own_store.append("s", one())

    def work(n: int) -> bool:
        try:
            own_store.append("s", one("Won", {"n": n}), expected=0)
        except pyesdb.WrongExpectedVersion:
            return False
        return True

    assert sum(together(64, work)) == 1
    assert versions(own_store.read("s")) == [0, 1]


def test_32_threads_creating_one_store_have_one_winner(db: Any) -> None:
    def work(n: int) -> bool:
        try:
            db.create_store("contested").append("s", one())
        except pyesdb.StoreAlreadyExists:
            return False
        return True

    assert sum(together(32, work)) == 1
    assert db.store("contested").version("s") == 0


def test_exist_ok_lets_everybody_win(db: Any) -> None:
    def work(n: int) -> int:
        return db.create_store("shared", exist_ok=True).append(f"s{n}", one()).position

    assert sorted(together(16, work)) == list(range(1, 17))


def test_positions_are_visible_in_order_without_gaps(own_store: Any) -> None:
    def work(n: int) -> None:
        for _ in range(20):
            position = own_store.append(f"s{n}", one()).position
            seen = [e.position for e in own_store.read_all(before=position + 1)]
            assert seen == list(range(1, position + 1))

    together(6, work)
    assert [e.position for e in own_store.read_all()] == list(range(1, 121))


def test_a_condition_is_judged_inside_the_commit(own_store: Any) -> None:
    unique = pyesdb.AppendCondition(pyesdb.select.tags("name-ann"))

    def work(n: int) -> bool:
        try:
            own_store.append(None, one(tags=["name-ann"]), condition=unique)
        except pyesdb.ConditionFailed:
            return False
        return True

    assert sum(together(24, work)) == 1


def test_tracking_lets_one_of_many_through(own_store: Any) -> None:
    def work(n: int) -> bool:
        try:
            own_store.append("s", one(), tracking=("source", 1))
        except pyesdb.TrackingConflict:
            return False
        return True

    assert sum(together(24, work)) == 1


def test_a_refusal_disturbs_nobody_of_its_group(own_store: Any) -> None:
    def work(n: int) -> Any:
        try:
            return own_store.append(f"s{n}", one(), expected=5 if n % 2 else pyesdb.StreamState.ANY)
        except pyesdb.WrongExpectedVersion:
            return None

    results = together(40, work)
    assert [r is not None for r in results] == [n % 2 == 0 for n in range(40)]
    assert sorted(r.position for r in results if r) == list(range(1, 21))


def test_one_command_id_with_many_contents_has_one_success(own_store: Any) -> None:
    command = uuid4()

    def work(n: int) -> Any:
        try:
            return own_store.append(f"s{n}", one(), command_id=command)
        except pyesdb.CommandMismatch:
            return None

    [won] = [result for result in together(24, work) if result is not None]
    assert (won.position, won.duplicate) == (1, False)
    assert list(own_store.streams()) == [won.stream]


def test_one_command_id_from_many_threads_is_stored_once(own_store: Any) -> None:
    command, event = uuid4(), one()
    results = together(24, lambda n: own_store.append("s", event, command_id=command))
    assert {r.position for r in results} == {1}
    assert sum(not r.duplicate for r in results) == 1
