"""Applies recorded entries to new files under other circumstances and compares how they end.

    python tests/machine/replay.py FOLDER

Run by tests/machine/plugin.py in a process with another PYTHONHASHSEED. Here files have other page
sizes and a tiny page cache, statements other numbers of rows, and every few entries everything that
the machine remembers is dropped. Exit code 1 names the first entry of each run that differs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from pyesdb.model.commands import decode_entry
from pyesdb.sqlite import files, statements
from pyesdb.store.applier import Applier
from tests.machine.digest import dump, logical_digest

PAGE_SIZES = (1024, 16384)
FORGET_EVERY = 3
ROWS = 5


def empty_file(page_size: int) -> bytes:
    """An empty store file with another page size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        connection = apsw.Connection(str(path), vfs=files.VFS)
        connection.execute(f"PRAGMA page_size={page_size}").fetchall()
        connection.reserve_bytes(reserve=files.CHECKSUM_BYTES)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute(f"BEGIN; {statements.statement('schema')}; COMMIT").fetchall()
        connection.execute(f"PRAGMA user_version={files.FORMAT}").fetchall()
        connection.close()
        return path.read_bytes()


def otherwise() -> dict[int, bytes]:
    """Make this process differ from the one that recorded, and the templates by page size."""
    from pyesdb.machine import transaction
    from pyesdb.store import readers

    files.template()
    made = {size: empty_file(size) for size in PAGE_SIZES}
    real = files.open_writer

    def open_writer(path: Path, *, durability: str, keys: Any = None) -> Any:
        connection = real(path, durability=durability, keys=keys)
        for pragma in ("synchronous=OFF", "cache_size=-16", "cache_spill=5"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    files.open_writer = open_writer
    files.sync = lambda path: None  # type: ignore[assignment]
    for module in (statements, transaction, readers):
        module.ROWS = ROWS  # type: ignore[attr-defined]
    return made


def apply_all(path: Path, identity: dict[str, Any], entries: Sequence[bytes]) -> Applier:
    """A new file with these entries; the applier is still open."""
    files.create(path, identity)
    applier = Applier(path, "os", lambda *_: None)
    for number, encoded in enumerate(entries):
        applier.deliver([decode_entry(encoded)])
        if number % FORGET_EVERY == 0 and applier._tx is not None:
            applier._tx.reload()
    return applier


def check(run: dict[str, Any], entries: Sequence[bytes], folder: Path, page: bytes) -> str:
    """What is different in a replayed run; "" for nothing."""
    files.template = lambda: page  # type: ignore[assignment]
    path = folder / "store.db"
    applier = apply_all(path, run["identity"], entries)
    try:
        if applier._tx is None or applier._connection is None:
            return ""
        where = f"{run['identity']}, {len(entries)} entries"
        if applier._tx.state.chain != run["chain"]:
            return f"{where}: the chain differs; last entry: {decode_entry(entries[-1])!r:.1500}"
        found = logical_digest(applier._connection)
        differing = [name for name, digest in found.items() if digest != run["digest"].get(name)]
        if differing or len(found) != len(run["digest"]):
            here = [line for line in dump(applier._connection) if line.startswith(differing[0])]
            text = "\n".join(here[:40])
            return f"{where}: the chain is equal, {differing} differ; here:\n{text:.4000}"
    finally:
        applier.close()
        path.unlink()
    return ""


def main(recording: Path) -> int:
    recorded = (recording / "entries").read_bytes()
    runs = msgspec.msgpack.decode((recording / "runs").read_bytes())
    templates = list(otherwise().values())
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for number, run in enumerate(runs):
            entries = [recorded[offset : offset + size] for offset, size in run["path"]]
            problem = check(run, entries, Path(name), templates[number % len(templates)])
            if problem:
                problems.append(problem)
    print(f"{len(runs)} runs replayed, {len(problems)} differ")
    for problem in problems[:5]:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
