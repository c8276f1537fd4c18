"""What a database stands on: the interpreter, SQLite, limits of the process, the disk, modes.

What must never happen here: a file that is made or changed, or a plain `open()` of a store's file
or lock file, whose close would drop the locks that this process holds on it.
"""

import os
import resource
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path

import pyesdb
from pyesdb.operations.diagnosis import Finding, first_few

SAFE_SQLITE = (3, 51, 3)
"""The first SQLite without the defect that can lose commits when a write-ahead log starts anew."""

FILES_LEAST = 1024
FREE_LEAST = 100 << 20
FREE_LITTLE = 0.05
FSYNC_SLOW_MS = 50.0
_FSYNCS = 5

PLACES = ("URL", "DATA_DIR", "STORE_ID", "CONFIG")
"""PYESDB_* variables that are no settings."""


def environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """The interpreter, SQLite, what the process may open, variables."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("environment", "ok", f"Python {version}, pyesdb {pyesdb.__version__}")
    yield _sqlite()
    yield from _open_files()
    yield from _variables(environ)


def _sqlite() -> Finding:
    for name in ("apsw-sqlite3mc", "apsw"):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
        if numbers >= SAFE_SQLITE:
            return Finding("environment", "ok", f"{name} {found}")
        wanted = ".".join(map(str, SAFE_SQLITE))
        return Finding(
            "environment", "problem", f"{name} {found} has an SQLite that can lose commits",
            f"install {name} {wanted} or newer",
        )  # fmt: skip
    return Finding(
        "environment", "hint", "the version of apsw is not known",
        "install pyesdb and its dependencies as packages",
    )  # fmt: skip


def _open_files() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in (-1, resource.RLIM_INFINITY) or soft >= FILES_LEAST:
        yield Finding("environment", "ok", f"a process may open {soft:,} files")
        return
    yield Finding(
        "environment", "hint",
        f"a process may open {soft:,} files: at most {soft // 8:,} stores stay open at once",
        f"raise it: `ulimit -n {min(65536, hard) if hard > 0 else 65536}`, or LimitNOFILE= of the "
        "service",
    )  # fmt: skip


def _variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    settings = pyesdb.ServerSettings.__annotations__.keys()
    known = [f"PYESDB_{name.upper()}" for name in (*PLACES, *settings)]
    for name in sorted(environ):
        if name.startswith("PYESDB_") and name not in known:
            near = get_close_matches(name, known, 1, 0.75)
            known_by = "`pyesdb config show` knows the settings"
            advice = f"did you mean {near[0]}?" if near else known_by
            yield Finding("settings", "hint", f"{name} means nothing to pyesdb", advice)


def disk(base: Path) -> Iterator[Finding]:
    """Free space, the kind of file system, how long an fsync takes."""
    space = shutil.disk_usage(base)
    free = f"{space.free / (1 << 30):,.1f} GiB are free on the disk ({kind_of_file_system(base)})"
    if space.free < FREE_LEAST:
        yield Finding("disk", "problem", free, "free some: appends will raise DiskFull")
    elif space.free < space.total * FREE_LITTLE:
        yield Finding("disk", "hint", free, "less than 5 %: watch it")
    else:
        yield Finding("disk", "ok", free)
    yield from _fsync(base)


def kind_of_file_system(base: Path) -> str:
    """The kind of file system, as far as the system tells (Linux)."""
    best, kind = "", "file system not known"
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return kind
    for line in lines:
        fields = line.split(" ")
        point = fields[1].replace("\\040", " ")
        if len(point) >= len(best) and base.is_relative_to(point):
            best, kind = point, fields[2]
    return kind


def _fsync(base: Path) -> Iterator[Finding]:
    """The middle of a few, on a file without a name where the system has such files."""
    nameless = getattr(os, "O_TMPFILE", None)
    try:
        if nameless is None:
            descriptor = os.open(base, os.O_RDONLY)
        else:
            descriptor = os.open(base, nameless | os.O_RDWR, 0o600)
    except OSError as error:
        yield Finding("disk", "hint", f"fsync was not tried: {error.strerror}")
        return
    try:
        taken = [_timed_fsync(descriptor, write=nameless is not None) for _ in range(_FSYNCS)]
    except OSError as error:
        yield Finding(
            "disk", "problem", f"fsync fails: {error.strerror}",
            "choose another disk: what is acknowledged here may be lost",
        )  # fmt: skip
        return
    finally:
        os.close(descriptor)
    middle = sorted(taken)[_FSYNCS // 2]
    what = f"an fsync takes {middle:.2f} ms"
    if middle > FSYNC_SLOW_MS:
        yield Finding(
            "disk", "hint", what, 'each commit waits for one: append in batches, or durability="os"'
        )
    else:
        yield Finding("disk", "ok", what)


def _timed_fsync(descriptor: int, *, write: bool) -> float:
    if write:
        os.pwrite(descriptor, b"\0" * 4096, 0)
    start = time.perf_counter()
    os.fsync(descriptor)
    return (time.perf_counter() - start) * 1000


def permissions(base: Path) -> Iterator[Finding]:
    """Directories are 0700 and files 0600, and all of it belongs to this user."""
    open_to_others: list[str] = []
    of_others: list[str] = []
    for path in _ours(base):
        try:
            found = path.lstat()
        except OSError:
            continue  # gone meanwhile
        if found.st_uid != os.geteuid():
            of_others.append(str(path))
        if stat.S_IMODE(found.st_mode) & 0o077:
            open_to_others.append(str(path))
    if of_others:
        yield Finding(
            "permissions", "problem", f"these belong to another user: {first_few(of_others)}",
            "use the database as one user: chown -R, while no process has it open",
        )  # fmt: skip
    if open_to_others:
        yield Finding(
            "permissions", "problem", f"other users may look into {first_few(open_to_others)}",
            f"chmod -R go-rwx {base}",
        )  # fmt: skip
    if not of_others and not open_to_others:
        yield Finding("permissions", "ok", "only this user can read it")


def _ours(base: Path) -> Iterator[Path]:
    """The database's own files and directories; what else lies there is not ours to judge."""
    yield base
    yield base / "pyesdb.json"
    for name in ("stores", "locks", "trash", "drafts"):
        yield base / name
    for folder in _entries(base / "stores"):
        yield folder
        yield from _entries(folder)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
