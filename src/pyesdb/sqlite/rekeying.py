"""A store's file written anew under another key.

`PRAGMA rekey` changes pages in place under the connections that others have open, and a crash in
the middle leaves a mixture to a rollback journal. So the file is written beside the old one, whole
and durable, and takes its place afterwards. What must never happen here: a change to the source, a
target that is not encrypted.
"""

import os
from pathlib import Path
from urllib.parse import quote

from pyesdb.model.keys import Key
from pyesdb.sqlite import cipher, files
from pyesdb.sqlite.statements import statement

_CHECK = "PRAGMA quick_check"


def rewrite(source: Path, keys: cipher.Keys | None, target: Path, key: Key) -> None:
    """Write a store's file (plain, or under one of `keys`) into a new one under `key`. Durable.

    The check goes beside it. Raises AccessDenied, DiskFull, Corrupt (the source).
    """
    connection = files.open_reader(source, keys=keys)
    try:
        with files.typed_errors(target):
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            name = f"file:{quote(str(target))}?{cipher.parameters(key)}"
            connection.execute("PRAGMA query_only=0").fetchall()
            connection.execute("VACUUM INTO ?", (name,), can_cache=False).fetchall()
    finally:
        connection.close()
    cipher.look_encrypted(target)
    cipher.write_check(target, cipher.new_check(key))
    with files.typed_errors(target):
        made = files.open_writer(target, durability="fsync", keys=lambda: [key])
        try:
            made.execute("PRAGMA journal_mode=WAL").fetchall()
            made.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            made.close()
        files.sync(target)
        files.sync(target.parent)


def rewrite_draft(path: Path, keys: cipher.Keys | None, key: Key) -> None:
    """Give a draft, which nobody else has open, another key."""
    aside = path.parent / "rekeyed"
    with files.typed_errors(path):
        aside.mkdir(mode=0o700)
    rewrite(path, keys, aside / path.name, key)
    with files.typed_errors(path):
        for name in (f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        for found in sorted(aside.iterdir()):
            os.rename(found, path.with_name(found.name))
        aside.rmdir()


def summary(path: Path, keys: cipher.Keys | None) -> list[object]:
    """What two files of one history agree in; every page is read. Raises Corrupt."""
    connection = files.open_reader(path, keys=keys)
    try:
        with files.typed_errors(path):
            found: list[object] = [files.identity_of(connection)]
            for query in (statement("last_state"), statement("last_event_state"), _CHECK):
                found += connection.execute(query).fetchall()
            return found
    finally:
        connection.close()
