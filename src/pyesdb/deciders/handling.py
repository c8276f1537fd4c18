"""One decision from its load to its append, as steps that a face of a store carries out.

What must never happen here: a decision about one state is appended to another one. So a retry
starts with a new load, and each append is guarded by what that load has seen.
"""

import logging
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from pyesdb.deciders.decider import Decider, Handled, keeping_of
from pyesdb.deciders.keeping import Keeping
from pyesdb.model.errors import (
    CommandMismatch,
    ConditionFailed,
    Corrupt,
    OutcomeUnknown,
    PyesdbError,
    RequestError,
    WrongExpectedVersion,
)
from pyesdb.model.events import RecordedEvent, seen
from pyesdb.model.names import EVENTS
from pyesdb.model.results import AppendManyResult, AppendResult, Snapshot
from pyesdb.model.selectors import Selector
from pyesdb.model.versions import StreamVersion

S = TypeVar("S")
Result = AppendResult | AppendManyResult
_LOADS = 20
"""How often a load is torn by a scavenge before it must be something else."""
logger = logging.getLogger("pyesdb")


class Fold(Generic[S]):
    """A state while events are folded into it."""

    def __init__(self, decider: Decider[S], keeping: Keeping[S] | None) -> None:
        self._decider = decider
        self._keeping = keeping
        self.state = decider.initial()
        self.base = -1
        """The version of the snapshot that it started from."""
        self.fresh = 0
        """How many of the events were stored by this call."""
        self._next: int | None = None
        self._torn = False

    def start(self, snapshot: Snapshot | None) -> bool:
        """Start from a snapshot; False: it cannot be used, start without."""
        if snapshot is None or self._keeping is None:
            return True
        try:
            self.state = self._keeping.state(snapshot)
        except RequestError as error:
            logger.warning("snapshot of %r is passed over: %s", snapshot.stream, error)
            return False
        self.base = snapshot.version
        return True

    def add(self, event: RecordedEvent) -> None:
        """Fold one more event."""
        self.state = self._decider.evolve(self.state, seen(event))

    def add_next(self, event: RecordedEvent) -> None:
        """Fold one more event of a stream, the one behind the last."""
        self._torn = self._torn or self._next not in (None, event.version)
        self._next = event.version + 1
        if not self._torn:
            self.add(event)

    def torn(self, at: StreamVersion) -> bool:
        """Whether some of the stream's events were reclaimed while they were read."""
        return self._torn or (self._next is not None and self._next - 1 != at)

    @property
    def old(self) -> bool:
        """Whether there is anything in it that the stream held when it was loaded."""
        return self.base >= 0 or self._next is not None

    def add_stored(self, event: RecordedEvent) -> None:
        """Fold one more event, one that this call has stored."""
        self.add(event)
        self.fresh += 1


class Known(msgspec.Struct):
    """Step: what became of the command; answer: as `Store.outcome`."""


class Load(msgspec.Struct):
    """Step: fold what the target holds; answer: its version or, for a selector, the head."""

    fold: Fold[Any]
    source: str | None


class Holds(msgspec.Struct):
    """Step: whether the stream still is what it was when it was loaded, at that version, from the
    snapshot of version `base` (-1: none); answer: False if it was deleted meanwhile.
    """

    source: str
    base: int
    at: int


class Decide(msgspec.Struct):
    """Step: call `decide`; answer: its events, as a list."""

    state: Any


class Propose(msgspec.Struct):
    """Step: append at that version or behind that head; answer: the result."""

    events: list[Any]
    at: StreamVersion


class Reread(msgspec.Struct):
    """Step: fold what was stored; answer: nothing."""

    fold: Fold[Any]
    result: Result


class Keep(msgspec.Struct):
    """Step: record a snapshot; answer: nothing."""

    source: str
    version: int
    data: dict[str, Any]


Step = Known | Load | Decide | Propose | Reread | Holds | Keep
Steps = Generator[Step, Any, Handled[S]]


class Order(msgspec.Struct, Generic[S]):
    """One call of `handle`, checked."""

    decider: Decider[S]
    target: str | Selector
    decide: Callable[[S], Any]
    retries: int
    snapshot_every: int | None
    command_id: UUID
    repeated: bool
    """Whether the caller named the command: it may have been called before."""


def handling(order: Order[S]) -> Steps[S]:
    """The steps of one call; send each its answer, or throw what it raised."""
    keeping = None if order.snapshot_every is None else keeping_of(order.decider)
    if order.repeated and (done := (yield from _done(order, keeping, 0))):
        return done
    retries = 0
    while True:
        fold, at = yield from _load(order, keeping)
        events: list[Any] = yield Decide(fold.state)
        try:
            result: Result = yield Propose(events, at)
            break
        except (WrongExpectedVersion, ConditionFailed):
            if retries == order.retries:
                raise
            retries += 1
        except (CommandMismatch, OutcomeUnknown) as error:  # an earlier call may have stored it
            return (yield from _found_after(error, order, keeping, retries))
    yield from _reread(order, fold, result)
    yield from _keep(order, keeping, fold, at, result)
    return Handled(fold.state, result, retries)


def _reread(order: Order[S], fold: Fold[S], result: Result) -> Generator[Step, Any, None]:
    """Fold what was stored. Whatever is raised here must not look as if nothing had been."""
    try:
        yield Reread(fold, result)
    except Exception as error:
        error.add_note(
            f"what was decided is stored (command id {order.command_id}); the error came when it "
            "was folded into the state afterwards: do not decide it again"
        )
        raise


def _load(
    order: Order[S], keeping: Keeping[S] | None
) -> Generator[Step, Any, tuple[Fold[S], StreamVersion]]:
    """The state of now and its version: one that was, so anew when it was torn by a scavenge."""
    for _ in range(_LOADS):
        fold = Fold(order.decider, keeping)
        at: StreamVersion = yield Load(fold, keeping and keeping.source)
        if not fold.torn(at):
            return fold, at
    raise Corrupt(f"stream {order.target!r} lacks events between others: run verify()")


def _found_after(
    error: PyesdbError, order: Order[S], keeping: Keeping[S] | None, retries: int
) -> Steps[S]:
    """What the command has stored after all, or that error."""
    try:
        done = yield from _done(order, keeping, retries)
    except PyesdbError:
        done = None
    if done is None:
        raise error
    return done


def _done(
    order: Order[S], keeping: Keeping[S] | None, retries: int
) -> Generator[Step, Any, Handled[S] | None]:
    """What an earlier call with this command id has stored; None: nothing that is known."""
    found: Result | str | None = yield Known()
    if found is None or isinstance(found, str):
        return None
    target = order.target
    if not _may_be_of(found, target) and not _nowhere(found):
        where = repr(target) if isinstance(target, str) else "what the selector means"
        raise CommandMismatch(
            f"command id {order.command_id} belongs to an append that was none to {where}: use a "
            "new id"
        )
    fold, _ = yield from _load(order, keeping)
    known = msgspec.structs.replace(found, duplicate=True)
    if isinstance(target, str) and isinstance(known, AppendResult):
        known = msgspec.structs.replace(known, stream=target)
    return Handled(fold.state, known, retries)


def _may_be_of(result: Result, target: str | Selector) -> bool:
    """Whether a decision about the target may have been stored so.

    One over a selector is stored by `append` under no stream, or by `append_many` anywhere; its
    events need not be what the selector matches.
    """
    if isinstance(target, str):
        return part_of(result, target) is not None
    return isinstance(result, AppendManyResult) or result.stream == EVENTS


def _nowhere(result: Result) -> bool:
    """Whether it was an append of nothing to streams that did not exist: no name is recorded."""
    return isinstance(result, AppendResult) and not result.stream


def part_of(result: Result, stream: str) -> AppendResult | None:
    """What an append did to one stream."""
    parts = (result,) if isinstance(result, AppendResult) else result.results
    return next((part for part in parts if part.stream == stream), None)


def _keep(
    order: Order[S], keeping: Keeping[S] | None, fold: Fold[S], at: StreamVersion, result: Result
) -> Generator[Step, Any, None]:
    """Record a snapshot when one is due. It is an optimisation: the events are stored already."""
    if keeping is None or not order.snapshot_every or not isinstance(order.target, str):
        return
    part = part_of(result, order.target)
    if part is None or part.version is None or part.version - fold.base < order.snapshot_every:
        return
    if fold.fresh != part.count:  # it was scavenged meanwhile: this is no state of the stream
        return
    try:
        if fold.old and isinstance(at, int) and not (yield Holds(keeping.source, fold.base, at)):
            return  # a state that was deleted must not come back as a snapshot
        yield Keep(keeping.source, part.version, keeping.data(fold.state))
    except Exception as error:  # noqa: BLE001  (whatever it is, the command has succeeded)
        logger.warning(
            "no snapshot of stream %r at version %d: %s", order.target, part.version, error
        )
