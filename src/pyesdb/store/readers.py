"""Read connections of one store: borrowed for one page, so an idle reader holds nothing."""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from pyesdb.model.errors import PyesdbError
from pyesdb.sqlite import cipher, files, swap, tail
from pyesdb.sqlite.cipher import KeyCheck, Keys
from pyesdb.sqlite.statements import ROWS, rows, texts
from pyesdb.store.applier import MovedError

T = TypeVar("T")
KEPT = 4
NAMES_MAX = 200_000


class Reader:
    """One read connection."""

    def __init__(self, path: Path, *, read_only: bool, keys: Keys | None = None) -> None:
        self.still = read_only and files.untouched(path)  # before: it may be opened meanwhile
        """It sees no change of the file, ever."""
        self.read_only = read_only
        self.connection = files.open_reader(path, read_only=read_only, keys=keys)
        self.execute = self.connection.cursor().execute
        self._texts = texts()
        self.inode: tuple[int, int] | None = None
        """Of the file, where it may be replaced."""
        self.kept = not self.still and (read_only or not self.connection.readonly("main"))
        """A file that could only be opened for reading keeps the log's index read-only for all
        connections of the process, the lane's too, until this one is closed."""

    def overtaken(self, path: Path) -> bool:
        """Whether what it read may be pages of several moments, and none of the newest."""
        return self.still and not files.untouched(path)

    def all(self, name: str, *args: Any) -> list[tuple[Any, ...]]:
        """All rows of a named statement."""
        return self.execute(self._texts[name], args).fetchall()

    def find(self, name: str, keys: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement that ends in `IN (?)`."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(keys), ROWS):
            part = keys[start : start + ROWS]
            found += self.execute(rows(name, len(part)), part).fetchall()
        return found

    def stream_name(self, id_: int) -> str:
        """A stream's name for a message, or its number when the name cannot be read."""
        try:
            return repr(self.find("stream_names", [id_])[0][1])
        except (*files.FAILURES, IndexError):
            return str(id_)

    @contextmanager
    def moment(self) -> Generator[None]:
        """Several questions to one moment of the file; keep it short: it holds the log's end."""
        self.execute("BEGIN").fetchall()
        try:
            yield
        finally:
            if self.connection.in_transaction:
                self.execute("ROLLBACK").fetchall()


class Names:
    """The store's dictionaries as readers need them: ids to names. They only ever grow."""

    def __init__(self) -> None:
        self.streams: dict[int, str] = {}
        self.types: dict[int, str] = {}

    def learn(self, reader: Reader, stream_ids: set[int], type_ids: set[int]) -> None:
        """Read the names of these streams, and all types if one of these is not known."""
        if len(self.streams) > NAMES_MAX:
            self.streams = {}
        missing = [id_ for id_ in stream_ids if id_ not in self.streams]
        self.streams.update(reader.find("stream_names", missing))  # type: ignore[arg-type]
        if not type_ids <= self.types.keys():
            self.types.update(reader.all("type_names"))  # type: ignore[arg-type]


class Readers:
    """The read connections of a store. `on_moved` gives the error when the file is another one.

    `on_open` is called before and after one is opened. What must never happen here: an answer from
    a connection that does not see what was committed before the question.
    """

    def __init__(
        self,
        path: Path,
        incarnation: int,
        on_moved: Callable[[], PyesdbError],
        on_open: Callable[[], None],
        *,
        read_only: bool,
        shared: bool,
        keys: Keys | None = None,
        database: str | None = None,
    ) -> None:
        self._path = path
        self._name = str(path)
        self._keys = keys
        self._database = database
        self._incarnation = incarnation
        self._on_moved = on_moved
        self._on_open = on_open
        self._read_only = read_only
        """Whether files are opened so that none is created or changed, not even the log's index."""
        self._shared = shared
        self._idle: list[Reader] = []
        self._all: WeakSet[Reader] = WeakSet()
        """Those that are open; one that an interrupt lost goes by itself."""
        self.peak = 0
        """As many as were open at once since none was: SQLite keeps descriptors until then."""
        self.synced = True
        """Whether each COMMIT is synced, so that a log says when it is damaged."""
        self._inode: tuple[int, int] | None = None
        self._check: KeyCheck | None = None
        """Of the key of the file that is open; None: it is a plain one."""
        self._mutex = threading.Lock()
        self._closed: PyesdbError | None = None

    def read(self, question: Callable[[Reader], T]) -> T:
        """Answer a question on a connection that nobody else uses meanwhile.

        It may be asked again, so it changes nothing that it begins from (or is a `Repeating` one).
        Each statement is a transaction of its own: a question of several takes its bounds (head,
        last version) from the first, and what lies below them does not change.
        """
        while True:
            reader = self._borrow()
            try:
                found = question(reader)
            except files.FAILURES as error:
                self._close(reader)
                if not reader.overtaken(self._path):
                    raise self._error(error) from error
            except PyesdbError:
                self._give_back(reader)
                if not reader.overtaken(self._path):
                    raise
            except BaseException:
                self._close(reader)
                raise
            else:
                self._give_back(reader)
                if not (reader.still and reader.overtaken(self._path)):
                    return found

    def _borrow(self) -> Reader:
        """A connection that sees what is committed by now."""
        if self._closed is not None:
            raise self._closed
        try:
            if self._shared and self._stat() != self._inode:
                self._look_again()
            try:
                return self._idle.pop()
            except IndexError:
                return self._open()
        except MovedError:
            self._close_idle()  # of the file that was here
            raise self._on_moved() from None

    def _error(self, error: BaseException) -> PyesdbError:
        """A file on its way to the trash or back cannot be read: not its fault."""
        try:
            there = self._stat() == self._inode
        except MovedError:
            there = False
        return files.translate(error, self._path) if there else self._on_moved()

    def _give_back(self, reader: Reader) -> None:
        fits = reader.kept and reader.inode == self._inode and reader.read_only == self._read_only
        if len(self._idle) < KEPT and self._closed is None and fits:
            self._idle.append(reader)
            if self._closed is not None:  # meanwhile: nobody else would close it
                self._close_idle()
        else:
            self._close(reader)

    def _close(self, reader: Reader) -> None:
        with self._mutex:
            self._all.discard(reader)
        reader.connection.close()

    def _stat(self) -> tuple[int, int]:
        try:
            found = os.stat(self._name)
        except FileNotFoundError:
            if swap.wait(self._path):  # it was between two renames
                return self._stat()
            raise MovedError from None
        except OSError as error:
            raise files.translate(error, self._path) from error
        return found.st_dev, found.st_ino

    def _look_again(self) -> None:
        """Another process may have removed the store: then its file is elsewhere.

        Whether another file is one of this store is seen when it is opened.
        """
        found = self._stat()
        if found != self._inode:
            if self._inode is not None and self.open and not self._has_new_key():
                raise MovedError
            self._inode = found

    def _has_new_key(self) -> bool:
        """Whether the file is another one because it was written anew under another key."""
        found = cipher.read_check(self._path)
        if found == self._check:
            return False
        self._check = found
        self._close_idle()
        return True

    def beside_writer(self, *, read_only: bool) -> None:
        """How files are opened from now on; what is idle was opened otherwise.

        A connection that may not touch the log's index has it read-only for the whole process: who
        reads beside a writer of the same process opens as that one does.
        """
        self._read_only = read_only
        self._close_idle()

    def renew(self) -> None:
        """The file was written anew by this process: what is open belongs to the old one."""
        self._inode = None
        self._close_idle()

    def _open(self) -> Reader:
        before, check = self._stat(), cipher.read_check(self._path)
        self._on_open()
        try:
            reader = Reader(self._path, read_only=self._read_only, keys=self._keys)
        except PyesdbError:
            if self._stat() != before:  # it went between the two
                raise MovedError from None
            raise
        with self._mutex:
            self._all.add(reader)
            self.peak = max(self.peak, self.open)
        try:
            self._on_open()  # it may have been found at rest meanwhile
            with files.typed_errors(self._path):
                identity = files.identity_of(reader.connection)
            other = self._database not in (None, identity.get("database"))
            found = identity.get("incarnation")
            if other or found != self._incarnation or self._stat() != before:
                raise MovedError
            if self.synced:
                tail.check(reader.connection, self._path)
        except MovedError:
            self._close(reader)
            if cipher.read_check(self._path) != check:  # a new key came in between
                return self._open()
            raise
        except BaseException:
            self._close(reader)
            raise
        self._inode, self._check = before, check
        reader.inode = before
        return reader

    def close(self, error: PyesdbError) -> None:
        """Refuse new reads and close what is idle; reads under way end by themselves."""
        self._closed = error
        self._close_idle()

    @property
    def open(self) -> int:
        """How many connections there are, borrowed ones too."""
        return len(self._all)

    def rest(self) -> bool:
        """Close all, unless one is borrowed; the next read opens one."""
        if self.open > len(self._idle):
            return False
        self._close_idle()
        if not self.open:
            self.peak = 0
        return True

    def _close_idle(self) -> None:
        while self._idle:
            try:
                reader = self._idle.pop()
            except IndexError:  # borrowed at this moment
                return
            self._close(reader)

    def abandon(self) -> list[object]:
        """After fork: give up the connections without touching the file."""
        idle, self._idle = self._idle, []
        return list(idle)
