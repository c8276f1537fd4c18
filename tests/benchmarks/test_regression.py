"""A run that is more than 20 % worse than what was landed fails; noise and another size do not."""

import pytest

from benchmarks import regression, results
from benchmarks.goals import Goal
from benchmarks.regression import Outcome, compare, compare_goal
from tests.benchmarks.samples import ROW, STEADY, result, slowed, worsened

LANDED = {ROW: result()}
HALVING = [500.0, 1000.0, 600.0, 1010.0, 550.0]
"""A median of 0.6 of STEADY, with rounds as good as any."""


@pytest.mark.parametrize(
    ("factor", "outcome"),
    [(1.5, Outcome.HELD), (0.81, Outcome.HELD), (0.79, Outcome.REGRESSED)],
)
def test_a_fifth_is_the_line(factor: float, outcome: Outcome) -> None:
    [change] = compare(LANDED, {ROW: slowed(result(), factor)})
    assert change.outcome is outcome
    assert change.factor == pytest.approx(factor)


def test_a_slow_machine_is_no_regression() -> None:
    third = [sample / 3 for sample in STEADY]
    [change] = compare(LANDED, {ROW: result(third, third)})
    assert (change.outcome, change.factor) == (Outcome.HELD, 1)


def test_a_faster_limit_is_a_regression() -> None:
    [change] = compare(LANDED, {ROW: result(STEADY, [sample * 2 for sample in STEADY])})
    assert change.outcome is Outcome.REGRESSED


def test_every_landed_ratio_is_guarded() -> None:
    """The negative control, on what is committed: held as it is, failed when ours is slowed."""
    landed = results.shown(results.KEPT)
    assert len(landed) >= 4
    same = compare(landed, landed)
    assert {change.outcome for change in same} == {Outcome.HELD}
    assert not regression.fails(same)
    slow = compare(landed, {row: worsened(found, 0.7) for row, found in landed.items()})
    ours_alone = [c for c in slow if _is_ours(c.goal.ours) and _is_ours(c.goal.theirs)]
    assert {c.goal.key for c in slow if c.outcome is Outcome.HELD} == {
        c.goal.key for c in ours_alone
    }
    assert regression.fails(slow)


def _is_ours(who: str | None) -> bool:
    return who is not None and who.startswith("pyesdb")


def test_what_is_landed_lies_with_its_kind() -> None:
    for size in ("full", "quick"):
        found = results.load(results.place(results.KEPT, size))
        assert {result.size for result in found.values()} <= {size}


def test_rounds_that_overlap_are_in_doubt() -> None:
    noisy = compare(LANDED, {ROW: result(HALVING)})
    sure = compare(LANDED, {ROW: slowed(result(), 0.6)})
    assert [len(regression.doubtful(changes)) for changes in (noisy, sure)] == [1, 0]
    assert regression.fails(noisy)


def test_both_measurements_count() -> None:
    both = regression.pooled(result(HALVING), result())
    assert both.rounds == 10
    assert both.cases[0].samples["pyesdb"] == HALVING + STEADY
    assert compare(LANDED, {ROW: both})[0].outcome is Outcome.HELD
    still = regression.pooled(result(HALVING), result(HALVING))
    assert compare(LANDED, {ROW: still})[0].outcome is Outcome.REGRESSED


def test_who_fails_the_second_time_has_no_figure() -> None:
    gone = result([], absent={"pyesdb": "failed: Fault"})
    [change] = compare(LANDED, {ROW: regression.pooled(result(), gone)})
    assert (change.outcome, change.why) == (Outcome.LOST, "pyesdb: failed: Fault")
    assert regression.fails([change])


def test_a_peer_that_is_gone_fails_nothing_and_is_not_landed() -> None:
    now = {ROW: result(None, [], absent={"apsw": "is not here"})}
    changes = compare(LANDED, now)
    assert changes[0].outcome is Outcome.ABSENT
    assert not regression.fails(changes)
    assert regression.obstacle(changes) == "less is measured than was: single-apsw"
    assert "apsw: is not here" in "\n".join(regression.lines(changes, LANDED, now))


def test_sizes_are_not_mixed() -> None:
    full = {ROW: result(size="full")}
    quick = {ROW: slowed(result(), 0.1)}
    assert compare(full, quick) == []
    for then in (full, {}):
        assert regression.lines([], then, quick)[1:] == [
            f"{ROW}: nothing landed: no quick result to compare with"
        ]
    assert len(regression.lines([], full, full)) == 1


def test_absolute_goals_count_by_what_stands_beside_them() -> None:
    beside = Goal("beside", ROW, "1 event", "pyesdb", None, 100, beside="apsw")
    alone = Goal("alone", ROW, "1 event", "pyesdb", None, 100)
    slow = slowed(result(), 0.5)
    change = compare_goal(beside, result(), slow)
    assert change is not None
    assert change.outcome is Outcome.REGRESSED
    assert compare_goal(alone, result(), slow) is None


def test_sizes_are_compared_as_they_are() -> None:
    goal = Goal("size", ROW, "1 event", "pyesdb", None, 9000, at_most=True)
    then, now = result(), slowed(result(), 1.4)
    assert compare_goal(goal, then, now) is None
    for found in (then, now):
        found.cases[0].unit = "bytes/event"
    larger = compare_goal(goal, then, now)
    assert larger is not None
    assert (larger.outcome, larger.then, larger.now) == (Outcome.REGRESSED, 1000, 1400)
    smaller = compare_goal(goal, now, then)
    assert smaller is not None
    assert smaller.outcome is Outcome.HELD
    lost = compare_goal(goal, then, result([]))
    assert lost is not None
    assert lost.outcome is Outcome.LOST


def test_where_less_is_better_more_is_worse() -> None:
    goal = Goal("ms", ROW, "1 event", "pyesdb", None, 100, beside="apsw", at_most=True)
    longer = compare_goal(goal, result(), slowed(result(), 1.4))
    assert longer is not None
    assert (longer.outcome, longer.safe) == (Outcome.REGRESSED, True)
    shorter = compare_goal(goal, result(), slowed(result(), 0.5))
    assert shorter is not None
    assert shorter.outcome is Outcome.HELD


def test_the_table_says_what_regressed() -> None:
    now = {ROW: slowed(result(), 0.5)}
    text = regression.lines(compare(LANDED, now), LANDED, now)
    assert text[0] == "0 of 1 ratios and sizes are at least 0.8 of what was landed"
    assert " ".join(text[-2].split()) == (
        "REGRESSED single-apsw pyesdb / apsw, 1 event 1.00 1.00 to 1.00 0.50 0.50 to 0.50 -50 %"
    )


def test_what_else_went_on_is_said_and_excuses_nothing() -> None:
    quiet, busy = result(), slowed(result(), 0.5)
    quiet.machine = {"others_cores": 0.05, "fdatasync_us": 300.0}
    busy.machine = {"others_cores": 1.6, "fdatasync_us": 5000.0}
    changes = compare({ROW: quiet}, {ROW: busy})
    assert regression.fails(changes)
    text = regression.lines(changes, {ROW: quiet}, {ROW: busy})
    assert "measure again when it is quiet" in text[-1]
    assert text[-2] == (
        f"{ROW}: landed while other programs kept 0.05 cores busy and a sync took 300.0 us; "
        "now other programs kept 1.6 cores busy and a sync took 5000.0 us"
    )
    assert regression.pooled(quiet, busy).machine["others_cores"] == 1.6
