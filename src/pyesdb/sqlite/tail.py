"""The end of a write-ahead log: whether COMMITs lie behind what SQLite takes of it; and its frames,
made durable before others are put behind them.

After a crash SQLite reads a log up to the first frame whose checksum is wrong, and takes what
follows for a write that the crash cut short. In a log that is synced at every COMMIT such a write
is the last one: nothing was written behind it. So where a whole COMMIT lies behind a bad frame, and
another frame behind that, the bad one was good once; it was damaged, and what was acknowledged
behind it would be gone without a word. (Format of the log: sqlite.org/fileformat2.html#walformat.)

Not to be told apart: damage in the last COMMIT (and in the 24 bytes before the last page of the
one before), and a write that was cut short. Nor is a log that was not synced when the power went
(durability "os"), if the store's durability is "fsync" before it is written to again.
What must never happen here: a log called damaged because another process writes to it now.
"""

import os
import struct
from pathlib import Path
from typing import NamedTuple

import apsw

from pyesdb.model.errors import Corrupt
from pyesdb.sqlite.files import typed_errors

_HEADER, _FRAME = 32, 24
_LITTLE, _BIG = 0x377F0682, 0x377F0683
_GAP = 8
"""Frames in a row that may be damaged beyond recognition."""
_CHUNK = 1 << 20


class _Log(NamedTuple):
    """An opened log: the order of its bytes, the size of a frame, what its header says."""

    descriptor: int
    order: str
    size: int
    salts: bytes
    checksum: bytes

    def frame(self, number: int) -> bytes:
        """A frame, from 0; shorter than a frame, or empty, behind the end."""
        return os.pread(self.descriptor, self.size, _HEADER + number * self.size)

    def mine(self, frame: bytes) -> bool:
        """Whether a frame was written since the log began anew."""
        return len(frame) == self.size and frame[8:16] == self.salts

    def follows(self, frame: bytes, before: bytes) -> bool:
        """Whether a frame was written behind the one whose checksum is `before`, and is whole."""
        content = frame[:8] + frame[_FRAME:]
        return self.mine(frame) and _sum(content, self.order, before) == frame[16:24]


def check(connection: apsw.Connection, path: Path) -> None:
    """Raise Corrupt if acknowledged COMMITs lie behind a damaged frame of the log.

    For a store whose COMMITs are synced; `connection` is outside a transaction.
    """
    log = Path(f"{path}-wal")
    with typed_errors(path):
        while True:
            seen = _header(log), _end(connection)
            if seen[1] < 0 or not _damaged(log, seen[1]):
                return
            end = _end(connection)
            if seen == (_header(log), end):  # nobody wrote to it, nor began it anew
                # its close would move what can be read into the file, and cut the log off
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                raise Corrupt(
                    f"{path}-wal is damaged in frame {end + 1}, and commits lie behind it: "
                    "restore a backup of this store"
                )


def _header(log: Path) -> bytes:
    """The log's header, which is another one each time the log begins anew."""
    try:
        with log.open("rb") as file:
            return file.read(_HEADER)
    except FileNotFoundError:
        return b""


def write_again(connection: apsw.Connection, path: Path) -> None:
    """Make durable what SQLite has read of the log: it may never have reached the disk.

    An fsync that fails leaves pages that can be read and are called clean: Linux never writes them,
    and the next fsync succeeds. So a COMMIT that failed is found by the next process, which puts
    others behind it; after a power cut they lie behind a hole. Writing the same bytes once more
    makes them dirty. Not a checkpoint: over a log with such a hole it would leave new pages in the
    file that older frames of the log hide. What remains: a process that only reads the store and is
    the last to close it makes such a checkpoint. (Rebello et al., "Can Applications Recover from
    fsync Failures?", 2020.) For a store whose COMMITs are synced; raises the library's errors.
    """
    with typed_errors(path):
        end = _end(connection)
        if end <= 0:
            return
        connection.execute("BEGIN IMMEDIATE")  # nobody writes to the log, or begins it anew
        try:
            _copy_in_place(Path(f"{path}-wal"), end)
        finally:
            connection.execute("ROLLBACK")


def _copy_in_place(path: Path, frames: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        log = _open(descriptor)
        left, at = 0 if log is None else _HEADER + frames * log.size, 0
        while content := os.pread(descriptor, min(_CHUNK, left - at), at):
            at += os.pwrite(descriptor, content, at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _end(connection: apsw.Connection) -> int:
    """How many frames SQLite takes; -1 when there is no log, or nobody can write to it here."""
    try:
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchall()[0]
    except apsw.ReadOnlyError:
        return -1
    return frames if isinstance(frames, int) else -1


def _damaged(path: Path, end: int) -> bool:
    try:  # closing it drops no lock of SQLite's: there are none on a log
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        log = _open(descriptor)
        if log is None or os.fstat(descriptor).st_size <= _HEADER + end * log.size:
            return False
        return _behind(log, end)
    finally:
        os.close(descriptor)


def _behind(log: _Log, end: int) -> bool:
    """Whether a COMMIT that was followed by another write lies behind a bad frame."""
    last, bad = log.frame(end - 1)[16:24] if end else log.checksum, end
    while log.follows(frame := log.frame(bad), last):
        if any(frame[4:8]):
            return False  # SQLite could take this COMMIT, and does not: the log begins anew
        last, bad = frame[16:24], bad + 1
    near = ((n, log.frame(n)) for n in range(bad, bad + _GAP))
    number, frame = next(((n, found) for n, found in near if log.mine(found)), (bad, b""))
    while log.mine(frame):
        number += 1
        following = log.frame(number)
        if any(frame[4:8]) and log.follows(following, frame[16:24]):
            return True
        frame = following
    return False


def _open(descriptor: int) -> _Log | None:
    header = _mended(os.pread(descriptor, _HEADER, 0))
    if header is None:
        return None
    order = "<" if int.from_bytes(header[:4]) == _LITTLE else ">"
    size = _FRAME + int.from_bytes(header[8:12])
    return _Log(descriptor, order, size, header[16:24], header[24:32])


def _mended(header: bytes) -> bytes | None:
    """A header that matches its checksum, perhaps after one bit is set right; else None.

    Its number (bytes 12-15) is left as it is: a header of which only the first part was written
    differs from the one before it there.
    """
    if len(header) < _HEADER or _whole(header):
        return header if len(header) == _HEADER else None
    for bit in (*range(96), *range(128, 256)):
        other = bytearray(header)
        other[bit // 8] ^= 1 << bit % 8
        if _whole(bytes(other)):
            return bytes(other)
    return None


def _whole(header: bytes) -> bool:
    magic = int.from_bytes(header[:4])
    if magic not in (_LITTLE, _BIG):
        return False
    return _sum(header[:24], "<" if magic == _LITTLE else ">", bytes(8)) == header[24:32]


def _sum(content: bytes, order: str, before: bytes) -> bytes:
    """SQLite's checksum of a log, going on from the one before; it is stored big-endian."""
    first, second = struct.unpack(">II", before)
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return struct.pack(">II", first, second)
