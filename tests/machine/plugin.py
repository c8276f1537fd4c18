"""Records every entry that any test applies, and replays it all into second files at the end.

Loaded by tests/conftest.py. Nothing in the package changes: `apply` is wrapped where the applier
calls it, and the end state of a file is taken when its write connection closes. The entries form a
tree whose nodes are named by the chain behind them, because tests copy databases. The replay runs
once per worker, in another process (tests/machine/replay.py): other hash seed, page size, cache
size, batch size, and no caches kept between entries. Chains and digests must be equal.

TESTS_REPLAY=N: of N files that end one is replayed, another choice in each run (`make slow`: 1, all
of them); 0: none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from tests.machine.digest import logical_digest

ROOT = b"\0" * 16
BYTES_MAX = 256 << 20
"""What one worker records at most; beyond it nothing is added, and the replay says so."""

LONGEST_REPLAY_S = 600
OF = int(os.environ.get("TESTS_REPLAY", "4"))
"""Of so many files one is replayed: all of them took a fifth of `make test`."""


class Node(NamedTuple):
    """One applied entry, encoded, and the chain before it."""

    parent: bytes | None
    entry: bytes


class Recorder:
    """What was applied in this process, and how the files ended.

    Called from any thread, and interrupted anywhere by tests of signals: a node is one assignment.
    """

    def __init__(self, folder: Path, of: int = 1) -> None:
        self.folder = folder
        self._of = of
        self._nodes: dict[bytes, Node] = {}
        self._ends: dict[bytes, tuple[dict[str, str], dict[str, Any]]] = {}
        self._size = 0
        self.dropped = 0
        self.paused = False

    def applied(self, before: bytes, after: bytes, entry: Any) -> None:
        """An entry led from one chain to the next (perhaps to be rolled back: it does no harm)."""
        from pyesdb.model.commands import encode_entry

        if self.paused or (before != ROOT and before not in self._nodes):
            return  # another process wrote what is before it
        encoded = encode_entry(entry)
        if self._size + len(encoded) > BYTES_MAX:
            self.dropped += 1
            return
        self._size += len(encoded)
        self._nodes[after] = Node(None if before == ROOT else before, encoded)

    def closing(self, connection: Any) -> None:
        """A file is closed: how does it end?"""
        from pyesdb.machine import Tx

        if connection.in_transaction or not self._of:
            return
        try:
            connection.execute("BEGIN")
            tx = Tx(connection)
            chain = tx.state.chain
            chosen = chain[0] % self._of == 0
            if chosen and chain in self._nodes and chain not in self._ends:
                names = ("database", "store", "incarnation", "created")
                identity = {k: tx.meta[k] for k in names if k in tx.meta}
                self._ends[chain] = (logical_digest(connection), identity)
            connection.execute("COMMIT")
        except Exception:  # noqa: BLE001  (a file that a test has damaged has no end)
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _path(self, chain: bytes) -> list[bytes]:
        """The chains from the first entry to this one."""
        found: list[bytes] = []
        following: bytes | None = chain
        while following is not None:
            found.append(following)
            following = self._nodes[following].parent
        return found[::-1]

    def write(self) -> int:
        """Write what the replayer needs; how many files it shall make."""
        places: dict[bytes, tuple[int, int]] = {}
        with (self.folder / "entries").open("wb") as file:
            for chain, node in self._nodes.items():
                places[chain] = (file.tell(), len(node.entry))
                file.write(node.entry)
        runs = [
            {
                "chain": chain,
                "digest": digest,
                "identity": identity,
                "path": [places[before] for before in self._path(chain)],
            }
            for chain, (digest, identity) in self._ends.items()
        ]
        (self.folder / "runs").write_bytes(msgspec.msgpack.encode(runs))
        return len(runs)


def replay(folder: Path) -> subprocess.CompletedProcess[str]:
    """Replay a recording in another process, in which as much as possible is different."""
    seed = "4711" if os.environ.get("PYTHONHASHSEED") != "4711" else "4712"
    import pyesdb

    source = str(Path(pyesdb.__file__).parents[1])
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("replay.py")), str(folder)],
        env={
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join([source, str(Path(__file__).parents[2])]),
        },
        capture_output=True,
        text=True,
        timeout=LONGEST_REPLAY_S,
        check=False,
    )


def recording(recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
    """Wrap what has to be seen: `apply` as the applier calls it, and its close."""
    from pyesdb.store import applier

    real_apply: Callable[..., Any] = applier.apply
    real_close: Callable[..., None] = applier.Applier.close

    def apply(tx: Any, entry: Any) -> Any:
        before = tx.state.chain
        outcomes = real_apply(tx, entry)
        recorder.applied(before, tx.state.chain, entry)
        return outcomes

    def close(self: Any) -> None:
        try:
            if self._connection is not None:
                recorder.closing(self._connection)
        finally:
            real_close(self)

    patch.setattr(applier, "apply", apply)
    patch.setattr(applier.Applier, "close", close)


@pytest.fixture(scope="session", autouse=True)
def replayed() -> Iterator[Recorder]:
    """Everything that this worker's tests apply is applied again, elsewhere and otherwise.

    Not for mutants (TESTS_REPLAY=0): each has a test of its own that must notice it.
    """
    with tempfile.TemporaryDirectory(prefix="pyesdb-replay-") as name:
        recorder = Recorder(Path(name), OF)
        with pytest.MonkeyPatch.context() as patch:
            recording(recorder, patch)
            yield recorder
        if OF and recorder.write():
            done = replay(recorder.folder)
            report = f"{done.stdout}{done.stderr}, {recorder.dropped} entries not recorded"
            print(report)
            assert done.returncode == 0, f"a replay differs:\n{report}"
