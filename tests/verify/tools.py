"""A store with a little of everything, and ways to break its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyesdb.model import commands as c
from pyesdb.model.selectors import Clause
from pyesdb.model.versions import ANY
from pyesdb.sqlite import files
from tests.machine.lab import Lab, event, events, value


def fill(lab: Lab) -> None:
    """Streams, tags, payload indexes, hidden and reclaimed events, snapshots, subscriptions."""
    lab.configure(indexed_payload=["customer.id"])
    for number in range(40):
        data = b'{"customer":{"id":%d}}' % (number % 3)
        made = [event(f"T{number % 3}", tags=["a", f"b{number}"], data=data) for _ in range(5)]
        lab.append(f"s{number % 4}", made)
    lab.append("long", events(50))
    lab.append("large", [event("Large", data=b'"%s"' % (b"x" * 20_000)) for _ in range(3)])
    lab.send(
        lab.appending(("s0", ANY, events(2)), ("s1", ANY, events(20)), many=True),
        lab.appending(("s2", ANY, events(3)), tracking=("feed", 7)),
    )
    lab.do(c.TruncateStream, "s3", 7)
    lab.do(c.TruncateStream, "long", 20)
    lab.append("gone", 3)
    lab.do(c.DeleteStream, "gone", ANY)
    lab.do(c.Scavenge, 0, 1000)
    lab.append("gone", 2)
    lab.do(c.RecordSnapshot, "src", "s0", 3, b"{}", "application/json", b"")
    number = value(lab.do(c.SaveSubscription, "sub", (Clause(),), 0, {}))
    value(lab.do(c.Claim, number, 0, b"me", 0, 200, (60, 61), 10))
    while lab.tx.state.seq < 999:
        lab.do(c.Barrier)
    lab.append("s0", 2)  # entry 1000: the chain of its mark is in the event as well
    lab.append("s0", 2)


def checkpoint(path: Path) -> None:
    """Everything into the file itself."""
    connection = files.open_writer(path, durability="os")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def flip(path: Path, offset: int) -> None:
    """Turn the bits of one byte below everything that would notice."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0xFF]))


def change(path: Path, *texts: str) -> None:
    """Damage with the right checksums: as a defect, or a person with a tool, would do it."""
    connection = files.open_writer(path, durability="os")
    connection.execute("PRAGMA writable_schema=1").fetchall()
    for text in texts:
        connection.execute(text).fetchall()
    connection.close()


def change_unindexed(path: Path, index: str, text: str) -> None:
    """Change a table while one of its indexes is out of the schema: they disagree afterwards."""
    connection = files.open_writer(path, durability="os")
    (row,) = connection.execute("SELECT * FROM sqlite_schema WHERE name = ?", (index,)).fetchall()
    connection.close()
    change(path, f"DELETE FROM sqlite_schema WHERE name = '{index}'")
    change(path, text)
    connection = files.open_writer(path, durability="os")
    connection.execute("PRAGMA writable_schema=1").fetchall()
    connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row).fetchall()
    connection.close()


def told(found: Any) -> list[str]:
    """Each problem on a line."""
    return [f"{p.where} | {p.what}" for p in found.problems]
