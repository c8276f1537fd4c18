"""`Database`: the synchronous face of a database, and `open`."""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from pyesdb.embedded.store import Store
from pyesdb.embedded.target import Opened, default_store, open_target
from pyesdb.embedded.typed import resolved
from pyesdb.model.checks import check_bool, check_int
from pyesdb.model.config import StoreConfig, StoreSettings
from pyesdb.model.durations import Duration
from pyesdb.model.errors import DatabaseClosed, PyesdbError, RequestError
from pyesdb.model.events import RecordedEvent
from pyesdb.model.names import check_store_id
from pyesdb.model.results import BackupInfo, StoreInfo, StoreStats, StoreStatus, TrashedStore
from pyesdb.model.selectors import Selector
from pyesdb.node import backup, copying, lifecycle, listing, restoring, tuning
from pyesdb.node.catalog import CREATE_FAILED
from pyesdb.node.engine import Node
from pyesdb.node.handle import StoreHandle
from pyesdb.node.registry import release
from pyesdb.telemetry.log import logger

if TYPE_CHECKING:
    from pyesdb.types.registry import EventTypes


class Core:
    """What both faces of a database are made of: a share of the node, and the defaults."""

    def __init__(self, opened: Opened, default: str) -> None:
        self._node: Node | None = opened.node
        self._keys = opened.keys
        self.server = opened.server
        self.max_stores = opened.max_stores
        self.default = default

    @property
    def node(self) -> Node:
        """The node; raises DatabaseClosed, Forked."""
        if self._node is None:
            raise DatabaseClosed
        self._node.check()
        return self._node

    @property
    def open(self) -> bool:
        """Whether it was not closed yet."""
        return self._node is not None

    def start(self) -> None:
        """The default store exists from first start."""
        if not self.node.read_only:
            self.create_store(self.default, {}, exist_ok=True)

    def create_store(
        self,
        store_id: str,
        settings: StoreSettings,
        *,
        exist_ok: bool,
        template: str | None = None,
    ) -> None:
        """Create a store with the defaults and within the limit of this handle."""
        lifecycle.create_store(
            self.node,
            store_id,
            settings,
            self.server,
            exist_ok=exist_ok,
            template=template,
            max_stores=self.max_stores,
        )

    def restore_backup(
        self,
        path: str | PathLike[str],
        as_: str | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> str:
        """A store of a backup; returns its id."""
        with self._default_stays():
            return restoring.restore_backup(
                self.node, path, as_, on_progress, self.max_stores, self.default
            )

    def copy_store(
        self, source: str, target: str, select: Selector | None, as_of: int | datetime | None
    ) -> None:
        """A store of another one."""
        with self._default_stays():
            copying.copy_store(
                self.node, source, target, select, as_of, self.max_stores, self.default
            )

    @contextmanager
    def _default_stays(self) -> Generator[None]:
        """What should have replaced the default store, and failed late, leaves a new one."""
        try:
            yield
        except PyesdbError:
            record = self.node.record(self.default) if self.open else None
            if record is not None and record.last == CREATE_FAILED:
                try:
                    self.start()
                except PyesdbError as error:  # the next open makes it
                    logger.warning("the default store is not there: %s", error)
            raise

    def recover_store(self, store_id: str, as_: str | None) -> str:
        """Recover a store within the limit of this handle; returns its id."""
        return lifecycle.recover_store(self.node, store_id, as_, self.max_stores, self.default)

    def handle(self, store_id: str | None, database: object) -> StoreHandle:
        """A handle of a store; the id is checked, the store is looked up at the first operation.

        It keeps `database` alive: a store may be used longer than the name of its database.
        """
        store_id = self.default if store_id is None else check_store_id(store_id)
        return Handle(self, self.node, store_id, database)

    def close(self) -> None:
        """Give the share of the node back; idempotent."""
        if self._node is not None and self._node.ended is None and self._node.led_here():
            raise RequestError(
                "close() was called inside a commit of this thread (in a signal handler?): "
                "set a flag there, and close afterwards"
            )
        node, self._node = self._node, None
        if node is not None:
            release(node, self._keys)

    def warn_if_open(self) -> None:
        """A forgotten close is a ResourceWarning, never damage."""
        if self._node is not None and self._node.ended is None:
            warnings.warn(
                f"unclosed database {self._node.base}: use `with`, or call close()",
                ResourceWarning,
                stacklevel=3,
            )
            self.close()


class Handle(StoreHandle):
    """A store handle that ends with the database it came from."""

    def __init__(self, core: Core, node: Node, store_id: str, database: object) -> None:
        super().__init__(node, store_id)
        self._core = core
        self._database = database

    def check_open(self) -> None:
        """Raise DatabaseClosed, Forked."""
        _ = self._core.node


class Database:
    """Many event stores in one directory. Safe to use from any thread; made by `open`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def __repr__(self) -> str:
        return f"<Database {self._core.node.base if self._core.open else 'closed'}>"

    def store(self, store_id: str | None = None, *, types: "EventTypes | None" = None) -> Store:
        """A store by id, or the default store. It is looked up at the first operation.

        `types`: classes of its events, as registered by now; then objects of them can be appended,
        and events that are read have a `body`. Raises RequestError with all that is wrong in them.
        """
        return Store(self._core.handle(store_id, self), resolved(types))

    def create_store(
        self,
        store_id: str,
        *,
        exist_ok: bool = False,
        template: str | None = None,
        **settings: Unpack[StoreSettings],
    ) -> Store:
        """Create a store; when this returns it is running and survives a crash.

        `template`: what `settings` do not say comes from it, its later changes, too.
        Raises StoreAlreadyExists (`exist_ok`: returned as it is), InvalidStoreId, InvalidConfig,
        LimitExceeded (`max_stores` of open(config=)).
        """
        check_bool(exist_ok, "exist_ok")
        self._core.create_store(store_id, settings, exist_ok=exist_ok, template=template)
        return self.store(store_id)

    def remove_store(self, store_id: str, *, missing_ok: bool = False, purge: bool = False) -> None:
        """Remove a store: its data goes to the trash for its setting `trash_keep`.

        `purge`: it is erased now, for ever; if it was removed already, it is erased in the trash.
        Raises StoreNotFound (unless `missing_ok`), RequestError for the default store.
        """
        check_bool(missing_ok, "missing_ok")
        check_bool(purge, "purge")
        core = self._core
        lifecycle.remove_store(
            core.node, store_id, default=core.default, missing_ok=missing_ok, purge=purge
        )

    def recover_store(self, store_id: str, *, as_: str | None = None) -> Store:
        """Take a store out of the trash, as it was; `as_` gives it another id.

        It keeps its incarnation: handles, tokens and cursors of it work again. Of several with
        this id the one that was removed last. Raises StoreNotFound, StoreAlreadyExists,
        LimitExceeded (`max_stores`).
        """
        return self.store(self._core.recover_store(store_id, as_))

    def trash(self) -> list[TrashedStore]:
        """The stores that can be recovered, the oldest removal first."""
        return listing.trash(self._core.node)

    def list_stores(
        self,
        *,
        prefix: str | None = None,
        tags: Iterable[str] | None = None,
        system: bool = False,
    ) -> dict[str, StoreInfo]:
        """The stores that exist, by id; `tags`: those that carry all of them."""
        return listing.list_stores(self._core.node, prefix, tags, system=system)

    def get_store_status(self, store_id: str) -> StoreStatus:
        """Where a store is in its life; raises StoreNotFound."""
        return listing.info(self._core.node, store_id).status

    def get_store_config(self, store_id: str) -> StoreConfig:
        """The effective settings of a store, with origins; raises StoreNotFound."""
        return listing.config(self._core.node, store_id)

    def update_store(self, store_id: str, **settings: Unpack[StoreSettings]) -> StoreConfig:
        """Change settings of a store, durably and in every process; returns all of them.

        None takes a setting back to the template's, the server's or the default value.
        Raises StoreNotFound, InvalidConfig.
        """
        return tuning.update_store(self._core.node, store_id, settings)

    def freeze_store(self, store_id: str) -> None:
        """Let a store answer reads only: everything else raises StoreFrozen, in every process.

        Harmless when it is frozen already. Raises StoreNotFound.
        """
        tuning.set_frozen(self._core.node, store_id, frozen=True)

    def thaw_store(self, store_id: str) -> None:
        """Let a frozen store take writes again; harmless when it is not frozen."""
        tuning.set_frozen(self._core.node, store_id, frozen=False)

    def save_template(self, name: str, **settings: Unpack[StoreSettings]) -> None:
        """Save settings under a name, for create_store(template=name).

        A change reaches the stores that have it (their own settings win): those that are open here
        now, others before their next command. Raises InvalidConfig.
        """
        tuning.save_template(self._core.node, name, settings)

    def templates(self) -> dict[str, StoreSettings]:
        """The templates by name, each with what it sets."""
        return listing.templates(self._core.node)

    def remove_template(self, name: str) -> None:
        """Remove a template; the stores that have it keep its last values.

        Raises InvalidConfig when there is none.
        """
        tuning.remove_template(self._core.node, name)

    def backup_store(
        self,
        store_id: str,
        path: str | PathLike[str],
        *,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> BackupInfo:
        """Write the store, as it is at this moment, into one new file, while others go on writing.

        `on_progress` is called with (bytes done, bytes total); what it raises ends the backup.
        When this returns the file is complete and durable; else there is none under this name.
        Raises StoreNotFound, RequestError (the path exists), DiskFull, Corrupt (in the store).
        """
        return backup.backup_store(self._core.node, store_id, path, on_progress)

    def store_stats(self, store_id: str) -> StoreStats:
        """The figures of a store, in the same time whatever its size; raises StoreNotFound."""
        return self.store(store_id).stats()

    def restore_backup(
        self,
        path: str | PathLike[str],
        *,
        as_: str | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Store:
        """Make a store of a backup, under its old id or another one, with the settings it had.

        The store appears when everything in it was verified; nothing is overwritten (the default
        store gives way as long as nobody has used it: it goes to the trash). It has a new
        incarnation: tokens and cursors of the old one raise HistoryChanged. `on_progress` is called
        with (done, total) bytes; what it raises ends the restore, and nothing is left of it.
        Raises RequestError, Corrupt, NewerFormat (the file), StoreAlreadyExists, LimitExceeded.
        """
        return self.store(self._core.restore_backup(path, as_, on_progress))

    def copy_store(
        self,
        source: str,
        target: str,
        *,
        select: Selector | None = None,
        as_of: int | datetime | None = None,
    ) -> Store:
        """Make a store `target` of `source` as it is now, with its settings, while others write.

        `as_of`: history up to a position or a moment (`created`), with its versions, positions and
        ids. `select`: the visible events that match, with their ids, order, `created` and `time`;
        versions and positions are numbered anew. Both can be combined.
        Raises StoreNotFound, StoreAlreadyExists, LimitExceeded (`max_stores`), InvalidSelector.
        """
        self._core.copy_store(source, target, select, as_of)
        return self.store(target)

    def audit(self, *, after: int = 0, store_id: str | None = None) -> Iterator[RecordedEvent]:
        """Lifecycle events after a position: who (metadata "actor"), when, what, from where."""
        check_int(after, "after")
        store_id = None if store_id is None else check_store_id(store_id)
        pages = listing.audit(self._core.node, after, store_id)
        return (event for page in pages for event in page)

    def close(self) -> None:
        """Finish what is under way and let go of the directory; idempotent."""
        self._core.close()

    def __enter__(self) -> Self:
        _ = self._core.node
        return self

    def __exit__(
        self,
        t: type[BaseException] | None,
        e: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None:
            core.warn_if_open()


def open(  # noqa: A001  (binding name)
    target: str | PathLike[str] | None = None,
    *,
    create: bool = True,
    read_only: bool = False,
    exclusive: bool = False,
    durability: Literal["fsync", "os"] = "fsync",
    timeout: Duration = 15.0,
    config: Mapping[str, Any] | str | PathLike[str] | None = None,
) -> Database:
    """Open a directory as a database, making it if it is missing; ":memory:" is a private one.

    `target` None: PYESDB_URL, else PYESDB_DATA_DIR. `durability` and `timeout` (seconds, at most
    120) are defaults for stores created through this handle; `config` holds more of them: a
    mapping of ServerSettings, or the path of a TOML file (None: PYESDB_CONFIG). `exclusive`: no
    other process may open it meanwhile. `read_only`: no file is created or changed.
    Raises DatabaseNotFound, NotADatabase, DatabaseLocked, InvalidTarget, NoTarget, NewerFormat,
    InvalidConfig.
    """
    default = default_store()
    opened = open_target(
        target,
        create=create,
        read_only=read_only,
        exclusive=exclusive,
        durability=durability,
        timeout=timeout,
        config=config,
    )
    core = Core(opened, default)
    try:
        core.start()
    except BaseException:
        core.close()
        raise
    return Database(core)
