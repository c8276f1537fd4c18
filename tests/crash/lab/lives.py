"""What must be there of stores that come and go: the catalog, the disk, and their events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb.sqlite import files
from tests.crash.lab import content
from tests.crash.lab.ledger import Call, Line
from tests.crash.lab.stored import Contents, Found, contents, expected, results_of

State = tuple[bool | None, tuple[bool, ...]]
"""Of a store: None if it is not there, else whether it is frozen; and the same of each in the
trash, the oldest removal first."""

NOTHING: State = (None, ())


def step(state: State, op: str) -> State | None:
    """What a call makes of a state; None if it is refused."""
    live, trash = state
    match op:
        case "create":
            return (False, trash) if live is None else None
        case "remove":
            return (None, (*trash, live)) if live is not None else None
        case "recover":
            return (trash[-1], trash[:-1]) if live is None and trash else None
        case "purge":
            return (None, trash if live is not None else ()) if live is not None or trash else None
        case "freeze" | "thaw":
            return (op == "freeze", trash) if live is not None else None
        case "put":
            return state if live is False else None
        case _:
            return state if live is not None else None


def possible(states: set[State], call: Call) -> set[State]:
    """The states behind a call."""
    found: set[State] = set()
    for state in states:
        following = step(state, call.op)
        if call.refused is None and following is not None:
            found.add(following)
        if call.answer is None and (call.refused is None or following is None):
            found.add(state)
        if call.ended is None and call.op == "purge" and state[0] is None:
            found.update((None, state[1][count:]) for count in range(len(state[1])))
    return found


def read_aside(path: Path) -> tuple[int, Contents]:
    """Incarnation and events of a file, as SQLite alone reads them."""
    found = Contents()
    with closing(files.open_raw(path)) as connection:
        incarnation = connection.execute("SELECT value FROM meta WHERE key='incarnation'").get
        rows = connection.execute(
            "SELECT position, stream, version, data FROM events ORDER BY position"
        ).fetchall()
    for position, stream, version, text in rows:
        data = json.loads(text)
        found.add(Found(position, stream, version, data["n"]), data["c"], data)
    return incarnation, found


def year_passed(lines: Iterable[Line]) -> bool:
    """Whether a clock went so far that what is in the trash has expired."""
    return any(line.get("jump", 0) > 0 for line in lines)


class Ends:
    """By an audit trail: how many purges the erasures must come from, at least."""

    def __init__(self) -> None:
        self.purges = 0
        """Of stores that were there."""
        self._purged: set[int] = set()
        self._removed: dict[int, int] = {}
        self._times: list[tuple[int, int]] = []
        """Of each erasure in the trash: since when that lay there, and until when."""

    def take(self, event: pyesdb.RecordedEvent, incarnation: int) -> None:
        if event.type == "StoreRemoved":
            self._removed.setdefault(incarnation, event.position)
            if event.json()["purge"]:
                self.purges += 1
                self._purged.add(incarnation)
        elif event.type == "StoreErased" and incarnation not in self._purged:
            self._times.append((self._removed.get(incarnation, event.position), event.position))

    def emptied(self) -> int:
        """The fewest purges of the trash that meet all that was erased there."""
        count, last = 0, -1
        for since, until in sorted(self._times, key=lambda time: time[1]):
            if since > last:
                count, last = count + 1, until
        return count


class LivesCheck:
    """Catalog, disk and events of the stores that come and go."""

    def __init__(
        self, db: pyesdb.Database, directory: Path, calls: dict[str, Call], lines: list[Line]
    ) -> None:
        self._db = db
        self._directory = directory
        self._calls = [call for call in calls.values() if call.store not in content.STORES]
        self._lines = lines
        self._listed = db.list_stores(system=True)
        self._erased: set[int] = set()
        self.problems: list[str] = []
        self.settled: dict[str, tuple[int, list[list[Any]]] | None] = {}
        self.states: dict[str, list[State]] = {}
        """What is known now of the stores that one process alone changes."""

    def run(self) -> None:
        self._disk()
        by_store: defaultdict[str, list[Call]] = defaultdict(list)
        for call in self._calls:
            by_store[call.store].append(call)
        for store, found in by_store.items():
            self._history(store, found)
            if store not in content.CONTESTED:
                self._own(store, found)
        self._events()

    def _disk(self) -> None:
        """Catalog equals disk."""
        disk = {path.name for path in (self._directory / "stores").iterdir()}
        if disk != set(self._listed):
            self.problems.append(f"stores {sorted(self._listed)}, on the disk {sorted(disk)}")
        for info in self._listed.values():
            if info.status not in ("running", "frozen"):
                self.problems.append(f"{info.store_id} is {info.status}: {info.reason}")
        trash = {f"{found.store_id}.{found.incarnation}" for found in self._db.trash()}
        trashed = {path.name for path in (self._directory / "trash").iterdir()}
        if trash != trashed:
            self.problems.append(f"trash {sorted(trash)}, on the disk {sorted(trashed)}")
        if drafts := list((self._directory / "drafts").iterdir()):
            self.problems.append(f"drafts are left: {drafts}")

    def _history(self, store: str, calls: list[Call]) -> None:
        """The audit trail is a life, it ends where the catalog is, and has every answered call."""
        live: int | None = None
        trash: set[int] = set()
        counts: defaultdict[str, int] = defaultdict(int)
        ends = Ends()
        for event in self._db.audit(store_id=store):
            counts[event.type] += 1
            incarnation = event.json().get("incarnation", live)
            ends.take(event, incarnation)
            legal = incarnation == live
            match event.type:
                case "StoreCreated":
                    legal, live = live is None, event.position
                case "StoreCreateFailed":
                    live = None
                case "StoreRemoved":
                    trash.add(incarnation)
                    live = None
                case "StoreRecovered":
                    legal = live is None and incarnation in trash
                    trash.discard(incarnation)
                    live = incarnation
                case "StoreErased":
                    legal = incarnation in trash
                    trash.discard(incarnation)
                    self._erased.add(incarnation)
                case _:
                    pass
            if not legal:
                self.problems.append(f"{store}: {event.type} at {event.position} with {live}")
        now = self._listed.get(store)
        if live != (now and now.incarnation):
            self.problems.append(f"{store}: {live} by its history, {now} in the list")
        listed = {found.incarnation for found in self._db.trash() if found.store_id == store}
        if trash != listed:
            self.problems.append(f"{store}: trash {trash} by its history, {listed} in the list")
        self._counted(store, calls, counts, ends)

    def _counted(self, store: str, calls: list[Call], counts: dict[str, int], ends: Ends) -> None:
        for op, count in (
            ("create", counts["StoreCreated"]),
            ("recover", counts["StoreRecovered"]),
            ("remove", counts["StoreRemoved"] - ends.purges),
        ):
            most = sum(call.op == op and call.may_be_done for call in calls)
            least = sum(call.op == op and call.done for call in calls)
            if not least <= count <= most:
                self.problems.append(f"{store}: {op} {count} times, not {least} to {most}")
        most = sum(call.op == "purge" and call.may_be_done for call in calls)
        least = ends.purges + (0 if year_passed(self._lines) else ends.emptied())
        if least > most:
            self.problems.append(f"{store}: erased by {least} purges, and {most} were asked for")

    def _own(self, store: str, calls: list[Call]) -> None:
        """Each call had the answer that its state demands, and the last state is there."""
        states, since = {NOTHING}, 0
        for line in self._lines:
            if line["kind"] == "states" and line["s"] == store:
                states = {(live, tuple(trash)) for live, trash in line["states"]}
                since = line["t"]
        for call in sorted(calls, key=lambda call: call.began):
            if call.began > since:
                before, states = states, possible(states, call)
                if not states:
                    self.problems.append(f"{store}: {call} cannot be in {before}")
                    return
        info = self._listed.get(store)
        live = None if info is None else info.status == "frozen"
        trashed = sum(found.store_id == store for found in self._db.trash())
        now = [state for state in states if (state[0], len(state[1])) == (live, trashed)]
        if not now:
            self.problems.append(f"{store}: frozen {live}, {trashed} in the trash, not {states}")
        self.states[store] = now

    def _events(self) -> None:
        found: dict[int, Contents] = {}
        for name, info in self._listed.items():
            if name not in (*content.STORES, "$system"):
                store = self._db.store(name)
                found[info.incarnation] = contents(store)
                self.problems += [f"{name}: {p.where}: {p.what}" for p in store.verify().problems]
        for path in (self._directory / "trash").iterdir():
            incarnation, inside = read_aside(path / "store.db")
            if incarnation in found:
                self.problems.append(f"{incarnation} is there twice: {path}")
            found[incarnation] = inside
        for incarnation, inside in found.items():
            self._whole(incarnation, inside)
        self._appended([call for call in self._calls if call.op == "put"], found)

    def _whole(self, incarnation: int, inside: Contents) -> None:
        self.problems += inside.problems
        count = len(inside.positions)
        if inside.positions != list(range(1, count + 1)) or (
            count and inside.versions != {"s": list(range(count))}
        ):
            self.problems.append(f"{incarnation}: {inside.positions} {dict(inside.versions)}")
        mine = {call.id for call in self._calls}
        if strange := set(inside.by_call) - mine:
            self.problems.append(f"{incarnation}: events of {strange}")

    def _appended(self, calls: Iterable[Call], found: dict[int, Contents]) -> None:
        for call in calls:
            places = {i: inside.by_call[call.id] for i, inside in found.items()}
            places = {i: events for i, events in places.items() if events}
            if call.done:
                incarnation = call.answer["i"] if call.answer else call.settled_in
                wanted = expected(call, call.answer["r"] if call.answer else call.settled_as)
                erased = incarnation in self._erased and not places
                if not wanted or (places != {incarnation: wanted} and not erased):
                    self.problems.append(f"{call}: lost or elsewhere: {places}")
            elif not call.may_be_done:
                if places:
                    self.problems.append(f"{call}: not stored, and in {places}")
            elif not places:
                self.settled[call.id] = None
            else:
                [(incarnation, events), *more] = places.items()
                results = results_of(call, events)
                if more or results is None:
                    self.problems.append(f"{call}: torn or twice: {places}")
                else:
                    self.settled[call.id] = incarnation, results
