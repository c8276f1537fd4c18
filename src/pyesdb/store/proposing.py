"""What a consumer proposes, until it is known what became of it.

What must never happen here: a claim or a word whose outcome is not known and that is forgotten; a
claim that is committed and whose events are in nobody's hands.
"""

import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple

from pyesdb.model import commands as c
from pyesdb.model.errors import OutcomeUnknown, PyesdbError
from pyesdb.model.events import RecordedEvent
from pyesdb.model.ids import uuid7_bytes
from pyesdb.model.outcomes import Done
from pyesdb.model.subscriptions import DeliveredEvent, Lease, delivered
from pyesdb.store.hands import Hands, Said
from pyesdb.store.head import Waiter
from pyesdb.store.looking import events_at
from pyesdb.store.pace import Pace
from pyesdb.store.readers import Reader
from pyesdb.store.reads import Source
from pyesdb.store.runtime import StoreRuntime
from pyesdb.store.sending import Sending


class Ask(NamedTuple):
    """Answer a question on a read connection."""

    question: Callable[[Reader], Any]


class Submit(NamedTuple):
    """Propose a command, and wait for its outcome, at most so many seconds."""

    command: c.Command
    timeout_s: float


class Wait(NamedTuple):
    """Wait until the waiter is woken, or for so many seconds (None: no limit)."""

    timeout_s: float | None


Step = Ask | Submit | Wait
Steps = Generator[Step, Any, Any]

_EXPIRED_S = 150.0
"""A command of which nothing is known so long after it was made is not stored any more."""


class Pending(NamedTuple):
    """A command under way: what it says, the events it claims, when it was made."""

    command: c.Command
    said: Said
    events: list[RecordedEvent]
    made: float


class Took(NamedTuple):
    """What became of a claim."""

    given: bool = False
    """Whether it gave events."""
    taken: int = 0
    """How many of those that were selected the log has taken."""
    alone: bool = False
    """Whether what is due next comes alone."""
    said: bool = False
    """Whether it said something, too."""


class Proposing:
    """The commands of one consumer."""

    def __init__(
        self,
        runtime: StoreRuntime,
        number: int,
        hands: Hands,
        cursor: int,
        told: Callable[[PyesdbError | None], None],
    ) -> None:
        self.runtime = runtime
        self.source: Source = runtime
        """What its events are read from."""
        self.number = number
        self.hands = hands
        self.sending = Sending(runtime, number, hands, told)
        self.pace = Pace()
        self.cursor = self.scanned = cursor
        """Where the subscription stood, and how far it was examined behind that."""
        self.unknown: list[Pending] = []
        self._mutex = threading.Lock()
        self._under_way: set[bytes] = set()
        """Ids of those of them for whose outcome somebody waits: nobody else asks for it."""
        self.flushing: list[Waiter] = []

    @property
    def timeout_s(self) -> float:
        """How long a command may take."""
        return self.runtime.config.timeout

    def _propose(
        self,
        make: Callable[[Said], c.Command | None],
        events: list[RecordedEvent],
        timeout_s: float,
    ) -> Generator[Step, Any, Any]:
        """Have the command decided that says what is to be said, if `make` gives one.

        While it is not known what became of it, it is kept, to be asked again.
        """
        made: list[Pending] = []

        def own(said: Said) -> bool:
            command = make(said)
            if command is not None:
                made.append(Pending(command, said, events, time.monotonic()))
                self._under_way.add(command.id)
                self.unknown.append(made[0])
            return command is not None

        try:
            self.hands.speak(own)
            return (yield from self._decided(made[0], timeout_s)) if made else None
        finally:
            if made:
                self._left(made[0])
                if made[0].said and made[0] in self.unknown:  # rather said twice than late
                    self.sending.repeat(made[0].said)

    def _left(self, pending: Pending) -> None:
        """Nobody waits for its outcome any more, or it is there."""
        self._under_way.discard(pending.command.id)
        for waiter in list(self.flushing):
            waiter.wake()

    def _decided(
        self, pending: Pending, timeout_s: float, *, again: bool = False
    ) -> Generator[Step, Any, Any]:
        try:
            outcome = yield Submit(pending.command, timeout_s)
        except OutcomeUnknown:
            if again:
                raise
            return (yield from self._decided(pending, timeout_s, again=True))
        except PyesdbError:
            if not again or time.monotonic() > pending.made + _EXPIRED_S:
                self.hands.unsay(pending.said)
                self.unknown.remove(pending)
            raise
        value = outcome.value if isinstance(outcome, Done) else None
        found: Any = None
        if isinstance(pending.command, c.Claim):
            found = yield from self._took(pending, value)
        else:
            self.hands.heard(pending.said, int(value or 0))
        self.unknown.remove(pending)
        return found

    def _took(self, pending: Pending, answer: Any) -> Generator[Step, Any, Took]:
        """The events of a claim, into the hands."""
        epoch, cursor, counted, again, taken, waiting, alone = answer
        if epoch != self.hands.lease.epoch:
            self.hands.heard(pending.said, len(pending.said))
            return Took()  # reset meanwhile: the next look says so
        self.hands.heard(pending.said, counted)
        behind = set(waiting)
        lease = self.hands.lease
        given = [
            delivered(event, 1, "", lease)
            for event in pending.events[:taken]
            if event.position not in behind
        ]
        if again:
            given += yield from self._again(again, lease)
        self.hands.receive(given, pending.made)
        if cursor != self.cursor:
            self.cursor = self.scanned = cursor
        self.pace.received(given)
        self.sending.arm()
        return Took(bool(given), taken, alone, bool(pending.said))

    def _again(self, again: list[Any], lease: Lease) -> Generator[Step, Any, list[DeliveredEvent]]:
        """What is given again is read; what is not there any more needs no handling."""
        positions = [position for position, _, _ in again]
        read: list[RecordedEvent] = yield Ask(partial(_read, self.source, positions))
        events = {event.position: event for event in read}
        self.hands.pass_over([position for position in positions if position not in events])
        return [
            delivered(events[position], attempt, reason, lease)
            for position, attempt, reason in again
            if position in events
        ]

    def _say(self, timeout_s: float) -> Steps:
        yield from self._propose(self._words, [], timeout_s)

    def _words(self, said: Said) -> c.Command | None:
        if not said:
            return None
        place = self.number, said.epoch, self.hands.lease.consumer
        return c.with_digest(c.Settle, uuid7_bytes(), *place, said.acks, said.nacks)

    def _resolve(self, timeout_s: float) -> Generator[Step, Any, bool]:
        """Commands of which nobody knows what became of them: ask again, with their own ids.

        Whether there were any: what came out of them may be in the hands.
        """
        found = False
        for pending in list(self.unknown):
            with self._mutex:
                if pending not in self.unknown or pending.command.id in self._under_way:
                    continue
                self._under_way.add(pending.command.id)
            try:
                yield from self._decided(pending, timeout_s, again=True)
            finally:
                self._left(pending)
            found = True
        return found


def _read(source: Source, positions: list[int], reader: Reader) -> list[RecordedEvent]:
    return events_at(reader, source, positions)
