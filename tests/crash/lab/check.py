"""A fresh process looks at what is left: everything against the ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb.sqlite import files
from tests.crash.lab import content, ledger
from tests.crash.lab.ledger import Call, Ledger, Line
from tests.crash.lab.lives import LivesCheck, read_aside, year_passed
from tests.crash.lab.stored import Cuts, StoreCheck, contents, end, expected

JUMPS = ("clock set back an hour", "clock set a year forward")


def check(directory: Path, outside: Path) -> dict[str, Any]:
    """What is wrong, what became of calls that nobody answered, and what was counted."""
    lines = ledger.read(outside)
    calls = ledger.calls(lines)
    problems = [f"{line['c']}: {line['e']}" for line in ledger.of_kind(lines, "trouble")]
    problems += [path.read_text() for path in outside.glob("*.trouble")]
    jumped = year_passed(lines)
    say = Ledger(outside / "checks.jsonl").say
    again: list[list[Any]] = []
    with pyesdb.open(directory) as db:
        for name in content.STORES:
            one = StoreCheck(db.store(name), calls, jumped=jumped)
            one.run()
            problems += [f"{name}: {problem}" for problem in one.problems]
            for call, results in one.settled.items():
                say("found", c=call, stored=results is not None, r=results)
                if "p" in calls[call].about and not jumped:
                    again.append([call, calls[call].about])
        lives = LivesCheck(db, directory, calls, lines)
        lives.run()
        problems += lives.problems
        for call, found in lives.settled.items():
            incarnation, results = found or (None, None)
            say("found", c=call, stored=found is not None, r=results, i=incarnation)
        for store, states in lives.states.items():
            say("states", s=store, states=states)
        problems += _backups(db, outside, calls, lines, say)
    return {
        "problems": problems,
        "again": again,
        "jumps": [JUMPS[line["jump"] > 0] for line in ledger.of_kind(lines, "jump")],
        "dying": [line["place"] for line in ledger.of_kind(lines, "dying")],
    }


def acknowledged(calls: Any) -> int:
    """Events that a child was told are stored."""
    return sum(len(content.spread(call.about["p"])) for call in calls if _told(call))


def _told(call: Call) -> bool:
    return call.answer is not None and "p" in call.about


def _backups(
    db: pyesdb.Database, outside: Path, calls: dict[str, Call], lines: list[Line], say: Any
) -> list[str]:
    """What bears a backup's name is a whole one; one of them is restored, then all are deleted."""
    problems = []
    known = {line["c"] for line in ledger.of_kind(lines, "looked")}
    there = {path.stem: path for path in outside.glob("*.backup")}
    for call in calls.values():
        if call.op == "backup" and call.id not in known:
            if call.answer is not None and call.id not in there:
                problems.append(f"backup {call.id} is lost")
            say("looked", c=call.id)
    unanswered = [name for name in there if calls[name].answer is None]
    for name in (unanswered or list(there))[:1]:
        problems += _restored(db, there[name], calls[name])
    for path in [*there.values(), *outside.glob("*.part*")]:
        path.unlink()
    return problems


def _restored(db: pyesdb.Database, path: Path, call: Call) -> list[str]:
    """A backup has what its store has up to its head, but for what was scavenged since."""
    try:
        store = db.restore_backup(path, as_="restored")
    except pyesdb.PyesdbError as error:
        return [f"backup {call.id}: {error}"]
    head = store.stats().position
    now, then = contents(db.store(call.store)), contents(store)
    problems = [f"backup {call.id}: {problem}" for problem in then.problems]
    for name, events in now.by_call.items():
        kept = [event for event in events if event.position <= head]
        if not set(kept) <= set(then.by_call[name]):
            problems.append(f"backup {call.id}: not all of {name}: {kept[:3]}")
    if call.answer and call.answer["position"] != head:
        problems.append(f"backup {call.id}: up to {head}, not {call.answer['position']}")
    db.remove_store("restored", purge=True)
    return problems


def count(directory: Path, outside: Path) -> dict[str, Any]:
    """The independent count: files as SQLite alone reads them against what was answered."""
    lines = ledger.read(outside)
    calls = ledger.calls(lines)
    stored: dict[tuple[str, int], Any] = {}
    for path in directory.glob("*/*/store.db"):
        if path.parent.name != "$system":
            incarnation, inside = read_aside(path)
            for call, events in inside.by_call.items():
                key = (call, 0 if path.parent.name in content.STORES else incarnation)
                assert key not in stored
                stored[key] = set(events)
    erased, purges = _erased(directory), _purges(calls, everywhere=year_passed(lines))
    cuts = {name: Cuts(c for c in calls.values() if c.store == name) for name in content.STORES}
    counts = {"there": 0, "scavenged": 0, "erased": 0, "lost": 0}
    for call in calls.values():
        if not _told(call) or call.answer is None:
            continue
        kept = call.store in content.STORES
        incarnation = 0 if kept else call.answer["i"]
        for event in expected(call, call.answer["r"]):
            if event in stored.get((call.id, incarnation), ()):
                counts["there"] += 1
            elif kept and cuts[call.store].may_reclaim(event, call):
                counts["scavenged"] += 1
            elif not kept and incarnation in erased and purges(call):
                counts["erased"] += 1
            else:
                counts["lost"] += 1
    shutil.rmtree(directory)
    return {"acknowledged": acknowledged(calls.values()), **counts}


def _purges(calls: dict[str, Call], *, everywhere: bool) -> Callable[[Call], bool]:
    """Whether a call's events may have been erased: by a purge, or by a clock `everywhere`."""
    asked = [call for call in calls.values() if call.op == "purge" and call.may_be_done]
    return lambda put: (
        everywhere or any(one.store == put.store and put.began < end(one) for one in asked)
    )


def _erased(directory: Path) -> set[int]:
    with closing(files.open_raw(directory / "stores" / "$system" / "store.db")) as connection:
        rows = connection.execute("SELECT data FROM events WHERE type = 'StoreErased'").fetchall()
    return {json.loads(data)["incarnation"] for (data,) in rows}
