"""The directory of a database: what lies where, the marker that says it is ours, and its lock.

pyesdb.json          marker: format and the database's id
locks/<id>.lock      one per store, never moved; locks/$database.lock for the directory
stores/<id>/store.db one directory per store
trash/<id>.<incarnation>/
drafts/<name>/       stores that are being restored or copied (node.drafts)
swap/<id>.new, .old  stores that get another key (sqlite.swap)
"""

import errno
import os
import socket
import sys
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import msgspec

from pyesdb.model.errors import (
    AccessDenied,
    Corrupt,
    DatabaseLocked,
    DatabaseNotFound,
    InvalidTarget,
    NewerFormat,
    NotADatabase,
    UnsafeFileSystem,
)
from pyesdb.sqlite import files
from pyesdb.sqlite.locks import LockFile, command_of

FORMAT = 1
REBUILD = (
    "close the database in all processes, then make it anew of the stores that are there "
    "(`pyesdb doctor --rebuild-catalog`)"
)
"""What to do about a catalog that is lost or damaged."""
MARKER = "pyesdb.json"
_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "ceph", "lustre")
)


class Marker(msgspec.Struct):
    """The content of pyesdb.json."""

    format: int
    database: str


class Holder(msgspec.Struct):
    """Who holds a database exclusively."""

    pid: int
    host: str
    command: str


class Layout:
    """Paths of one database directory."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.stores = base / "stores"
        self.locks = base / "locks"
        self.trash = base / "trash"
        self.drafts = base / "drafts"
        self.swap = base / "swap"

    def folder(self, store_id: str) -> Path:
        """Where a store lives."""
        return _inside(self.stores, store_id)

    def file(self, store_id: str) -> Path:
        """The file of a store."""
        return _inside(self.folder(store_id), "store.db")

    def lock(self, name: str) -> Path:
        """The lock file of a store, or of "$database"."""
        return self.locks / f"{name}.lock"

    def draft(self, name: str) -> Path:
        """Where a store is made that comes with content."""
        return self.drafts / name

    def trashed(self, store_id: str, incarnation: int) -> Path:
        """Where a removed store lies."""
        return self.trash / f"{store_id}.{incarnation}"


@lru_cache(maxsize=1024)  # paths take longer to make than to look at
def _inside(folder: Path, name: str) -> Path:
    return folder / name


def prepare(base: Path, *, create: bool) -> Marker:
    """Check that the directory is a database of ours, making one when allowed."""
    check_file_system(base)
    try:
        found = _marker(base)
        if found is None:
            if not create:
                raise DatabaseNotFound(
                    f"there is no pyesdb database in {base}: check the path, or open with "
                    "create=True"
                )
            found = _make(base)
    except PermissionError as error:
        raise AccessDenied(f"{base} cannot be used: {error}; check its owner and mode") from error
    except (NotADirectoryError, FileExistsError) as error:
        raise InvalidTarget(f"{base} is not a directory: give a directory") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidTarget(f"the path {str(base)!r:.80}... is too long: shorten it") from None
        raise files.translate(error, base) from error
    return found


def _marker(base: Path) -> Marker | None:
    if base.exists() and not base.is_dir():
        raise InvalidTarget(f"{base} is a file: give a directory")
    content = _marker_bytes(base)
    if content is None:
        if not base.exists() or all(name.startswith(".pyesdb") for name in os.listdir(base)):
            return None
        content = _marker_bytes(base)  # of a process that made the database between the two looks
    if content is None:
        raise NotADatabase(
            f"{base} holds other files and no pyesdb database: choose an empty directory"
        )
    try:
        found = msgspec.json.decode(content, type=Marker)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"{base / MARKER} is damaged ({error}): restore it from a backup") from error
    if found.format > FORMAT:
        raise NewerFormat(
            f"{base} has format {found.format}, this pyesdb knows {FORMAT}: upgrade pyesdb"
        )
    return found


def _marker_bytes(base: Path) -> bytes | None:
    try:
        return (base / MARKER).read_bytes()
    except FileNotFoundError:
        return None


def _make(base: Path) -> Marker:
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = base / f".pyesdb.{os.getpid()}.{uuid4().hex}"
    marker = Marker(FORMAT, str(uuid4()))
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(marker))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, base / MARKER)  # the first of several processes wins
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    files.sync(base)
    files.sync(base.parent)
    found = _marker(base)
    return marker if found is None else found


def make_folders(layout: Layout) -> None:
    """The database's own directories."""
    with files.typed_errors(layout.base):
        for folder in (layout.locks, layout.stores, layout.trash, layout.drafts):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
                files.sync(layout.base)


def check_file_system(base: Path) -> None:
    """Refuse network file systems, where locks and fsync are not reliable (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    best, kind = "", ""
    for line in mounts:
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ") if len(fields) > 2 else ""
        if len(point) >= len(best) and base.is_relative_to(point):
            best, kind = point, fields[2]
    if kind in _NETWORK:
        raise UnsafeFileSystem(
            f"{base} is on a network file system ({kind}), where locks and fsync are not "
            "reliable: choose a local disk"
        )


def lock_database(layout: Layout, *, exclusive: bool, writable: bool) -> LockFile | None:
    """Share the database, or keep it; raises DatabaseLocked naming who has it."""
    path = layout.lock("$database")
    if not writable and not path.exists():
        return None
    with files.typed_errors(path):
        lock = LockFile(path, writable=writable)
        owned = lock.try_acquire(lock) if exclusive else lock.try_shared()
        if owned:
            if exclusive:
                own = Holder(os.getpid(), socket.gethostname(), command_of(os.getpid()))
                lock.write(msgspec.json.encode(own))
            return lock
        error = locked_by(layout.base, lock)
        lock.close()
    raise error


def locked_by(base: Path, lock: LockFile) -> DatabaseLocked:
    """The error that names who holds the database."""
    pid = lock.holder() if lock.writable else None
    holder = Holder(pid or 0, socket.gethostname(), command_of(pid) if pid else "unknown")
    try:
        written = msgspec.json.decode(lock.read(), type=Holder)
        if pid in (None, written.pid):
            holder = written
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    return DatabaseLocked(
        f"{base} is in use by process {holder.pid} on {holder.host} ({holder.command}) and cannot "
        "be shared with this open: stop it, or open without exclusive=True on both sides",
        pid=holder.pid,
        host=holder.host,
        command=holder.command,
    )
