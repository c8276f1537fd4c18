"""Files of events: written under another name until they are whole, read line by line.

What must never happen here: a file that looks finished and is not; a line that fills the memory.
"""

import errno
import gzip
import os
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Self, cast

import pyesdb
from pyesdb.transfer.errors import InvalidExport, TruncatedExport
from pyesdb.transfer.form import LINE_BYTES_MAX

Place = str | PathLike[str] | BinaryIO
_OWN = ("pyesdb.json", "stores", "trash", "locks", "drafts", "swap")
_GZIP = b"\x1f\x8b"


@contextmanager
def writing(target: Place, *, overwrite: bool) -> Generator[BinaryIO]:
    """A binary file to write to. A path appears when all of it is durable, or not at all.

    A name that ends in .gz is compressed. A file object is written as it is, and left open; so is
    what is no file, like a pipe. A link stays: what it points to is written.
    Raises RequestError if it exists and `overwrite` is not given, or is a file of a database.
    """
    if not isinstance(target, (str, PathLike)):
        yield target
        target.flush()
        return
    path = os.fspath(target)
    if _is_special(path):
        with open(path, "wb") as file:
            yield file
        return
    if not overwrite and os.path.lexists(path):
        raise pyesdb.RequestError(f"{path} exists: give another name, or overwrite=True")
    path = os.path.realpath(path)
    _refuse_own(path)
    folder, name = os.path.split(path)
    handle, part = tempfile.mkstemp(prefix=f"{name}.", suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            if path.endswith(".gz"):
                with gzip.GzipFile("", "wb", 4, file, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(folder)
    except OSError as error:
        _unlink(part)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise pyesdb.DiskFull(f"no room for {path}: it was not written") from error
        raise
    except BaseException:
        _unlink(part)
        raise


def _is_special(path: str) -> bool:
    """Whether a path is there and neither a file nor a directory: a pipe, a device."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _refuse_own(path: str) -> None:
    """Raise RequestError for a name among the files of a database, this or another."""
    place = Path(path)
    for base in place.parents:
        if place.relative_to(base).parts[0] in _OWN and (base / "pyesdb.json").is_file():
            raise pyesdb.RequestError(
                f"{path} lies among a database's own files: give another name"
            )


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


class Lines(Iterator[bytes]):
    """The lines of a file, without their ends; bounded memory; errors name file and line.

    A path may be compressed with gzip, whatever its name; a file object is read as it is if it
    cannot be peeked into. Use it as a context manager: a path is closed, a file object is not.
    """

    def __init__(self, source: Place) -> None:
        self.number = 0
        self.ended = False
        """Whether the last line had a line end: a torn file mostly has none."""
        if isinstance(source, (str, PathLike)):
            self.name = os.fspath(source)
            self._raw = cast("BinaryIO", open(self.name, "rb"))  # noqa: SIM115  (see __exit__)
            self._owned = True
        else:
            self.name = str(getattr(source, "name", "the stream"))
            self._raw = source
            self._owned = False
        self.size = os.fstat(self._raw.fileno()).st_size if self._owned else 0
        self._file = self._raw
        peek: Callable[[int], bytes] | None = getattr(self._raw, "peek", None)
        if peek is not None and peek(2)[:2] == _GZIP:
            self._file = cast("BinaryIO", gzip.GzipFile(fileobj=self._raw))

    def done(self) -> int:
        """Bytes read so far, of `size`; 0 when that is not known."""
        return self._raw.tell() if self.size else 0

    def __next__(self) -> bytes:
        self.number += 1
        try:
            line = self._file.readline(LINE_BYTES_MAX + 1)
        except EOFError:
            raise self.truncated("the compressed data ends early") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise self.invalid(f"the compressed data is damaged ({error})") from None
        if not line:
            raise StopIteration
        self.ended = line.endswith(b"\n")
        if len(line) > LINE_BYTES_MAX:
            raise self.invalid(f"the line is longer than {LINE_BYTES_MAX:,} bytes")
        return line

    def invalid(self, why: str, number: int = 0) -> InvalidExport:
        """The error of a line, by default the last one."""
        number = number or self.number
        return InvalidExport(f"{self.name}, line {number}: {why}", file=self.name, line=number)

    def truncated(self, why: str) -> TruncatedExport:
        """The error of a file that ends too early."""
        text = f"{self.name} was cut off at line {self.number}: {why}"
        return TruncatedExport(text, file=self.name, line=self.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            self._raw.close()
