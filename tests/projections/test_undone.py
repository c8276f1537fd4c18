"""What PostgreSQL undoes because of others is tried again; each event still has its effect once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyesdb.projections import HandlerFailed, engine
from pyesdb.projections.readmodel import undone_for_others
from tests.projections.conftest import kit_of, marked
from tests.projections.kits import KINDS, Kit, needs_postgres

UNDONE = "RAISE EXCEPTION 'undone' USING ERRCODE = '{0}'"
DO = f"DO $$ BEGIN IF nextval('tries') < {{1}} THEN {UNDONE}; END IF; END $$"


@pytest.fixture(params=[marked(kind) for kind in KINDS if needs_postgres(kind)])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    made = kit_of(request.param, tmp_path, request)
    made.change("CREATE SEQUENCE tries")  # no rollback undoes it
    yield made
    made.close()


def tries(kit: Kit) -> int:
    return int(kit.rows("SELECT last_value FROM tries")[0][0])


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_batch_undone_in_a_handler_is_tried_again(kit: Kit, state: str) -> None:
    made = kit.projection()
    made.on("Undone")(kit.handler(DO.format(state, 3), lambda _: {}))
    kit.append("a", 1)
    kit.append("a", 0, type="Undone")
    kit.append("a", 2)
    assert kit.catch_up(made).position == 3
    assert tries(kit) == 3
    assert kit.totals() == {"a": (3, 2)}


def test_a_batch_undone_by_its_commit_is_tried_again(kit: Kit) -> None:
    made = kit.projection()
    kit.append("a", 1)
    kit.catch_up(made)
    body = DO.format("40001", 3).removeprefix("DO $$ BEGIN").removesuffix("END $$")
    kit.change(
        f"CREATE FUNCTION checked() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body} RETURN NULL; END $$"
    )
    kit.change(
        "CREATE CONSTRAINT TRIGGER checked AFTER UPDATE ON totals DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION checked()"
    )
    kit.append("a", 2)
    with kit.running(made.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.totals() == {"a": (3, 2)}, future)
        kit.append("a", 3)
        kit.until(lambda: kit.totals() == {"a": (6, 3)}, future)
    assert future.result() is None
    assert tries(kit) == 4


def test_what_is_undone_again_and_again_is_an_error(kit: Kit) -> None:
    made = kit.projection()
    made.on("Undone")(kit.handler(DO.format("40001", 1000), lambda _: {}))
    kit.append("a", 1)
    kit.append("a", 0, type="Undone")
    with pytest.raises(HandlerFailed, match="undone"):
        kit.catch_up(made)
    assert tries(kit) == engine.TRIES
    assert kit.totals() == {}
    assert kit.catch_up(kit.projection()).position == 2


def test_other_errors_are_not_tried_again(kit: Kit) -> None:
    made = kit.projection()
    made.on("Wrong")(kit.handler(DO.format("22012", 1000), lambda _: {}))
    kit.append("a", 0, type="Wrong")
    with pytest.raises(HandlerFailed, match="undone"):
        kit.catch_up(made)
    assert tries(kit) == 1


def test_a_lost_connection_ends_a_run_and_the_next_one_connects_anew(kit: Kit) -> None:
    if kit.kind.endswith("-connection"):
        pytest.skip("it stays broken")
    made = kit.projection()
    kit.append("a", 1)
    with kit.running(made.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(made).position == 1, future)
        kit.change(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
        kit.append("a", 2)
        with pytest.raises(Exception, match=r"terminat|closed|lost"):
            future.result(60)
    assert kit.catch_up(made).position == 2
    assert kit.totals() == {"a": (3, 2)}


class DriverError(Exception):
    def __init__(self, state: object, name: str = "sqlstate") -> None:
        setattr(self, name, state)


def test_a_batch_is_tried_again_whatever_says_so(lite: Kit) -> None:
    made = lite.projection()
    left = [DriverError("40001"), DriverError("40P01")]

    def undone(tx: Any, _: object) -> None:
        tx.execute("UPDATE totals SET n = n + 10")
        if left:
            raise left.pop()

    made.on("Undone")(undone)
    lite.append("a", 1)
    lite.append("a", 0, type="Undone")
    assert lite.catch_up(made).position == 2
    assert not left
    assert lite.totals() == {"a": (11, 1)}


@pytest.mark.parametrize("name", ["sqlstate", "pgcode"])
def test_the_state_is_found_in_any_drivers_error(name: str) -> None:
    wrapped = ValueError()
    wrapped.__cause__ = DriverError("40P01", name)
    assert undone_for_others(wrapped)
    assert not undone_for_others(DriverError("08006", name))
    assert not undone_for_others(DriverError(None, name))
    assert not undone_for_others(ValueError())
