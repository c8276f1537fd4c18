"""The load: random calls, each said to the ledger before it is made and when it is answered."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyesdb
from pyesdb import AppendCondition, StreamState, select
from pyesdb.telemetry.clock import set_source
from pyesdb.transfer import import_events
from tests.crash.lab import content
from tests.crash.lab.content import CONTESTED, STORES, Parts
from tests.crash.lab.ledger import Ledger

REFUSALS = (pyesdb.ConflictError, pyesdb.StreamNotFound, pyesdb.StreamDeleted)
GOING = (
    *REFUSALS,
    pyesdb.StoreNotFound,
    pyesdb.StoreRemoved,
    pyesdb.StoreFrozen,
    pyesdb.StoreStarting,
)
"""What a call of a store may meet that others create and remove meanwhile."""

WEIGHTS = {
    "single": 30,
    "batch": 6,
    "many": 10,
    "tagged": 12,
    "hot": 14,
    "cut": 10,
    "truncate": 3,
    "delete": 2,
    "scavenge": 1,
    "snapshot": 5,
    "contested": 12,
    "imported": 1,
    "backup": 0.5,
}
SCRIPTS = {
    "append": ["single", "hot", "tagged", "many", "single", "batch", "tagged", "single"],
    "life": ["life"],
    "scavenge": ["cut", "cut", "truncate", "delete", "cut", "scavenge"],
    "import": ["imported"],
    "backup": ["single", "backup"],
}
"""What the first thread of a victim does, over and over, to come to its place."""

LIFE = [
    *("create", "put", "freeze", "thaw", "update", "remove", "recover", "put"),
    *("remove", "create", "put", "update", "purge", "create", "remove", "purge"),
]


class Load:
    """The calls of one thread."""

    def __init__(
        self, db: pyesdb.Database, ledger: Ledger, name: str, seed: str, outside: Path
    ) -> None:
        self._db = db
        self._ledger = ledger
        self._name = name
        self._chance = random.Random(f"{seed}/{name}")
        self._outside = outside
        self._count = 0
        self._lives = self._chance.randrange(len(LIFE))
        self.own = content.own(int(name.split(".")[1]))
        self.weights = dict(WEIGHTS)

    def one(self) -> None:
        """A random call."""
        names, weights = zip(*self.weights.items(), strict=True)
        getattr(self, self._chance.choices(names, weights)[0])()

    def _call(
        self,
        op: str,
        store: str,
        doing: Callable[[str], Any],
        refusals: tuple[type[Exception], ...] = REFUSALS,
        **about: Any,
    ) -> None:
        self._count += 1
        call = f"{self._name}.{self._count}"
        self._ledger.say("call", c=call, op=op, s=store, **about)
        self._made(call, doing, refusals)

    def _made(
        self, call: str, doing: Callable[[str], Any], refusals: tuple[type[Exception], ...]
    ) -> None:
        try:
            found = doing(call)
        except refusals as error:
            self._ledger.say("refused", c=call, e=type(error).__name__)
        except pyesdb.OutcomeUnknown:
            self._ledger.say("unknown", c=call)
        except Exception as error:  # noqa: BLE001  (the check reports it)
            self._ledger.say("trouble", c=call, e=f"{type(error).__name__}: {error}")
        else:
            self._ledger.say("answer", c=call, **_told(found))

    def again(self, call: str, about: dict[str, Any]) -> None:
        """Repeat a call that was never answered, under its command id."""
        self._ledger.say("call", c=call, op=about["op"], s=about["s"])
        self._made(call, lambda _: self._append(call, **about), REFUSALS)

    def move_clock(self, seconds: float) -> None:
        """From now on this process is that far from the others."""
        self._ledger.say("jump", jump=seconds)
        set_source(lambda: time.time_ns() + int(seconds * 1e9))

    # -- events

    def _append(self, call: str, s: str, p: Parts, **about: Any) -> Any:
        store, tags = self._db.store(s), [about["g"]] if "g" in about else []
        named: dict[str, Any] = {"command_id": content.uuid("command", call)}
        if tags:
            named["condition"] = AppendCondition(select.tags(*tags), after=about["a"])
        if len(p) > 1:
            return store.append_many(content.appends(call, p), **named)
        stream, count = p[0]
        if "e" in about:
            named["expected"] = StreamState.NO_STREAM if about["e"] < 0 else about["e"]
        return store.append(stream, content.events(call, 0, count, tags), **named)

    def _store(self) -> str:
        return self._chance.choice(STORES)

    def _appending(self, op: str, p: Parts, store: str = "", **about: Any) -> None:
        store = store or self._store()
        about = {"p": p, **about}
        self._call(op, store, lambda call: self._append(call, store, **about), **about)

    def single(self) -> None:
        stream = self._chance.choice([*(f"solo-{n}" for n in range(6)), content.AGED])
        self._appending("single", [(stream, 1)])

    def age(self, store: str) -> None:
        """The first event of the stream that has a `max_age`."""
        self._appending("single", [(content.AGED, 1)], store)

    def batch(self) -> None:
        size = min(200, 10 + int(self._chance.expovariate(1 / 25)))
        self._appending("batch", [(f"batch-{self._chance.randrange(3)}", size)])

    def many(self) -> None:
        streams = self._chance.sample([f"many-{n}" for n in range(6)], self._chance.randint(2, 5))
        self._appending("many", [(stream, self._chance.randint(1, 12)) for stream in streams])

    def tagged(self) -> None:
        """Behind what was seen of a tag nobody else may have stored an event with it (DCB)."""
        store, tag = self._store(), f"seat-{self._chance.randrange(4)}"
        seen = self._db.store(store).read_all(select=select.tags(tag), backwards=True, limit=1)
        stream = self._chance.choice([None, "booked"])
        self._appending("tagged", [(stream, 1)], store, a=seen.head, g=tag)

    def hot(self) -> None:
        store, stream = self._store(), f"hot-{self._chance.randrange(2)}"
        version = self._db.store(store).version(stream)
        expected = -1 if version is StreamState.NO_STREAM else version
        self._appending("hot", [(stream, self._chance.randint(1, 3))], store, e=expected)

    def _cut_stream(self) -> str:
        return self._chance.choice(["cut-0", "cut-1", "gone-0"])

    def cut(self) -> None:
        self._appending("cut", [(self._cut_stream(), self._chance.randint(1, 30))])

    def truncate(self) -> None:
        name, stream = self._store(), f"cut-{self._chance.randrange(2)}"
        store = self._db.store(name)
        version = store.version(stream)
        before = self._chance.randint(0, 0 if version is StreamState.NO_STREAM else version)
        doing: Callable[[str], Any] = lambda _: store.truncate_stream(  # noqa: E731
            stream, before_version=before
        )
        self._call("truncate", name, doing, stream=stream, before=before)

    def delete(self) -> None:
        name = self._store()
        doing: Callable[[str], Any] = lambda _: self._db.store(name).delete_stream("gone-0")  # noqa: E731
        self._call("delete", name, doing, stream="gone-0")

    def scavenge(self) -> None:
        name = self._store()
        self._call("scavenge", name, lambda _: self._db.store(name).scavenge())

    def snapshot(self) -> None:
        name, stream = self._store(), f"hot-{self._chance.randrange(2)}"
        version = self._db.store(name).version(stream)
        if version is not StreamState.NO_STREAM:
            self._call(
                "snapshot",
                name,
                lambda call: self._db.store(name).record_snapshot(
                    call, stream, version, content.payload(call, 0)
                ),
                stream=stream,
                version=version,
            )

    def imported(self) -> None:
        number = self._chance.randrange(content.IMPORTS)
        self._call(
            "import",
            "side",
            lambda _: import_events(
                self._db.store("side"),
                self._outside / f"{content.import_call(number)}.lines",
                source_id=content.import_call(number),
                batch=10,
            ),
            number=number,
        )

    def backup(self) -> None:
        name = self._store()
        self._call(
            "backup",
            name,
            lambda call: self._db.backup_store(name, self._outside / f"{call}.backup"),
        )

    # -- lives

    def contested(self) -> None:
        """A step in the life of a store in which everybody meddles."""
        ops = ("create", "put", "remove", "recover", "purge", "freeze", "thaw", "update")
        op = self._chance.choices(ops, (3, 6, 2, 2, 1, 1, 1, 1))[0]
        self._live(op, self._chance.choice(CONTESTED))

    def life(self) -> None:
        """The next step in the life of the store that only this thread changes."""
        self._lives = (self._lives + 1) % len(LIFE)
        self._live(LIFE[self._lives], self.own)

    def _live(self, op: str, name: str) -> None:
        db = self._db
        if op == "put":
            parts: Parts = [("s", self._chance.randint(1, 5))]
            self._call(op, name, lambda call: self._append(call, name, parts), GOING, p=parts)
            return
        steps: dict[str, Callable[[str], Any]] = {
            "create": lambda _: db.create_store(name),
            "remove": lambda _: db.remove_store(name),
            "purge": lambda _: db.remove_store(name, purge=True),
            "recover": lambda _: db.recover_store(name),
            "freeze": lambda _: db.freeze_store(name),
            "thaw": lambda _: db.thaw_store(name),
            "update": lambda call: db.update_store(name, description=call),
        }
        self._call(op, name, steps[op], GOING)


def _told(found: Any) -> dict[str, Any]:
    """What is kept of an answer."""
    results = getattr(found, "results", [found])
    if not all(hasattr(result, "first_version") and hasattr(result, "token") for result in results):
        return {"position": found.position} if hasattr(found, "position") else {}
    return {
        "r": [result_of(result) for result in results],
        "i": found.token.incarnation,
        "d": found.duplicate,
    }


def result_of(result: pyesdb.AppendResult) -> list[Any]:
    """Stream, first version, last version, first position, last position."""
    names = ("stream", "first_version", "version", "first_position", "position")
    return [getattr(result, name) for name in names]
