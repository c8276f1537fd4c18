"""Encrypted files: SQLite3 Multiple Ciphers, one 32-byte key per file, a check beside the file.

Each page (in the file and in the write-ahead log) is encrypted with ChaCha20 under a nonce of its
own and authenticated with Poly1305: a damaged page is found when it is read, as the checksum VFS
finds it in a plain file. The two cannot be stacked: over another VFS `PRAGMA key` answers "ok"
and encrypts nothing. So these files are opened with the cipher VFS itself, and it is looked at.

`key.json` beside the file says that it is encrypted, and holds a keyed hash: a wrong key is told
from a damaged file. What must never happen here: a byte of content written without the key, a key
in an error, in a log, in the catalog or in a file.
"""

import hashlib
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import apsw
import msgspec

from pyesdb.model.errors import AccessDenied, Corrupt, Fault, NewerFormat, PyesdbError
from pyesdb.model.keys import Key

CHECK = "key.json"
CHECK_FORMAT = 1
CIPHER = "chacha20"
VFS = "multipleciphers-unix"
T = TypeVar("T")
Keys = Callable[[], Sequence[Key]]
"""The keys that may open a store's file, the current one first; asked when a file is opened."""


class KeyCheck(msgspec.Struct, frozen=True):
    """The content of key.json. `check` is a hash of the salt under the key."""

    format: int
    cipher: str
    salt: str
    check: str

    def fits(self, key: Key) -> bool:
        """Whether this is the key of the file."""
        return secrets.compare_digest(_hash(key, self.salt), self.check)


def _hash(key: Key, salt: str) -> str:
    """One round is enough: a key has 256 random bits, there is nothing to guess."""
    return hashlib.blake2b(
        bytes.fromhex(salt), digest_size=32, key=key.material, person=b"pyesdb-key-check"
    ).hexdigest()


def new_check(key: Key) -> KeyCheck:
    """A check for a new file."""
    salt = secrets.token_hex(16)
    return KeyCheck(CHECK_FORMAT, CIPHER, salt, _hash(key, salt))


def check_path(path: Path) -> Path:
    """Where the check of a store file lies."""
    return path.with_name(CHECK)


def read_check(path: Path) -> KeyCheck | None:
    """The check of a store file; None: the file is not encrypted."""
    place = check_path(path)
    try:
        content = place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        from pyesdb.sqlite.files import translate

        raise translate(error, place) from error
    try:
        found = msgspec.json.decode(content, type=KeyCheck)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"{place} is damaged ({error}): restore it from a backup") from error
    if found.format > CHECK_FORMAT or found.cipher != CIPHER:
        raise NewerFormat(
            f"{place} has format {found.format} ({found.cipher}), this pyesdb knows "
            f"{CHECK_FORMAT} ({CIPHER}): upgrade pyesdb"
        )
    return found


def write_check(path: Path, check: KeyCheck) -> None:
    """Put a check beside a store file that is being made; durable when this returns."""
    descriptor = os.open(check_path(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(check))
        file.flush()
        os.fsync(file.fileno())


def available() -> bool:
    """Whether the SQLite of this process can encrypt."""
    return hasattr(apsw, "mc_version") and VFS in apsw.vfs_names()


def remedy() -> str:
    """The command that makes this Python's SQLite able to encrypt."""
    python = shlex.quote(sys.executable or "python")
    return f"{python} -m pip install --force-reinstall --no-deps apsw-sqlite3mc"


def require(path: Path | None = None) -> None:
    """Raise AccessDenied, which names the remedy, when this process cannot encrypt."""
    if not available():
        what = "encrypted stores" if path is None else f"{path} is encrypted: such stores"
        raise AccessDenied(
            f"{what} need apsw with SQLite3 Multiple Ciphers, and the apsw of this Python "
            f"({apsw.apsw_version()}) has none: run `{remedy()}`, then start again"
        )


def key_for(check: KeyCheck, keys: Keys | None, path: Path) -> Key:
    """The key that fits; raises AccessDenied, which tells a missing key from a wrong one."""
    require(path)
    offered = () if keys is None else keys()
    for key in offered:
        if check.fits(key):
            return key
    what = f"{path} is encrypted"
    if not offered:
        raise AccessDenied(
            f"{what}, and no key was given for it: open the database with "
            'config={"encryption": {...}}; without its key nobody can read it'
        )
    raise AccessDenied(
        f"{what}, and the key that was given is the wrong key (the file is not damaged): give "
        "the key that it was encrypted with"
    )


def opened(path: Path, keys: Keys | None, open_with: Callable[[Key | None], T]) -> T:
    """Open a store file with the key that fits, None for a plain file.

    The file may be replaced by one with another key between the look at its check and the open.
    """
    while True:
        check = read_check(path)
        try:
            return open_with(None if check is None else key_for(check, keys, path))
        except PyesdbError:
            if read_check(path) == check:
                raise


def connect(
    path: Path, key: Key, *, flags: int, uri: str = "", statements: int = 100
) -> apsw.Connection:
    """A connection that reads and writes encrypted pages; `uri`: parameters of the file's name."""
    require()
    name = f"file:{quote(str(path))}?{uri}"
    connection = apsw.Connection(
        name, flags=flags | apsw.SQLITE_OPEN_URI, vfs=VFS, statementcachesize=statements
    )
    try:
        if connection.open_vfs != VFS:  # the key would be taken, and not used
            raise AccessDenied(f"{path} was opened with the VFS {connection.open_vfs}, not {VFS}")
        connection.execute(f"PRAGMA cipher='{CIPHER}'", can_cache=False).fetchall()
        statement = f'PRAGMA key="raw:{key.material.hex()}"'
        answer = connection.execute(statement, can_cache=False).fetchall()
        if answer != [("ok",)]:
            raise AccessDenied(f"{path}: SQLite did not take the key: {remedy()}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_new(path: Path, key: Key) -> apsw.Connection:
    """A connection to an empty file that is to be encrypted."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOMUTEX
    connection = connect(path, key, flags=flags)
    for pragma in ("page_size=4096", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def parameters(key: Key) -> str:
    """What a file's name says to SQLite for a file that is written under a key."""
    return f"vfs={VFS}&cipher={CIPHER}&key=raw:{key.material.hex()}"


def look_encrypted(path: Path) -> None:
    """Raise Fault if a file that is being made (and is closed) can be read without a key."""
    with open(path, "rb") as file:
        if file.read(16) == b"SQLite format 3\0":
            raise Fault(f"{path} was to be encrypted and is not: please report this")
