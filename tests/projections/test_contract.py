"""What every read model of either half promises."""

from __future__ import annotations

from typing import Any

import pytest

import pyesdb
from pyesdb.projections import HandlerFailed, engine
from tests.projections.kits import WRONG, Kit


def test_catches_up_to_the_head_and_goes_on_there(kit: Kit) -> None:
    counting = kit.projection(batch=7)
    kit.append("a", *range(20))
    kit.append("b", 1)
    assert kit.catch_up(counting).position == 21
    assert kit.totals() == {"a": (190, 20), "b": (1, 1)}
    kit.append("b", 2, 3)
    status = kit.catch_up(kit.projection())
    assert (status.position, status.head, status.lag) == (23, 23, 0)
    assert kit.totals() == {"a": (190, 20), "b": (6, 3)}
    assert kit.catch_up(counting).position == 23
    assert kit.totals() == {"a": (190, 20), "b": (6, 3)}


def test_follows_until_it_is_stopped(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1)
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        for n in range(2, 5):
            kit.append("a", n)
            kit.until(lambda n=n: kit.status(counting).position == n, future)
            assert kit.totals() == {"a": (sum(range(n + 1)), n)}
    assert future.result() is None
    kit.append("a", 10)
    assert kit.totals() == {"a": (10, 4)}
    assert kit.catch_up(counting).position == 5
    assert kit.totals() == {"a": (20, 5)}


def test_a_projector_stopped_before_it_runs_ends_at_once(kit: Kit) -> None:
    kit.append("a", 1)
    projector = kit.projection().projector(kit.store, kit.target)
    projector.stop()
    assert kit.call(projector.run) is None
    assert kit.totals() == {}


def test_stop_of_a_projection_stops_what_it_runs(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1)

    class Run:
        def run(self) -> Any:
            return counting.run(kit.store, kit.target)

        def stop(self) -> None:
            counting.stop()

    with kit.running(Run()) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        counting.stop()
        assert future.result(60) is None


def test_positions_that_select_nothing_are_written_too(kit: Kit) -> None:
    """Else the next start would examine them all again."""
    counting = kit.projection()
    kit.append("a", *range(1200), type="Other")
    assert kit.catch_up(counting).position == 1200
    assert kit.checkpoint() == [1200]
    kit.append("a", 1)
    kit.append("a", *range(30), type="Other")
    assert kit.catch_up(counting).position == 1231
    assert kit.checkpoint() == [1231]
    assert kit.totals() == {"a": (1, 1)}


def test_a_run_writes_now_and_then_what_it_examined(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MARK_S", 0.01)
    counting = kit.projection()
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.append("a", *range(40), type="Other")
        kit.until(lambda: kit.status(counting).position == 40, future)


def test_selected_events_without_handler_are_passed_over(kit: Kit) -> None:
    counting = kit.projection(select=pyesdb.select.everything)
    kit.append("a", 1, type="Other")
    kit.append("a", 5)
    kit.append("a", 1, type="Other")
    assert kit.catch_up(counting).position == 3
    assert kit.totals() == {"a": (5, 1)}


def test_a_handler_for_all_other_events(kit: Kit) -> None:
    counting = kit.projection()
    counting.on()(kit.handler("UPDATE totals SET n = n + 1000", lambda _: {}))
    kit.append("a", 1)
    kit.append("b", 1, type="Other")
    kit.append("b", 1, type="Another")
    kit.catch_up(counting)
    assert kit.totals() == {"a": (2001, 1)}


def test_a_failing_handler_keeps_nothing_of_its_transaction(kit: Kit) -> None:
    counting = kit.projection(batch=4)
    counting.on("Broken")(kit.handler(WRONG, lambda _: {}))
    kit.append("a", 1, 2, 3, 4)
    kit.append("b", 5, 6)
    kit.append("b", 0, type="Broken")
    kit.append("b", 7)
    with pytest.raises(HandlerFailed, match=r"'totals' failed at event 7 \(Broken, 'b'") as caught:
        kit.catch_up(counting)
    error = caught.value
    assert (error.projection, error.store, error.position) == ("totals", "s", 7)
    assert error.event.stream == "b"
    assert "nowhere" in str(error.__cause__)
    assert kit.totals() == {"a": (10, 4)}
    assert kit.checkpoint() == [4]
    with pytest.raises(HandlerFailed, match="event 7"):
        kit.catch_up(counting)
    assert kit.totals() == {"a": (10, 4)}
    mended = kit.projection(batch=4)
    mended.on("Broken")(kit.handler("UPDATE totals SET c = c + 100", lambda _: {}))
    assert kit.catch_up(mended).position == 8
    assert kit.totals() == {"a": (10, 104), "b": (18, 103)}


def test_a_failing_handler_ends_a_run(kit: Kit) -> None:
    counting = kit.projection()
    counting.on("Broken")(kit.handler(WRONG, lambda _: {}))
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.append("a", 1)
        kit.append("a", 0, type="Broken")
        with pytest.raises(HandlerFailed, match="event 2"):
            future.result(60)
    assert kit.catch_up(kit.projection()).position == 2
    assert kit.totals() == {"a": (1, 1)}


def test_a_handler_cannot_end_the_transaction(kit: Kit) -> None:
    counting = kit.projection()

    def plain(tx: Any, _: object) -> None:
        tx.commit()

    async def waiting(tx: Any, _: object) -> None:
        await tx.commit()

    counting.on("Ending")(waiting if kit.waits else plain)
    kit.append("a", 1, 2)
    kit.append("a", 0, type="Ending")
    with pytest.raises(HandlerFailed, match="event 3"):
        kit.catch_up(counting)
    assert kit.totals() == {}
    assert kit.checkpoint() == [0]
    assert kit.catch_up(kit.projection()).position == 3
    assert kit.totals() == {"a": (3, 2)}


def test_a_rebuild_counts_anew(kit: Kit) -> None:
    counting = kit.projection(batch=3)
    kit.append("a", *range(10))
    kit.catch_up(counting)
    kit.change("UPDATE totals SET n = -1")
    seen: list[tuple[int, int]] = []
    status = kit.rebuild(counting, on_progress=lambda done, total: seen.append((done, total)))
    assert (status.position, status.lag) == (10, 0)
    assert kit.totals() == {"a": (45, 10)}
    assert seen[-1] == (10, 10)
    kit.append("a", 5)
    kit.catch_up(counting)
    assert kit.totals() == {"a": (50, 11)}


def test_a_rebuild_that_fails_changes_nothing(kit: Kit) -> None:
    counting = kit.projection(batch=3)
    kit.append("a", *range(10))
    kit.catch_up(counting)
    kit.append("a", 0, type="Broken")
    failing = kit.projection(batch=3)
    failing.on("Broken")(kit.handler(WRONG, lambda _: {}))
    with pytest.raises(HandlerFailed, match="event 11"):
        kit.rebuild(failing)
    assert kit.totals() == {"a": (45, 10)}
    assert kit.checkpoint() == [10]


def test_a_rebuild_that_is_stopped_changes_nothing(kit: Kit) -> None:
    counting = kit.projection(batch=3)
    kit.append("a", *range(10))
    kit.catch_up(counting)
    projector = counting.projector(kit.store, kit.target)
    with pytest.raises(pyesdb.Ended, match="as it was"):
        kit.call(projector.rebuild, on_progress=lambda *_: projector.stop())
    assert kit.totals() == {"a": (45, 10)}
    assert kit.checkpoint() == [10]


def test_of_two_projectors_the_second_is_refused(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1)
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        other = kit.projection()
        for call in (other.run, other.catch_up, other.rebuild):
            with pytest.raises(pyesdb.ProjectionBusy, match="pid") as caught:
                kit.call(call, kit.store, kit.other)
            assert caught.value.projection == "totals"
        kit.append("a", 2)
        kit.until(lambda: kit.status(counting).position == 2, future)
    assert future.result() is None
    assert kit.catch_up(other).position == 2
    assert kit.totals() == {"a": (3, 2)}


def test_what_was_passed_can_be_used_again(kit: Kit) -> None:
    """A connection of the caller's is as it was, however the projector ended."""
    counting = kit.projection()
    failing = kit.projection()
    failing.on("Broken")(kit.handler(WRONG, lambda _: {}))
    kit.append("a", 1)
    with kit.running(counting.projector(kit.store, kit.other)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        with pytest.raises(pyesdb.ProjectionBusy):
            kit.catch_up(counting)
    kit.append("a", 2)
    assert kit.catch_up(counting).position == 2
    kit.append("a", 0, type="Broken")
    with pytest.raises(HandlerFailed):
        kit.catch_up(failing)
    with pytest.raises(HandlerFailed):
        kit.rebuild(failing)
    assert kit.catch_up(counting).position == 3
    assert kit.rebuild(counting).position == 3
    assert kit.totals() == {"a": (3, 2)}


def test_another_name_is_another_projection(kit: Kit) -> None:
    kit.append("a", 1)
    counting = kit.projection("one")
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        assert kit.call(kit.projection("two").catch_up, kit.store, kit.other).position == 1
    assert kit.totals() == {"a": (2, 2)}
    assert kit.checkpoint() == [1, 1]


def test_who_was_taken_over_changes_nothing_any_more(kit: Kit) -> None:
    """What stands between two projectors and double effects when their lock fails."""
    counting = kit.projection()
    kit.append("a", 1)
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        kit.change("UPDATE pyesdb_checkpoint SET owner = 'somebody else'")
        kit.append("a", 2)
        with pytest.raises(pyesdb.ProjectionBusy, match="taken over"):
            future.result(60)
    assert kit.totals() == {"a": (1, 1)}
    assert kit.catch_up(counting).position == 2
    assert kit.totals() == {"a": (3, 2)}


def test_a_checkpoint_moved_by_others_is_noticed(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1)
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        kit.change("UPDATE pyesdb_checkpoint SET position = 0")
        kit.append("a", 2)
        with pytest.raises(pyesdb.ProjectionBusy):
            future.result(60)
    assert kit.totals() == {"a": (1, 1)}


def test_status_tells_and_changes_nothing(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1, 2, 3)
    status = kit.status(counting)
    assert (status.name, status.store, status.position, status.head) == ("totals", "s", 0, 3)
    assert (status.lag, status.owner) == (3, "")
    if "alchemy" not in kit.kind and "connection" not in kit.kind and not kit.schema:
        assert not kit.file.exists()
    kit.catch_up(counting)
    kit.append("a", 4)
    status = kit.status(counting)
    assert (status.position, status.lag) == (3, 1)
    assert status.owner.startswith("pid ")


def test_a_store_made_anew_is_another_history(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1, 2)
    kit.catch_up(counting)
    kit.call(kit.db.remove_store, "s", purge=True)
    kit.store = kit.call(kit.db.create_store, "s")
    kit.append("a", 5, 6, 7)
    for call in (counting.catch_up, counting.run, counting.status):
        with pytest.raises(pyesdb.HistoryChanged, match="rebuild"):
            kit.call(call, kit.store, kit.target)
    assert kit.totals() == {"a": (3, 2)}
    assert kit.rebuild(counting).position == 3
    assert kit.totals() == {"a": (18, 3)}
    kit.append("a", 1)
    assert kit.catch_up(counting).position == 4


def test_a_recovered_store_is_the_same_history(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1, 2)
    kit.catch_up(counting)
    kit.call(kit.db.remove_store, "s")
    kit.store = kit.call(kit.db.recover_store, "s")
    kit.append("a", 3)
    assert kit.catch_up(counting).position == 3
    assert kit.totals() == {"a": (6, 3)}


def test_a_removed_store_ends_a_run(kit: Kit) -> None:
    counting = kit.projection()
    kit.append("a", 1)
    with kit.running(counting.projector(kit.store, kit.target)) as future:
        kit.until(lambda: kit.status(counting).position == 1, future)
        kit.call(kit.db.remove_store, "s")
        with pytest.raises(pyesdb.StoreRemoved):
            future.result(60)
    assert kit.totals() == {"a": (1, 1)}


def test_several_stores_may_feed_one_read_model(kit: Kit) -> None:
    counting = kit.projection()
    other = kit.call(kit.db.create_store, "other")
    kit.append("a", 1, 2)
    kit.call(other.append, "b", [pyesdb.NewEvent("Counted", {"n": 10})])
    kit.catch_up(counting)
    kit.call(counting.catch_up, other, kit.target)
    assert kit.totals() == {"a": (3, 2), "b": (10, 1)}
    assert kit.checkpoint() == [1, 2]
    kit.change("UPDATE totals SET n = -1")
    kit.rebuild(counting)
    assert kit.totals() == {"a": (3, 2), "b": (-1, 1)}
    blunt = kit.projection()
    blunt.reset(kit.hook("DELETE FROM totals"))
    with pytest.raises(pyesdb.RequestError, match="several stores"):
        kit.rebuild(blunt)
    assert kit.totals() == {"a": (3, 2), "b": (-1, 1)}
