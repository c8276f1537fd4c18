"""What must be in a store that is never removed, by what the ledger says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import pyesdb
from tests.crash.lab import content
from tests.crash.lab.ledger import Call
from tests.crash.lab.load import result_of

NEVER = 1 << 62


class Found(NamedTuple):
    """An event as stored."""

    position: int
    stream: str
    version: int
    n: int


Expected = list[Found]


def expected(call: Call, results: Iterable[list[Any]]) -> Expected:
    """The events of an append, by its answer; [] if that does not fit the call."""
    found = [
        Found(position, stream, first_version + position - first, 0)
        for stream, first_version, version, first, last in results
        for position in range(first, last + 1)
        if version - first_version == last - first
    ]
    wanted = content.spread(call.about["p"])
    if [event.stream for event in found] != [stream for stream, _ in wanted]:
        return []
    return [event._replace(n=n) for event, (_, n) in zip(found, wanted, strict=True)]


def results_of(call: Call, found: list[Found]) -> list[list[Any]] | None:
    """The answer that would have been given for these events; None if they are not all of them."""
    wanted = content.spread(call.about["p"])
    if [(event.stream, event.n) for event in found] != wanted:
        return None
    results, first = [], 0
    for _, count in call.about["p"]:
        part = found[first : first + count]
        one, last = part[0], part[-1]
        results.append([one.stream, one.version, last.version, one.position, last.position])
        first += count
    return results


def end(call: Call) -> int:
    """When it was over; a call that nobody answered may be done until now."""
    return NEVER if call.ended is None else call.ended


class Cuts:
    """Which events of a store may be hidden or gone, and which must be hidden."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._cuts: defaultdict[str, list[Call]] = defaultdict(list)
        self._sweeps: list[Call] = []
        for call in calls:
            if call.op in ("truncate", "delete") and call.may_be_done:
                self._cuts[call.about["stream"]].append(call)
            elif call.op == "scavenge" and call.may_be_done:
                self._sweeps.append(call)

    def _reaching(self, event: Found) -> Iterator[Call]:
        for cut in self._cuts[event.stream]:
            if cut.about.get("before", NEVER) > event.version:
                yield cut

    def _hiding(self, event: Found, call: Call) -> Iterator[Call]:
        """Cuts that may have been made behind the append."""
        return (cut for cut in self._reaching(event) if call.began < end(cut))

    def may_hide(self, event: Found, call: Call) -> bool:
        return any(True for _ in self._hiding(event, call))

    def may_reclaim(self, event: Found, call: Call) -> bool:
        """Whether a sweep may have come behind a cut, and that behind the append."""
        return any(
            max(call.began, cut.began) < end(sweep)
            for cut in self._hiding(event, call)
            for sweep in self._sweeps
        )

    def must_hide(self, event: Found, call: Call) -> bool:
        return any(
            call.ended is not None and cut.answer is not None and call.ended < cut.began
            for cut in self._reaching(event)
        )

    @property
    def streams(self) -> set[str]:
        return set(self._cuts)


@dataclass
class Contents:
    """Everything in a store, by call, with what is wrong on the face of it."""

    by_call: defaultdict[str, list[Found]] = field(default_factory=lambda: defaultdict(list))
    positions: list[int] = field(default_factory=list)
    versions: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    tagged: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)

    def add(self, event: Found, call: str, data: Any) -> None:
        if data != content.payload(call, event.n):
            self.problems.append(f"other data at {event.position}")
        self.by_call[call].append(event)
        self.positions.append(event.position)
        self.versions[event.stream].append(event.version)


def contents(store: pyesdb.Store) -> Contents:
    """A store, read from its first position to its last."""
    found = Contents()
    created = None
    for event in store.read_all():
        if created is not None and event.created < created:
            found.problems.append(f"`created` went back at {event.position}")
        created = event.created
        data = event.json()
        if event.id != content.uuid("event", data["c"], data["n"]):
            found.problems.append(f"another id at {event.position}")
        one = Found(event.position, event.stream, event.version, data["n"])
        found.add(one, data["c"], data)
        for tag in event.tags:
            found.tagged[tag].append(event.position)
    return found


class StoreCheck:
    """One store against the ledger."""

    def __init__(self, store: pyesdb.Store, calls: dict[str, Call], *, jumped: bool) -> None:
        self._store = store
        self._all = calls
        self._calls = [call for call in calls.values() if call.store == store.id]
        self._jumped = jumped
        self._found = contents(store)
        self._cuts = Cuts(self._calls)
        self._positions = set(self._found.positions)
        self._floors: dict[str, int] = {}
        self.problems = self._found.problems
        self.settled: dict[str, list[list[Any]] | None] = {}
        """What was found of the calls that nobody had answered."""

    def run(self) -> None:
        for call in self._calls:
            if "p" in call.about:
                self._appended(call)
        self._unknown()
        self._streams()
        self._gapless()
        self._tags()
        self._snapshots()
        if self._store.id == "side":
            for number in range(content.IMPORTS):
                self._imported(number)
        self.problems += [
            f"verify: {problem.where}: {problem.what}" for problem in self._store.verify().problems
        ]

    def _say(self, call: Call, what: str) -> None:
        self.problems.append(f"{call.op} {call.id}: {what}")

    def _appended(self, call: Call) -> None:
        found = self._found.by_call[call.id]
        results = call.answer["r"] if call.answer else call.settled_as
        if call.answer and call.before is not None and call.answer["d"] is not call.before:
            self._say(call, f"duplicate is {call.answer['d']}, it was stored: {call.before}")
        if call.open:
            results = self.settled[call.id] = self._outcome(call, found)
            if call.before and results is None:
                self._say(call, "it was there before, and is not any more")
        if results is not None:
            self._as_answered(call, expected(call, results), found)
        elif found:
            self._say(call, f"{call.refused or 'not stored'}, and there are {found[:3]}")

    def _as_answered(self, call: Call, wanted: list[Found], found: list[Found]) -> None:
        if not wanted:
            self._say(call, f"the answer does not fit {call.about['p']}")
        for event in wanted:
            if event.position not in self._positions and self._reclaimed(event, call):
                self._positions.add(event.position)
            elif event not in found:
                self._say(call, f"lost {event}, there are {found[:3]}")
        if extra := [event for event in found if event not in wanted]:
            self._say(call, f"stored twice or elsewhere: {extra[:3]}")
        if "e" in call.about and wanted and wanted[0].version != call.about["e"] + 1:
            self._say(call, f"expected {call.about['e']}, stored as {wanted[0].version}")

    def _reclaimed(self, event: Found, call: Call) -> bool:
        """Whether an event may be gone: a sweep takes nothing but what the store says is cut."""
        return self._cuts.may_reclaim(event, call) and event.version < self._floor(event.stream)

    def _floor(self, stream: str) -> int:
        """The first version that a reader may see."""
        if stream not in self._floors:
            try:
                self._floors[stream] = self._store.stream_info(stream).first_version
            except pyesdb.StreamDeleted:
                self._floors[stream] = NEVER
            except pyesdb.StreamNotFound:
                self._floors[stream] = 0
        return self._floors[stream]

    def _outcome(self, call: Call, found: list[Found]) -> list[list[Any]] | None:
        """What the store says of a call that nobody had answered; it must be what is stored."""
        outcome = self._store.outcome(content.uuid("command", call.id))
        if outcome is None and found and self._jumped:  # a year later nobody remembers it
            outcome_found = results_of(call, found)
            if outcome_found is None:
                self._say(call, f"torn: {found[:3]}")
            return outcome_found
        if outcome is None or outcome == "not applied":
            return None  # whatever is there, is there wrongly
        return [result_of(one) for one in getattr(outcome, "results", [outcome])]

    def _unknown(self) -> None:
        imports = {content.import_call(number) for number in range(content.IMPORTS)}
        for call in self._found.by_call:
            known = self._all.get(call)
            if call not in imports and (known is None or known.store != self._store.id):
                self.problems.append(f"events of {call}, which nobody stored here")

    def _streams(self) -> None:
        for stream, versions in self._found.versions.items():
            if any(after != before + 1 for before, after in pairwise(versions)):
                self.problems.append(f"{stream}: the versions are {versions[:50]}")
        for stream in set(self._found.versions) - self._cuts.streams:
            versions, last = self._found.versions[stream], self._store.version(stream)
            if (versions[0], versions[-1]) != (0, last):
                self.problems.append(f"{stream}: {versions[0]}..{versions[-1]}, not to {last}")
        self._hidden()
        if self._store.stream_info(content.AGED).first_version != 0:
            self.problems.append("events of today have expired")

    def _hidden(self) -> None:
        for stream in self._cuts.streams:
            shown = {event.version for event in self._store.read(stream, missing_ok=True)}
            for call in self._calls:
                if "p" not in call.about or call.about["p"][0][0] != stream:
                    continue
                for event in self._found.by_call[call.id]:
                    if event.version in shown and self._cuts.must_hide(event, call):
                        self._say(call, f"{event} is shown, and was cut away")
                    if event.version not in shown and not self._cuts.may_hide(event, call):
                        self._say(call, f"{event} is hidden, and nobody cut it away")

    def _gapless(self) -> None:
        head = self._store.stats().position
        if sorted(self._positions) != list(range(1, head + 1)):
            gaps = sorted(set(range(1, head + 1)) ^ self._positions)
            self.problems.append(f"{self._store.id}: positions {gaps[:10]} of {head}")
        if any(after <= before for before, after in pairwise(self._found.positions)):
            self.problems.append(f"{self._store.id}: positions twice or out of order")

    def _tags(self) -> None:
        for call in self._calls:
            if "g" in call.about and (mine := self._found.by_call[call.id]):
                between = [
                    position
                    for position in self._found.tagged[call.about["g"]]
                    if call.about["a"] < position < mine[0].position
                ]
                if between:
                    self._say(call, f"its condition did not hold: {between[:3]} {mine[0]}")

    def _snapshots(self) -> None:
        kept = {found.source: found for found in self._store.list_snapshots()}
        for call in self._calls:
            if call.op != "snapshot":
                continue
            found = kept.pop(call.id, None)
            wanted = (call.about["stream"], call.about["version"], content.payload(call.id, 0))
            if found is None:
                if call.done:
                    self._say(call, "its snapshot is lost")
                elif call.ended is None:
                    self.settled[call.id] = None
            elif not call.may_be_done or (found.stream, found.version, found.json()) != wanted:
                self._say(call, f"{call.refused}: {found}")
            elif not call.done:
                self.settled[call.id] = []
        if kept:
            self.problems.append(f"snapshots by nobody: {list(kept)}")

    def _imported(self, number: int) -> None:
        name = content.import_call(number)
        numbers = [event.n for event in self._found.by_call[name]]
        answered = any(call.answer for call in self._calls if call.about.get("number") == number)
        count = content.IMPORTED if answered else len(numbers)
        if numbers != list(range(count)):
            self.problems.append(f"{name}: {numbers[:70]} of {count}")
        if (self._store.tracked(name) or 0) != len(numbers):
            self.problems.append(f"{name}: {len(numbers)} stored, {self._store.tracked(name)}")
