"""One open store: its lane and its readers, opened when first needed, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pyesdb.log.local import LocalLog
from pyesdb.model.commands import Barrier, Command, Entry, Expire, Scavenge, with_digest
from pyesdb.model.config import StoreConfig
from pyesdb.model.errors import (
    Corrupt,
    HistoryChanged,
    NewerFormat,
    PyesdbError,
    StoreFailed,
    StoreFrozen,
)
from pyesdb.model.events import Origin
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.outcomes import Done, Outcome, Refused, error_of
from pyesdb.model.results import ScavengeResult
from pyesdb.model.versions import Token
from pyesdb.sqlite.cipher import Keys
from pyesdb.sqlite.locks import LockFile
from pyesdb.store import queries
from pyesdb.store.applier import Applier, Control
from pyesdb.store.desk import Desks
from pyesdb.store.head import Bell, Head
from pyesdb.store.lead import start_thread
from pyesdb.store.outbox import Outbox
from pyesdb.store.readers import Names, Reader, Readers
from pyesdb.store.slots import PostSlot
from pyesdb.telemetry.clock import now_us
from pyesdb.telemetry.log import logger

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

T = TypeVar("T")
_SWEEP_FIRST, _SWEEP, _SWEEP_BYTES = 32, 500, 4 << 20


class StoreRuntime:
    """A store of this process. `on_moved(runtime)` says why its file is not there any more."""

    def __init__(
        self,
        *,
        store_id: str,
        incarnation: int,
        path: Path,
        config: StoreConfig,
        control: Control | None,
        lock: LockFile | None,
        shared: bool,
        read_only: bool,
        pool: Executor,
        on_moved: Callable[[StoreRuntime], PyesdbError],
        on_open: Callable[[StoreRuntime], None],
        on_wait: Callable[[StoreRuntime], None],
        keys: Keys | None = None,
        database: str | None = None,
    ) -> None:
        self.store_id = store_id
        self.incarnation = incarnation
        self.path = path
        self.config = config
        self.origin = Origin(store_id, incarnation)
        self.ended: PyesdbError | None = None
        self.failure = ""
        self.used = time.monotonic()
        """When it was used last (monotonic seconds); duties do not count."""
        self._left = self.used
        """What `used` was when it was last let rest."""
        self.ages: bool | None = None
        """Whether it has streams with a max_age; None: nobody has looked."""
        self.shown = False
        """Whether it was shown what the catalog says since its files are open."""
        self._expired = 0.0
        self.doubts = 0
        """How often a look met an error."""
        self._noticed = 0
        """The last entry that `look` has told of."""
        self._pool = pool
        self._on_open = on_open
        self._mutex = threading.Lock()
        self._configuring = threading.Lock()
        self.head = Head(lambda: on_wait(self))
        self.elsewhere = Bell(lambda: on_wait(self))
        """Rings when entries of another process are noticed."""
        self.desks = Desks()
        """Subscriptions that have consumers in this process, by number."""
        self.applier = Applier(
            path,
            config.durability,
            self._settle,
            incarnation,
            lambda: on_open(self),
            keys,
            database,
            self.head,
            self.elsewhere,
        )
        self.applier.control = control
        self._log = LocalLog(self.applier, lock, now_us)
        self._log.start(self.applier.deliver)
        self.outbox = Outbox(self.applier, self._log, self._run, lambda: on_moved(self))
        self.readers = Readers(
            path,
            incarnation,
            lambda: on_moved(self),
            lambda: on_open(self),
            read_only=read_only,
            shared=shared,
            keys=keys,
            database=database,
        )
        self.readers.synced = config.durability == "fsync"
        self.names = Names()

    def configure(self, config: StoreConfig, control: Control) -> bool:
        """What the catalog says now; the file learns of it with the next command.

        False: this or something newer was known.
        """
        with self._configuring:
            known = self.applier.control
            if known is not None and known.revision >= control.revision:
                return False
            self.config = config
            self.ages, self._expired = None, 0.0
            self.applier.durability = config.durability
            self.readers.synced = config.durability == "fsync"
            self.applier.control = control
            return True

    def barrier(self) -> None:
        """An empty command: what the catalog wants of this store stands in its log behind it."""
        self._submit(with_digest(Barrier, uuid7_bytes()), self.config.timeout)

    def _run(self, function: Callable[[], None]) -> bool:
        """Whether it runs on another thread, soon."""
        try:
            self._pool.submit(function)
        except RuntimeError:  # the pool is shut down: finish what was queued here
            return start_thread(function)
        return True

    def _settle(self, entry: Entry, outcomes: list[Outcome]) -> None:
        if self.desks:  # first: who is answered finds his change at work
            try:
                self.desks.tell(entry.commands)
            except Exception:  # noqa: BLE001  (it is stored, whatever becomes of a hint)
                logger.exception("telling the consumers of store %s", self.store_id)
        self.outbox.settle(entry, outcomes)

    # -- commands

    def submit(self, command: Command, timeout_s: float) -> Outcome:
        """The outcome of a command; a refusal is raised, here and nowhere else."""
        self.used = time.monotonic()
        if not self.applier.open and self.ended is None:
            self._on_open(self)  # others that close for it must not do so in its lane
        return self._submit(command, timeout_s)

    def _submit(self, command: Command, timeout_s: float) -> Outcome:
        try:
            return _accepted(self.outbox.submit(command, timeout_s))
        except (Corrupt, NewerFormat) as error:
            self.failure = str(error)
            raise

    def post(self, slot: PostSlot) -> None:
        """Queue a command for which nobody waits; its slot is told."""
        if not self.applier.open and self.ended is None:
            self._on_open(self)
        self.outbox.post(slot)

    async def submit_async(
        self, command: Command, timeout_s: float, loop: AbstractEventLoop
    ) -> Outcome:
        """The same without blocking `loop`, the running one; cancelling withdraws what waits."""
        self.used = time.monotonic()
        try:
            return _accepted(await self.outbox.submit_async(command, timeout_s, loop))
        except (Corrupt, NewerFormat) as error:
            self.failure = str(error)
            raise

    # -- questions

    def ask(self, question: Callable[[Reader], T]) -> T:
        """Answer a question on a read connection; a damaged file fails this store only."""
        self.used = time.monotonic()
        try:
            return self.readers.read(question)
        except (Corrupt, NewerFormat, StoreFailed) as error:
            self.failure = str(error)
            raise

    def _ask(self, question: Callable[[Reader], T]) -> T:
        try:
            return self.readers.read(question)
        except (Corrupt, NewerFormat, StoreFailed) as error:
            self.failure = str(error)
            raise

    def reached(self, at_least: Token | int) -> bool:
        """Whether a position or token is applied here; raises HistoryChanged."""
        if isinstance(at_least, Token):
            if at_least.incarnation != self.incarnation:
                raise HistoryChanged(
                    f"token {at_least} belongs to another history of store {self.store_id!r}"
                )
            return self.ask(queries.applied) >= at_least.applied
        return self.ask(queries.head) >= at_least

    # -- waking

    @property
    def watched(self) -> bool:
        """Whether somebody waits for what is new."""
        return bool(self.head.waiting or self.elsewhere.waiting)

    def ring(self) -> None:
        """Let all who wait look again."""
        self.head.ring()
        self.elsewhere.ring()
        self.desks.ring()

    def doubt(self) -> None:
        """A look met an error: let all who wait read, and meet it if it is still there."""
        self.doubts += 1
        self.ring()

    def look(self) -> None:
        """Take notice of what other processes committed; raises what reads raise."""
        applied, position = self._ask(
            lambda reader: (queries.applied(reader), queries.head(reader))
        )
        self.head.seen(position)
        if applied > self._noticed:
            if applied > self.applier.newest:  # else the applier has noticed them
                self.elsewhere.ring()
            self._noticed = applied  # last: who is interrupted has told nobody

    def end(self, error: PyesdbError) -> None:
        """From now on calls raise `error`, and those that wait learn it."""
        if self.ended is None:
            self.ended = error
        self.ring()

    # -- duties

    def expire(self, timeout_s: float, going: Callable[[], None] = lambda: None) -> None:
        """Hide what max_age says, stream by stream; `going` is called before each step."""
        after: int | None = 0
        while after is not None:
            going()
            command = with_digest(Expire, uuid7_bytes(), now_us(), after, 1000)
            outcome = self._submit(command, timeout_s)
            after = outcome.value if isinstance(outcome, Done) else None

    def expire_if_used(self) -> None:
        """`expire`, if the store or one of its streams has a max_age."""
        if self.ended is not None:
            return
        began = time.monotonic()
        if not self.ages:  # another process may have given a stream its max_age
            self.ages = self.config.max_age is not None or self._ask(queries.has_retention)
        if self.ages:
            with suppress(StoreFrozen):  # nothing changes in it, by age neither
                self.expire(self.config.timeout)
        self._expired = began

    def scavenge(
        self,
        timeout_s: float,
        on_progress: Callable[[int, int], None] | None,
        going: Callable[[], None] = lambda: None,
    ) -> ScavengeResult:
        """Reclaim what is hidden, in small steps; progress is (done, total) events.

        `going` is called before each step; what it raises ends it there.
        """
        self.expire(timeout_s, going)
        total = self.ask(queries.hidden_events) if on_progress else 0
        free = self.ask(queries.free_bytes)
        events = 0
        after: int | None = 0
        limit = min(_SWEEP, _SWEEP_FIRST)
        while after is not None:
            going()
            outcome = self.submit(with_digest(Scavenge, uuid7_bytes(), after, limit), timeout_s)
            if not isinstance(outcome, Done):
                break
            swept, size, after = outcome.value
            events += swept
            if size > _SWEEP_BYTES:  # nobody else commits during a step
                limit = max(1, limit // 4)
            elif size * 2 < _SWEEP_BYTES:
                limit = min(_SWEEP, limit * 4)
            if on_progress:
                on_progress(events, max(total, events))
        return ScavengeResult(events, max(0, self.ask(queries.free_bytes) - free))

    @property
    def owes_expiry(self) -> bool:
        """Whether it was used, and perhaps has a max_age, since it was looked at."""
        return self.ages is not False and self.used > self._expired and self.ended is None

    # -- at rest

    @property
    def open(self) -> bool:
        """Whether it has files open."""
        return self.applier.open or self.readers.open > 0

    @property
    def descriptors(self) -> int:
        """How many it has, about: file and log of each connection, index of the log, lock file."""
        return 4 + 2 * self.readers.peak

    @property
    def resting(self) -> bool:
        """Whether nobody used it since it was last let rest: whoever opens it closes it."""
        return self._left == self.used

    def rest(self) -> bool:
        """Close the files if nobody uses them; the next call opens them. Whether none is open."""
        self._left = self.used
        self.outbox.alone(self._close_files)
        return not self.open

    def _close_files(self) -> None:
        if self.readers.rest():
            self.shown = False
            self.applier.close()
            self._log.rest()
            self.names = Names()

    # -- the end

    def close(self, error: PyesdbError) -> None:
        """Calls under way end; new ones raise `error`."""
        self.end(error)
        self.dispose(error)

    def dispose(self, error: PyesdbError) -> None:
        """Close the lane and the readers; not from a thread that leads the lane."""
        with self._mutex:
            self.outbox.close(error)
            self.readers.close(error)

    def abandon(self) -> list[object]:
        """After fork, in the child: nothing here is used or closed any more."""
        return [self, *self.outbox.abandon(), *self.readers.abandon()]


def _accepted(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Refused):
        raise error_of(outcome)
    return outcome
