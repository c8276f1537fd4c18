"""The seeded workload: writers on two stores, and one thread that makes and removes stores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

import pyesdb
from tests.crash.power import vfs
from tests.crash.power.calls import Call, Journal, command_id, store_append

STORES = ("default", "second")
LIVES = ("x0", "x1", "x2")
WRITERS = 3


class Writer:
    """One thread's calls on the stores that stay; its streams are its own, but for "shared"."""

    def __init__(self, db: pyesdb.Database, journal: Journal, name: str, job: Call) -> None:
        self.chance = Random(f"{job['seed']} {name}")
        self.db, self.journal, self.name, self.bulk = db, journal, name, job["bulk"]
        self.made = self.count = 0
        self.tags: list[str] = []

    def run(self, calls: int) -> None:
        actions: list[Callable[[str], None]] = [
            self.single, self.single, self.batch, self.batch, self.several, self.conditional,
            self.conditional, self.tracked, self.truncated, self.deleted, self.snapshot,
            self.scavenge, self.large,
        ]  # fmt: skip
        weights = [4, 4, 3, 3, 4, 2, 2, 2, 1, 1, 2, 0.5, 2 if self.bulk else 0]
        for _ in range(calls):
            self.chance.choices(actions, weights)[0](self.chance.choice(STORES))

    def new(self, kind: str) -> str:
        """A stream that nobody has used."""
        self.made += 1
        return f"{kind}-{self.name}-{self.made}"

    def append(self, store: str, parts: list[tuple[str, int]], size: int = 40, **more: Any) -> Any:
        do = "append" if len(parts) == 1 else "append_many"
        call: Call = {
            "do": do, "store": store, "parts": parts, "size": size,
            "command": command_id(self.chance), **more,
        }  # fmt: skip
        return self.journal.ask(call, lambda: store_append(self.db.store(store), call))

    def single(self, store: str) -> None:
        self.append(store, [(self.chance.choice(("shared", f"own-{self.name}")), 1)])

    def batch(self, store: str) -> None:
        size = self.chance.choice((10, 300, 3000))
        self.append(store, [(f"own-{self.name}", self.chance.randint(2, 20))], size)

    def several(self, store: str) -> None:
        streams = ["shared", f"own-{self.name}", self.new("new"), "common"]
        chosen = self.chance.sample(streams, self.chance.randint(2, 4))
        self.append(store, [(stream, self.chance.randint(1, 5)) for stream in chosen])

    def conditional(self, store: str) -> None:
        """Every other one is refused: its tag is there already."""
        if self.tags and self.chance.random() < 0.5:
            tag = self.tags.pop()
        else:
            tag = self.new("tag")
            self.tags.append(tag)
        self.append("default", [(f"own-{self.name}", self.chance.randint(1, 3))], tag=tag)

    def tracked(self, store: str) -> None:
        self.count += 1
        self.append("default", [("shared", 2)], tracking=[f"source-{self.name}", self.count])

    def truncated(self, store: str) -> None:
        stream, floor = self.new("short"), self.chance.randint(1, 5)
        self.append(store, [(stream, 3)], new=True)
        self.append(store, [(stream, 3)])
        self.journal.ask(
            {"do": "hide", "store": store, "stream": stream, "below": floor},
            lambda: [self.db.store(store).truncate_stream(stream, before_version=floor), None][1],
        )

    def deleted(self, store: str) -> None:
        stream = self.new("gone")
        self.append(store, [(stream, self.chance.randint(1, 6))], new=True)
        self.journal.ask(
            {"do": "hide", "store": store, "stream": stream, "below": 1000},
            lambda: [self.db.store(store).delete_stream(stream), None][1],
        )

    def snapshot(self, store: str) -> None:
        answer = self.append(store, [(f"own-{self.name}", 1)])
        version = answer[0][1]
        data = {"v": version, "pad": self.name * 50}
        self.journal.ask(
            {"do": "snapshot", "store": store, "stream": f"own-{self.name}", "version": version,
             "source": self.name, "data": data},
            lambda: [self.db.store(store).record_snapshot(
                self.name, f"own-{self.name}", version, data), None][1],
        )  # fmt: skip

    def scavenge(self, store: str) -> None:
        self.journal.ask({"do": "scavenge"}, lambda: self.db.store(store).scavenge().events)

    def large(self, store: str) -> None:
        """A thousand pages: four of these reach the automatic checkpoint."""
        self.append(store, [(f"large-{self.name}", 4)], 900_000)


FOLLOWING = {
    "absent": ["live"],
    "live": ["live", "live", "trash", "absent", "frozen"],
    "frozen": ["live", "absent"],
    "trash": ["live", "absent"],
}
"""What may follow a state of a store's life."""


class Keeper(Writer):
    """Makes and removes stores, and writes into them; `job["lives"]` says how they stand."""

    def __init__(self, db: pyesdb.Database, journal: Journal, name: str, job: Call) -> None:
        super().__init__(db, journal, name, job)
        self.lives: dict[str, str] = job["lives"]
        self.backups: list[str] = job["backups"]
        self.base = job["base"]

    def run(self, calls: int) -> None:
        for _ in range(calls // 2):
            store = self.chance.choice(LIVES)
            state = self.lives.get(store, "absent")
            if state == "live":
                self.append(store, [(f"own-{self.name}", self.chance.randint(1, 4))])
                self.told(store)
            following = self.chance.choice(FOLLOWING[state])
            if following != state:
                self.turn(store, state, following)
            elif self.chance.random() < 0.3:
                self.backup(store)

    def turn(self, store: str, state: str, following: str, how: str = "") -> None:
        """From one state of its life to another one; `how` a new one is made."""
        steps: dict[tuple[str, str], Callable[[], Any]] = {
            ("live", "frozen"): lambda: self.db.freeze_store(store),
            ("frozen", "live"): lambda: self.db.thaw_store(store),
            ("live", "trash"): lambda: self.db.remove_store(store),
            ("trash", "live"): lambda: self.db.recover_store(store),
        }
        call: Call = {"do": "turn", "store": store, "from": state, "to": following}
        purge: Callable[[], Any] = lambda: self.db.remove_store(store, purge=True)  # noqa: E731
        step = (
            self.made_of(store, call, how) if state == "absent" else steps.get((state, following))
        )
        self.keep(call, step or purge)
        self.lives[store] = following

    def run_turns(self, turns: list[list[str]]) -> None:
        """Given turns: a store, what it becomes, and what it is made of if it is not empty."""
        for store, following, *made_of in turns:
            state = self.lives.get(store, "absent")
            if following == "backup":
                self.backup(store)
            elif state == following:
                self.append(store, [(f"own-{self.name}", 3)])
                self.told(store)
            else:
                self.turn(store, state, following, *made_of)

    def made_of(self, store: str, call: Call, how: str) -> Callable[[], Any]:
        """A new store: empty, a copy, or from a backup."""
        sources = [id for id in LIVES if self.lives.get(id) in ("live", "frozen")]
        how = how or self.chance.choice(("create", "copy", "restore"))
        if how == "copy" and sources:
            source = call["copy"] = self.chance.choice(sources)
            return lambda: self.db.copy_store(source, store)
        if how == "restore" and self.backups:
            call["backup"] = self.chance.choice(self.backups)
            path = f"{self.base}/{call['backup']}"
            return lambda: self.db.restore_backup(path, as_=store)
        return lambda: self.db.create_store(store)

    def told(self, store: str) -> None:
        """Another description."""
        self.made += 1
        text = f"{self.name} {self.made}"
        self.keep(
            {"do": "describe", "store": store, "text": text},
            lambda: self.db.update_store(store, description=text),
        )

    def backup(self, store: str) -> None:
        name = self.new("backup")
        call = {"do": "backup", "store": store, "name": name}
        self.keep(call, lambda: self.db.backup_store(store, f"{self.base}/{name}"))
        self.backups.append(name)

    def keep(self, call: Call, step: Callable[[], Any]) -> None:
        """One step in the life of a store; its answer is that there is one."""
        vfs.thread.doing = "lifecycle"
        self.journal.ask(call, lambda: [step(), None][1])
        vfs.thread.doing = ""


def session(directory: str, journal: Journal, number: int, job: Call) -> list[BaseException]:
    """Open, let all threads work, close; what was raised in them is a defect."""
    raised: list[BaseException] = []
    with pyesdb.open(directory) as db:
        if "second" not in db.list_stores():
            journal.ask(
                {"do": "turn", "store": "second", "from": "absent", "to": "live"},
                lambda: [db.create_store("second"), None][1],
            )
        if job["turns"]:
            one = Keeper(db, journal, f"{job['run']}", job)
            one.run_turns(job["turns"])
            vfs.end("at rest")
        names = [f"{job['run']}.{number}.{n}" for n in range(WRITERS + 1)]
        workers = [Writer(db, journal, name, job) for name in names[1:]]
        workers.append(Keeper(db, journal, names[0], job))

        def run(worker: Writer) -> None:
            try:
                worker.run(job["calls"])
            except BaseException as error:  # noqa: BLE001  (reported by the child)
                raised.append(error)

        threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return raised
