"""Scenarios: text files of commands with the outcomes that are expected below each.

    python -m tests.machine.scenario --rewrite     writes the outcomes anew: read the diff

A line is a command; the lines below it that start with "    " are what comes out. Words:

    append STREAM [TYPE...] [expected=any|none|exists|N] [ids=1,2] [tags=a,b] [command=N]
           [unless=type:T|tag:T|stream:S|all] [after=N] [tracking=SOURCE:N]
    many STREAM@EXPECTED:TYPE,TYPE ...      delete | tombstone STREAM [expected=...]
    truncate STREAM VERSION                 count | age STREAM N|none
    expire [SECONDS off]                    scavenge [LIMIT]
    snapshot SOURCE STREAM VERSION TEXT     forget SOURCE STREAM [VERSION]
    configure [NAME=N ...]                  freeze | thaw | seal | unseal | barrier
    wait SECONDS | back SECONDS | reopen    show STREAM | events | snapshots
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyesdb import Selector, select
from pyesdb.model import commands as c
from pyesdb.model.outcomes import Appended, Done, Outcome, Refused
from pyesdb.model.versions import ANY, EXISTS, NO_STREAM
from tests.machine.lab import SECOND, Lab, event

FOLDER = Path(__file__).with_name("scenarios")
EXPECTED = {"any": ANY, "none": NO_STREAM, "exists": EXISTS}
STATES = ("active", "deleted", "tombstoned")
SELECT: dict[str, Callable[[str], Selector]] = {
    "type": select.event_type,
    "tag": select.tags,
    "stream": select.stream,
}


def text_of(outcome: Outcome) -> str:
    match outcome:
        case Appended(results, _, duplicate):
            parts = [
                f"{count} to version {version} at position {position}" if count else "nothing"
                for _, count, version, position in results
            ]
            return ", ".join(parts) + (" (a duplicate)" if duplicate else "")
        case Refused(code, _, fields):
            return " ".join(["refused", code, *(f"{k}={v}" for k, v in sorted(fields.items()))])
        case Done(value):
            return "done" if value is None else f"done {value}"


def expected(text: str) -> int:
    return EXPECTED[text] if text in EXPECTED else int(text)


def number(text: str) -> int | None:
    return None if text == "none" else int(text)


class Player:
    """Plays one scenario on one file; counts ids from 1 so that texts stay the same."""

    def __init__(self, path: Path) -> None:
        self.lab = Lab(path)
        self.event_ids = 1000

    def play(self, line: str) -> list[str]:
        """The outcome of a line."""
        word, *rest = shlex.split(line)
        args = [arg for arg in rest if "=" not in arg]
        options = dict(arg.split("=", 1) for arg in rest if "=" in arg)
        found = getattr(self, f"do_{word}")(args, options)
        if found is None:
            return []
        return found if isinstance(found, list) else [text_of(found)]

    def _events(self, types: list[str], options: dict[str, str]) -> list[Any]:
        ids = [int(text) for text in options["ids"].split(",")] if "ids" in options else []
        tags = options["tags"].split(",") if "tags" in options else []
        made = []
        for index, kind in enumerate(types):
            self.event_ids += 1
            id_ = ids[index] if index < len(ids) else self.event_ids
            made.append(event(kind, id=id_, tags=tags))
        return made

    def do_append(self, args: list[str], options: dict[str, str]) -> Outcome:
        stream, *types = args
        more: dict[str, Any] = {}
        if "unless" in options:
            kind, _, name = options["unless"].partition(":")
            more["condition"] = SELECT[kind](name) if name else select.everything
            more["after"] = int(options.get("after", 0))
        if "tracking" in options:
            source, _, position = options["tracking"].partition(":")
            more["tracking"] = (source, int(position))
        if "command" in options:
            more["id"] = (10**6 + int(options["command"])).to_bytes(16)
        new = self._events(types, options)
        return self.lab.append(stream, new, expected(options.get("expected", "any")), **more)

    def do_many(self, args: list[str], options: dict[str, str]) -> Outcome:
        parts = []
        for arg in args:
            name, _, kinds = arg.partition(":")
            stream, _, wanted = name.partition("@")
            new = self._events(kinds.split(",") if kinds else [], options)
            parts.append((stream, expected(wanted or "any"), new))
        return self.lab.send(self.lab.appending(*parts, many=True))[0]

    def _delete(self, args: list[str], options: dict[str, str], *, tombstone: bool) -> Outcome:
        wanted = expected(options.get("expected", "any"))
        return self.lab.do(c.DeleteStream, args[0], wanted, tombstone)

    def do_delete(self, args: list[str], options: dict[str, str]) -> Outcome:
        return self._delete(args, options, tombstone=False)

    def do_tombstone(self, args: list[str], options: dict[str, str]) -> Outcome:
        return self._delete(args, options, tombstone=True)

    def do_truncate(self, args: list[str], _: dict[str, str]) -> Outcome:
        return self.lab.do(c.TruncateStream, args[0], int(args[1]))

    def do_count(self, args: list[str], _: dict[str, str]) -> Outcome:
        return self.lab.do(c.SetStreamMetadata, args[0], {"max_count": number(args[1])})

    def do_age(self, args: list[str], _: dict[str, str]) -> Outcome:
        age = number(args[1])
        return self.lab.do(
            c.SetStreamMetadata, args[0], {"max_age": None if age is None else age * SECOND}
        )

    def do_expire(self, args: list[str], _: dict[str, str]) -> Outcome:
        off = int(args[0]) if args else 0
        return self.lab.do(c.Expire, self.lab.now + (1 + off) * SECOND, 0, 1000)

    def do_scavenge(self, args: list[str], _: dict[str, str]) -> list[str]:
        outcome = self.lab.do(c.Scavenge, 0, int(args[0]) if args else 1000)
        assert isinstance(outcome, Done)
        return [f"{outcome.value[0]} events"]

    def do_snapshot(self, args: list[str], _: dict[str, str]) -> Outcome:
        source, stream, version, text = args
        kind = "text/plain"
        return self.lab.do(c.RecordSnapshot, source, stream, int(version), text.encode(), kind, b"")

    def do_forget(self, args: list[str], _: dict[str, str]) -> Outcome:
        version = int(args[2]) if len(args) > 2 else None
        return self.lab.do(c.DeleteSnapshot, args[0], args[1], version)

    def do_configure(self, _: list[str], options: dict[str, str]) -> Outcome:
        return self.lab.configure(**{key: int(value) for key, value in options.items()})

    def do_freeze(self, *_: object) -> Outcome:
        return self.lab.do(c.Freeze, True)

    def do_thaw(self, *_: object) -> Outcome:
        return self.lab.do(c.Freeze, False)

    def do_seal(self, *_: object) -> Outcome:
        return self.lab.do(c.Seal, True)

    def do_unseal(self, *_: object) -> Outcome:
        return self.lab.do(c.Seal, False)

    def do_barrier(self, *_: object) -> Outcome:
        return self.lab.do(c.Barrier)

    def do_wait(self, args: list[str], _: dict[str, str]) -> None:
        self.lab.now += int(args[0]) * SECOND

    def do_back(self, args: list[str], _: dict[str, str]) -> None:
        self.lab.now -= int(args[0]) * SECOND

    def do_reopen(self, *_: object) -> None:
        self.lab.reopen()

    def do_show(self, args: list[str], _: dict[str, str]) -> list[str]:
        found = self.lab.rows("SELECT state, first, swept FROM stream WHERE name = ?", args[0])
        if not found:
            return ["never existed"]
        state, first, swept = found[0]
        there = " ".join(map(str, self.lab.versions(args[0]))) or "none"
        return [f"{STATES[state]}, visible from {first}, reclaimed below {swept}; stored: {there}"]

    def do_events(self, *_: object) -> list[str]:
        rows = self.lab.rows(
            "SELECT e.position, s.name, e.version, t.name FROM event e "
            "JOIN stream s ON s.id = e.stream JOIN type t ON t.id = e.type ORDER BY e.position"
        )
        return [f"{position} {name}@{version} {kind}" for position, name, version, kind in rows]

    def do_snapshots(self, *_: object) -> list[str]:
        rows = self.lab.rows("SELECT stream, source, version, data FROM snapshot ORDER BY 1, 2, 3")
        return [f"{s}@{version} by {source}: {data.decode()}" for s, source, version, data in rows]


def played(text: str, path: Path) -> str:
    """The scenario with its outcomes as they are."""
    player = Player(path)
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("    "):
            continue
        lines.append(line)
        if line.strip() and not line.startswith("#"):
            lines += [f"    {outcome}" for outcome in player.play(line)]
    player.lab.close()
    return "\n".join(lines) + "\n"


def main() -> None:
    for file in sorted(FOLDER.glob("*.txt")):
        with tempfile.TemporaryDirectory() as folder:
            found = played(file.read_text("utf-8"), Path(folder, "store.db"))
        changed = found != file.read_text("utf-8")
        print(f"{file.name}: {'differs' if changed else 'as expected'}")
        if changed and "--rewrite" in sys.argv:
            file.write_text(found, "utf-8")


if __name__ == "__main__":
    main()
