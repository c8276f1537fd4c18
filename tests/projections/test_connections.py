"""A read model on a connection that its owner uses, too: what is his stays his."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyesdb
from pyesdb.projections import HandlerFailed, engine
from tests.projections.conftest import kit_of, marked
from tests.projections.kits import KINDS, SYNC, Kit

OFTEN = {"sqlite-connection", "alchemy-sqlite-connection", "psycopg-connection"}
MINE = "CREATE TABLE IF NOT EXISTS mine (x BIGINT)"
INSERT = "INSERT INTO mine VALUES (1)"


CONNECTIONS = [kind for kind in KINDS if kind.endswith("-connection")]
of_sync = pytest.mark.parametrize(
    "kit", [marked(kind, OFTEN) for kind in CONNECTIONS if kind in SYNC], indirect=True
)
"""For what an owner does in a callback, which cannot wait for a statement."""


@pytest.fixture(params=[marked(kind, OFTEN) for kind in CONNECTIONS])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    made = kit_of(request.param, tmp_path, request)
    yield made
    made.close()


def execute(kit: Kit, statement: str) -> Any:
    return kit.call(kit.run_sql, kit.target, statement)


def mine(kit: Kit) -> int:
    return int(kit.rows("SELECT count(*) FROM mine")[0][0])


def test_who_is_refused_has_his_connection_as_it_was(kit: Kit) -> None:
    """It can be tried again at once: no transaction of ours is left open on it."""
    counting = kit.projection()
    kit.append("a", 1)
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        other = kit.other
        for _ in range(3):
            with pytest.raises(pyesdb.ProjectionBusy):
                kit.call(counting.catch_up, kit.store, other)
    assert kit.call(counting.catch_up, kit.store, other).position == 1


@of_sync
def test_what_the_owner_has_begun_is_neither_kept_nor_undone(kit: Kit) -> None:
    """Behind the last batch, as in a callback that writes how far it is."""
    kit.change(MINE)
    counting = kit.projection()
    kit.append("a", 1)
    seen: list[int] = []

    def told(done: int, _: int) -> None:
        seen.append(done)
        execute(kit, INSERT)

    kit.catch_up(counting, on_progress=told)
    assert seen == [1]
    assert mine(kit) == 0
    kit.target.commit()
    assert mine(kit) == 1
    assert kit.totals() == {"a": (1, 1)}


@of_sync
def test_a_batch_is_no_part_of_what_the_owner_has_begun(kit: Kit) -> None:
    """It would be durable when he commits: the checkpoint would tell what is not so."""
    kit.change(MINE)
    counting = kit.projection(batch=2)
    kit.append("a", 1, 2, 3, 4)
    with pytest.raises(pyesdb.RequestError, match="open transaction"):
        kit.catch_up(counting, on_progress=lambda *_: execute(kit, INSERT))
    assert kit.totals() == {"a": (3, 2)}
    assert kit.checkpoint() == [2]
    kit.target.commit()
    assert mine(kit) == 1
    assert kit.catch_up(counting).position == 4
    assert kit.totals() == {"a": (10, 4)}


@pytest.mark.parametrize("words", ["COMMIT", "ROLLBACK"])
def test_a_transaction_ended_by_a_statement_is_noticed(kit: Kit, words: str) -> None:
    """Drivers refuse their own `commit()`; some let the bare statement pass."""
    counting = kit.projection()
    counting.on("Ending")(kit.handler(words, lambda _: {}))
    kit.append("a", 1)
    kit.append("a", 0, type="Ending")
    kit.append("a", 2)
    with pytest.raises(HandlerFailed, match="event 2"):
        kit.catch_up(counting)
    assert kit.checkpoint() == [0]


def test_rows_of_any_kind(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    kit = kit_of("sqlite-connection", tmp_path, request)
    kit.target.row_factory = lambda cursor, row: dict(
        zip([column[0] for column in cursor.description], row, strict=True)
    )
    kit.append("a", 1)
    assert kit.catch_up(kit.projection()).position == 1
    assert kit.catch_up(kit.projection()).position == 1
    kit.close()


def test_a_look_at_the_status_leaves_the_guard(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Behind it a handler's commit was let through."""
    kit = kit_of("sqlite-connection", tmp_path, request)
    counting = kit.projection(batch=1)

    def ending(tx: Any, _: object) -> None:
        tx.execute("UPDATE totals SET n = -1")
        tx.commit()

    counting.on("Ending")(ending)
    kit.append("a", 1, 2)
    kit.append("a", 0, type="Ending")

    def looked(*_: int) -> None:
        counting.status(kit.store, kit.target)

    with pytest.raises(HandlerFailed, match="must not begin or end"):
        kit.catch_up(counting, on_progress=looked)
    assert kit.totals() == {"a": (3, 2)}
    kit.close()


def test_stop_while_the_follower_goes() -> None:
    """From another thread: it looked whether there is one, and then there was none."""

    class Going:
        stopped = False
        told: Any = None

        @property
        def _feed(self) -> Any:
            feed, self.told = self.told, None
            return feed

        def stop(self) -> None:
            self.stopped = True

    work: Any = Going()
    work.told = feed = Going()
    engine.Work.stop(work)
    assert work.stopped
    assert feed.stopped
