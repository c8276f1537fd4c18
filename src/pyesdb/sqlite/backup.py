"""One moment of a store file, copied page by page while others write.

A read transaction is held open from the first page to the last, so every page is of the same
moment (SQLite's online backup API follows the connection's own transaction). The write-ahead log
cannot be reused meanwhile: it grows by what is written during the copy, and no longer.

What must never happen here: a copy that follows later commits, or has pages of several moments; a
page without its checksum.
"""

import os
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from pyesdb.model.errors import Corrupt, Unavailable
from pyesdb.model.keys import Key
from pyesdb.sqlite import cipher, files
from pyesdb.sqlite.statements import statement

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes total)."""

Steps = Generator[tuple[int, int]]
"""A long work in steps: (bytes done, bytes total) after each."""

STEP_PAGES = 256
"""Pages between two calls of a progress function: 1 MiB."""

_SUFFIXES = ("", "-journal", "-wal", "-shm")


class Frozen:
    """A store file as it is now, whatever is written meanwhile. A context manager."""

    def __init__(self, path: Path, *, read_only: bool, keys: cipher.Keys | None = None) -> None:
        self.path = path
        self._still = read_only and files.untouched(path)
        """It is read without a lock, so a checkpoint may exchange pages under it."""
        self.key: Key | None = None
        """The key of the file, and of each copy of it."""

        def opening(key: Key | None) -> files.Connection:
            self.key = key
            return files.reader_with(path, key, read_only=read_only)

        self.connection = cipher.opened(path, keys, opening)
        with files.typed_errors(path):
            self.connection.execute("BEGIN").fetchall()
            self.identity = files.identity_of(self.connection)

    def one(self, name: str) -> tuple[object, ...]:
        """The first row of a named statement, () when there is none."""
        with files.typed_errors(self.path):
            rows = self.connection.execute(statement(name)).fetchall()
        return rows[0] if rows else ()

    def copy(self, target: Path) -> Steps:
        """Write it into a new file, step by step; raises DiskFull, Corrupt.

        The copy is one file that needs no write-ahead log, under the same key, and it is not
        synced.
        """
        try:
            connection = _new(target, self.key)
            try:
                yield from self._copy(connection)
                connection.execute("PRAGMA journal_mode=DELETE").fetchall()
            finally:
                connection.close()
        except files.FAILURES as error:
            found = files.translate(error, target)
            if isinstance(found, Corrupt):  # it was read here
                found = files.translate(error, self.path)
            raise found from error

    def _copy(self, target: files.Connection) -> Steps:
        page = self.connection.pragma("page_size")
        with target.backup("main", self.connection, "main") as copying:
            while not copying.done:
                copying.step(STEP_PAGES)
                total = copying.page_count
                yield (total - copying.remaining) * page, total * page

    def check(self) -> None:
        """Raise Unavailable if what was read may be of several moments: it can happen only once."""
        if self._still and not files.untouched(self.path):
            raise Unavailable(
                f"{self.path} was opened for writing for the first time, by another process, while "
                "it was read: call again"
            )

    def close(self) -> None:
        """Let go of the moment."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def follow(steps: Steps, on_progress: Progress | None) -> None:
    """Go through the steps of a work; what `on_progress` raises ends it, and is raised as it is."""
    with closing(steps):
        for done, total in steps:
            if on_progress is not None:
                on_progress(done, total)


def _new(path: Path, key: Key | None) -> files.Connection:
    """A new file to copy into; a page is only written with a checksum once its header says so."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = files.open_new(path) if key is None else cipher.open_new(path, key)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("CREATE TABLE header (one INTEGER)").fetchall()
    return connection


def back_to_wal(path: Path, keys: cipher.Keys | None = None) -> None:
    """Let a copy have a write-ahead log, as a store has."""
    with files.typed_errors(path):
        connection = files.open_writer(path, durability="os", keys=keys)
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        finally:
            connection.close()


def compact(connection: files.Connection, path: Path) -> None:
    """Write a draft's file anew, without its free pages and what lies in them; closes `connection`.

    VACUUM writes pages before the header that asks for checksums, so a second copy adds those. An
    encrypted file has none, and stays under its key.
    """
    dense = path.with_name("dense.db")
    os.close(os.open(dense, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection.execute("VACUUM INTO ?", (str(dense),)).fetchall()
    connection.close()
    discard(path)
    if cipher.read_check(path) is not None:
        os.rename(dense, path)
        return
    with (
        closing(files.open_raw(dense)) as source,
        closing(_new(path, None)) as target,
        target.backup("main", source, "main") as copying,
    ):
        copying.step()
    discard(dense)


def discard(path: Path) -> None:
    """Delete a half-made copy and what SQLite puts beside it."""
    for suffix in _SUFFIXES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
