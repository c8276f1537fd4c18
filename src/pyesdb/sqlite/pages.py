"""Every page of a store's file, read once through the checksum VFS.

It reads below SQLite's own cache: pages that no query would ask for are read as well, those that
lie free too. What must never happen here: a plain `open()` of a live file, whose close would drop
the locks that SQLite holds on it in this process.
"""

import time
from collections.abc import Callable
from pathlib import Path

import apsw

from pyesdb.sqlite import cipher
from pyesdb.sqlite.files import VFS, load_vfs, typed_errors

_STEP = 256
_TRIES = 3
_PAUSE_S = 0.01
_FLAGS = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB


def damaged(
    path: Path,
    on_pages: Callable[[int, int], None],
    most: int,
    settle: Callable[[], None] = lambda: None,
) -> list[tuple[int, str]]:
    """Pages (from 1) that do not hold what was written, with what is wrong; at most `most`.

    `on_pages` is called with (done, total) pages. A page that a checkpoint writes at this moment
    may look damaged, and one that a power cut tore in a checkpoint is whole in the log: what looks
    damaged is read again in the end, behind `settle`, a checkpoint. Raises Unavailable, Corrupt.
    An encrypted file has no checksums: the cipher authenticates each page that a query reads.
    """
    if cipher.check_path(path).exists():
        return []
    load_vfs()
    with typed_errors(path):
        file = apsw.VFSFile(VFS, str(path), [_FLAGS, 0])
        try:
            size, total = _sizes(file)
            suspects: list[int] = []
            for number in range(1, total + 1):
                if len(suspects) < most and _wrong(file, number, size):
                    suspects.append(number)
                if number % _STEP == 0:
                    on_pages(number, total)
            on_pages(total, total)
            return _again(file, suspects, settle)
        finally:
            file.xClose()


def _again(
    file: apsw.VFSFile, suspects: list[int], settle: Callable[[], None]
) -> list[tuple[int, str]]:
    """What is still wrong when a checkpoint had time to finish."""
    found: list[tuple[int, str]] = []
    size, total = _sizes(file)
    if suspects or file.xFileSize() < total * size:
        settle()
        size, total = _sizes(file)
    for _ in range(_TRIES):
        found = [(n, what) for n in suspects if (what := _wrong(file, n, size))]
        missing = total - file.xFileSize() // size
        if missing > 0:
            found = [(n, what) for n, what in found if n <= total - missing]
            found.append((total, f"the file ends {missing} pages earlier than its header says"))
        if not found:
            return []
        time.sleep(_PAUSE_S)
    return found


def _sizes(file: apsw.VFSFile) -> tuple[int, int]:
    """Bytes of a page, and pages, as the file's header says; a damaged header is page 1's fault."""
    try:
        header = file.xRead(4096, 0)
    except apsw.IOError:
        header = b""
    size = int.from_bytes(header[16:18])
    if size < 512 or size & (size - 1):
        return 4096, max(1, file.xFileSize() // 4096)
    return size, max(1, int.from_bytes(header[28:32]))


def _wrong(file: apsw.VFSFile, number: int, size: int) -> str:
    try:
        got = file.xRead(size, (number - 1) * size)
    except apsw.IOError as error:
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_DATA:
            return "it does not match its checksum"
        return f"it cannot be read ({error})"
    return "" if len(got) == size else "it is cut off"
