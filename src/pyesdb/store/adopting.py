"""A copy of a store's file becomes the file of another store, with a history of its own.

The entry number goes on by one and the chain is sealed with the new identity, so no state of the
copy is ever equal to one of the store it was copied from.

What must never happen here: a file changed that is not a draft.
"""

from collections.abc import Mapping
from pathlib import Path

from pyesdb.machine import Tx
from pyesdb.machine.state import chained
from pyesdb.model.commands import digest_of
from pyesdb.sqlite import files
from pyesdb.sqlite.cipher import Keys


def begin_behind(connection: files.Connection, position: int, now: int) -> None:
    """Let the positions of an empty draft begin behind `position`; its clock is `now` (us)."""
    connection.execute("BEGIN IMMEDIATE").fetchall()
    tx = Tx(connection)
    tx.begin(tx.state.seq + 1, now)
    tx.state.position = position
    tx.set_meta("begins", position)  # for `verify`: nothing is missing before it
    tx.state.chain = chained(tx.state.chain, tx.state.seq, tx.now, [digest_of(position)])
    tx.finish()
    connection.execute("COMMIT").fetchall()


def adopt(
    path: Path, identity: Mapping[str, int | str], *, frozen: bool, keys: Keys | None = None
) -> None:
    """Write who the store in a draft is; it may happen twice. Durable.

    A seal is lifted (the source was being removed), and settings of any revision may enter.
    """
    with files.typed_errors(path):
        connection = files.open_writer(path, durability="fsync", keys=keys)
        try:
            connection.execute("BEGIN IMMEDIATE")
            tx = Tx(connection)
            tx.begin(tx.state.seq + 1, tx.state.clock)
            for key, value in identity.items():
                tx.set_meta(key, value)
            for key, value in (("revision", 0), ("sealed", 0), ("frozen", int(frozen))):
                tx.set_meta(key, value)
            seal = digest_of(sorted(identity.items()))
            tx.state.chain = chained(tx.state.chain, tx.state.seq, tx.now, [seal])
            tx.finish()
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
