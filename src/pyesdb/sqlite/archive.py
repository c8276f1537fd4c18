"""A backup: one file that proves what it is.

    the store's SQLite file    any SQLite tool opens the backup, read-only: its header says where
                               it ends, and what follows is not looked at
    manifest                   JSON: whose history this is, up to where, with which settings
    trailer                    52 bytes: magic, version, length of the manifest, SHA-256 of them

The manifest has the SHA-256 of everything before it, the trailer that of the manifest: no byte is
without a proof. What must never happen here: a file that is taken for a backup before its trailer.
"""

import os
from hashlib import sha256
from pathlib import Path
from struct import Struct as Layout
from typing import Any, BinaryIO

import msgspec

from pyesdb.model.errors import Corrupt, NewerFormat, RequestError
from pyesdb.sqlite import files
from pyesdb.sqlite.backup import Steps
from pyesdb.sqlite.cipher import KeyCheck

VERSION = 1
MAGIC = b"\x00PyESDB\n"
_TRAILER = Layout(">8sIQ32s")
_NUMBERS = Layout(">IQ")
_CHUNK = 1 << 20
_SQLITE = b"SQLite format 3\x00"
_MANIFEST_MAX = 64 << 20


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself. `created` is when it was taken, by the wall clock."""

    format: int
    store_id: str
    incarnation: int
    database: str
    position: int
    """The last event's position."""
    seq: int
    chain: str
    bytes: int
    """Bytes before the manifest, and their SHA-256."""
    sha256: str
    created: str
    pyesdb: str
    encrypted: bool
    frozen: bool
    settings: dict[str, Any]
    server: dict[str, Any]
    template: str | None = None
    template_settings: dict[str, Any] = {}
    key: KeyCheck | None = None
    """Tells the key of an encrypted store's file from another one."""


class Digest:
    """Bytes and SHA-256 of a file, as far as it is written."""

    def __init__(self, path: Path) -> None:
        self.bytes = 0
        self._hashed = sha256()
        with files.typed_errors(path), path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self.add(chunk)

    def add(self, chunk: bytes) -> None:
        """Take what comes next."""
        self._hashed.update(chunk)
        self.bytes += len(chunk)

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._hashed.hexdigest()


def encrypted(path: Path) -> bool:
    """Whether a store's file cannot be read without its key."""
    with files.typed_errors(path), path.open("rb") as file:
        return file.read(len(_SQLITE)) != _SQLITE


def seal(path: Path, manifest: Manifest, digest: Digest) -> None:
    """Put manifest and trailer behind a store's file, and sync it: it is a backup now.

    `digest`, that of the store's file, becomes that of the backup.
    """
    encoded = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    trailer = _TRAILER.pack(MAGIC, VERSION, len(encoded), _proof(VERSION, encoded))
    digest.add(encoded + trailer)
    with files.typed_errors(path), path.open("ab") as file:
        file.write(encoded + trailer)
        file.flush()
        os.fsync(file.fileno())


def _proof(version: int, manifest: bytes) -> bytes:
    return sha256(_NUMBERS.pack(version, len(manifest)) + manifest).digest()


def read_manifest(path: Path) -> Manifest:
    """The manifest of a backup, proved; raises RequestError, Corrupt, NewerFormat."""
    if path.is_dir():
        raise RequestError(f"{path} is a directory: give the backup's file")
    if not path.exists():
        raise RequestError(f"there is no file {path}: check the path of the backup")
    with files.typed_errors(path), path.open("rb") as file:
        return _read(file, path)


def _read(file: BinaryIO, path: Path) -> Manifest:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TRAILER.size))
    tail = file.read()
    if len(tail) < _TRAILER.size or not tail.startswith(MAGIC):
        raise _foreign(file, path)
    _, version, length, proof = _TRAILER.unpack(tail)
    start = size - _TRAILER.size - length
    if start < 0 or length > _MANIFEST_MAX:
        raise _damaged(path, "the length of its manifest")
    file.seek(start)
    encoded = file.read(length)
    if _proof(version, encoded) != proof:
        raise _damaged(path, "its manifest")
    if version > VERSION:
        raise NewerFormat(
            f"{path} is a backup of version {version}, this pyesdb knows {VERSION}: upgrade pyesdb"
        )
    try:
        manifest = msgspec.json.decode(encoded, type=Manifest)
    except msgspec.MsgspecError as error:
        raise _damaged(path, f"its manifest ({error})") from None
    if manifest.format > files.FORMAT:
        raise NewerFormat(
            f"{path} has format {manifest.format}, this pyesdb knows {files.FORMAT}: upgrade pyesdb"
        )
    if manifest.bytes != start:
        raise _damaged(path, f"its length: {start:,} bytes before the manifest, not as it says")
    return manifest


def _foreign(file: BinaryIO, path: Path) -> Corrupt | RequestError:
    file.seek(0)
    if file.read(len(_SQLITE)) == _SQLITE:
        return Corrupt(
            f"{path} has no manifest at its end: the backup was cut off or damaged there (or it is "
            "no backup, but a database file): use another backup"
        )
    return RequestError(f"{path} is no backup of a pyesdb store, or its end is missing")


def _damaged(path: Path, what: str) -> Corrupt:
    return Corrupt(f"{path} is damaged in {what}: use another backup")


def extract(path: Path, manifest: Manifest, target: Path) -> Steps:
    """Write the store's file of a backup as a new file, step by step; raises Corrupt, DiskFull.

    It is proved by the last step.
    """
    hashed, done = sha256(), 0
    with files.typed_errors(path):
        source = path.open("rb")
    with source, files.typed_errors(target):
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while chunk := source.read(min(_CHUNK, manifest.bytes - done)):
                hashed.update(chunk)
                file.write(chunk)
                done += len(chunk)
                yield done, manifest.bytes
    if hashed.hexdigest() != manifest.sha256:
        raise _damaged(path, "its content: the SHA-256 is not the one of its manifest")
