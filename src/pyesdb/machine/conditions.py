"""Append conditions (DCB): does a matching event stand behind a position? Through indexes only.

What must never happen here: a scan without bound while the store is held, or a bound that depends
on anything but the file.
"""

from typing import Any

from pyesdb.machine.refusals import over_limit
from pyesdb.machine.transaction import Tx
from pyesdb.model import limits
from pyesdb.model.commands import Condition
from pyesdb.model.outcomes import Refused
from pyesdb.model.selectors import Clause

_NARROW = 256


class _Budget:
    def __init__(self) -> None:
        self.left = limits.CONDITION_SCAN_MAX
        self.counting = limits.CONDITION_SCAN_MAX

    def spend(self, rows: int) -> bool:
        self.left -= rows
        return self.left >= 0


def matching_position(tx: Tx, condition: Condition) -> int | Refused | None:
    """The position of an event that matches, None if there is none; a refusal if it is too much."""
    after = condition.after
    if after >= tx.state.position:
        return None
    if any(_may_be_gathered(tx, clause) for clause in condition.clauses):
        tx.flush()
    budget = _Budget()
    for clause in condition.clauses:
        found = _matching(tx, clause, after, budget)
        if found is not None:
            return found
        if budget.left < 0:
            return over_limit(
                "index rows that the condition examines",
                "condition_scan",
                limits.CONDITION_SCAN_MAX,
                limits.CONDITION_SCAN_MAX - budget.left,
                "pass after=, or select by a rarer tag",
            )
    return None


def _may_be_gathered(tx: Tx, clause: Clause) -> bool:
    """Whether an event that is not written yet may match: one with each of the clause's tags.

    Commands of one entry seldom share tags, and their rows go into few statements then.
    """
    if not tx.new_events:
        return False
    first, newest = tx.new_events[0], tx.newest
    return all(newest.get(tx.tags.get(tag, 0), 0) >= first for tag in clause.tags)


def _matching(tx: Tx, clause: Clause, after: int, budget: _Budget) -> int | None:
    streams = types = None
    if clause.streams is not None:
        streams = [s.id for s in map(tx.stream, clause.streams) if s is not None]
    if clause.types is not None:
        types = [i for i in map(tx.types.get, clause.types) if i is not None]
    tags = [tx.tags.get(tag) for tag in clause.tags]
    if streams == [] or types == [] or None in tags:
        return None  # a name that no event has
    if tags:
        return _by_tags(tx, [t for t in tags if t is not None], types, streams, after, budget)
    if streams is not None:
        return _by_streams(tx, clause, types, after, budget)
    if types is not None:
        for type_ in types:
            if found := _one(tx, "type_after", type_, after):
                return found
        return None
    return _one(tx, "event_after", after)


def _one(tx: Tx, name: str, *args: Any) -> int | None:
    found = tx.all(name, *args)
    return found[0][0] if found else None


def _by_tags(
    tx: Tx,
    tags: list[int],
    types: list[int] | None,
    streams: list[int] | None,
    after: int,
    budget: _Budget,
) -> int | None:
    """Walk the rarest tag's positions; look the others up.

    What the machine remembers of the newest event of a tag spares statements that would find
    nothing, so it changes no budget either.
    """
    counts = [(0, tags[0])]
    if len(tags) > 1:
        counts = sorted((_count(tx, tag, after, _NARROW, budget), tag) for tag in tags)
        if counts[0][0] >= _NARROW:
            most = max(1, budget.left + 1)
            counts = sorted((_count(tx, tag, after, most, budget), tag) for tag in tags)
    driver, others = counts[0][1], [tag for _, tag in counts[1:]]
    if tx.newest[driver] <= after:
        return None
    last = after
    while True:
        page = tx.all("tag_positions", driver, last, 1000)
        if not budget.spend(len(page)):
            return None
        for (position,) in page:
            if all(tx.all("has_tag", tag, position) for tag in others) and _fits(
                tx, position, types, streams
            ):
                return position
        if len(page) < 1000:
            return None
        last = page[-1][0]


def _count(tx: Tx, tag: int, after: int, most: int, budget: _Budget) -> int:
    """How rare a tag is, as far as the budget for counting goes; then the order is by id."""
    if budget.counting <= 0:
        return most
    if tx.newest[tag] <= after:
        return 0
    found = tx.all("count_tag", tag, after, min(most, budget.counting))[0][0]
    budget.counting -= found
    return found


def _fits(tx: Tx, position: int, types: list[int] | None, streams: list[int] | None) -> bool:
    if types is None and streams is None:
        return True
    type_, stream = tx.all("event_kind", position)[0]
    return (types is None or type_ in types) and (streams is None or stream in streams)


def _by_streams(
    tx: Tx, clause: Clause, types: list[int] | None, after: int, budget: _Budget
) -> int | None:
    """Walk the streams' events backwards, until they are not behind `after`."""
    for name in clause.streams or ():
        stream = tx.stream(name)
        if stream is None:
            continue
        before = stream.last + 1
        while True:
            page = tx.all("stream_positions", stream.id, before, after, 1000)
            if not budget.spend(len(page)):
                return None
            for _, position, type_ in page:
                if position > after and (types is None or type_ in types):
                    return position
            if len(page) < 1000 or page[-1][1] <= after:
                break
            before = page[-1][0]
    return None
