"""Opens what the power cut has left, with the plain package, and compares it with what must be.

It settles what was not answered, in `expected`, and says what is wrong: one line per problem.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pyesdb
from pyesdb import NewEvent
from tests.crash.power.calls import body, numbers, size_of, store_append, stream_of
from tests.crash.power.expected import Command, Content, Expected

LOOKS = 0.5
"""Share of the images that are opened for reading only before all else."""
REFUSALS = (pyesdb.Unavailable, pyesdb.NotFound, pyesdb.StoreFailed)
"""What a reader may meet who cannot recover anything."""
AGAIN = 4
"""How many calls of each kind are done once more."""


def check(expected: Expected, directory: Path, chance: Random, looks: Counter[str]) -> list[str]:
    """All that is wrong with an image; the image is written to and is used up.

    `looks` counts what the stores answered that were only looked at.
    """
    problems: list[str] = []
    try:
        looked = looked_at(directory, looks) if chance.random() < LOOKS else {}
        with pyesdb.open(directory) as db:
            problems += check_catalog(expected, db, directory)
            for store, events in looked.items():
                if events != everything(db.store(store)):
                    problems.append(f"{store}: read-only, {len(events)} events were seen")
            problems += check_backups(expected, db, directory.parent, chance)
            for store, content in expected.contents.items():
                if expected.lives[store] == "trash":
                    db.recover_store(store)
                if expected.lives[store] == "frozen":
                    db.thaw_store(store)
                problems += Store(db, store, content, chance).check()
    except pyesdb.PyesdbError as error:
        problems.append(f"it cannot be used: {error!r}")
    return problems


def everything(store: pyesdb.Store) -> list[tuple[int, str, int, bytes]]:
    return [(e.position, e.stream, e.version, e.data) for e in store.read_all()]


def looked_at(directory: Path, looks: Counter[str]) -> dict[str, list[tuple[int, str, int, bytes]]]:
    """What can be read before anything is recovered: the same as later, or a refusal."""
    found = {}
    try:
        with pyesdb.open(directory, read_only=True) as db:
            for store in db.list_stores():
                try:
                    found[store] = everything(db.store(store))
                    looks["answered"] += 1
                except REFUSALS:
                    looks["refused"] += 1
    except REFUSALS:
        looks["refused at the door"] += 1
    return found


def check_catalog(expected: Expected, db: pyesdb.Database, directory: Path) -> list[str]:
    """Stores live, lie in the trash or are gone as was answered; and the disk says the same."""
    problems: list[str] = []
    listed, trash = db.list_stores(system=True), db.trash()
    states = {item.store_id: "trash" for item in trash}
    states |= {id: info.status.replace("running", "live") for id, info in listed.items()}
    for store in {*expected.lives, *expected.turns}:
        state, before = states.pop(store, "absent"), expected.lives.get(store, "absent")
        turn = expected.turns.get(store)
        if state != before and (turn is None or turn.state != state):
            problems.append(f"LOST: {store} is {state}, was {before}, {turn} was asked for")
        expected.settle(store, state)
    if states != {"$system": "live"}:
        problems.append(f"stores from nowhere: {states}")
    names = {path.name for path in (directory / "stores").iterdir()}
    if names != set(listed):
        problems.append(f"catalog {sorted(listed)}, disk {sorted(names)}")
    names = {path.name for path in (directory / "trash").iterdir()}
    if names != {f"{item.store_id}.{item.incarnation}" for item in trash}:
        problems.append(f"the trash is {trash}, on disk {sorted(names)}")
    if list((directory / "drafts").iterdir()):
        problems.append("drafts are left over")
    return problems


def check_backups(expected: Expected, db: pyesdb.Database, base: Path, chance: Random) -> list[str]:
    """Those that were answered have their name, and what has a name is whole.

    What was certain before is restored too, but only one of it, or it would take too long.
    """
    problems: list[str] = []
    known: list[str] = []
    for name, backup in list(expected.backups.items()):
        if not (base / name).exists():
            if backup.certain:
                problems.append(f"LOST: {name}")
            del expected.backups[name]
            continue
        if backup.certain:
            known.append(name)
        else:
            backup.certain = True
            problems += restored(db, base / name, backup.content, chance)
    if known:
        name = chance.choice(known)
        problems += restored(db, base / name, expected.backups[name].content, chance)
    return problems


def restored(db: pyesdb.Database, path: Path, content: Content, chance: Random) -> list[str]:
    """What is wrong with a backup's content."""
    try:
        db.restore_backup(path, as_="restored")
    except pyesdb.PyesdbError as error:
        return [f"LOST: {path.name}: {error!r}"]
    problems = Store(db, "restored", deepcopy(content), chance).check()
    db.remove_store("restored", purge=True)
    return problems


class Store:
    """One store against its expected content."""

    def __init__(self, db: pyesdb.Database, id: str, content: Content, chance: Random) -> None:
        self.store, self.content, self.chance = db.store(id), content, chance
        self.text = db.get_store_config(id).description
        self.problems: list[str] = []
        self.found: dict[str, dict[int, Any]] = defaultdict(dict)

    def check(self) -> list[str]:
        for event in self.store.read_all():
            self._sort_in(event)
        for command in self.content.commands.values():
            self._settle(command)
        self._hidden()
        self._there()
        self._order()
        self._snapshots()
        self._tracked()
        self._described()
        self._outcomes()
        verified = self.store.verify()
        if not verified.ok:
            self._wrong(f"verify: {verified.problems}")
        self._goes_on()
        return self.problems

    def _wrong(self, text: str) -> None:
        self.problems.append(f"{self.store.id}: {text}")

    def _sort_in(self, event: pyesdb.RecordedEvent) -> None:
        said = event.json()
        command = self.content.commands.get(said["c"])
        if command is None or command.state in ("void", "refused"):
            self._wrong(f"position {event.position}: came from nowhere, or was refused")
        elif said != body(command.call, said["i"]):
            self._wrong(f"position {event.position}: other data than was given")
        elif said["i"] in self.found[said["c"]]:
            self._wrong(f"position {event.position}: stored twice")
        elif event.stream != stream_of(command.call, said["i"]):
            self._wrong(f"position {event.position}: in another stream")
        else:
            self.found[said["c"]][said["i"]] = event

    def _settle(self, command: Command) -> None:
        """What was answered is where it was; what was not is whole or void."""
        if command.state != "asked":
            return
        found = self.found[command.call["command"]]
        command.state = "done" if found else "void"
        if not found:
            return
        at = 0
        for stream, count in command.call["parts"]:
            if at in found:
                command.numbers.append([stream, found[at].version, found[at].position, count])
            at += count
        if len(found) != at:
            self._wrong(f"half of a batch: {len(found)} of {at} events")

    def _hidden(self) -> None:
        """A stream is deleted or cut if that was answered; else it may be, or not."""
        kept = []
        for fact in self.content.hides:
            call = fact.call
            hidden = self._first(call["stream"]) >= call["below"]
            if fact.certain and not hidden:
                self._wrong(f"LOST: {call}")
            fact.certain = hidden
            if hidden:
                kept.append(fact)
        self.content.hides = kept

    def _first(self, stream: str) -> int:
        """The first version that a reader of the stream sees."""
        try:
            event = self.store.read(stream).first()
        except pyesdb.StreamDeleted:
            return 1000
        return -1 if event is None else event.version

    def _there(self) -> None:
        """Each event that is certain is at its place, or hidden and perhaps scavenged."""
        below = {fact.call["stream"]: fact.call["below"] for fact in self.content.hides}
        for id, command in self.content.commands.items():
            for n, place in enumerate(command.places()):
                event = self.found[id].get(n)
                if event is None and place[1] >= below.get(place[0], 0):
                    self._wrong(f"LOST: {place}, the {n}. of {command.call}")
                if event is not None and (event.stream, event.version, event.position) != place:
                    self._wrong(f"moved: {place} to {event.version}, {event.position}")

    def _order(self) -> None:
        """Positions 1..n and versions 0..n, each once."""
        done = [c for c in self.content.commands.values() if c.state == "done"]
        places = [place for command in done for place in command.places()]
        positions = sorted(position for _, _, position in places)
        if positions != list(range(1, len(positions) + 1)):
            self._wrong(f"positions are not 1 to {len(positions)}")
        versions: dict[str, list[int]] = defaultdict(list)
        for stream, version, _ in places:
            versions[stream].append(version)
        for stream, numbered in versions.items():
            if sorted(numbered) != list(range(len(numbered))):
                self._wrong(f"versions of {stream} are not 0 to {len(numbered) - 1}")
        tags = [command.call["tag"] for command in done if "tag" in command.call]
        if len(tags) != len(set(tags)):
            self._wrong("two appends, each on the condition that the other is not there")
        self.head = len(positions)
        if self.store.stats().position != self.head:
            self._wrong(f"the head is {self.store.stats().position}, not {self.head}")

    def _snapshots(self) -> None:
        there = {(s.source, s.stream, s.version): s.json() for s in self.store.list_snapshots()}
        kept = []
        for fact in self.content.snapshots:
            call = fact.call
            data = there.pop((call["source"], call["stream"], call["version"]), None)
            if data not in ((call["data"],) if fact.certain else (call["data"], None)):
                self._wrong(f"LOST: snapshot {call}, found {data}")
            if data is not None:
                fact.certain = True
                kept.append(fact)
        self.content.snapshots = kept
        if there:
            self._wrong(f"snapshots from nowhere: {there}")

    def _tracked(self) -> None:
        highest: dict[str, int] = {}
        for command in self.content.commands.values():
            if command.state == "done" and "tracking" in command.call:
                source, position = command.call["tracking"]
                highest[source] = max(position, highest.get(source, 0))
        for source, position in highest.items():
            if self.store.tracked(source) != position:
                self._wrong(f"{source} is at {self.store.tracked(source)}, not {position}")

    def _described(self) -> None:
        if self.text not in self.content.texts:
            self._wrong(f"LOST: its description is {self.text!r}, not of {self.content.texts}")
        self.content.texts = [self.text]

    def _outcomes(self) -> None:
        """Asked by its id, or done again, a command has its first answer; a void one has none."""
        for id, command in self.content.commands.items():
            outcome: Any = self.store.outcome(UUID(id))
            if command.state == "void" and "tag" in command.call and outcome == "not applied":
                command.state = "refused"  # nobody had heard of it
            said = numbers(outcome) if hasattr(outcome, "token") else outcome
            wanted = {"done": command.numbers, "refused": "not applied"}.get(command.state)
            if said != wanted:
                self._wrong(f"outcome {said} of {command}")
        for state in ("done", "void"):
            every = [c for c in self.content.commands.values() if c.state == state]
            for command in self.chance.sample(every, min(AGAIN, len(every))):
                self._again(command)

    def _again(self, command: Command) -> None:
        call = dict(command.call)
        if command.state == "void":
            try:
                store_append(self.store, call)
            except pyesdb.ConflictError:
                return
            if call["duplicate"]:
                self._wrong(f"a void command was known: {call}")
            self.head += size_of(call)
            return
        answer = store_append(self.store, call)
        if not call["duplicate"] or answer != command.numbers:
            self._wrong(f"done again, {command} gave {answer}")

    def _goes_on(self) -> None:
        position = self.store.append("afterwards", NewEvent("Made")).position
        if position != self.head + 1:
            self._wrong(f"the next event is at {position}, not {self.head + 1}")
