"""The node: one database directory in this process, shared by all its handles (node.registry).

It owns the lock files, the runtimes of the open stores, the catalog and a small pool of threads.
"""

import ctypes
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import WeakValueDictionary

from pyesdb.config import settings as table
from pyesdb.config.keys import KeySource
from pyesdb.model.config import StoreConfig
from pyesdb.model.errors import (
    AccessDenied,
    DatabaseClosed,
    Forked,
    PyesdbError,
    StoreFailed,
    StoreNotFound,
    StoreRemoved,
    StoreStarting,
    Unavailable,
)
from pyesdb.model.names import SYSTEM
from pyesdb.node import alone, reconcile, trash
from pyesdb.node.catalog import Catalog, Record, Template, append_to_catalog, store_stream
from pyesdb.node.duties import Duties
from pyesdb.node.keyring import Keyring
from pyesdb.node.layout import MARKER, Layout, lock_database, make_folders, prepare
from pyesdb.node.opened import OpenStores, default_most
from pyesdb.node.poller import Poller
from pyesdb.node.settling import settle
from pyesdb.node.system import lost, make_system
from pyesdb.sqlite import swap
from pyesdb.sqlite.locks import LockFile, command_of
from pyesdb.store.applier import Control
from pyesdb.store.lead import start_thread
from pyesdb.store.runtime import StoreRuntime
from pyesdb.telemetry.log import logger

IDLE_EVERY_S, REFRESH_EVERY_S = 10.0, 10.0
AGE_EVERY_S, TRASH_EVERY_S = 30.0, 60.0


class Node:
    """All stores of one directory in this process."""

    def __init__(
        self,
        base: Path,
        *,
        create: bool,
        read_only: bool,
        exclusive: bool,
        twin: "Node | None" = None,
        keys: KeySource | None = None,
    ) -> None:
        self.keys = Keyring(keys)
        marker = prepare(base, create=create and not read_only)
        self.base = base
        self.database = marker.database
        self.layout = Layout(base)
        self.read_only = read_only
        self.hands_off = read_only and twin is None
        """Whether no file is created or changed, not even the index of a log."""
        self.exclusive = exclusive
        self.temporary = False
        self.users = self.leaving = 0
        """Handles that are open, and those of them that are closed at this moment."""
        self.ended: PyesdbError | None = None
        self._mutex = threading.RLock()
        self._runtimes: WeakValueDictionary[str, StoreRuntime] = WeakValueDictionary()
        """Those that somebody has a handle of, or that are open."""
        self.opened = OpenStores(read_only=read_only)
        self.duties = Duties()
        self.poller = Poller(needed=not exclusive)
        self._lock_files: dict[str, LockFile] = {}
        self.pool = ThreadPoolExecutor(2, thread_name_prefix="pyesdb")
        # apart from the pool: what waits there for a commit must not keep its leader from a thread
        self.leaders = ThreadPoolExecutor(2, thread_name_prefix="pyesdb-lane")
        if not read_only:
            make_folders(self.layout)
        # record locks belong to the process: a second open and close of the file would drop them
        shared = twin.database_lock if twin else None
        self.database_lock = shared or lock_database(
            self.layout, exclusive=exclusive, writable=not read_only
        )
        try:
            self.system = self._open_system()
            self.catalog = Catalog(self.system)
            if not read_only:
                settle(self)
        except BaseException:
            self.shut(DatabaseClosed(), unlock=shared is None)
            raise

    @property
    def max_open_stores(self) -> int:
        """How many stores may have files open; those that nobody uses close over it."""
        return self.opened.most

    @max_open_stores.setter
    def max_open_stores(self, most: int | None) -> None:
        self.opened.most = default_most() if most is None else most

    # -- what reconcile needs

    def record(self, store_id: str) -> Record | None:
        """What the catalog says of a store id now."""
        return self.catalog.get(store_id)

    def note(self, record: Record, kind: str, data: dict[str, object]) -> None:
        """Append an event to a store's stream, behind `record`; raises WrongExpectedVersion."""
        append_to_catalog(self.system, store_stream(record.store_id), record.version, kind, data)

    def erased(self, incarnation: int) -> bool:
        """Whether the catalog says that a history was erased."""
        return self.catalog.erased(incarnation)

    def lock_file(self, store_id: str) -> LockFile:
        """The lock file of a store; one object per path and process."""
        with self._mutex:
            if store_id not in self._lock_files:
                self._lock_files[store_id] = LockFile(self.layout.lock(store_id))
            return self._lock_files[store_id]

    def config_of(self, record: Record) -> StoreConfig:
        """The effective settings of a store."""
        return self._layered(
            record, self.catalog.template(record.template) if record.template else None
        )

    def control_of(self, record: Record) -> Control:
        """What a store's own log must say."""
        return self._wanted(record)[1]

    def _wanted(self, record: Record) -> tuple[StoreConfig, Control]:
        """Settings and control of one moment: a revision never goes with older settings.

        A change of its template counts as a change of the store.
        """
        record, template = self.catalog.current(record)
        config = self._layered(record, template)
        revision = max(record.revision, template.revision if template else 0)
        return config, Control(revision, table.for_machine(config), record.frozen)

    def _layered(self, record: Record, template: Template | None) -> StoreConfig:
        settings = template.settings if template else {}
        return table.effective(self.base, record.store_id, record.server, settings, record.settings)

    def late(self, lock: LockFile) -> PyesdbError:
        """The error of a deadline that passed while another process held a store."""
        pid = lock.holder()
        return Unavailable(
            f"process {pid} ({command_of(pid) if pid else 'unknown'}) holds the store and does not "
            "let go: let it go on, or stop it; then call again"
        )

    def forget(self, store_id: str) -> None:
        """Close what is open of a store that is going."""
        with self._mutex:
            runtime = self._runtimes.pop(store_id, None)
        if runtime is not None:
            runtime.close(StoreRemoved(f"store {store_id!r} was removed"))
            self.opened.forget(runtime)

    def refresh(self) -> None:
        """Show the open stores what the catalog says now: settings, freeze, removal."""
        for runtime in self.open_stores():
            record = self._there(runtime)
            if record is None:
                self._moved(runtime)
                continue
            try:
                self.show(runtime, record)
            except PyesdbError as error:  # that store only: its next command brings it
                logger.warning("store %s does not follow yet: %s", runtime.store_id, error)

    def open_stores(self) -> list[StoreRuntime]:
        """The stores that have files open in this process; not `$system`.

        Those that rest look at the catalog before they open their files again.
        """
        return self.opened.all()

    def show(self, runtime: StoreRuntime, record: Record) -> bool:
        """Bring an open store up to its record, and its file before this returns.

        False: it was up to it before.
        """
        if not runtime.configure(*self._wanted(record)):
            return False
        if not self.read_only:
            runtime.barrier()
        return True

    def expire_trash(self) -> None:
        """Erase what has been in the trash for its time; a recovery that was faster wins."""
        trash.expire(self)

    # -- runtimes

    def _open_system(self) -> StoreRuntime:
        path = self.layout.file(SYSTEM)
        if not path.exists():
            if self.read_only:
                raise lost(path)
            make_system(self, path)
        config = table.effective(self.base, SYSTEM, {}, {}, {})
        return self._runtime(SYSTEM, 0, config, None)

    def _runtime(
        self, store_id: str, incarnation: int, config: StoreConfig, control: Control | None
    ) -> StoreRuntime:
        shared = not self.exclusive
        return StoreRuntime(
            store_id=store_id,
            incarnation=incarnation,
            path=self.layout.file(store_id),
            config=config,
            control=control,
            lock=None if self.exclusive or self.read_only else self.lock_file(store_id),
            shared=shared,
            read_only=self.hands_off,
            pool=self.leaders,
            on_moved=self._moved,
            on_open=self._opening,
            on_wait=self.poller.watch,
            keys=self.keys.of(store_id),
            database=self.database,
        )

    def _opening(self, runtime: StoreRuntime) -> None:
        """A store opens a file, on the thread that needs it; `$system` stays open for ever."""
        if runtime.store_id == SYSTEM:
            return
        if self.opened.add(runtime) or not runtime.shown:
            record = self._there(runtime)
            if record is not None:
                runtime.configure(*self._wanted(record))
            runtime.shown = True  # behind it: who comes meanwhile, or after an error, looks too
            self.start_duties()

    def _there(self, runtime: StoreRuntime) -> Record | None:
        """The record of a runtime, if the catalog says that its store is there."""
        record = self.catalog.get(runtime.store_id)
        there = record and record.ready and record.incarnation == runtime.incarnation
        return record if there else None

    def start_duties(self) -> None:
        """From now on this node does by itself what must be done now and then."""
        self.duties.add("idle", self.opened.close_idle, IDLE_EVERY_S)
        self.duties.add("refresh", self.refresh, REFRESH_EVERY_S)
        if not self.read_only:
            self.duties.add("age", self.opened.expire, AGE_EVERY_S)
            self.duties.add("trash", self.expire_trash, TRASH_EVERY_S)

    def runtime(self, store_id: str, wait_s: float | None = None) -> StoreRuntime:
        """The running store of an id; raises StoreNotFound, StoreFailed, StoreStarting."""
        self.check()
        found = self._runtimes.get(store_id)
        record = self.catalog.get(store_id)
        if found is not None and found.ended is None:
            if record is not None and record.ready and record.incarnation == found.incarnation:
                return found
            self._moved(found)  # another process removed it
        if record is not None and record.exists and not reconcile.at_rest(self, record):
            record = self._wait_until_ready(record, wait_s)
        if record is None:
            raise StoreNotFound(
                f"there is no store {store_id!r}: create_store({store_id!r}) makes it, "
                "list_stores() shows what there is"
            )
        if not record.ready:
            raise StoreNotFound(record.gone())
        try:
            reconcile.check_present(self, record)
        except StoreFailed:
            if self._lost(record):
                raise
            return self.runtime(store_id, wait_s)  # it went meanwhile, or is coming back
        with self._mutex:
            self.check()
            found = self._runtimes.get(store_id)
            if found is None or found.ended is not None:
                found = self._runtime(store_id, record.incarnation, *self._wanted(record))
                self._runtimes[store_id] = found
            return found

    def _lost(self, record: Record) -> bool:
        """Whether its file is missing though it is not on its way."""
        rests = self.catalog.get(record.store_id) == record and reconcile.at_rest(self, record)
        return rests and not self.layout.file(record.store_id).exists()

    def failure(self, record: Record) -> str:
        """What this process found wrong with a store's file, "" for nothing."""
        found = self._runtimes.get(record.store_id)
        if found and found.incarnation == record.incarnation and found.failure:
            return found.failure
        return self.keys.locked(record.store_id, self.layout.file(record.store_id))

    def _wait_until_ready(self, record: Record, wait_s: float | None = None) -> Record | None:
        """A store that is being created: finish it, or say that it is not there yet."""
        starting = StoreStarting(f"store {record.store_id!r} is being created: try again")
        if self.read_only:
            raise starting
        wait_s = self.config_of(record).timeout if wait_s is None else wait_s
        try:
            reconcile.reconcile(self, record.store_id, time.monotonic() + wait_s)
        except Unavailable as error:
            raise starting from error
        return self.catalog.get(record.store_id)

    def beside_writer(self, *, there: bool) -> None:
        """Another handle of this process begins to write to the directory, or has ended."""
        self.hands_off = not there
        for runtime in [*self.known(), self.system]:
            runtime.readers.beside_writer(read_only=self.hands_off)

    def led_here(self) -> bool:
        """Whether this very thread is inside a commit of one of the stores."""
        return any(r.outbox.led_here() for r in [*self.known(), self.system])

    def known(self) -> list[StoreRuntime]:
        """The stores that somebody has a handle of, or that are open; not `$system`."""
        with self._mutex:
            return list(self._runtimes.values())

    def _moved(self, runtime: StoreRuntime) -> PyesdbError:
        """The error of a runtime whose file is not where it was: the catalog decides."""
        record = None if runtime is self.system else self._there(runtime)
        moving = swap.pending(runtime.path.parent)
        if record and (moving or not reconcile.at_rest(self, record)):
            self._wait_until_ready(record)
            return StoreStarting(f"store {runtime.store_id!r} was being recovered: try again")
        if record and self._in_place(runtime):
            return StoreStarting(f"store {runtime.store_id!r} went and came back: try again")
        if runtime is self.system:
            return lost(runtime.path)
        if record:
            return StoreFailed(
                f"store {runtime.store_id!r}: {runtime.path} is missing or was replaced, or does "
                f"not belong to the database of {MARKER}: put its own file back, or restore it "
                "from a backup"
            )
        error = StoreRemoved(f"store {runtime.store_id!r} was removed")
        with self._mutex:
            if self._runtimes.get(runtime.store_id) is runtime:
                del self._runtimes[runtime.store_id]
        self.opened.forget(runtime)
        runtime.end(error)
        start_thread(runtime.dispose, error)  # without one, its files stay open until the exit
        return error

    def _in_place(self, runtime: StoreRuntime) -> bool:
        """Whether the file that lies at its path is one of this store."""
        keys = self.keys.of(runtime.store_id)
        return alone.incarnation_of(runtime.path, keys, self.database) == runtime.incarnation

    # -- the end

    def check(self) -> None:
        """Raise what ended this node."""
        if self.ended is not None:
            raise self.ended

    def writable(self) -> None:
        """Raise AccessDenied when the database was opened for reading."""
        self.check()
        if self.read_only:
            raise AccessDenied("the database was opened with read_only=True: open it without")

    def shut(self, error: PyesdbError, *, unlock: bool) -> None:
        """Close everything; `unlock`: nobody else in this process has the database's lock."""
        self.ended = error
        self.duties.stop()
        self.poller.stop()
        system = getattr(self, "system", None)
        for runtime in [*self.known(), *([system] if system else [])]:
            runtime.close(error)
        self.pool.shutdown(wait=True)
        self.leaders.shutdown(wait=True)
        if self.database_lock is not None and unlock:
            self.database_lock.close()
        for lock in self._lock_files.values():
            lock.close()

    def abandon(self) -> None:
        """After fork, in the child: every handle raises Forked, and nothing is touched."""
        self.ended = Forked()
        for runtime in [*self._runtimes.values(), self.system]:
            runtime.ended = self.ended
            for part in runtime.abandon():
                # never freed: closing it here would touch the parent's files
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(part))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
