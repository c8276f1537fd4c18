"""The state machines: every operation is done by the package and by the model."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import pyesdb
from pyesdb.store.verify import verify_file
from tests.property import drawing
from tests.property.model import Model
from tests.property.operations import Op, Performer
from tests.verify.tools import told

MINUTES = float(os.environ.get("PYESDB_STRESS_MINUTES", "1"))


SHRINK = bool(os.environ.get("PYESDB_SHRINK"))


def short(examples: int, steps: int) -> settings:
    """The same examples in every run: `make test` does not depend on luck.

    A failure is told as it was found; PYESDB_SHRINK=1 takes minutes to make it small first.
    """
    return settings(
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if SHRINK else [])],
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def long(per_minute: int) -> settings:
    """New examples in each run; a failure prints how to reproduce it."""
    return settings(
        max_examples=max(1, int(MINUTES * per_minute)),
        stateful_step_count=80,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@lru_cache(maxsize=1)
def empty_database() -> bytes:
    """A new database as an archive: unpacking is faster than making."""
    with tempfile.TemporaryDirectory() as name:
        pyesdb.open(Path(name, "data"), durability="os").close()
        archive = shutil.make_archive(str(Path(name, "made")), "tar", Path(name, "data"))
        return Path(archive).read_bytes()


def new_directory() -> Path:
    """A private copy of an empty database; its parent is to be removed."""
    folder = Path(tempfile.mkdtemp(prefix="pyesdb-property-"))
    (folder / "made.tar").write_bytes(empty_database())
    shutil.unpack_archive(folder / "made.tar", folder / "data", filter="data")
    (folder / "data").chmod(0o700)
    return folder / "data"


class Operations(RuleBasedStateMachine):
    """Rules for all operations; a subclass says who performs them."""

    processes: tuple[str, ...] = ("",)

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.directory = new_directory()
        self.sent: list[Op] = []
        self.ids = 0

    @initialize()
    def start(self) -> None:
        self.performers = self.open(self.directory)
        self.do({"op": "create_store", "store": "one", "exist_ok": False}, self.processes[0])

    def open(self, directory: Path) -> dict[str, Any]:
        raise AssertionError(directory)

    def teardown(self) -> None:
        if hasattr(self, "performers"):
            for process in self.processes:
                self.compare_everything(process)
            for performer in self.performers.values():
                performer.close()
            for path in self.directory.glob("stores/*/store.db"):
                assert told(verify_file(path)) == []
        shutil.rmtree(self.directory.parent, ignore_errors=True)

    def do(self, op: Op, process: str = "") -> None:
        wanted = self.model.perform(copy.deepcopy(op), process)
        found = self.performers[process].perform(op)
        assert found == wanted, f"{op}: {found} instead of {wanted}"

    def compare_everything(self, process: str) -> None:
        """All events, streams and snapshots of all stores."""
        self.do({"op": "list_stores"}, process)
        for name in sorted(self.model.stores):
            self.do({"op": "read_all", "store": name, "select": None, "range": {}}, process)
            self.do({"op": "list_snapshots", "store": name}, process)
            self.do({"op": "streams", "store": name, "prefix": None, "limit": None}, process)
            self.do({"op": "head", "store": name}, process)
            for stream in drawing.STREAMS:
                for op in ("stream_info", "version"):
                    self.do({"op": op, "store": name, "stream": stream}, process)
                self.do({"op": "read", "store": name, "stream": stream, "range": {}}, process)

    def _made(self, op: Op) -> Op:
        """An append with events that were never there, and what it says of "last" and "behind"."""
        store = self.model.stores.get(op["store"])
        parts = []
        for stream, wanted, drawn in op["parts"]:
            found = None if store is None else store.streams.get(stream)
            if wanted == "last":
                wanted = "none" if found is None else found.last
            part = []
            for kind, tags in drawn:
                self.ids += 1
                part.append([self.ids, kind, list(tags)])
            parts.append([stream, wanted, part])
        condition = op["condition"]
        if condition is not None and condition[1] is not None and store is not None:
            condition = [condition[0], max(0, store.position - condition[1])]
        return {**op, "parts": parts, "condition": condition}

    @rule(op=drawing.operations, who=st.data())
    def step(self, op: Op, who: st.DataObject) -> None:
        process = self.processes[0]
        if len(self.processes) > 1:
            process = who.draw(st.sampled_from(self.processes), label="process")
        if op["op"] == "repeat":
            if not self.sent:
                return
            again = self.sent[-1 - op["back"] % len(self.sent)]
            op = {**again, "command": None} if op["fresh"] else again
        elif op["op"].startswith("append"):
            op = self._made(op)
            self.sent.append(op)
        elif op.get("expected") == "last":
            store = self.model.stores.get(op["store"])
            found = None if store is None else store.streams.get(op["stream"])
            op = {**op, "expected": "any" if found is None else found.last}
        self.do(op, process)


class OneProcess(Operations):
    """This process alone."""

    def open(self, directory: Path) -> dict[str, Any]:
        return {"": Performer(directory)}
