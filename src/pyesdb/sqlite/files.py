"""Store files: made once from a template, opened for writing or reading, with page checksums.

An encrypted file (`cipher.py`) is made by its own connection, and its pages are authenticated.

What must never happen here: a missing file that is silently made anew when it is opened, or a
connection that deletes another one's write-ahead log by its path (so: persistent WAL).
"""

import ctypes
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import apsw
import apsw.sqlite_extra

from pyesdb.model.errors import (
    AccessDenied,
    Corrupt,
    DiskFull,
    Fault,
    NewerFormat,
    PyesdbError,
    Unavailable,
)
from pyesdb.model.keys import Key
from pyesdb.sqlite import cipher
from pyesdb.sqlite.statements import statement

FORMAT = 1
"""The format of files that this code writes; older ones it migrates, newer ones it refuses."""

VFS = "cksmvfs"
CHECKSUM_BYTES = 8
STATEMENTS = 400
_LOG_HEADER = 32
Connection = apsw.Connection
FAILURES = (apsw.Error, OSError, MemoryError)
"""What SQLite and the system raise; `translate` turns them into the library's errors."""

_vfs_lock = threading.Lock()
_vfs_loaded = False


def load_vfs() -> None:
    """Register the checksum VFS, and leave the process's default as it was."""
    global _vfs_loaded
    with _vfs_lock:
        if not _vfs_loaded:
            default = apsw.vfs_names()[0]
            with apsw.Connection(":memory:") as memory:
                apsw.sqlite_extra.load(memory, "cksumvfs")
            apsw.set_default_vfs(default)
            _vfs_loaded = True


@contextmanager
def typed_errors(path: Path | str) -> Generator[None]:
    """SQLite's and the system's errors as the library's own."""
    try:
        yield
    except PyesdbError:  # some of ours are an OSError as well
        raise
    except FAILURES as error:
        raise translate(error, path) from error


def translate(error: BaseException, path: Path | str) -> PyesdbError:
    """The library's error for one of SQLite or the system; names the file."""
    match error:
        case apsw.FullError() | OSError(errno=28 | 122):
            return DiskFull(f"the disk is full at {path}: nothing was stored; free some space")
        case apsw.CorruptError() | apsw.NotADBError():
            return Corrupt(f"{path} is damaged ({error}): restore a backup of this store")
        case apsw.IOError() if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA:
            return Corrupt(f"{path}: a page does not match its checksum: restore a backup")
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError() | PermissionError():
            return AccessDenied(f"{path} cannot be written: check its owner and mode ({error})")
        case OSError(errno=30):
            return AccessDenied(f"{path} is on a read-only file system: open with read_only=True")
        case apsw.BusyError() | apsw.LockedError():
            return Unavailable(f"{path} is in use by another program ({error}): try again")
        case apsw.IOError() | apsw.CantOpenError() | OSError() | MemoryError() | apsw.NoMemError():
            return Unavailable(f"{_hindrance(error, path)}, then call again")
        case _:
            return Fault(f"{path}: {type(error).__name__}: {error}")


def _hindrance(error: BaseException, path: Path | str) -> str:
    match error:
        case OSError(errno=23 | 24):
            what = f"{path} cannot be opened ({error.strerror})"
            remedy = "close files, or raise their limit (ulimit -n)"
        case apsw.CantOpenError():
            what = f"{path} cannot be opened ({error})"
            remedy = "check that it is there, its mode, and the limit of open files (ulimit -n)"
        case MemoryError() | apsw.NoMemError():
            what, remedy = f"there is no memory left to work with {path}", "free some"
        case _:
            what, remedy = f"{path} could not be read or written ({error})", "look after the disk"
    return f"{what}: nothing was stored; {remedy}"


def _persist_wal(connection: apsw.Connection) -> None:
    keep = ctypes.c_int(1)
    connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(keep))


def _keep_plans(connection: apsw.Connection) -> None:
    """Query plans do not depend on bound values: else each new LIMIT is planned anew."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


@contextmanager
def _closed_on_error(connection: Connection) -> Generator[None]:
    """An error that somebody keeps must not keep the file open."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def open_writer(path: Path, *, durability: str, keys: cipher.Keys | None = None) -> Connection:
    """The write connection of a lane; the file must exist. "fsync": a COMMIT is durable.

    `keys` open an encrypted file; raises AccessDenied when none of them fits.
    """
    return cipher.opened(path, keys, lambda key: _writer(path, key, durability))


def _writer(path: Path, key: Key | None, durability: str) -> Connection:
    load_vfs()
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
    with typed_errors(path):
        if key is None:
            connection = apsw.Connection(
                str(path), flags=flags, vfs=VFS, statementcachesize=STATEMENTS
            )
        else:
            connection = cipher.connect(path, key, flags=flags, statements=STATEMENTS)
        with _closed_on_error(connection):
            if connection.readonly("main"):  # SQLite opens it so when it may not write
                raise AccessDenied(f"{path} cannot be written: check its owner and mode")
            _persist_wal(connection)
            _keep_plans(connection)
            connection.set_busy_timeout(5000)
            synchronous = "FULL" if durability == "fsync" else "NORMAL"
            for pragma in (
                f"synchronous={synchronous}",
                "fullfsync=1",
                "checkpoint_fullfsync=1",
                "wal_autocheckpoint=4000",
                "journal_size_limit=67108864",
                "cache_size=-2000",
                "temp_store=MEMORY",
                "trusted_schema=0",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            check_format(connection, path)
        return connection


def open_reader(
    path: Path, *, read_only: bool = False, keys: cipher.Keys | None = None
) -> Connection:
    """A connection for reading; with `read_only` no file is created or changed, not even -shm.

    `keys` open an encrypted file; raises AccessDenied when none of them fits.
    """
    return cipher.opened(path, keys, lambda key: reader_with(path, key, read_only=read_only))


def untouched(path: Path) -> bool:
    """Whether nobody has opened a file for writing since it was made: its log has no index yet.

    SQLite reads such a file, where it may create none, as one that never changes: without a lock,
    blind for what is written from then on, and for pages that a checkpoint exchanges under it.
    """
    return not Path(f"{path}-shm").exists()


def reader_with(path: Path, key: Key | None, *, read_only: bool) -> Connection:
    """The same with the key that fits, None for a plain file."""
    load_vfs()
    name = quote(str(path))
    live = not untouched(path)
    wal = Path(f"{path}-wal")
    logged = wal.stat().st_size if read_only and wal.exists() else 0
    # one that is only a header, beside an index of before a crash, holds SQLite up for ten seconds
    if logged and (not live or logged == _LOG_HEADER):
        raise Unavailable(
            f"{path} has a write-ahead log without its index: open it once without read_only"
        )
    mode = ("mode=ro&readonly_shm=1" if live else "immutable=1") if read_only else "mode=rw"
    access = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    flags = access | apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_NOMUTEX
    with typed_errors(path):
        if key is None:
            connection = apsw.Connection(
                f"file:{name}?{mode}",
                flags=flags,
                vfs=VFS,
                statementcachesize=100,
            )
        else:
            connection = cipher.connect(path, key, flags=flags, uri=mode)
        with _closed_on_error(connection):
            if not read_only:
                _persist_wal(connection)
            _keep_plans(connection)
            connection.set_busy_timeout(5000)
            for pragma in ("query_only=1", "cache_size=-1000", "temp_store=MEMORY"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            check_format(connection, path)
        return connection


def check_format(connection: apsw.Connection, path: Path) -> None:
    """Refuse a file that is newer than this code, or not one of ours."""
    found = connection.execute("PRAGMA user_version").get
    if found == FORMAT:
        return
    if isinstance(found, int) and found > FORMAT:
        raise NewerFormat(f"{path} has format {found}, this pyesdb knows {FORMAT}: upgrade pyesdb")
    raise Corrupt(f"{path} is not a pyesdb store (format {found}): restore a backup")


def open_new(path: Path) -> apsw.Connection:
    """A connection to an empty file, for one who fills it; pages have room for checksums."""
    load_vfs()
    connection = apsw.Connection(str(path), vfs=VFS)
    connection.execute("PRAGMA page_size=4096").fetchall()
    connection.reserve_bytes(reserve=CHECKSUM_BYTES)
    return connection


@lru_cache(maxsize=1)
def template() -> bytes:
    """An empty store file: copied for each new store, which is faster than making its tables.

    It has no write-ahead log yet: what is written into a copy goes straight to its place.
    """
    with TemporaryDirectory(prefix="pyesdb-template-") as folder:
        path = Path(folder, "template.db")
        connection = open_new(path)
        _make_tables(connection)
        connection.close()
        return path.read_bytes()


def open_raw(path: Path) -> Connection:
    """A connection that reads a file as it is, whatever checksums its pages have."""
    return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)


def _make_tables(connection: Connection) -> None:
    connection.execute(f"BEGIN; {statement('schema')}; COMMIT").fetchall()
    connection.execute(f"PRAGMA user_version={FORMAT}").fetchall()


def create(path: Path, identity: dict[str, int | str], key: Key | None = None) -> None:
    """Write a new store file with its identity, and sync it; an existing one is overwritten.

    With `key` it is encrypted from its first byte, and its check lies beside it.
    """
    with typed_errors(path):
        connection = draft(path, identity, key)
        settle(connection)
        connection.close()
        sync(path)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file of its owner's; no file object, which an interrupt could leave to complain."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)


def draft(path: Path, identity: dict[str, int | str], key: Key | None = None) -> Connection:
    """Write a new store file with its identity; who fills it calls `settle` and `sync`."""
    with typed_errors(path):
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        _write_new(path, template() if key is None else b"")
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
        if key is None:
            connection = apsw.Connection(str(path), flags=flags, vfs=VFS)
        else:
            _make_encrypted(path, key)
            connection = cipher.connect(path, key, flags=flags)
        # one connection alone: no index of the log, and no sync before the file is complete
        for pragma in ("locking_mode=EXCLUSIVE", "synchronous=OFF", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if key is None:  # what is small is written to its place at once, and has a log in the end
            connection.execute("PRAGMA journal_mode=MEMORY").fetchall()
        with connection:
            for name, value in {"format": FORMAT, "machine": 1, **identity}.items():
                connection.execute(statement("set_meta"), (name, value)).fetchall()
        return connection


def settle(connection: Connection) -> None:
    """Put everything of a draft into its file: nothing stays beside it when it is closed."""
    if connection.execute("PRAGMA journal_mode").get == "wal":
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    else:
        connection.execute("PRAGMA journal_mode=WAL").fetchall()


def _make_encrypted(path: Path, key: Key) -> None:
    """Tables in an empty file, and its check; looks that it is not readable without the key."""
    connection = cipher.open_new(path, key)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    _make_tables(connection)
    connection.close()
    cipher.look_encrypted(path)
    cipher.write_check(path, cipher.new_check(key))


def identity_of(connection: apsw.Connection) -> dict[str, int | str]:
    """What `create` wrote into the file."""
    return {str(k): v for k, v in connection.execute(statement("meta")).fetchall()}  # type: ignore[misc]


def sync(path: Path) -> None:
    """Fsync a file or a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
