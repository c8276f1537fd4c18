"""Conditions in the machine: what they find, up to the head before them, and how far they look."""

from __future__ import annotations

import pytest

from pyesdb import Selector, select
from pyesdb.model import limits
from pyesdb.model.outcomes import Refused
from pyesdb.model.versions import ANY
from tests.machine.lab import Lab, event, events, refused, stored


@pytest.fixture
def filled(lab: Lab) -> Lab:
    lab.append("a", [event("A", tags=["x"]), event("B", tags=["x", "y"])])  # 1, 2
    lab.append("b", [event("A", tags=["y"]), event("C")])  # 3, 4
    return lab


CASES = {
    "tag": (select.tags("y"), 0, 2),
    "tag behind": (select.tags("y"), 2, 3),
    "tag, nothing behind": (select.tags("y"), 3, None),
    "both tags": (select.tags("x", "y"), 0, 2),
    "tag and type": (select.tags("y") & select.event_type("A"), 0, 3),
    "tag and stream": (select.tags("y") & select.stream("b"), 0, 3),
    "type": (select.event_type("C", "B"), 0, (2, 4)),
    "stream": (select.stream("b"), 2, (3, 4)),
    "stream and type": (select.stream("b") & select.event_type("C"), 0, 4),
    "or": (select.tags("none") | select.event_type("C"), 0, 4),
    "everything": (select.everything, 3, 4),
    "unknown tag": (select.tags("x", "none"), 0, None),
    "unknown type": (select.event_type("none"), 0, None),
    "unknown stream": (select.stream("none"), 0, None),
    "at the head": (select.everything, 4, None),
    "beyond the head": (select.everything, 99, None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("known", ["remembered", "reopened"])
def test_what_a_condition_finds(filled: Lab, name: str, known: str) -> None:
    selector, after, wanted = CASES[name]
    if known == "reopened":
        filled.reopen()
    outcome = filled.append("c", 1, condition=selector, after=after)
    if wanted is None:
        assert stored(outcome)[0] == 1
    else:
        assert refused(outcome) == "condition_failed"
        assert isinstance(outcome, Refused)
        found = wanted if isinstance(wanted, tuple) else (wanted,)
        assert outcome.fields["position"] in found


def test_a_condition_is_judged_by_the_head_before_its_own_command(filled: Lab) -> None:
    new = [event("New", tags=["z"])]
    assert stored(filled.append("c", new, condition=select.event_type("New")))[0] == 1


@pytest.mark.usefixtures("unrecorded")
@pytest.mark.parametrize(
    ("what", "selector"),
    [
        ("tags", select.tags("even", "odd")),
        ("tag and type", select.tags("even") & select.event_type("Rare")),
        ("stream", select.stream("s") & select.event_type("Rare")),
    ],
)
def test_a_condition_that_would_look_too_long_is_refused_the_same_everywhere(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, what: str, selector: Selector
) -> None:
    monkeypatch.setattr(limits, "CONDITION_SCAN_MAX", 2000)
    rare = event("Rare", tags=["even", "odd"])  # found, if one looked that far
    lab.append("s" if what == "stream" else "t", [rare] if what == "stream" else [event()])
    for _ in range(5):
        lab.append("s", [event(tags=["odd" if n % 2 else "even"]) for n in range(1000)])
    lab.append("t", [rare])
    before = lab.content()
    first = lab.append("new", 1, condition=selector)
    lab.reopen()
    second = lab.append("new", 1, condition=selector)
    assert isinstance(first, Refused)
    assert refused(first) == "limit_exceeded"
    assert first == second
    assert first.fields["setting"] == "condition_scan"
    assert lab.content() == before
    if what != "stream":
        near = lab.append("new", 1, condition=selector, after=4000)
        assert refused(near) == "condition_failed"


def test_the_limit_is_200_000() -> None:
    assert limits.CONDITION_SCAN_MAX == 200_000


@pytest.mark.usefixtures("unrecorded")
def test_one_budget_for_all_clauses(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONDITION_SCAN_MAX", 1500)
    lab.append("s", events(1000, "Common", tags=["a"]))
    lab.append("s", events(1000, "Common", tags=["b"]))
    lab.append("t", [event("Rare", tags=["c"])])
    rare = select.event_type("Rare")
    assert stored(lab.append("u", 1, condition=select.tags("a") & rare))[0] == 1
    both = (select.tags("a") & rare) | (select.tags("b") & rare)
    assert refused(lab.append("u", 1, condition=both)) == "limit_exceeded"


def test_a_condition_passes_over_what_was_scavenged(lab: Lab) -> None:
    from pyesdb.model import commands as c

    lab.append("s", [event("A", tags=["x"]), event("A")])
    rule = select.tags("x")
    lab.do(c.TruncateStream, "s", 1)
    assert refused(lab.append("t", 1, ANY, condition=rule)) == "condition_failed"  # hidden, there
    lab.do(c.Scavenge, 0, 10)
    assert stored(lab.append("t", 1, ANY, condition=rule))[0] == 1
